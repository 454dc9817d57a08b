"""A language model behind a breaker: while its server is down, a stage says so in milliseconds."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import Literal

from orchestrator.engines.llm import LanguageModel, Material, Piece
from orchestrator.errors import StoppedError
from orchestrator.resilience.breaker import Breaker
from orchestrator.resilience.deadline import Deadline
from orchestrator.resilience.stop import Stop


class GuardedModel:
    """Asks the breaker before each request to the model behind it."""

    def __init__(self, model: LanguageModel, breaker: Breaker) -> None:
        self.name = model.name
        self.completes = model.completes
        self._model = model
        self._breaker = breaker

    def __repr__(self) -> str:
        return f"GuardedModel({self._model!r})"

    def write(self, material: Material, *, deadline: Deadline, stop: Stop) -> Iterator[Piece]:
        """Yield pieces of the answer; see `LanguageModel.write`.

        Raises:
            BreakerOpenError: the server failed too often lately; it was not asked.
        """
        with self._breaker.call(deadline, stop, stopped=StoppedError("llm")) as permit:
            pieces = self._model.write(material, deadline=deadline, stop=stop)
            try:
                for piece in pieces:
                    if permit.is_probe:
                        # The server writes: nobody has to wait for the last word to ask it again.
                        permit.ok()
                    yield piece
            finally:
                if isinstance(pieces, Generator):
                    pieces.close()

    def complete(
        self,
        system: str,
        messages: Sequence[tuple[Literal["user", "assistant"], str]],
        *,
        max_tokens: int,
        deadline: Deadline,
        stop: Stop,
    ) -> str:
        """Return one completion; see `LanguageModel.complete`.

        Raises:
            BreakerOpenError: as `write`.
        """
        with self._breaker.call(deadline, stop, stopped=StoppedError("llm")):
            return self._model.complete(system, messages, max_tokens=max_tokens, deadline=deadline, stop=stop)
