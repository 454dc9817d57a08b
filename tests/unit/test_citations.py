"""Markers in a text and the passages they point to."""

from __future__ import annotations

import pytest

from orchestrator.engines.retriever import Passage
from orchestrator.pipeline.citations import cite, cited_numbers, preview

PASSAGES = tuple(
    Passage(
        chunk=f"chk_{n}",
        document=f"doc_{n}",
        title=f"Title {n}",
        heading=f"Title {n} › Part",
        text="…",
        start=n * 10,
        end=n * 10 + 5,
        score=0.1,
        similarity=None,
    )
    for n in (1, 2, 3)
)


def test_a_citation_carries_what_the_contract_asks() -> None:
    found = cite("Tips are pooled [2].", artifact="art_x", passages=PASSAGES)

    assert [citation.wire() for citation in found] == [
        {
            "n": 2,
            "artifact": "art_x",
            "document": "doc_2",
            "title": "Title 2",
            "heading": "Title 2 › Part",
            "start": 20,
            "end": 25,
            "url": "/api/artifacts/art_x#2",
        }
    ]


def test_each_passage_is_listed_once_in_the_order_of_mention_and_unknown_numbers_are_ignored() -> None:
    found = cite("A [3]. B [1][9]. C [3], [0].", artifact="a", passages=PASSAGES)

    assert [citation.n for citation in found] == [3, 1]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("joined[1][2]", [1, 2]),
        ("lists [1, 3] and ranges [1-3] and [2–3]", [1, 3, 1, 2, 3, 2, 3]),
        ("no range [300-2], [2-1]", [300, 2]),
        ("a link [1](http://x) and a space [1] (see)", [1]),
        ("code `rows[1]` and\n```\nx[2]\n```\nthen [3]", [3]),
        ("an open fence ```\nx[2]", []),
        ("words [one], dates [2024], empty []", []),
        ("", []),
    ],
)
def test_what_counts_as_a_marker(text: str, numbers: list[int]) -> None:
    assert cited_numbers(text) == numbers


def test_a_preview_holds_the_first_passages_and_says_how_many_there_are() -> None:
    assert preview(PASSAGES, limit=1) == {
        "passages": [
            {
                "n": 1,
                "document": "doc_1",
                "title": "Title 1",
                "heading": "Title 1 › Part",
                "text": "…",
                "start": 10,
                "end": 15,
            }
        ],
        "total": 3,
    }
