"""Ids: opaque, unguessable, sorted by time."""

from __future__ import annotations

import re
import time

from orchestrator import ids


def test_an_id_is_its_prefix_and_26_letters() -> None:
    assert re.fullmatch(r"trn_[0-9a-hjkmnp-tv-z]{26}", ids.turn_id())


def test_ids_of_different_milliseconds_sort_by_time() -> None:
    first = ids.new_id("x")
    time.sleep(0.002)

    assert first < ids.new_id("x")


def test_ten_thousand_ids_differ() -> None:
    assert len({ids.new_id("x") for _ in range(10_000)}) == 10_000


def test_every_kind_has_a_prefix_of_its_own() -> None:
    kinds = (
        ids.tenant_id,
        ids.user_id,
        ids.conversation_id,
        ids.turn_id,
        ids.artifact_id,
        ids.document_id,
        ids.chunk_id,
        ids.job_id,
        ids.key_id,
        ids.family_id,
    )

    prefixes = [kind().split("_")[0] for kind in kinds]

    assert len(set(prefixes)) == len(kinds)


def test_an_id_fits_its_column() -> None:
    assert len(ids.conversation_id()) <= 40
