"""The error tree against the contract's codes."""

from __future__ import annotations

from typing import get_args

import pytest

from orchestrator import catalogue, errors
from orchestrator.errors import BadFrameError, ErrorCode, OrchestratorError, StoreDownError

CODES = set(get_args(ErrorCode))


def subclasses(root: type[OrchestratorError]) -> set[type[OrchestratorError]]:
    found = set(root.__subclasses__())
    return found.union(*(subclasses(child) for child in found)) if found else found


def test_the_codes_are_the_contracts() -> None:
    contract = (
        "bad_json bad_frame unknown_type invalid too_big unauthenticated forbidden not_found rate_limited"
        " quota_exceeded busy id_reused conflict deadline_exceeded no_capacity dependency_down refused_by_guard"
        " no_answer cancelled internal"
    )

    assert set(contract.split()) == CODES


def test_every_code_has_a_class() -> None:
    # The frame codes are an instance's.
    by_class = {kind.code for kind in subclasses(OrchestratorError) | {OrchestratorError}}

    assert CODES - by_class == {"bad_json", "bad_frame", "unknown_type"}


def test_every_class_has_a_known_code_and_stands_in_the_drawing() -> None:
    drawing = errors.__doc__ or ""
    kinds = {kind for kind in subclasses(OrchestratorError) if kind.__module__ == "orchestrator.errors"}

    assert {kind.code for kind in kinds} <= CODES
    assert [kind.__name__ for kind in kinds if kind.__name__ not in drawing] == []


@pytest.mark.parametrize("code", ["bad_json", "bad_frame", "unknown_type"])
def test_a_bad_frame_reads_by_its_own_code(code: str) -> None:
    error = BadFrameError("x", frame_code=code)  # type: ignore[arg-type]  # a literal of the three

    assert catalogue.of_error(error, "en") == catalogue.text(f"error.{code}", "en")


def test_a_store_that_is_down_may_be_tried_again() -> None:
    error = StoreDownError("PostgreSQL: OperationalError", dependency="database")

    assert (error.code, error.retryable) == ("dependency_down", True)
    assert catalogue.of_error(error, "es").startswith(catalogue.text("dependency.database", "es"))
