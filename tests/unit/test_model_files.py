from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from orchestrator.engines.encoder_bert import load_encoder
from orchestrator.engines.model_files import MINILM_SHA256, encoder_weights, require_weights, weights_sha256
from orchestrator.errors import EngineError


def test_the_built_in_encoder_is_the_one_we_mean() -> None:
    _, sha256 = encoder_weights(None)

    assert sha256 == MINILM_SHA256


def test_weights_are_named_by_their_content(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"weights")

    sha256 = weights_sha256(tmp_path)

    assert sha256 == hashlib.sha256(b"weights").hexdigest()


def test_a_model_in_shards_has_one_hash_over_all_of_them(tmp_path: Path) -> None:
    (tmp_path / "model-1.safetensors").write_bytes(b"one")
    (tmp_path / "model-2.safetensors").write_bytes(b"two")
    before = weights_sha256(tmp_path)
    (tmp_path / "model-2.safetensors").write_bytes(b"other")

    after = weights_sha256(tmp_path)

    assert before != after


def test_other_weights_than_expected_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    actual = hashlib.sha256(b"weights").hexdigest()

    with pytest.raises(EngineError) as caught:
        require_weights(tmp_path, expected_sha256="0" * 64)

    assert "0" * 64 in str(caught.value)
    assert actual in str(caught.value)


def test_weights_in_pickle_format_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"anything")

    with pytest.raises(EngineError, match="safetensors"):
        weights_sha256(tmp_path)


@pytest.mark.slow
def test_a_folder_that_holds_no_encoder_says_so(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"weights")

    with pytest.raises(EngineError, match="no encoder"):
        load_encoder(tmp_path)
