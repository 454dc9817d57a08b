"""Each format into plain text, and every way a document can be refused, in this process."""

from __future__ import annotations

import pytest

from orchestrator.errors import InvalidInputError
from orchestrator.pipeline.parsing.document import Limits, ParsedDocument
from orchestrator.pipeline.parsing.registry import kind_of, parse
from tests.documents import a_docx, a_locked_pdf, a_pdf, a_zip_bomb

LIMITS = Limits()

MARKDOWN = """---
title: Manual de sala
---
# Manual de sala

Las propinas se **reparten** cada
noche ([detalles](http://example.org)).

## Turnos <!-- oculto -->

- mañana
- tarde
  - hasta las 23:00
1. primero

| Plato | Gluten | Leche |
|---|---|---|
| Carbonara | sí | sí |
| Ensalada | no |  |

```
código 7
```
"""

HTML = """<!doctype html><html><head><title>Allergens | Site</title><script>alert(1)</script></head><body>
<nav><a href="/">Home</a><a href="/x">Menu of the site</a></nav>
<h1>Allergen sheet</h1><p>Every dish is listed with what it contains. Ask the kitchen if a guest has an allergy,
and never guess what is inside a sauce, because a mistake can be dangerous.</p>
<h2>Starters</h2><table><tr><th>Dish</th><th>Gluten</th></tr><tr><td>Bruschetta</td><td>yes</td></tr>
<tr><td>Caprese</td><td>no</td></tr></table><ul><li>Check twice</li><li>Write it <b>down</b></li></ul>
<footer>Copyright</footer></body></html>"""


def parsed(content: bytes, filename: str, mime: str = "", limits: Limits = LIMITS) -> ParsedDocument:
    return parse(content, filename, mime, limits)


def problem_of(content: bytes, filename: str, mime: str = "", limits: Limits = LIMITS) -> str | None:
    with pytest.raises(InvalidInputError) as caught:
        parse(content, filename, mime, limits)
    return caught.value.detail_key


def test_markdown_keeps_headings_lists_and_tables_and_drops_its_marks() -> None:
    document = parsed(MARKDOWN.encode(), "manual.md", "text/markdown")

    assert (document.title, document.language) == ("Manual de sala", "es")
    assert "Las propinas se reparten cada noche (detalles)." in document.text
    assert "- mañana\n- tarde\n- hasta las 23:00\n1. primero" in document.text
    assert (
        "Plato | Gluten | Leche\nCarbonara — Gluten: sí; Leche: sí\nEnsalada — Gluten: no\n\ncódigo 7" in document.text
    )
    assert [(heading.level, heading.text) for heading in document.headings] == [(1, "Manual de sala"), (2, "Turnos")]


def test_html_keeps_the_content_and_drops_menus_and_scripts() -> None:
    document = parsed(HTML.encode(), "allergens.html", "text/html")

    assert document.title == "Allergen sheet"
    assert "Bruschetta — Gluten: yes\nCaprese — Gluten: no" in document.text
    assert "- Check twice\n- Write it down" in document.text
    assert "alert" not in document.text
    assert "Menu of the site" not in document.text
    assert [heading.text for heading in document.headings][-1] == "Starters"


def test_html_whose_words_are_mostly_links_is_read_for_its_article() -> None:
    menu = "".join(f'<div><a href="/{at}">A long entry of the menu number {at}</a></div>' for at in range(60))
    article = "".join(
        f"<p>Sentence {at} of the article says something worth keeping for the guests.</p>" for at in range(12)
    )

    document = parsed(
        f"<html><body><div>{menu}</div><div class='post'>{article}</div></body></html>".encode(), "a.html"
    )

    assert "Sentence 11 of the article" in document.text
    assert "entry of the menu" not in document.text


def test_docx_keeps_tables_in_their_place_and_levels_of_headings() -> None:
    document = parsed(a_docx(), "contract.docx")

    assert document.title == "Supplier contract"
    assert "- Fish before seven\n- Bread before six" in document.text
    assert "Sea bass — Price: 14 € / kg\nFocaccia — Price: 2 €\n\nSigned in Madrid." in document.text
    assert [(heading.level, heading.text) for heading in document.headings] == [
        (1, "Supplier contract"),
        (2, "Deliveries"),
    ]


def test_pdf_joins_wrapped_lines_knows_its_pages_and_guesses_headings_by_size() -> None:
    first = [
        (18, "House policy"),
        (11, "Guests may bring a dog to the terrace as long as it stays on a leash and does"),
        (11, "not disturb anybody. The waiter brings a bowl of water with-"),
        (11, "out being asked."),
    ]
    second = [(14, "Refunds"), (11, "A dish is refunded within 30 minutes, é incluido.")]

    document = parsed(a_pdf(first, second), "policy.pdf")

    assert document.title == "House policy"
    assert "stays on a leash and does not disturb anybody. The waiter brings a bowl" in document.text
    assert [(heading.level, heading.text) for heading in document.headings] == [(1, "House policy"), (2, "Refunds")]
    assert [document.text[page:][:12] for page in document.pages] == ["House policy", "Refunds\n\nA d"]


