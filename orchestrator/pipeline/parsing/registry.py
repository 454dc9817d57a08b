"""Which parser takes a document: by what its bytes are, helped by what the sender says they are."""

from __future__ import annotations

import re
from typing import Literal, assert_never

from orchestrator.pipeline.parsing.document import Limits, ParsedDocument, refuse

Kind = Literal["pdf", "docx", "html", "markdown", "csv", "text"]

#: What a page shows next to the file chooser; anything else is refused by its bytes.
ACCEPTED = (".pdf", ".docx", ".html", ".htm", ".md", ".markdown", ".txt", ".csv")

_OFFICE_97 = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_HTML = re.compile(r"\s*(?:<\?xml[^>]*\?>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.I | re.S)
_TAG = re.compile(r"<(?:p|div|h[1-6]|table|ul|ol|article|section|main|br|span)\b[^>]*>", re.I)
_TEXT_KINDS: dict[str, Kind] = {
    "text/markdown": "markdown",
    "text/x-markdown": "markdown",
    "text/csv": "csv",
    ".md": "markdown",
    ".markdown": "markdown",
    ".csv": "csv",
}


def kind_of(content: bytes, filename: str, mime: str, limits: Limits) -> Kind:
    """Return the kind by magic bytes; the declared type and the name only choose among kinds of text, which have none.

    Raises:
        InvalidInputError: empty, encrypted, damaged, or nothing we read.
    """
    from orchestrator.pipeline.parsing.docx import check_zip

    mime = mime.split(";", maxsplit=1)[0].strip().lower()
    extension = "." + filename.rsplit(".", 1)[-1].lower() if "." in filename else ""
    if not content.strip():
        raise refuse("empty", "an empty file")
    if b"%PDF-" in content[:1024]:
        return "pdf"
    if content.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        if "word/document.xml" in check_zip(content, limits):
            return "docx"
        raise refuse("unsupported", "a zip file that is no DOCX")
    if content.startswith(_OFFICE_97):
        # A DOCX with a password is wrapped in this container, with its parts named in UTF-16.
        if "EncryptedPackage".encode("utf-16-le") in content:
            raise refuse("encrypted", "an office document with a password")
        raise refuse("unsupported", "an office document from before 2007")
    if content.startswith(b"{\\rtf"):
        raise refuse("unsupported", "rich text format")
    if extension in (".pdf", ".docx") or mime == "application/pdf" or "wordprocessingml" in mime:
        raise refuse("corrupt", f"declared as {mime or extension}, but its bytes are not")
    return _text_kind(content, extension, mime)


def _text_kind(content: bytes, extension: str, mime: str) -> Kind:
    from orchestrator.pipeline.parsing.text import decode

    opening = decode(content[:20_000] if content[:2] not in (b"\xff\xfe", b"\xfe\xff") else content)[:20_000]
    if _HTML.match(opening) or (mime in ("text/html", "application/xhtml+xml") and _TAG.search(opening)):
        return "html"
    if opening.lstrip().startswith("<?xml"):
        raise refuse("unsupported", "XML that is no web page")
    return _TEXT_KINDS.get(mime) or _TEXT_KINDS.get(extension) or "text"


def parse(content: bytes, filename: str, mime: str, limits: Limits) -> ParsedDocument:
    """Return the parsed document; only ever call this in a process that may be killed (`isolate.parse_isolated`).

    Each parser is imported when first needed: together they cost half a second.

    Raises:
        InvalidInputError: it can't be taken in; `detail_key` says why.
    """
    if len(content) > limits.max_bytes:
        raise refuse("too_big", f"{len(content)} bytes")
    kind = kind_of(content, filename, mime, limits)
    match kind:
        case "pdf":
            from orchestrator.pipeline.parsing.pdf import parse_pdf

            return parse_pdf(content, filename, limits)
        case "docx":
            from orchestrator.pipeline.parsing.docx import parse_docx

            return parse_docx(content, filename, limits)
        case "html":
            from orchestrator.pipeline.parsing.html import decode_html, parse_html

            return parse_html(decode_html(content), filename, limits)
        case "markdown":
            from orchestrator.pipeline.parsing.markdown import parse_markdown
            from orchestrator.pipeline.parsing.text import decode

            return parse_markdown(decode(content), filename, limits)
        case "csv":
            from orchestrator.pipeline.parsing.text import decode, parse_csv

            return parse_csv(decode(content), filename, limits)
        case "text":
            from orchestrator.pipeline.parsing.text import decode, parse_text

            return parse_text(decode(content), filename, limits)
        case _:
            assert_never(kind)
