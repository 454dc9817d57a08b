"""Plain text and CSV."""

from __future__ import annotations

import csv
import io
import re

from orchestrator.pipeline.parsing.document import Limits, ParsedDocument, TextBuilder, refuse

_BULLET = re.compile(r"\s*(?:[-*•–]|\d{1,3}[.)])\s")


def decode(content: bytes) -> str:
    """Return text by byte-order mark, then UTF-8, then Windows-1252, as old office software wrote.

    Raises:
        InvalidInputError: it is no text at all.
    """
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        if content.startswith(mark):
            try:
                return content[len(mark) :].decode(encoding)
            except UnicodeDecodeError as exc:
                raise refuse("corrupt", f"starts as {encoding} but is not") from exc
    strange = sum(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in content[:8192])
    if b"\0" in content[:8192] or strange > max(2, len(content[:8192]) / 100):
        raise refuse("unsupported", "binary content of an unknown kind")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def parse_text(text: str, filename: str, limits: Limits) -> ParsedDocument:
    """Return the document, its wrapped lines joined into paragraphs.

    Raises:
        InvalidInputError: there is no text, or too much.
    """
    builder = TextBuilder(limits)
    for block in re.split(r"\n[^\S\n]*\n", text.replace("\r\n", "\n").replace("\r", "\n")):
        wrapped: list[str] = []
        for line in block.split("\n"):
            if _BULLET.match(line) and wrapped:
                builder.paragraph(" ".join(wrapped))
                wrapped = []
            wrapped.append(line)
        if _BULLET.match(wrapped[0]):
            builder.line(" ".join(wrapped))
        else:
            builder.paragraph(" ".join(wrapped))
    return builder.build(title="", filename=filename)


def parse_csv(text: str, filename: str, limits: Limits) -> ParsedDocument:
    """Return the rows as lines that name their columns; the first row is the header, the separator is found.

    Raises:
        InvalidInputError: it is no CSV, there is no text, or too much.
    """
    try:
        dialect = csv.Sniffer().sniff(text[:8192], delimiters=",;\t|")
    except csv.Error:
        dialect = csv.excel
    builder = TextBuilder(limits)
    try:
        builder.table(list(csv.reader(io.StringIO(text, newline=""), dialect)), header=True)
    except csv.Error as exc:
        raise refuse("corrupt", "not readable as CSV") from exc
    return builder.build(title="", filename=filename)
