"""What the gpu worker holds: the router, the embedder and the one batcher in front of both."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, cast

import numpy as np
import structlog

from orchestrator.engines.batcher import Lane, MicroBatcher
from orchestrator.engines.classifier import Classification, Classifier, Matrix, Vector
from orchestrator.engines.classifier_head import BertRouter
from orchestrator.engines.classifier_scripted import ScriptedClassifier
from orchestrator.engines.classifier_sequence import SequenceClassifier
from orchestrator.engines.embedder import Embedder
from orchestrator.engines.embedder_bert import BertEmbedder
from orchestrator.engines.embedder_scripted import ScriptedEmbedder
from orchestrator.engines.encoder_bert import Device, load_encoder
from orchestrator.engines.router_head import load_head
from orchestrator.resilience.stop import Stop

#: Where a sequence classifier asks back when no threshold is set; a head brings its own.
DEFAULT_THRESHOLD = 0.5
#: Padded tokens of one batch: what bounds how long bulk work holds the model before a question gets its turn. On a CPU
#: core 1,024 tokens take about 0.3 s, and larger batches gain nothing there.
_MAX_TOKENS: dict[Device, int] = {"cpu": 1024, "cuda": 16 * 512}
_WARM_UP_WORDS = (8, 24, 48, 100, 220)
_WINDOW_TOKENS = 256

_Result: TypeAlias = Classification | Vector


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuConfig:
    """Which models to load, and how to run them."""

    data_dir: Path
    #: A sentence encoder's folder; None for the built-in all-MiniLM-L6-v2, whose hash is always checked.
    encoder_dir: Path | None = None
    #: The sha256 that the weights in `encoder_dir` must have; None to take them as they are.
    encoder_sha256: str | None = None
    #: A fine-tuned sequence classifier, instead of encoder and head, to route with.
    sequence_classifier_dir: Path | None = None
    #: Where the router's head lies; None for `router` in `data_dir`.
    router_dir: Path | None = None
    #: Asks back below this score; None for what the head's own validation chose.
    router_threshold: float | None = None
    device: Device = "cpu"
    threads: int = 1
    max_batch: int = 16
    max_wait_ms: float = 4.0
    #: Loads no model at all: for tests of what stands around the engines.
    scripted: bool = False

    def head_dir(self) -> Path:
        """Return the folder of the router's head."""
        return self.router_dir or self.data_dir / "router"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    kind: Literal["classify", "embed"]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuEngines:
    """The loaded engines; callers come from any thread and meet in one batcher."""

    router: Classifier
    embedder: Embedder
    #: Below this best score the product asks back, offering the likeliest routes.
    threshold: float
    batcher: MicroBatcher[_Work, _Result]

    @property
    def shares_encoder(self) -> bool:
        """Return whether a classification carries the embedder's own vector, so that no second pass is needed."""
        return isinstance(self.router, BertRouter) and self.router.embedder.name == self.embedder.name

    def classify(self, text: str, *, stop: Stop | None = None, timeout_s: float | None = None) -> Classification:
        """Return the question's scores, and its embedding when the encoder is shared.

        Raises:
            StoppedError: the stop came first.
            DeadlineExceededError: `timeout_s` passed first.
            NoCapacityError: the worker is closing.
            EngineError: the model gave something unusable for this text.
        """
        work = _Work(kind="classify", text=text)
        return cast(Classification, self.batcher.submit(work, stop=stop, timeout_s=timeout_s))

    def classify_many(
        self, texts: Sequence[str], *, stop: Stop | None = None, timeout_s: float | None = None
    ) -> list[Classification]:
        """Return the scores of many texts in order, as bulk work: people's questions go first between its batches.

        Raises:
            StoppedError, DeadlineExceededError, NoCapacityError, EngineError: as `classify`.
        """
        if not texts:
            return []
        work = [_Work(kind="classify", text=text) for text in texts]
        found = self.batcher.submit_many(work, lane="gpu.bulk", stop=stop, timeout_s=timeout_s)
        return cast("list[Classification]", found)

    def embed(
        self,
        texts: Sequence[str],
        *,
        lane: Lane = "gpu.bulk",
        stop: Stop | None = None,
        timeout_s: float | None = None,
    ) -> Matrix:
        """Return (len(texts), dim) rows in order; many texts run in several batches, between which questions go first.

        Raises:
            StoppedError: the stop came first; what had not started never runs.
            DeadlineExceededError: `timeout_s` passed first.
            NoCapacityError: the worker is closing.
            EngineError: the model gave something unusable.
        """
        if not texts:
            return np.zeros((0, self.embedder.dim), dtype=np.float32)
        work = [_Work(kind="embed", text=text) for text in texts]
        rows = self.batcher.submit_many(work, lane=lane, stop=stop, timeout_s=timeout_s)
        return np.stack(cast("list[Vector]", rows))

    def close(self, *, timeout_s: float = 10.0) -> bool:
        """Run what waits for at most `timeout_s`, then fail the rest; return whether all of it ran."""
        return self.batcher.close(timeout_s=timeout_s)


