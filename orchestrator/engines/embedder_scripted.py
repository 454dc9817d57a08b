"""An embedder without a model: texts that share words and pieces of words are near each other.

For tests, for machines that can't hold a model, and as the baseline that a model must beat.
"""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.engines.classifier import Matrix
from orchestrator.engines.ngrams import hashed_ngrams, normalised


class ScriptedEmbedder:
    """Hashed n-grams, L2-normalised: deterministic on every machine and instant to load."""

    def __init__(self, dim: int = 384) -> None:
        self.name = f"hashed-ngrams-{dim}"
        self.dim = dim

    def embed(self, texts: Sequence[str]) -> Matrix:
        """Return (len(texts), dim) float32 rows of length 1, in the order given.

        A text without a letter or digit gives the first axis, so that every row has a direction.
        """
        rows = hashed_ngrams(texts, buckets=self.dim)
        rows[~rows.any(axis=1), 0] = 1.0
        return normalised(rows)
