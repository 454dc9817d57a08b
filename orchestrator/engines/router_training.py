"""Train the router's head on a labelled set; an encoder, scikit-learn, seconds on one CPU core.

Everything that is chosen (temperature, threshold) is chosen by cross-validation inside the training set. The folds
hold whole groups of alike questions: most are made from templates, and a question whose twin was seen proves nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from orchestrator.engines.classifier import Matrix, Vector
from orchestrator.engines.encoder_bert import Encoder
from orchestrator.engines.ngrams import hashed_ngrams
from orchestrator.engines.router_head import (
    CLASSES,
    FORMAT,
    NOWHERE,
    Head,
    HeadCard,
    Weights,
    load_card,
    pack,
    route_scores,
    router_features,
    save_head,
)
from orchestrator.engines.router_questions import Question, questions_sha256, read_training
from orchestrator.errors import EngineError
from orchestrator.events import ROUTES

#: Buckets of the n-grams: 5 classes x (384 + 4,096) float32 are 90 kB.
BUCKETS = 4096
#: Weight of the n-grams against the sentence vector, and inverse regularisation. By cross-validation on the training
#: set: without n-grams Spanish loses 8 points; between 1 and 2, or 10 and 100, less than one changes.
LEXICAL_WEIGHT = 1.5
INVERSE_REGULARISATION = 30.0
FOLDS = 5
#: About so many questions make a group; a group never straddles two folds.
_GROUP_SIZE = 6
#: Distances survive a random projection to so many dimensions well enough to group by.
_GROUPING_DIMS = 256
#: The threshold asks back on at most this share of the questions that belong somewhere.
_MAX_ASKED_BACK = 0.05

Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Examples:
    texts: list[str]
    embeddings: Matrix
    labels: Labels
    languages: npt.NDArray[np.str_]

    def part(self, rows: Labels) -> _Examples:
        return _Examples(
            texts=[self.texts[row] for row in rows],
            embeddings=self.embeddings[rows],
            labels=self.labels[rows],
            languages=self.languages[rows],
        )


def is_current(directory: Path, questions_dir: Path, *, encoder_sha256: str) -> bool:
    """Return whether `directory` holds a head trained on these very questions, over this encoder, in this format.

    Reads files only: no model is loaded to find out that nothing is to be done.

    Raises:
        EngineError: the questions are missing or malformed.
    """
    card = load_card(directory)
    if card is None or not (directory / card.weights).is_file():
        return False
    wanted = (FORMAT, encoder_sha256, questions_sha256(read_training(questions_dir)))
    return (card.format, card.encoder_sha256, card.training_set_sha256) == wanted


def train_to(directory: Path, questions_dir: Path, *, encoder: Encoder, today: date, seed: int = 0) -> HeadCard:
    """Train a head on the questions in `questions_dir`, put it into `directory`, and return its card.

    Raises:
        EngineError: the questions are missing, malformed, or too few for a route.
    """
    head = train(read_training(questions_dir), encoder, today=today, seed=seed)
    save_head(directory, head)
    return head.card


def train(questions: Sequence[Question], encoder: Encoder, *, today: date, seed: int = 0) -> Head:
    """Return a head trained on `questions`; the same input gives the same head.

    Raises:
        EngineError: a route has fewer questions than there are folds.
    """
    # threadpoolctl comes with scikit-learn and has no types.
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    examples = _encode(questions, encoder)
    # BLAS threads spin while they wait for each other: on a busy machine two took eight times the CPU time of one.
    with threadpool_limits(limits=1):
        out_of_fold = _cross_validate(examples, seed=seed)
        weights = _fit(examples, seed=seed)
    temperature = fit_temperature(out_of_fold, examples.labels)
    scores = route_scores(out_of_fold, temperature)
    _, digest = pack(weights)
    card = HeadCard(
        format=FORMAT,
        classes=CLASSES,
        encoder=encoder.name,
        encoder_sha256=encoder.sha256,
        weights=f"head-{digest[:12]}.safetensors",
        weights_sha256=digest,
        temperature=temperature,
        threshold=choose_threshold(scores, examples.labels),
        lexical_weight=LEXICAL_WEIGHT,
        training_set_sha256=questions_sha256(questions),
        trained_on=len(questions),
        trained_at=today.isoformat(),
        cross_validated=_accuracies(scores, examples),
    )
    return Head(card=card, weights=weights)


def fit_temperature(logits: Matrix, labels: Labels) -> float:
    """Return the temperature in [0.05, 20] under which `logits` explain `labels` best (Guo et al., 2017)."""

    def loss(temperature: float) -> float:
        scaled = logits / temperature
        top = scaled.max(axis=1, keepdims=True)
        total = top[:, 0] + np.log(np.exp(scaled - top).sum(axis=1))
        return float((total - scaled[np.arange(len(labels)), labels]).mean())

    # Steps of one per cent: finer than the figure deserves, and no optimiser to trust.
    candidates = [float(value) for value in np.geomspace(0.05, 20, 602)]
    return round(candidates[int(np.argmin([loss(value) for value in candidates]))], 4)


def choose_threshold(scores: Matrix, labels: Labels) -> float:
    """Return the highest threshold that asks back on no more than one in twenty of the questions that belong."""
    best = scores[labels < len(ROUTES)].max(axis=1)
    return round(float(np.quantile(best, _MAX_ASKED_BACK)), 3)


def _encode(questions: Sequence[Question], encoder: Encoder) -> _Examples:
    labels = np.array([CLASSES.index(question.route or NOWHERE) for question in questions], dtype=np.int64)
    for index, name in enumerate(CLASSES):
        if (count := int((labels == index).sum())) < FOLDS:
            raise EngineError(f"{count} training questions for {name!r}, at least {FOLDS} are needed", engine="router")
    texts = [question.text for question in questions]
    return _Examples(
        texts=texts,
        embeddings=encoder.encode(texts),
        labels=labels,
        languages=np.array([question.language for question in questions]),
    )


def _cross_validate(examples: _Examples, *, seed: int) -> Matrix:
    """Return each example's logits from a head that saw none of its group."""
    from sklearn.model_selection import StratifiedGroupKFold

    logits = np.zeros((len(examples.texts), len(CLASSES)), dtype=np.float32)
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    for seen, unseen in folds.split(examples.embeddings, examples.labels, _groups(examples, seed=seed)):
        test = examples.part(unseen)
        weights = _fit(examples.part(seen), seed=seed)
        features = router_features(test.texts, test.embeddings, rarity=weights.rarity, lexical=LEXICAL_WEIGHT)
        logits[unseen] = features @ weights.matrix.T + weights.bias
    return logits


