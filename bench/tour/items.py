"""The list of items: each is a function that does it as a person would, and fails where it does not work."""

from __future__ import annotations

from collections.abc import Callable

from bench.tour.visit import Visit

Item = Callable[[Visit], None]

#: In the order of the tour.
ITEMS: dict[str, Item] = {}


def item(name: str) -> Callable[[Item], Item]:
    """Put the function below into the tour under `name`."""

    def keep(function: Item) -> Item:
        ITEMS[name] = function
        return function

    return keep
