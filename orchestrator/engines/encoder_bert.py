"""A sentence encoder of the BERT family: tokenise, one forward pass, pool, normalise.

Only processes that run a model import this module's libraries, and only when they load one.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from orchestrator.engines.classifier import Matrix
from orchestrator.engines.model_files import encoder_weights
from orchestrator.errors import EngineError

if TYPE_CHECKING:
    import torch

Device = Literal["cpu", "cuda"]
#: What the built-in encoder is called; its package's folder has no name of its own.
BUILT_IN = "all-MiniLM-L6-v2"
Pooling = Literal["mean", "cls"]


class Encoder(Protocol):
    """What a head is trained on: sentence vectors of one fixed model."""

    name: str
    #: Of the weights; a head trained on others is refused.
    sha256: str
    dim: int

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Return (len(texts), dim) float32 rows, L2-normalised."""


def prepare_torch(*, device: Device, threads: int) -> None:
    """Keep transformers off the network and bound torch's CPU threads in this process.

    Raises:
        EngineError: `device` is `cuda` and there is none.
    """
    # Read when the libraries are imported, so it must be there before the first of them.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    import torch
    import transformers

    # Any: neither function has types.
    library_log: Any = transformers.logging
    library_log.set_verbosity_error()
    library_log.disable_progress_bar()
    torch.set_num_threads(threads)
    if device == "cuda" and not torch.cuda.is_available():
        raise EngineError("device cuda is set, but torch sees no CUDA device", engine="encoder")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    pooling: Pooling
    window_tokens: int


class BertEncoder:
    """Sentence vectors from a model folder; thread-safe, though meant for one batcher's thread."""

    def __init__(self, *, directory: Path, sha256: str, name: str, device: Device) -> None:
        from transformers import AutoModel, AutoTokenizer

        # Any: transformers has no types of its own; everything that leaves this class is typed.
        self._tokenizer: Any = AutoTokenizer.from_pretrained(str(directory), local_files_only=True)
        self._model: Any = AutoModel.from_pretrained(str(directory), local_files_only=True, use_safetensors=True)
        self._model.to(device).float().eval()
        shape = _read_shape(directory, self._model.config)
        self._pooling = shape.pooling
        self._device = device
        # A fast tokenizer keeps its padding as state and refuses to be used by two threads at once.
        self._lock = threading.Lock()
        self.window_tokens = shape.window_tokens
        self.name = name
        self.sha256 = sha256
        self.dim = int(self._model.config.hidden_size)

    def encode(self, texts: Sequence[str], *, max_batch: int = 16) -> Matrix:
        """Return one L2-normalised float32 row of `dim` for each text, in order.

        Texts are run shortest first in groups of at most `max_batch`, so that little
        is padded. A text longer than `window_tokens` is cut there.

        Raises:
            EngineError: a row is not finite.
        """
        rows = np.zeros((len(texts), self.dim), dtype=np.float32)
        if not texts:
            return rows
        with self._lock:
            tokens: list[list[int]] = self._tokenizer(list(texts), truncation=True, max_length=self.window_tokens)[
                "input_ids"
            ]
        for group in _by_length([len(ids) for ids in tokens], max_batch):
            rows[group] = self._forward([tokens[index] for index in group])
        if not np.isfinite(rows).all():
            raise EngineError(f"{self.name} gave a vector that is not finite", engine="encoder")
        return rows

    def _forward(self, tokens: list[list[int]]) -> Matrix:
        import torch

        width = max(len(ids) for ids in tokens)
        padding = self._tokenizer.pad_token_id or 0
        ids = torch.tensor([row + [padding] * (width - len(row)) for row in tokens], device=self._device)
        mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in tokens], device=self._device)
        with torch.inference_mode():
            hidden = self._model(input_ids=ids, attention_mask=mask).last_hidden_state
            pooled = _pool(hidden, mask, self._pooling)
            rows: Matrix = torch.nn.functional.normalize(pooled, dim=1).cpu().numpy()
        return rows


def load_encoder(
    directory: Path | None, *, expected_sha256: str | None = None, device: Device = "cpu", threads: int = 1
) -> BertEncoder:
    """Load the encoder in `directory`, or all-MiniLM-L6-v2 as its package carries it when that is None.

    Raises:
        EngineError: the weights are not the expected ones, or the folder holds no encoder.
    """
    name = BUILT_IN if directory is None else directory.resolve().name
    directory, sha256 = encoder_weights(directory, expected_sha256=expected_sha256)
    prepare_torch(device=device, threads=threads)
    try:
        return BertEncoder(directory=directory, sha256=sha256, name=name, device=device)
    except (OSError, ValueError) as exc:
        raise EngineError(f"{directory} holds no encoder that transformers can load: {exc}", engine="encoder") from exc


def _by_length(lengths: Sequence[int], max_batch: int) -> Iterator[list[int]]:
    order = sorted(range(len(lengths)), key=lambda index: lengths[index])
    group: list[int] = []
    for index in order:
        # Shortest first, so the head of the group is what the padding of this text is measured by.
        if group and (len(group) == max_batch or lengths[index] > max(16, 2 * lengths[group[0]])):
            yield group
            group = []
        group.append(index)
    yield group


def _pool(hidden: torch.Tensor, mask: torch.Tensor, pooling: Pooling) -> torch.Tensor:
    if pooling == "cls":
        return hidden[:, 0]
    weights = mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * weights).sum(1) / weights.sum(1).clamp(min=1e-9)


def _read_shape(directory: Path, config: Any) -> _Shape:  # Any: a transformers configuration
    """Read how a sentence-transformers folder pools and where it cuts; without its files: mean, the whole window."""
    pooling: Pooling = "mean"
    pooling_file = directory / "1_Pooling" / "config.json"
    if pooling_file.is_file():
        modes = json.loads(pooling_file.read_text())
        if modes.get("pooling_mode_cls_token") or modes.get("pooling_mode") == "cls":
            pooling = "cls"
        elif not (modes.get("pooling_mode_mean_tokens") or modes.get("pooling_mode") == "mean"):
            raise EngineError(f"{pooling_file} asks for a pooling other than mean or cls", engine="encoder")
    window = int(getattr(config, "max_position_embeddings", 512))
    window_file = directory / "sentence_bert_config.json"
    if window_file.is_file():
        window = min(window, int(json.loads(window_file.read_text()).get("max_seq_length") or window))
    return _Shape(pooling=pooling, window_tokens=window)
