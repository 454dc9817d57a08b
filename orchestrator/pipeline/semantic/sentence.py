"""A question cut into phrases, with what every part of the reader asks of it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from orchestrator.pipeline.semantic.lexicon import Item, Lexicon
from orchestrator.pipeline.semantic.query import Operator
from orchestrator.pipeline.semantic.time_grammar import When
from orchestrator.pipeline.semantic.words import Token

#: What makes the next noun a group.
GROUPING: Final = frozenset({"by", "per", "each", "every", "por", "cada", "segun", "a", "split", "grouped"})
ASKING: Final = frozenset({"which", "what", "que", "cual", "cuales", "whose", "qual"})
BY: Final = frozenset({"by", "per", "por", "segun", "each", "cada"})
#: Words that mean a sum, never a number of rows.
AMOUNTS: Final = frozenset({"amount", "importe", "monto", "montante"})
EACH: Final = frozenset({"each", "every", "per", "cada", "por", "by"})
JOINING: Final = frozenset(
    {"and", "y", "e", "plus", "also", "as", "well", "with", "con", "o", "or", "vs", "versus", "together"}
)
WHOLE: Final = frozenset({"all", "our", "todos", "todas", "nuestros", "nuestras", "entire"})
OPERATORS: Final[dict[str, Operator]] = {"more": ">", "least": ">=", "less": "<", "most": "<="}
DESC: Final = ("desc", "top", "best", "busiest", "to_desc")
ASC: Final = ("asc", "bottom", "worst", "quietest", "to_asc")
UPWARD: Final = frozenset({"mas", "mejor", "best", "top", "most"})
DOWNWARD: Final = frozenset({"menos", "peor", "worst", "least"})
JUDGING: Final = frozenset({"best", "worst", "mejor", "mejores", "peor", "peores"})
#: Verbs of money that another figure may follow: "spent on discounts", "earns the most tips".
SPENDING: Final = frozenset(
    {
        *("spend", "spends", "spent", "spending", "earn", "earns", "earned", "pay", "paid", "make", "cost", "costs"),
        *("gasta", "gastan", "gasto", "gastamos", "gastaron", "cuesta", "costo", "paga", "pago"),
    }
)
COSTING: Final = frozenset({"cost", "costs", "costo", "costaron", "cuesta", "cuestan", "costado"})
#: What stands between such a verb and that figure.
LEADING: Final = frozenset({"on", "in", "for", "en", "most", "least", "more", "less", "mas", "menos", "away", "back"})
ONE_OF: Final = re.compile(r"\b(?:which|what|cual) (?:one )?(?:of|de)\b")
MOST_LIMIT: Final = 1_000


@dataclass(slots=True, kw_only=True)
class Sentence:
    """The phrases and what has been made of them so far."""

    lexicon: Lexicon
    words: Sequence[Token]
    items: list[Item]
    when: When
    today: dt.date
    #: Whether it was asked how often, and what usually is.
    often: bool = False
    usual: bool = False
    #: Items that have been given a part in the query.
    used: set[int] = field(default_factory=set)

    def _counted(self, index: int) -> bool:
        """Return whether "how many" stands before the item, with at most values between."""
        if self.items[index].before in GROUPING:
            return False
        for before in range(index - 1, -1, -1):
            item = self.items[before]
            if item.is_cue("count"):
                return True
            if not item.of("value"):
                return False
        return False

    def _drills(self, dimension: str) -> str | None:
        known = self.lexicon.layer.dimensions.get(dimension)
        return None if known is None else known.drill