def _groups(examples: _Examples, *, seed: int) -> Labels:
    """Return a group for each example: questions of one template lie together in this space."""
    from sklearn.cluster import KMeans
    from sklearn.random_projection import GaussianRandomProjection

    rows = router_features(examples.texts, examples.embeddings, rarity=_rarity(examples.texts), lexical=LEXICAL_WEIGHT)
    count = max(FOLDS, len(examples.texts) // _GROUP_SIZE)
    # Ten rounds: these groups only keep twins together, and convergence would cost more than all the fits.
    kmeans = KMeans(n_clusters=count, random_state=seed, n_init=1, max_iter=10)
    groups: Labels = kmeans.fit_predict(
        GaussianRandomProjection(_GROUPING_DIMS, random_state=seed).fit_transform(rows)
    ).astype(np.int64)
    return groups


def _fit(examples: _Examples, *, seed: int) -> Weights:
    from sklearn.linear_model import LogisticRegression

    rarity = _rarity(examples.texts)
    features = router_features(examples.texts, examples.embeddings, rarity=rarity, lexical=LEXICAL_WEIGHT)
    # The default tolerance stops after a dozen steps and costs points of accuracy.
    model = LogisticRegression(C=INVERSE_REGULARISATION, tol=1e-5, max_iter=1000, random_state=seed)
    model.fit(_sparse(features), examples.labels)
    return Weights(matrix=model.coef_.astype(np.float32), bias=model.intercept_.astype(np.float32), rarity=rarity)


def _sparse(rows: Matrix) -> Any:  # Any: scipy has no types
    """Return the same features without their zeros, nine in ten of them: scikit-learn is several times faster so."""
    # scipy comes with scikit-learn and has no types.
    from scipy.sparse import csr_matrix  # type: ignore[import-untyped]

    return csr_matrix(rows)


def _rarity(texts: Sequence[str]) -> Vector:
    """Return the inverse document frequency of each bucket, smoothed, so that an unseen n-gram stays finite."""
    present = (hashed_ngrams(texts, buckets=BUCKETS) > 0).sum(axis=0)
    rarity: Vector = (np.log((1 + len(texts)) / (1 + present)) + 1).astype(np.float32)
    return rarity


def _accuracies(scores: Matrix, examples: _Examples) -> dict[str, float]:
    belongs = examples.labels < len(ROUTES)
    right = scores.argmax(axis=1) == examples.labels
    found = {"all": float(right[belongs].mean())}
    for language in ("en", "es"):
        chosen = belongs & (examples.languages == language)
        if chosen.any():
            found[language] = float(right[chosen].mean())
    return {name: round(value, 4) for name, value in found.items()}
