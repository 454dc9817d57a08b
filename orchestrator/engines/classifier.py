"""The port that says which way a question goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from orchestrator.events import Route

Vector = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """One question's scores, summing to 1 over the four routes, and its sentence embedding if the encoder gave one."""

    scores: Mapping[Route, float]
    #: Mean-pooled, L2-normalised, float32 (dim,); None when the classifier's encoder is not the embedder's.
    embedding: Vector | None = None

    def ranked(self) -> list[tuple[Route, float]]:
        """Return (route, score), the most likely first; ties in the order of the routes' names."""
        return sorted(self.scores.items(), key=lambda pair: (-pair[1], pair[0]))

    @property
    def belongs_nowhere(self) -> bool:
        """Return whether the scores are so flat that no route is likely.

        Where a head shares out the weight of "nowhere" evenly, the lowest score shows that share, and this is true
        when it outweighs what the best route has of its own.
        """
        low, high = min(self.scores.values()), max(self.scores.values())
        return len(self.scores) * low > high - low


class Classifier(Protocol):
    """Scores questions; thread-safe, loaded once, deterministic for a given model."""

    #: What a person reads in the stage's summary, for example `all-MiniLM-L6-v2 + head 3f2a`.
    name: str

    def classify(self, texts: Sequence[str]) -> list[Classification]:
        """Return one classification for each text, in order; an empty list for none.

        Raises:
            EngineError: the model gave something unusable.
        """
