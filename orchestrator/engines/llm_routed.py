"""A language model for each route: a script for most, a real server for some; for drills."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Literal

from orchestrator.engines.llm import LanguageModel, Material, Piece
from orchestrator.events import Route
from orchestrator.resilience.deadline import Deadline
from orchestrator.resilience.stop import Stop


class RoutedModel:
    """Hands some routes' answers to another model; what is not asked along a route goes to the usual one."""

    def __init__(self, *, usual: LanguageModel, other: LanguageModel, routes: Collection[Route]) -> None:
        """`other` writes for `routes`, `usual` for the rest."""
        self.name = usual.name
        self.completes = usual.completes
        self._usual, self._other, self._routes = usual, other, routes

    def write(self, material: Material, *, deadline: Deadline, stop: Stop) -> Iterator[Piece]:
        """Yield the pieces of the route's model; see the port."""
        model = self._other if material.route in self._routes else self._usual
        return model.write(material, deadline=deadline, stop=stop)

    def complete(
        self,
        system: str,
        messages: Sequence[tuple[Literal["user", "assistant"], str]],
        *,
        max_tokens: int,
        deadline: Deadline,
        stop: Stop,
    ) -> str:
        """Return the usual model's completion; see the port."""
        return self._usual.complete(system, messages, max_tokens=max_tokens, deadline=deadline, stop=stop)
