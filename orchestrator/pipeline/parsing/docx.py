"""Word documents (DOCX) into plain text, tables and tracked insertions included."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator, Mapping

import docx
from docx.opc.exceptions import OpcError
from docx.oxml.ns import qn
from lxml import etree

from orchestrator.pipeline.parsing.document import Limits, ParsedDocument, TextBuilder, refuse

_HEADING = re.compile(r"(?:heading|título|titulo|encabezado)\s*([1-9])", re.IGNORECASE)
_MAX_PARTS = 5_000
#: Deleted text, properties, and the second copy of a drawing for old readers.
_SILENT = ("}del", "}pPr", "}rPr", "}Fallback")


def check_zip(content: bytes, limits: Limits) -> list[str]:
    """Return the names in a zip file after checking what unpacking it would cost; nothing is unpacked.

    The declared sizes can be trusted as bounds: `zipfile` reads no part past its declared size.

    Raises:
        InvalidInputError: damaged, encrypted, too many parts, too large or packed too tightly.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError, OSError) as exc:
        raise refuse("corrupt", "damaged zip file") from exc
    unpacked = sum(part.file_size for part in parts)
    if len(parts) > _MAX_PARTS or unpacked > limits.max_unpacked_bytes:
        raise refuse("too_big", f"unpacks to {unpacked} bytes in {len(parts)} parts")
    # Small documents of styles and themes compress tightly too; only much text out of little is a bomb.
    if unpacked > 5_000_000 and unpacked > limits.max_ratio * len(content):
        raise refuse("too_big", f"unpacks to {unpacked / len(content):.0f} times its size")
    if any(part.flag_bits & 1 for part in parts):
        raise refuse("encrypted", "the zip file is encrypted")
    return [part.filename for part in parts]


def parse_docx(content: bytes, filename: str, limits: Limits) -> ParsedDocument:
    """Return the document in reading order; its title is the property, else the paragraph styled Title.

    Raises:
        InvalidInputError: damaged, too large, or without text.
    """
    check_zip(content, limits)
    builder = TextBuilder(limits)
    try:
        document = docx.Document(io.BytesIO(content))
        styles = {style.style_id: str(style.name or "") for style in document.styles}
        title = _walk(document.element.body, styles, builder) or document.core_properties.title
    except (OpcError, zipfile.BadZipFile, etree.XMLSyntaxError, KeyError, ValueError, AttributeError, OSError) as exc:
        # python-docx has no error of its own for damage: it fails wherever it first misses something.
        raise refuse("corrupt", f"not readable as DOCX: {type(exc).__name__}") from exc
    # What python-docx writes into every new file.
    return builder.build(title="" if title == "Word Document" else title, filename=filename)


def _walk(body: etree._Element, styles: Mapping[str, str], builder: TextBuilder) -> str:
    """Add the blocks under `body`; return the words of the paragraph styled Title, if any."""
    title = ""
    for child in _content(body):
        if child.tag == qn("w:tbl"):
            rows = [
                ["\n".join(map(_said, cell.iter(qn("w:p")))) for cell in row.iterchildren(qn("w:tc"))]
                for row in child.iterchildren(qn("w:tr"))
            ]
            builder.table(rows, header=True)
            continue
        said, style = _said(child), _style(child, styles)
        heading = _HEADING.match(style)
        if style.lower() in ("title", "título", "titulo"):
            title = title or said
            builder.heading(said, 1)
        elif heading:
            builder.heading(said, int(heading.group(1)))
        elif style.lower().startswith("list") or child.find(f"{qn('w:pPr')}/{qn('w:numPr')}") is not None:
            builder.line(f"- {said}" if said.strip() else "")
        else:
            builder.paragraph(said)
    return title


def _content(node: etree._Element) -> Iterator[etree._Element]:
    """Yield paragraphs and tables in order, looking into content controls, which python-docx skips."""
    for child in node.iterchildren():
        if child.tag in (qn("w:p"), qn("w:tbl")):
            yield child
        elif child.tag in (qn("w:sdt"), qn("w:sdtContent"), qn("w:ins"), qn("w:customXml")):
            yield from _content(child)


def _style(paragraph: etree._Element, styles: Mapping[str, str]) -> str:
    """Return the name of a paragraph's style, which stays English whatever language Word ran in; empty for none."""
    mark = paragraph.find(f"{qn('w:pPr')}/{qn('w:pStyle')}")
    if mark is None:
        return ""
    name = mark.get(qn("w:val")) or ""
    return styles.get(name) or name


def _said(node: etree._Element) -> str:
    """Return a paragraph's words: insertions and links yes, deletions, notes' marks and fallback drawings no."""
    said: list[str] = []
    for child in node.iterchildren():
        if child.tag == qn("w:t"):
            said.append(child.text or "")
        elif child.tag in (qn("w:tab"), qn("w:br"), qn("w:cr")):
            said.append(" ")
        elif child.tag == qn("w:noBreakHyphen"):
            said.append("-")
        elif isinstance(child.tag, str) and not child.tag.endswith(_SILENT):
            said.append(_said(child))
    return "".join(said)
