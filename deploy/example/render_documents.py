"""Render the example's document sources to PDF, DOCX and HTML: `python -m deploy.example.render_documents`.

Needs `fpdf2`, which nothing else does: the results are committed, so this runs only when a source changes.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import docx
from markdown_it import MarkdownIt
from markdown_it.token import Token

from deploy.example.menu import RIVAL_MENU, TRATTORIA_MENU, Dish

DOCUMENTS: Final = Path(__file__).parent / "documents"

#: Source without suffix -> the format it is rendered to; a tenant's other documents are Markdown as they stand.
FORMATS: Final[Mapping[str, str]] = {
    "trattoria/allergens-starters-salads": "html",
    "trattoria/allergens-pasta-risotto-pizza": "pdf",
    "trattoria/alergenos-segundos-postres": "docx",
    "trattoria/allergens-drinks": "html",
    "trattoria/contract-caseificio-valdoro": "pdf",
    "trattoria/contrato-pescados-cabo-norte": "pdf",
    "trattoria/contract-molino-rosso": "docx",
    "trattoria/contrato-carnes-sierra-alta": "docx",
    "trattoria/policy-reservations": "html",
    "trattoria/food-safety-temperatures": "pdf",
    "trattoria/plan-evacuacion-incendios": "html",
    "trattoria/policy-uniform": "docx",
    "trattoria/vacaciones-y-permisos": "pdf",
    "rival/politica-reservas-reembolsos": "html",
    "rival/contract-lonja-bermeo": "pdf",
    "rival/allergens-rivale": "docx",
}

_SPANISH: Final[Mapping[str, str]] = {
    "gluten": "gluten",
    "crustaceans": "crustáceos",
    "eggs": "huevo",
    "fish": "pescado",
    "milk": "leche",
    "nuts": "frutos secos",
    "celery": "apio",
    "mustard": "mostaza",
    "sulphites": "sulfitos",
    "molluscs": "moluscos",
}
_PLACEHOLDER: Final = re.compile(r"\{\{(allergens|alergenos|allergens of rival)(?:: ([^}]*))?\}\}")


def source_text(name: str) -> str:
    """Return the Markdown of a source, its allergen tables filled from the menu."""
    return _PLACEHOLDER.sub(_allergen_table, (DOCUMENTS / "sources" / f"{name}.md").read_text("utf-8"))


def _allergen_table(found: re.Match[str]) -> str:
    spanish, rival = found[1] == "alergenos", found[1] == "allergens of rival"
    categories = found[2].split(", ") if found[2] else None
    lines = ["| plato | contiene | vegetariano |" if spanish else "| dish | contains | vegetarian |", "|---|---|---|"]
    for dish in RIVAL_MENU if rival else TRATTORIA_MENU:
        if categories is None or dish.category in categories:
            lines.append(_allergen_line(dish, spanish=spanish))
    return "\n".join(lines)


def _allergen_line(dish: Dish, *, spanish: bool) -> str:
    names = [_SPANISH[name] if spanish else name for name in dish.allergens]
    nothing, yes = ("ninguno de los catorce", "sí") if spanish else ("none of the fourteen", "yes")
    return f"| {dish.name} | {', '.join(names) or nothing} | {yes if dish.vegetarian else 'no'} |"


def _blocks(markdown: str) -> list[tuple[str, Any]]:
    """Return (kind, content): ("h1".."h3" | "p" | "li", text) and ("table", rows)."""
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown)
    blocks: list[tuple[str, Any]] = []
    rows: list[list[str]] = []
    for before, token in pairwise(tokens):
        match before.type:
            case "table_open":
                rows = []
                blocks.append(("table", rows))
            case "tr_open":
                rows.append([])
            case "th_open" | "td_open":
                rows[-1].append(token.content)
            case "heading_open":
                blocks.append((before.tag, token.content))
            case "paragraph_open":
                blocks.append(("li" if _in_list(before) else "p", token.content.replace("\n", " ")))
    return blocks


def _in_list(token: Token) -> bool:
    return token.level >= 2


def _write_pdf(blocks: Sequence[tuple[str, Any]], path: Path) -> None:
    # Any: fpdf2 is there only where documents are rendered, so it can't be imported for its types.
    pdf: Any = import_module("fpdf").FPDF(format="A4")
    # A fixed date: rendering twice gives the same file.
    pdf.set_creation_date(datetime(2026, 9, 1, tzinfo=UTC))
    pdf.set_margin(22)
    pdf.set_auto_page_break(True, margin=22)
    pdf.add_page()
    for kind, content in blocks:
        if kind == "table":
            pdf.set_font("Helvetica", size=10)
            with pdf.table(line_height=6) as table:
                for row in content:
                    table.row(row)
            pdf.ln(3)
            continue
        size = {"h1": 17, "h2": 13, "h3": 11}.get(kind, 10.5)
        pdf.set_font("Helvetica", style="B" if kind.startswith("h") else "", size=size)
        pdf.ln(3 if kind.startswith("h") else 0)
        text = f"- {content}" if kind == "li" else content
        pdf.multi_cell(0, size * 0.5, text.replace("`", ""), new_x="LMARGIN", new_y="NEXT")
        pdf.ln(2)
    pdf.output(str(path))


def _write_docx(blocks: Sequence[tuple[str, Any]], path: Path) -> None:
    document = docx.Document()
    for kind, content in blocks:
        if kind == "table":
            table = document.add_table(rows=0, cols=len(content[0]), style="Table Grid")
            for row in content:
                for cell, text in zip(table.add_row().cells, row, strict=True):
                    cell.text = text
        elif kind.startswith("h"):
            document.add_heading(content, level=int(kind[1]))
        else:
            document.add_paragraph(content, style="List Bullet" if kind == "li" else None)
    document.save(str(path))


def _write_html(markdown: str, path: Path) -> None:
    language = "es" if path.stem.startswith(("politica", "plan", "alergenos")) else "en"
    title = markdown.splitlines()[0].removeprefix("# ")
    body = MarkdownIt("commonmark").enable("table").render(markdown)
    # The navigation and the footer are what a page of an intranet has; a parser must leave them out.
    path.write_text(
        f"""<!doctype html>
<html lang="{language}">
<head><meta charset="utf-8"><title>{title}</title></head>
<body>
<nav><a href="/">Intranet</a> <a href="/rota">Rota</a> <a href="/{path.parent.name}">Documents</a></nav>
<main><article>
{body}</article></main>
<footer>Printed copies are not kept up to date.</footer>
</body>
</html>
""",
        "utf-8",
    )


def render_all() -> None:
    """Write every document that has a source anew."""
    for name, suffix in FORMATS.items():
        markdown = source_text(name)
        path = DOCUMENTS / f"{name}.{suffix}"
        match suffix:
            case "pdf":
                _write_pdf(_blocks(markdown), path)
            case "docx":
                _write_docx(_blocks(markdown), path)
            case _:
                _write_html(markdown, path)


if __name__ == "__main__":
    render_all()
