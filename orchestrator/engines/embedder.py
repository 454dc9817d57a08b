"""The port that turns text into vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from orchestrator.engines.classifier import Matrix


class Embedder(Protocol):
    """Embeds text; thread-safe; vectors of two embedders with another `name` must never meet in one index."""

    #: Names the model and its precision; stored with every chunk.
    name: str
    #: Length of a vector.
    dim: int

    def embed(self, texts: Sequence[str]) -> Matrix:
        """Return (len(texts), dim) float32 rows, L2-normalised, in the order given; longer texts are cut at the model's window.

        Raises:
            EngineError: the model gave something unusable.
        """
