"""Pieces of a document: exact offsets, no piece across a heading, nothing lost."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.engines.retriever import Chunk
from orchestrator.pipeline.chunking import chunk
from orchestrator.pipeline.ingest import embedded_text, ingest, under_title
from orchestrator.pipeline.parsing.document import Limits, ParsedDocument, TextBuilder
from orchestrator.pipeline.parsing.markdown import parse_markdown

HANDBOOK = """# Handbook

Welcome 👋 to the café.

## Tips

### Sharing

Tips are pooled. Se reparten cada noche.

### Taxes

Tips are taxed.

## Uniform

Black shoes.
"""
BLOCK = st.tuples(st.integers(0, 3), st.text(alphabet="aábñ😀👨‍🍳 .!?\n", min_size=1, max_size=300))


def a_document(blocks: list[tuple[int, str]]) -> ParsedDocument:
    builder = TextBuilder(Limits())
    for level, text in blocks:
        (builder.heading(text[:40], level) if level else builder.paragraph(text))
    builder.paragraph("The end.")
    return builder.build(title="", filename="x.txt")


def test_the_heading_path_goes_from_the_title_down() -> None:
    found = chunk(parse_markdown(HANDBOOK, "handbook.md", Limits()))

    assert [(piece.heading, piece.text) for piece in found] == [
        ("Handbook", "Welcome 👋 to the café."),
        ("Handbook › Tips › Sharing", "Tips are pooled. Se reparten cada noche."),
        ("Handbook › Tips › Taxes", "Tips are taxed."),
        ("Handbook › Uniform", "Black shoes."),
    ]


def test_a_title_that_is_no_heading_opens_every_path() -> None:
    found = chunk(parse_markdown(f"---\ntitle: Trattoria\n---\n{HANDBOOK}", "handbook.md", Limits()))

    assert found[1].heading == "Trattoria › Handbook › Tips › Sharing"


def test_a_long_section_is_cut_between_sentences_and_overlaps_a_little() -> None:
    text = " ".join(f"Sentence number {at} says one thing about the house." for at in range(60))

    found = chunk(parse_markdown(text, "long.md", Limits()))

    assert all(len(piece.text) <= 900 and piece.text.endswith(".") for piece in found)
    assert all(0 < before.end - after.start <= 120 for before, after in pairwise(found))


def test_a_document_of_headings_alone_still_has_a_piece() -> None:
    assert [piece.text for piece in chunk(parse_markdown("# One\n\n## Two", "x.md", Limits()))] == ["One\n\nTwo"]


@given(st.lists(BLOCK, max_size=12), st.integers(20, 200))
def test_offsets_are_exact_and_no_word_is_lost_for_any_document(blocks: list[tuple[int, str]], max_chars: int) -> None:
    document = a_document(blocks)

    found = chunk(document, max_chars=max_chars)

    assert [document.text[piece.start : piece.end] for piece in found] == [piece.text for piece in found]
    assert [piece.n for piece in found] == list(range(len(found)))
    covered = {at for piece in found for at in range(piece.start, piece.end)}
    headings = {at for head in document.headings for at in range(head.offset, head.offset + len(head.text))}
    left_out = {at for at in range(len(document.text)) if not document.text[at].isspace()} - covered - headings
    assert left_out == set()
    assert all(len(piece.text) <= max_chars for piece in found)


def test_ingesting_gives_pieces_and_what_the_encoder_reads_of_them() -> None:
    ingested = ingest(HANDBOOK.encode(), "handbook.md", "text/markdown")

    assert ingested.to_embed[1] == "Handbook › Tips › Sharing\nTips are pooled. Se reparten cada noche."
    assert ingested.to_embed == tuple(map(embedded_text, ingested.chunks))
    assert ingested.document.title == "Handbook"


def test_the_title_a_document_was_given_stands_in_front_of_each_heading_once() -> None:
    pieces = [
        Chunk(n=at, heading=heading, text="Ten days.", start=0, end=9)
        for at, heading in enumerate(("Penalties", "Rosso Flour › Term", ""))
    ]

    found = under_title(pieces, "Rosso  flour")

    assert [piece.heading for piece in found] == ["Rosso flour › Penalties", "Rosso Flour › Term", "Rosso flour"]
    assert under_title(pieces, " ") == pieces
