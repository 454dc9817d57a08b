"""Web pages into plain text, without their menus and scripts."""

from __future__ import annotations

import re

import lxml.html
import trafilatura
from lxml import etree

from orchestrator.pipeline.parsing.document import Limits, ParsedDocument, TextBuilder, clean, refuse
from orchestrator.pipeline.parsing.text import decode

_CHARSET = re.compile(rb"<meta[^>]+charset=[\"']?([\w-]+)", re.IGNORECASE)
_DROPPED = ("script", "style", "noscript", "template", "nav", "svg", "iframe", "button", "footer", "aside")
#: Of a page's letters, how many may be links before it counts as one with menus around its content.
_MOSTLY_LINKS = 0.35
#: Characters that trafilatura has to find for its word to count.
_ENOUGH = 200


def decode_html(content: bytes) -> str:
    """Return the page as text, by its own charset where it names one that fits, else as any text.

    Raises:
        InvalidInputError: it is no text at all.
    """
    named = _CHARSET.search(content[:4096])
    if named and not content.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        try:
            return content.decode(named.group(1).decode("ascii"))
        except (LookupError, UnicodeDecodeError):
            pass
    return decode(content)


def parse_html(text: str, filename: str, limits: Limits) -> ParsedDocument:
    """Return the main content of a page; its title is the first `h1`, else `<title>`.

    Raises:
        InvalidInputError: there is no text, or too much; the page can't be read at all.
    """
    try:
        # An encoding declaration in a str makes lxml refuse the page.
        page = lxml.html.fromstring(re.sub(r"\A\s*<\?xml[^>]*\?>", "", text))
    except etree.XMLSyntaxError as exc:
        # The parser mends whatever it meets; this is how libxml2 says that it ran out of memory.
        raise refuse("too_complex", "not parsed within its memory") from exc
    except (etree.ParserError, ValueError) as exc:
        raise refuse("corrupt", "not readable as HTML") from exc
    first = page.find(".//h1")
    title = clean(first.text_content()) if first is not None else ""
    title = title or clean(page.findtext(".//title") or "")
    etree.strip_elements(page, *_DROPPED, etree.Comment, with_tail=False)

    builder = TextBuilder(limits)
    _blocks(_main(page, text), builder)
    return builder.build(title=title, filename=filename)


def _main(page: lxml.html.HtmlElement, text: str) -> etree._Element:
    """Return what holds the content: `main`, a lone `article` or the body; trafilatura's find in a page of links.

    Not trafilatura for every page: of a short sheet it drops headings, lists and tables (seen with 2.3.1), which
    a company's documents consist of. Where a good part of the words are links, the rest of the page's chrome
    is in plain `div`s, and finding the article in it is what it does best.
    """
    articles = page.findall(".//article")
    main = page.find(".//main")
    whole = main if main is not None else articles[0] if len(articles) == 1 else page.find("body")
    whole = page if whole is None else whole
    linked = sum(len(clean(link.text_content())) for link in whole.iter("a"))
    if linked > _MOSTLY_LINKS * len(clean(whole.text_content())):
        found = trafilatura.bare_extraction(text, include_comments=False, include_tables=True, favor_recall=True)
        body = getattr(found, "body", None)
        if body is not None and len(clean("".join(body.itertext()))) >= _ENOUGH:
            return body
    return whole


def _blocks(node: etree._Element, builder: TextBuilder) -> None:
    """Add what is below `node` in order; reads HTML's tags and trafilatura's (`head rend`, `item`, `row`, `cell`)."""
    loose: list[str] = [node.text or ""]

    def flush() -> None:
        builder.paragraph("".join(loose))
        loose.clear()

    for child in node:
        tag = child.tag if isinstance(child.tag, str) else ""
        level = _level(child, tag)
        if level:
            flush()
            builder.heading(_said(child), level)
        elif tag == "table":
            flush()
            _table(child, builder)
        elif tag in ("li", "item"):
            flush()
            nested = [part for part in child if part.tag in ("ul", "ol", "list")]
            for part in nested:
                child.remove(part)
            builder.line(f"- {_said(child)}")
            for part in nested:
                _blocks(part, builder)
        elif tag in ("p", "quote", "blockquote", "pre", "dt", "dd", "figcaption", "summary", "address"):
            flush()
            builder.paragraph(_said(child))
        elif tag in ("a", "b", "i", "em", "strong", "span", "hi", "ref", "code", "small", "sup", "sub", "time", "u"):
            loose.append(_said(child))
        elif tag in ("br", "lb"):
            loose.append(" ")
        else:
            flush()
            _blocks(child, builder)
        loose.append(child.tail or "")
    flush()


def _level(node: etree._Element, tag: str) -> int:
    """Return a heading's level, 0 for anything else."""
    name = node.get("rend", "h2") if tag == "head" else tag
    return int(name[1]) if re.fullmatch(r"h[1-6]", name) else 0


def _said(node: etree._Element) -> str:
    """Return a node's words; a line break inside is a space."""
    said = [node.text or ""]
    for child in node:
        said += [" " if child.tag in ("br", "lb") else _said(child), child.tail or ""]
    return "".join(said)


def _table(node: etree._Element, builder: TextBuilder) -> None:
    rows = [[_said(cell) for cell in row.iter("td", "th", "cell")] for row in node.iter("tr", "row")]
    first = next(node.iter("tr", "row"), None)
    cells = list(first.iter("td", "th", "cell")) if first is not None else []
    header = bool(cells) and all(cell.tag == "th" or cell.get("role") == "head" for cell in cells)
    builder.table(rows, header=header)
