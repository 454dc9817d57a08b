"""The embedder over a BERT encoder: the same model, and the same vectors, as the router's."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.engines.classifier import Matrix
from orchestrator.engines.encoder_bert import Encoder


class BertEmbedder:
    """An encoder seen as an embedder, named by its weights and precision."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        # The weights' hash is part of the name: two models under one folder name must not meet in one index.
        self.name = f"{encoder.name}@{encoder.sha256[:8]}:float32"
        self.dim = encoder.dim

    def embed(self, texts: Sequence[str]) -> Matrix:
        """Return (len(texts), dim) float32 rows, L2-normalised, in the order given.

        Raises:
            EngineError: the model gave something unusable.
        """
        return self._encoder.encode(texts)
