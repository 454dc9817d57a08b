"""Questions with the route they should take, as people of the company say it: kept once for each wording."""

from __future__ import annotations

from typing import Final, Literal, get_args

from orchestrator.errors import InvalidInputError, TooBigError
from orchestrator.events import Route

#: A route, or that the question belongs to none and is asked back.
Label = Route | Literal["nowhere"]
LABELS: Final[tuple[Label, ...]] = (*get_args(Route), "nowhere")
#: What a person chooses from.
CHOICES: Final[tuple[tuple[Label, str], ...]] = (
    ("sql", "sql: figures from the company's database"),
    ("rag", "rag: passages of the documents"),
    ("chat", "chat: talk, without figures or documents"),
    ("job", "job: something to be started"),
    ("nowhere", "nowhere: it should ask back"),
)
#: Code points of a question; four bytes each still fit into one entry of the index that keeps it unique.
TEXT_LIMIT: Final = 600


def wording(text: str) -> str:
    """Return a question as it is kept: without white space at its ends, and one space where there was more.

    Raises:
        InvalidInputError: nothing is left, or no database can hold it.
        TooBigError: it is longer than a labelled question may be.
    """
    words = " ".join(text.split())
    if not words or "\x00" in words:
        raise InvalidInputError("no question", field="text", detail_key="error.invalid_field")
    if len(words) > TEXT_LIMIT:
        raise TooBigError("question too long", limit=TEXT_LIMIT, field="text")
    return words