def configured() -> GpuConfig:
    """Return what this deployment's settings ask for."""
    from django.conf import settings

    chosen = settings.SWITCHYARD
    return GpuConfig(
        data_dir=chosen.data_dir,
        encoder_dir=chosen.encoder_dir,
        encoder_sha256=chosen.encoder_sha256,
        sequence_classifier_dir=chosen.classifier_dir,
        router_dir=chosen.router_dir,
        router_threshold=chosen.router_threshold,
        device=chosen.device,
        threads=chosen.gpu_threads,
        max_batch=chosen.max_batch,
        max_wait_ms=chosen.max_wait_ms,
        scripted=chosen.engines == "scripted",
    )


def load(config: GpuConfig) -> GpuEngines:
    """Load the models once, check their hashes, run a first batch of each length, and return the engines.

    Call it once, when the worker process starts, and `close` what it returns when the process ends.

    Raises:
        EngineError: a model is missing, is not the expected one, or does not fit its head.
    """
    log = structlog.get_logger(__name__)
    started_s = time.monotonic()
    router, embedder, threshold = load_models(config)
    loaded_s = time.monotonic()
    _warm_up(router, embedder, batch=config.max_batch if config.device == "cuda" else 1)
    log.info(
        "gpu.ready",
        router=router.name,
        embedder=embedder.name,
        device=config.device,
        threshold=round(threshold, 3),
        load_s=round(loaded_s - started_s, 2),
        warm_up_s=round(time.monotonic() - loaded_s, 2),
    )
    return assemble(router, embedder, threshold=threshold, config=config)


def assemble(router: Classifier, embedder: Embedder, *, threshold: float, config: GpuConfig) -> GpuEngines:
    """Put one batcher in front of `router` and `embedder`."""

    def run(batch: list[_Work]) -> Sequence[_Result]:
        texts = [work.text for work in batch]
        if batch[0].kind == "classify":
            return router.classify(texts)
        return list(embedder.embed(texts))

    batcher: MicroBatcher[_Work, _Result] = MicroBatcher(
        run,
        size_of=lambda work: estimated_tokens(work.text),
        kind_of=lambda work: work.kind,
        max_batch=config.max_batch,
        max_size=_MAX_TOKENS[config.device],
        max_wait_ms=config.max_wait_ms,
    )
    return GpuEngines(router=router, embedder=embedder, threshold=threshold, batcher=batcher)


def estimated_tokens(text: str) -> int:
    """Return about how many tokens `text` has: enough to keep short from long, and far cheaper than counting."""
    return min(_WINDOW_TOKENS, 2 + len(text) // 3)


def load_models(config: GpuConfig) -> tuple[Classifier, Embedder, float]:
    """Return the router, the embedder and the threshold that `config` asks for, without a batcher.

    Raises:
        EngineError: a model is missing, is not the expected one, or does not fit its head.
    """
    chosen = config.router_threshold
    if config.scripted:
        embedder = ScriptedEmbedder()
        return ScriptedClassifier(embedder=embedder), embedder, DEFAULT_THRESHOLD if chosen is None else chosen
    encoder = load_encoder(
        config.encoder_dir, expected_sha256=config.encoder_sha256, device=config.device, threads=config.threads
    )
    if config.sequence_classifier_dir is not None:
        sequence = SequenceClassifier(config.sequence_classifier_dir, device=config.device, threads=config.threads)
        return sequence, BertEmbedder(encoder), DEFAULT_THRESHOLD if chosen is None else chosen
    head = load_head(config.head_dir(), encoder_sha256=encoder.sha256)
    router = BertRouter(encoder, head)
    return router, router.embedder, head.card.threshold if chosen is None else chosen


def _warm_up(router: Classifier, embedder: Embedder, *, batch: int) -> None:
    # The first pass of each width allocates memory and picks kernels: a user's question must not pay for it.
    for words in _WARM_UP_WORDS:
        texts = ["warm " * words] * batch
        router.classify(texts)
        embedder.embed(texts)
