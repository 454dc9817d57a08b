"""The example's documents say what its data say, and the retrieval questions can be answered from them."""

from functools import cache
from pathlib import Path
from typing import Any

import docx
import pytest
import yaml
from pypdf import PdfReader

from deploy.example.catalogue import CATALOGUES
from deploy.example.menu import TRATTORIA_MENU
from deploy.example.render_documents import DOCUMENTS, FORMATS, source_text
from deploy.example.router_templates import QUESTIONS

SHEETS = {
    "allergens-starters-salads.html",
    "allergens-pasta-risotto-pizza.pdf",
    "alergenos-segundos-postres.docx",
    "allergens-drinks.html",
}


def read_pdf(path: Path) -> str:
    """Return a PDF's text."""
    return " ".join(page.extract_text() for page in PdfReader(path).pages)


def read_docx(path: Path) -> str:
    """Return a DOCX file's text, tables after paragraphs."""
    document = docx.Document(str(path))
    cells = (cell.text for table in document.tables for row in table.rows for cell in row.cells)
    return " ".join((*(paragraph.text for paragraph in document.paragraphs), *cells))


READERS = {".pdf": read_pdf, ".docx": read_docx}


@cache
def document_text(tenant: str, name: str) -> str:
    """Return a document's text with single spaces."""
    path = DOCUMENTS / tenant / name
    read = READERS.get(path.suffix, lambda plain: plain.read_text("utf-8"))
    return " ".join(read(path).split())


def documents_of(tenant: str) -> list[str]:
    """Return the names of a tenant's documents."""
    return sorted(path.name for path in (DOCUMENTS / tenant).iterdir())


def questions() -> list[dict[str, Any]]:
    """Return the held-out retrieval questions."""
    loaded: list[dict[str, Any]] = yaml.safe_load((QUESTIONS / "rag_heldout.yaml").read_text("utf-8"))
    return loaded


@pytest.mark.parametrize("question", questions(), ids=lambda question: question["question"])
def test_the_expected_document_contains_the_answer(question: dict[str, Any]) -> None:
    assert question["contains"] in document_text("trattoria", question["document"])


def test_twenty_questions_are_english_and_ten_spanish() -> None:
    assert [question["language"] for question in questions()].count("en") == 20
    assert [question["language"] for question in questions()].count("es") == 10


def test_the_documents_come_in_four_formats() -> None:
    assert {Path(name).suffix for name in documents_of("trattoria")} == {".md", ".pdf", ".docx", ".html"}


@pytest.mark.parametrize("dish", TRATTORIA_MENU, ids=lambda dish: dish.name)
def test_every_dish_stands_on_an_allergen_sheet(dish: Any) -> None:
    sheets = " ".join(document_text("trattoria", name) for name in SHEETS)

    assert dish.name.replace("'", "") in sheets.replace("'", "").replace("&#x27;", "")


@pytest.mark.parametrize("branch", CATALOGUES["trattoria"].branches, ids=lambda branch: branch.name)
def test_the_handbook_names_every_branch(branch: Any) -> None:
    assert branch.name in document_text("trattoria", "employee-handbook.md")


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_every_source_has_been_rendered(name: str) -> None:
    title = source_text(name).splitlines()[0].removeprefix("# ")
    tenant, stem = name.split("/")

    assert title in document_text(tenant, f"{stem}.{FORMATS[name]}")


def test_the_rival_contradicts_the_trattoria_on_how_long_a_table_is_held() -> None:
    assert "hold a table for 15 minutes" in document_text("trattoria", "policy-reservations.html")
    assert "Guardamos la mesa 30 minutos" in document_text("rival", "politica-reservas-reembolsos.html")


def test_all_documents_together_stay_small() -> None:
    assert sum(path.stat().st_size for path in DOCUMENTS.rglob("*") if path.is_file()) < 1_500_000
