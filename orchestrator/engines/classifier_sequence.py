"""The router for those who fine-tuned a model of their own: any sequence classification folder of transformers."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np

from orchestrator.engines.classifier import Classification, Matrix
from orchestrator.engines.encoder_bert import Device, prepare_torch
from orchestrator.engines.model_files import require_weights
from orchestrator.errors import EngineError
from orchestrator.events import ROUTES, Route

#: Optional file in the folder: {"label of the model": "sql" | "rag" | "chat" | "job" | null}.
LABELS_FILE = "routes.json"
_MAX_BATCH = 16


class SequenceClassifier:
    """Scores by the model's own labels, mapped onto the routes.

    A label is a route's name, or `routes.json` in the folder says which route it
    means. Labels of the same route add up; what a label mapped to null gets ("none
    of these") is shared out evenly, so that such a question falls under the threshold.
    """

    def __init__(
        self, directory: Path, *, expected_sha256: str | None = None, device: Device = "cpu", threads: int = 1
    ) -> None:
        """Load the model in `directory`.

        Raises:
            EngineError: the weights are not the expected ones, the folder holds no such model, or a label has no route.
        """
        sha256 = require_weights(directory, expected_sha256=expected_sha256)
        prepare_torch(device=device, threads=threads)
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        try:
            # Any: transformers has no types of its own.
            self._tokenizer: Any = AutoTokenizer.from_pretrained(str(directory), local_files_only=True)
            self._model: Any = AutoModelForSequenceClassification.from_pretrained(
                str(directory), local_files_only=True, use_safetensors=True
            )
        except (OSError, ValueError) as exc:
            raise EngineError(f"{directory} holds no sequence classifier: {exc}", engine="router") from exc
        self._model.to(device).float().eval()
        self._device = device
        # A fast tokenizer keeps its padding as state and refuses to be used by two threads at once.
        self._lock = threading.Lock()
        self._mixing = _mixing(self._model.config.id2label, _read_labels(directory))
        self._window_tokens = int(getattr(self._model.config, "max_position_embeddings", 512))
        self.name = f"{directory.name}@{sha256[:8]}"

    def classify(self, texts: Sequence[str]) -> list[Classification]:
        """Return one classification for each text, in order, without an embedding.

        Raises:
            EngineError: a score is not finite.
        """
        found: list[Classification] = []
        for start in range(0, len(texts), _MAX_BATCH):
            rows = self._shares(texts[start : start + _MAX_BATCH]) @ self._mixing
            if not np.isfinite(rows).all():
                raise EngineError(f"{self.name} gave a score that is not finite", engine="router")
            found += [
                Classification(scores={route: float(score) for route, score in zip(ROUTES, row, strict=True)})
                for row in rows
            ]
        return found

    def _shares(self, texts: Sequence[str]) -> Matrix:
        import torch

        with self._lock:
            fields = self._tokenizer(
                list(texts), truncation=True, max_length=self._window_tokens, padding=True, return_tensors="pt"
            )
        fields = fields.to(self._device)
        with torch.inference_mode():
            shares: Matrix = torch.softmax(self._model(**fields).logits.float(), dim=-1).cpu().numpy()
        return shares


def _read_labels(directory: Path) -> Mapping[str, str | None]:
    file = directory / LABELS_FILE
    labels: dict[str, str | None] = json.loads(file.read_text()) if file.is_file() else {}
    return labels


def _mixing(id2label: Mapping[int, str], labels: Mapping[str, str | None]) -> Matrix:
    """Return (labels, 4): which share of each label's score goes to which route; rows sum to 1."""
    matrix: Matrix = np.zeros((len(id2label), len(ROUTES)), dtype=np.float32)
    for index, label in id2label.items():
        target = labels[label] if label in labels else label.lower()
        if target is None:
            matrix[int(index)] = 1 / len(ROUTES)
        elif target in get_args(Route):
            matrix[int(index), ROUTES.index(target)] = 1.0
        else:
            raise EngineError(
                f"label {label!r} is none of {', '.join(ROUTES)}: map it in {LABELS_FILE}", engine="router"
            )
    return matrix