def test_the_running_title_and_page_numbers_of_a_pdf_are_left_out() -> None:
    pages = [
        [(9, "Trattoria - internal"), (11, f"Rule {word} says what to do."), (9, f"Page {at}")]
        for at, word in enumerate(["one", "two", "three"])
    ]

    document = parsed(a_pdf(*pages), "rules.pdf")

    assert document.text == "Rule one says what to do.\n\nRule two says what to do.\n\nRule three says what to do."


def test_the_title_of_a_pdf_is_its_metadata_unless_a_program_put_it_there() -> None:
    page = [(12, "Nothing but a line of text.")]

    assert parsed(a_pdf(page, title="Cellar rules"), "x.pdf").title == "Cellar rules"
    assert parsed(a_pdf(page, title="Microsoft Word - x.doc"), "cellar_rules-2.pdf").title == "cellar rules 2"


def test_a_pdf_that_only_forbids_changes_is_read() -> None:
    assert parsed(a_locked_pdf(""), "safe.pdf").text == "The safe opens at nine in the morning."


def test_wrapped_lines_of_text_become_paragraphs_and_old_encodings_are_read() -> None:
    document = parsed("El año pasado\nabrimos dos.\n\n- uno\n- dos\n".encode("cp1252"), "nota.txt", "text/plain")

    assert document.text == "El año pasado abrimos dos.\n\n- uno\n- dos"
    assert document.title == "nota"


def test_csv_rows_name_their_columns_whatever_the_separator() -> None:
    document = parsed(b"dish;price\nCarbonara;12\nTiramisu;6\n", "menu.csv", "text/csv")

    assert document.text == "dish | price\nCarbonara — price: 12\nTiramisu — price: 6"


def test_text_is_composed_and_free_of_characters_the_database_refuses() -> None:
    document = parsed("cafe\u0301 \u200b\ufeff\u00adbar\u0007 \U0001f468\u200d\U0001f373".encode(), "a.txt")

    assert document.text == "café bar 👨‍🍳"


@pytest.mark.parametrize(
    ("content", "filename", "mime", "kind"),
    [
        (a_pdf([(12, "hello there")]), "notes.txt", "text/plain", "pdf"),
        (a_docx(), "x.bin", "application/octet-stream", "docx"),
        (b"<html><p>hi</p></html>", "x.txt", "text/plain", "html"),
        (b"<p>a fragment</p>", "x", "text/html; charset=utf-8", "html"),
        (b"# a title", "x.md", "", "markdown"),
        (b"# a comment", "x.txt", "", "text"),
        (b"a,b\n1,2", "x.csv", "", "csv"),
    ],
)
def test_bytes_decide_the_kind_and_the_name_only_chooses_among_texts(
    content: bytes, filename: str, mime: str, kind: str
) -> None:
    assert kind_of(content, filename, mime, LIMITS) == kind


@pytest.mark.parametrize(
    ("content", "filename", "problem"),
    [
        (b"", "x.txt", "documents.empty"),
        (b" \n\t ", "x.md", "documents.empty"),
        (b"---\ntitle: x\n---\n", "x.md", "documents.empty"),
        (a_locked_pdf("secret"), "x.pdf", "documents.encrypted"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"), "x.docx", "documents.encrypted"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 old", "x.doc", "documents.unsupported"),
        (b"%PDF-1.7\ngarbage and nothing else", "x.pdf", "documents.corrupt"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", "x.png", "documents.unsupported"),
        (b"MZ\x90\0\x03\0\0\0", "report.pdf", "documents.corrupt"),
        (b"PK\x03\x04 not a zip", "x.docx", "documents.corrupt"),
        (a_docx()[:-200], "x.docx", "documents.corrupt"),
        (a_zip_bomb(50), "x.docx", "documents.too_big"),
        (a_zip_bomb(210), "x.docx", "documents.too_big"),
        (a_zip_bomb(1), "x.docx", "documents.corrupt"),
        (a_pdf([]), "scan.pdf", "documents.no_text"),
        (a_pdf([], [], []), "scan.pdf", "documents.no_text"),
        (b"{\\rtf1 hello}", "x.rtf", "documents.unsupported"),
        (b"<?xml version='1.0'?><rss/>", "x.xml", "documents.unsupported"),
    ],
)
def test_a_bad_document_is_refused_with_its_reason(content: bytes, filename: str, problem: str) -> None:
    assert problem_of(content, filename) == problem


def test_limits_on_bytes_pages_and_characters_are_kept() -> None:
    two_pages = a_pdf([(12, "one page")], [(12, "another")])

    assert problem_of(b"x" * 11, "x.txt", limits=Limits(max_bytes=10)) == "documents.too_big"
    assert problem_of(two_pages, "x.pdf", limits=Limits(max_pages=1)) == "documents.too_big"
    assert problem_of(b"x" * 11, "x.txt", limits=Limits(max_chars=10)) == "documents.too_big"
