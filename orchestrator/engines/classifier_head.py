"""The default router: a frozen encoder and a small head over it, in one forward pass."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.engines.classifier import Classification
from orchestrator.engines.embedder_bert import BertEmbedder
from orchestrator.engines.encoder_bert import Encoder
from orchestrator.engines.router_head import Head
from orchestrator.errors import EngineError


class BertRouter:
    """Scores questions and keeps their sentence vector, which retrieval would otherwise compute again.

    Raises:
        EngineError: the head was trained on another encoder.
    """

    def __init__(self, encoder: Encoder, head: Head) -> None:
        if head.card.encoder_sha256 != encoder.sha256:
            raise EngineError(
                f"the head expects encoder {head.card.encoder_sha256}, this one is {encoder.sha256}", engine="router"
            )
        self._encoder = encoder
        self._head = head
        self.name = f"{encoder.name} + head {head.fingerprint}"
        #: The same encoder as an embedder: its vectors and the classifications' may be compared.
        self.embedder = BertEmbedder(encoder)

    def classify(self, texts: Sequence[str]) -> list[Classification]:
        """Return one classification with its embedding for each text, in order.

        Raises:
            EngineError: the encoder gave something unusable.
        """
        if not texts:
            return []
        rows = self._encoder.encode(texts)
        scores = self._head.scores(texts, rows)
        return [Classification(scores=score, embedding=row) for score, row in zip(scores, rows, strict=True)]
