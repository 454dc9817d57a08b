"""Say whether an answer's rows are those of a reference query, by the rule in `metrics.md`."""

import math
import re
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import groupby


def same_rows(expected: Sequence[Sequence[object]], actual: Sequence[Sequence[object]], *, ordered: bool) -> bool:
    """Tell whether every expected row matches its own actual row and no row is left over.

    An actual row matches when it holds all values of the expected one; it may hold more. Numbers agree to 0.01 or one
    in a thousand and keep their order within the row (so a comparison can't be the wrong way round); text may stand
    anywhere and counts without regard to case and outer spaces; a month written `2026-10` equals its first day. With
    `ordered` the n-th row must match the n-th, except that rows which share the last expected value may change places.
    """
    if len(expected) != len(actual):
        return False
    wanted = [[_plain(value) for value in row] for row in expected]
    given = [[_plain(value) for value in row] for row in actual]
    if not ordered:
        return _match(wanted, given)
    start = 0
    for _, tied in groupby(wanted, key=lambda row: row[-1]):
        size = len(list(tied))
        if not _match(wanted[start : start + size], given[start : start + size]):
            return False
        start += size
    return True


def _match(wanted: Sequence[Sequence[object]], given: Sequence[Sequence[object]]) -> bool:
    """Tell whether the rows pair off, in whatever order."""
    left = list(given)
    for want in wanted:
        found = next((index for index, have in enumerate(left) if _holds(have, want)), None)
        if found is None:
            return False
        del left[found]
    return True


def _holds(have: Sequence[object], want: Sequence[object]) -> bool:
    """Tell whether each wanted value has a value of its own in `have`: text anywhere, numbers in the wanted order."""
    texts = [value for value in have if not isinstance(value, float)]
    numbers = iter([value for value in have if isinstance(value, float)])
    for value in want:
        if isinstance(value, float):
            if not any(_agree(value, other) for other in numbers):
                return False
        elif value in texts:
            texts.remove(value)
        else:
            return False
    return True


def _agree(value: float, other: float) -> bool:
    return math.isclose(value, other, rel_tol=1e-3, abs_tol=0.01)


def _plain(value: object) -> object:
    match value:
        case bool() | None:
            return value
        case int() | float() | Decimal():
            return float(value)
        case datetime():
            return value.date().isoformat()
        case date():
            return value.isoformat()
        case str() if re.fullmatch(r"\d{4}-\d{2}", value):
            return f"{value}-01"
        case str():
            return value.strip().casefold()
        case _:
            return value
