"""A vector as text."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.pipeline import vectors

floats = st.floats(width=32, allow_nan=False)


@given(st.lists(floats, max_size=64))
def test_a_vector_comes_back_as_it_went(values: list[float]) -> None:
    vector = np.array(values, dtype=np.float32)

    assert np.array_equal(vectors.unpack(vectors.pack(vector)), vector)


def test_an_unpacked_vector_may_be_changed() -> None:
    vector = vectors.unpack(vectors.pack(np.zeros(3, dtype=np.float32)))

    vector += 1

    assert vector.tolist() == [1.0, 1.0, 1.0]


def test_384_values_take_2048_letters() -> None:
    assert len(vectors.pack(np.ones(384, dtype=np.float32))) == 2048


def test_other_floats_are_narrowed() -> None:
    assert vectors.unpack(vectors.pack(np.array([0.1], dtype=np.float64))).dtype == np.float32
