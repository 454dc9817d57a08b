"""A job's result in words."""

from __future__ import annotations

import pytest

from orchestrator.admin.job_facts import Fact, facts


@pytest.mark.parametrize(
    ("name", "value", "label", "text"),
    [
        ("dead_rows_before", 12_000, "dead rows before", "12,000"),
        ("size_bytes", 5 * 2**20, "size", "5.0\xa0MB"),
        ("left", [], "left", "none"),
        ("left", ["a", "b"], "left", "a, b"),
        ("not_done", {}, "not done", "none"),
        ("state", None, "state", "–"),
        ("whole", True, "whole", "yes"),
        ("skipped", "no warehouse is connected", "skipped", "no warehouse is connected"),
    ],
)
def test_a_single_fact_is_a_text(name: str, value: object, label: str, text: str) -> None:
    assert facts({name: value}) == [Fact(label=label, text=text)]


def test_several_of_a_kind_are_a_table_with_their_names_first() -> None:
    found = facts({"largest": [{"rows": 1200, "table": "turn"}, {"rows": 3, "table": "job"}]})

    assert found == [Fact(label="largest", head=("table", "rows"), rows=(("turn", "1,200"), ("job", "3")))]


def test_reasons_by_name_are_a_table_behind_the_single_facts() -> None:
    found = facts({"not_done": {"turn": "locked"}, "vacuumed": 28})

    assert [fact.label for fact in found] == ["vacuumed", "not done"]
    assert found[1].rows == (("turn", "locked"),)
