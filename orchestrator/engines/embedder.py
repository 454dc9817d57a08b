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
        """Return (len(texts), dim) float32 rows, L2-normalised, in the order given.

        A text longer than the model's window is cut there.

        Raises:
            EngineError: the model gave something unusable.
        """
