"""Markdown (CommonMark with tables) into plain text."""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.token import Token

from orchestrator.pipeline.parsing.document import Limits, ParsedDocument, TextBuilder

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?\n)(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_TITLE = re.compile(r"^title:[ \t]*[\"']?(.+?)[\"']?[ \t]*$", re.MULTILINE)


def parse_markdown(text: str, filename: str, limits: Limits) -> ParsedDocument:
    """Return the document; its title is the front matter's, else its first heading.

    Raises:
        InvalidInputError: there is no text, or too much.
    """
    front = _FRONT_MATTER.match(text)
    title = ""
    if front:
        named = _TITLE.search(front.group(1))
        title = named.group(1) if named else ""
        text = text[front.end() :]
    builder = TextBuilder(limits)
    _walk(MarkdownIt("commonmark").enable("table").parse(text), builder)
    return builder.build(title=title, filename=filename)


def _walk(tokens: list[Token], builder: TextBuilder) -> None:
    """Add the blocks in order; `markers` holds what each open list puts before its next item."""
    markers: list[str] = []
    pending: str | None = None
    rows: list[list[str]] = []
    heading = 0
    in_table = False
    for token in tokens:
        match token.type:
            case "heading_open":
                heading = int(token.tag[1:])
            case "heading_close":
                heading = 0
            case "bullet_list_open" | "ordered_list_open":
                markers.append("-" if token.type == "bullet_list_open" else "1.")
            case "bullet_list_close" | "ordered_list_close":
                markers.pop()
            case "list_item_open":
                pending = markers[-1] if markers[-1] == "-" else f"{token.info or 1}."
            case "table_open":
                rows, in_table = [], True
            case "tr_open":
                rows.append([])
            case "table_close":
                builder.table(rows, header=True)
                in_table = False
            case "inline":
                said = _plain(token)
                if in_table:
                    rows[-1].append(said)
                elif heading:
                    builder.heading(said, heading)
                elif pending:
                    builder.line(f"{pending} {said}")
                    pending = None
                elif markers:
                    builder.line(said)
                else:
                    builder.paragraph(said)
            case "fence" | "code_block":
                builder.paragraph(token.content.partition("\n")[0])
                for line in token.content.splitlines()[1:]:
                    builder.line(line)
            case _:
                # Raw HTML and rules say nothing; closings of what is open add nothing.
                pass


def _plain(token: Token) -> str:
    """Return an inline token's text without its marks; links keep their words, images their description."""
    said: list[str] = []
    for child in token.children or ():
        match child.type:
            case "text" | "code_inline":
                said.append(child.content)
            case "softbreak" | "hardbreak":
                said.append(" ")
            case "image":
                said.append(child.content)
            case _:
                pass
    return "".join(said)
