"""What a column can be used for, told by its name and type alone; in doubt for nothing."""

from __future__ import annotations

import re
from typing import Final

from orchestrator.engines.warehouse import Column
from orchestrator.pipeline.semantic.draft_words import WORDS, said, singular

#: Numbers that are names: neither their sum nor their mean says anything.
_NO_FIGURE: Final = re.compile(
    r"(^|_)([a-z]?id|uuid|key|code|number|no|num|nr|zip|postal|postcode|year|month|day|week|quarter|lat|lon|lng|latitude"
    r"|longitude|version|rank|phone|fax|flag|position|order|sort|seq|sequence|index|isbn|sku|ean|barcode|ssn)$"
    r"|^(is|has|can|was)_|(^|_)(id|code)_"
)
#: Numbers that are a property of a row, whose mean says something and whose sum does not.
_NO_SUM: Final = re.compile(
    r"(^|_)(rate|rates|ratio|percent|percentage|pct|share|price|age|score|rating|grade|mark|level|length|width|height|depth"
    r"|size|duration|temperature|density|speed|margin|limit|factor|interest|priority|severity|floor|average|avg|mean"
    r"|min|max|stars|balance)$|(^|_)(unit|per|replacement|standard|list|average|avg|min|max)_"
)
#: Numbers whose name alone says that they add up.
_ADDS_UP: Final = re.compile(
    r"(^|_)(amount|total|subtotal|quantity|qty|sum|revenue|sales|cost|costs|fee|fees|tax|discount|tip|tips|value|charge"
    r"|paid|budget|spend|hours|minutes|points|units|weight|distance|freight|stock|capacity|nights|guests|covers|seats)$"
)
#: The sum of money that a row is about.
AMOUNT: Final = re.compile(r"^(amount|total|total_amount|grand_total|amount_paid|paid_amount|total_price|price_total)$")
_MONEY: Final = re.compile(
    r"(^|_)(amount|total|subtotal|revenue|sales|cost|costs|fee|fees|tax|discount|tip|tips|charge|paid|price|budget|freight)$"
)
_NO_GROUP: Final = re.compile(
    r"(^|_)([a-z]?id|uuid|key|hash|token|email|e_mail|mail|phone|telephone|mobile|fax|iban|note|notes|description|comment"
    r"|comments|remarks|summary|body|text|content|bio|url|link|website|image|picture|photo|file|filename|path|address\d?"
    r"|street|street_name|line\d|password|pass|passwd|salt|secret|pin|username|user_name|login|zip|zip_code|zipcode|postal"
    r"|postal_code|postcode|ssn|passport|isbn|ean|barcode|first_name|last_name|firstname|lastname|middle_name|surname"
    r"|given_name|family_name|full_name_search|salary|wage)$"
)
_FIRST: Final = ("first_name", "firstname", "given_name", "forename")
_LAST: Final = ("last_name", "lastname", "family_name", "surname")
_BOOKKEEPING: Final = re.compile(
    r"updat|modif|chang|sync|load|import|export|(^|_)etl|ingest|refresh|touch|(^|_)dw_|extract|valid_|last_(seen|login)"
    r"|delet|archiv"
)
_BUSINESS: Final = re.compile(
    r"^(business_date|date|day|timestamp|datetime|time|when|happened|occurred)"
    r"|(^|_)(order|ordered|sale|sold|paid|payment|placed|purchase|purchased|issue|issued|invoice|invoiced|booked|booking|posted"
    r"|opened|reserved|visit|visited|event|transaction|start|started|starts|begin|began|borrow|borrowed|admission|admitted"
    r"|received|scheduled|call|sent|checkin|check_in|arrival)(_|$)"
)
_CREATED: Final = re.compile(
    r"creat|register|registration|joined|join_|signup|sign_up|signed|enrol|insert|hire|since|added|member"
)
#: When something ended, or what is no event of the row at all.
_NO_EVENT: Final = re.compile(
    r"return|due|end|close|finish|complet|ship|deliver|cancel|expir|birth|dob|death|deadline|until|departure|discharge"
    r"|checkout|check_out|publish|release|required|expected"
)


def figure(column: Column) -> bool:
    """Return whether the mean of a column says something."""
    return column.type in ("integer", "number") and not _NO_FIGURE.search(_lower(column))


def adds_up(column: Column) -> bool | None:
    """Return whether a column's sum says something; None where the name does not tell."""
    name = _lower(column)
    if not figure(column) or _NO_SUM.search(name):
        return False
    return True if _ADDS_UP.search(name) else None


def money(column: Column) -> bool:
    """Return whether a column holds money."""
    return column.type == "number" and bool(_MONEY.search(_lower(column)))


def groups(column: Column) -> bool:
    """Return whether rows can be split by a column of texts."""
    return column.type == "text" and not _NO_GROUP.search(_lower(column))


def flag(column: Column) -> str | None:
    """Return the word that a flag's true rows are called by, or None where the column is no flag."""
    word = re.sub(r"^(is|has|was|can)_", "", _lower(column))
    marked = word != _lower(column) or word in WORDS.flags
    if column.type == "boolean" or (marked and column.type == "integer"):
        return re.sub(r"_flag$", "", word).replace("_", " ")
    return None


def person(columns: tuple[Column, ...]) -> tuple[str, str] | None:
    """Return the columns of a person's first and last name."""
    known = {_lower(column): column.name for column in columns if column.type == "text"}
    first = next((known[name] for name in _FIRST if name in known), None)
    last = next((known[name] for name in _LAST if name in known), None)
    return None if first is None or last is None else (first, last)


def title(noun: str, columns: tuple[Column, ...]) -> str | None:
    """Return the column that holds what a member of the relation is called."""
    known = {said(column.name): column.name for column in columns if groups(column)}
    names = (
        "name",
        f"{noun} name",
        "full name",
        "company name",
        "title",
        f"{noun} title",
        noun,
        f"{noun.rsplit(maxsplit=1)[-1]} name",
        "label",
    )
    return next((known[name] for name in names if name in known), None)


def dated(noun: str, columns: tuple[Column, ...]) -> str | None:
    """Return the column of the day that a row counts for.

    A date of the business comes before the day that the row was made; when it was last touched, or ended, is none.
    """
    ranked: list[tuple[int, int, str]] = []
    for place, column in enumerate(columns):
        name = _lower(column)
        if column.type not in ("date", "datetime") or _BOOKKEEPING.search(name):
            continue
        word = re.sub(r"_?(date|day|at|on|time|timestamp)$", "", name).replace("_", " ")
        if singular(word) in (noun, noun.rsplit(maxsplit=1)[-1]):
            rank = 0
        elif _NO_EVENT.search(name):
            continue
        elif _BUSINESS.search(name):
            rank = 1
        else:
            rank = 3 if _CREATED.search(name) else 2
        # A day before a point in time: it needs no time zone.
        ranked.append((2 * rank + (column.type == "datetime" and rank > 0), place, column.name))
    return min(ranked)[2] if ranked else None


def made_on(name: str) -> bool:
    """Return whether a date says when a member became one, so that those of a period are its new ones."""
    return bool(_CREATED.search(_snake(name)))


def open_word(column: Column) -> str | None:
    """Return the entry of words for rows where a date is still missing."""
    word = re.sub(r"_?(date|day|at|on|time)$", "", _lower(column))
    return word if column.type in ("date", "datetime") and word in WORDS.open else None


def _lower(column: Column) -> str:
    return _snake(column.name)


def _snake(name: str) -> str:
    return said(name).replace(" ", "_")
