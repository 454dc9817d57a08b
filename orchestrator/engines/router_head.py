"""What turns a sentence vector into four scores: a linear layer, small enough to read, without pickle.

Beside the vector it sees the text's hashed n-grams: the built-in encoder is English first, and Spanish words reach it
as splinters. A fifth class, trained on questions that belong nowhere, gives its share back to all four routes alike:
the less a question belongs, the nearer its best score comes to a quarter, and the threshold then asks back.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from orchestrator.engines.classifier import Matrix, Vector
from orchestrator.engines.ngrams import hashed_ngrams, normalised
from orchestrator.errors import EngineError
from orchestrator.events import ROUTES, Route

#: Raised when the features or the file change; a head of another format is trained anew.
FORMAT = 1
NOWHERE = "nowhere"
CLASSES: tuple[str, ...] = (*ROUTES, NOWHERE)
_CARD = "head.json"


class HeadCard(BaseModel):
    """What is written beside the weights: where the head comes from and what it may be trusted with."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int
    classes: tuple[str, ...]
    encoder: str
    encoder_sha256: str
    #: File name and sha256 of the weights.
    weights: str
    weights_sha256: str
    #: Divides the logits, so that a score of 0.8 is right about eight times in ten.
    temperature: float = Field(gt=0)
    #: Below this best score the product asks back.
    threshold: float = Field(ge=0, le=1)
    #: How much the n-grams weigh against the sentence vector.
    lexical_weight: float = Field(ge=0)
    training_set_sha256: str
    trained_on: int
    trained_at: str
    #: Accuracy by cross-validation over groups of alike questions, for all and by language.
    cross_validated: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """The numbers of a head; float32."""

    #: (classes, dim + buckets)
    matrix: Matrix
    #: (classes,)
    bias: Vector
    #: (buckets,): how rare each n-gram is in the training set.
    rarity: Vector


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A trained head; immutable, so any number of threads may score with it."""

    card: HeadCard
    weights: Weights

    @property
    def fingerprint(self) -> str:
        """Return four hex digits that tell one head from another at a glance."""
        return self.card.weights_sha256[:4]

    def logits(self, texts: Sequence[str], embeddings: Matrix) -> Matrix:
        """Return (len(texts), classes) raw scores; `embeddings` are the texts' own rows."""
        features = router_features(texts, embeddings, rarity=self.weights.rarity, lexical=self.card.lexical_weight)
        scores: Matrix = features @ self.weights.matrix.T + self.weights.bias
        return scores

    def scores(self, texts: Sequence[str], embeddings: Matrix) -> list[dict[Route, float]]:
        """Return for each text the four routes' scores, which sum to 1."""
        rows = route_scores(self.logits(texts, embeddings), self.card.temperature)
        return [{route: float(score) for route, score in zip(ROUTES, row, strict=True)} for row in rows]


def router_features(texts: Sequence[str], embeddings: Matrix, *, rarity: Vector, lexical: float) -> Matrix:
    """Return (len(texts), dim + buckets): the sentence vector, then the weighted n-grams."""
    grams = normalised(hashed_ngrams(texts, buckets=len(rarity)) * rarity)
    features: Matrix = np.hstack([embeddings, lexical * grams]).astype(np.float32)
    return features


def route_scores(logits: Matrix, temperature: float) -> Matrix:
    """Return (n, 4) scores that sum to 1: softmax over five classes, the fifth shared out evenly."""
    scaled = logits.astype(np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    shares = powers / powers.sum(axis=1, keepdims=True)
    scores: Matrix = shares[:, : len(ROUTES)] + shares[:, len(ROUTES) :] / len(ROUTES)
    return scores


def pack(weights: Weights) -> tuple[bytes, str]:
    """Return the weights as safetensors, and the sha256 of that."""
    from safetensors.numpy import save

    # In C order: safetensors writes the buffer as it lies in memory.
    blob = save({name: np.ascontiguousarray(getattr(weights, name)) for name in ("matrix", "bias", "rarity")})
    return blob, hashlib.sha256(blob).hexdigest()


def save_head(directory: Path, head: Head) -> None:
    """Make `head` the folder's head in one step: a reader sees the old one or the new one, never half of each."""
    directory.mkdir(parents=True, exist_ok=True)
    blob, _ = pack(head.weights)
    _write_whole(directory / head.card.weights, blob)
    _write_whole(directory / _CARD, head.card.model_dump_json(indent=1).encode())
    for file in directory.glob("head-*.safetensors"):
        if file.name != head.card.weights:
            file.unlink(missing_ok=True)


def load_card(directory: Path) -> HeadCard | None:
    """Return the folder's card, or None when there is none or it is of another format."""
    try:
        return HeadCard.model_validate_json((directory / _CARD).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def load_head(directory: Path, *, encoder_sha256: str) -> Head:
    """Load the head in `directory`.

    Raises:
        EngineError: there is none, its weights are damaged, or it was trained on another encoder.
    """
    from safetensors.numpy import load

    card = load_card(directory)
    if card is None or card.format != FORMAT or card.classes != CLASSES:
        raise EngineError(
            f"no router head of format {FORMAT} in {directory}: run `manage.py train_router`", engine="router"
        )
    if card.encoder_sha256 != encoder_sha256:
        raise EngineError(
            f"router head in {directory}: expected encoder {encoder_sha256}, found {card.encoder_sha256}"
            " (run `manage.py train_router`)",
            engine="router",
        )
    try:
        blob = (directory / Path(card.weights).name).read_bytes()
    except FileNotFoundError as exc:
        raise EngineError(f"router head in {directory}: {card.weights} is missing", engine="router") from exc
    actual = hashlib.sha256(blob).hexdigest()
    if actual != card.weights_sha256:
        raise EngineError(f"{card.weights}: expected sha256 {card.weights_sha256}, found {actual}", engine="router")
    tensors = load(blob)
    return Head(card=card, weights=Weights(**tensors))


def _write_whole(file: Path, blob: bytes) -> None:
    """Write through a neighbour and a rename, so that a crash or a second writer never leaves half a file."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    draft.write_bytes(blob)
    draft.replace(file)
