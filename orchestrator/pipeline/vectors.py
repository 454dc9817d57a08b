"""A vector as text: small enough to travel by value."""

from __future__ import annotations

import base64

import numpy as np

from orchestrator.engines.classifier import Vector


def pack(vector: Vector) -> str:
    """Return the float32 values, little-endian, as base64: 2,048 letters for 384 of them."""
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()


def unpack(text: str) -> Vector:
    """Return the vector that `pack` made."""
    return np.frombuffer(base64.b64decode(text), dtype="<f4").astype(np.float32)
