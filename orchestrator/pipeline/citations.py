"""The `[n]` in an answer's text and what each points to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from orchestrator.engines.retriever import Passage

_CODE = re.compile(r"(`{3,})[\s\S]*?(?:\1|\Z)|(`+)[^`]+?\2")
#: `[1]`, `[1, 3]`, `[1-3]`; a following parenthesis would make it a link's text.
_MARKER = re.compile(r"\[(\d{1,3}(?:\s*[,;–-]\s*\d{1,3})*)\](?!\()")


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """One passage that the text cites; offsets are code points of the document's plain text."""

    n: int
    artifact: str
    document: str
    title: str
    heading: str
    start: int
    end: int
    url: str

    def wire(self) -> dict[str, Any]:  # Any: the wire's own JSON shapes
        """Return the contract's object for `message.completed`."""
        return asdict(self)


def cite(text: str, *, artifact: str, passages: Sequence[Passage]) -> tuple[Citation, ...]:
    """Return what `text` cites, in the order of first mention, each once.

    `passages[i]` is `[i + 1]`. A number without a passage is ignored: the text has been
    streamed already and can't be taken back. Numbers inside code are not citations.
    """
    found: dict[int, Citation] = {}
    for n in cited_numbers(text):
        if 1 <= n <= len(passages) and n not in found:
            passage = passages[n - 1]
            found[n] = Citation(
                n=n,
                artifact=artifact,
                document=passage.document,
                title=passage.title,
                heading=passage.heading,
                start=passage.start,
                end=passage.end,
                url=f"/api/artifacts/{artifact}#{n}",
            )
    return tuple(found.values())


def cited_numbers(text: str) -> list[int]:
    """Return every number in the text's markers, in order, repeats and unknown ones included; `[1-3]` is three."""
    numbers: list[int] = []
    for marker in _MARKER.finditer(_CODE.sub(" ", text)):
        for part in re.split(r"\s*[,;]\s*", marker.group(1)):
            first, *rest = (int(number) for number in re.split(r"\s*[–-]\s*", part))
            last = rest[-1] if rest else first
            # `[2024-12]` is no range of passages.
            numbers += range(first, last + 1) if first <= last <= first + 20 else [first]
    return numbers


def preview(passages: Sequence[Passage], *, limit: int = 3) -> dict[str, Any]:  # Any: the wire's own JSON shapes
    """Return the `preview` of a passages artifact: the first ones, and how many there are."""
    return {"passages": [listed(passage, n) for n, passage in enumerate(passages[:limit], 1)], "total": len(passages)}


def listed(passage: Passage, n: int) -> dict[str, Any]:  # Any: the wire's own JSON shapes
    """Return one passage as the contract lists it in an artifact."""
    return {
        "n": n,
        "document": passage.document,
        "title": passage.title,
        "heading": passage.heading,
        "text": passage.text,
        "start": passage.start,
        "end": passage.end,
    }
