"""A language model that plays a script: for tests of cuts, cancels and failures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, Literal

from orchestrator.engines.llm import Material, Piece, Usage
from orchestrator.errors import DeadlineExceededError, DependencyDownError, EngineError, OrchestratorError, StoppedError
from orchestrator.resilience.deadline import Deadline
from orchestrator.resilience.stop import Stop

NAME: Final = "scripted"
_FAILURES: Final[Mapping[str, Callable[[], OrchestratorError]]] = {
    "down": lambda: DependencyDownError("as the script says", dependency="llm"),
    "stall": lambda: DeadlineExceededError("as the script says", stage="llm"),
    "error": lambda: EngineError("as the script says", engine=NAME),
}


class ScriptedModel:
    """Yields given pieces at a given pace, and fails where told to; thread-safe, counts its calls."""

    name: str = NAME
    completes: bool = True

    def __init__(
        self,
        pieces: int | Sequence[str] = 12,
        *,
        pace_s: float = 0.0,
        fail_after: int | None = None,
        failure: str = "down",
        completion: str = "",
    ) -> None:
        """`pieces` is the texts, or how many numbered words; `failure` is `down`, `stall` or `error`."""
        self._pieces = [f"word{n} " for n in range(1, pieces + 1)] if isinstance(pieces, int) else list(pieces)
        self._pace_s = pace_s
        self._fail_after = fail_after
        self._failure = _FAILURES[failure]
        self._completion = completion
        #: What was asked to be written, in order.
        self.asked: list[Material] = []

    @classmethod
    def from_script(cls, script: str) -> ScriptedModel:
        """Return the model a setting describes: `pieces=400 pace_s=0.02 fail_after=20 failure=stall`, all optional.

        Raises:
            ValueError: a word of the script is unknown or its value can't be read.
        """
        pieces, pace_s, failure = 12, 0.0, "down"
        fail_after: int | None = None
        for word in script.split():
            name, _, value = word.partition("=")
            match name:
                case "pieces":
                    pieces = int(value)
                case "pace_s":
                    pace_s = float(value)
                case "fail_after":
                    fail_after = int(value)
                case "failure" if value in _FAILURES:
                    failure = value
                case _:
                    raise ValueError(f"the script does not know {word!r}")
        return cls(pieces, pace_s=pace_s, fail_after=fail_after, failure=failure)

    @property
    def text(self) -> str:
        """Return the whole answer that an undisturbed run writes."""
        return "".join(self._pieces)

    def write(self, material: Material, *, deadline: Deadline, stop: Stop) -> Iterator[Piece]:
        """Yield the script's pieces; errors as in `LanguageModel.write`."""
        self.asked.append(material)
        for at, text in enumerate(self._pieces):
            if stop.is_set() or (self._pace_s and stop.wait(self._pace_s)):
                raise StoppedError("llm")
            deadline.require(0.001, stage="llm")
            if at == self._fail_after:
                raise self._failure()
            yield Piece(text=text)
        yield Piece(usage=Usage(input_tokens=len(material.question), output_tokens=len(self._pieces), model=NAME))

    def complete(
        self,
        system: str,
        messages: Sequence[tuple[Literal["user", "assistant"], str]],
        *,
        max_tokens: int,
        deadline: Deadline,
        stop: Stop,
    ) -> str:
        """Return the script's completion, or its whole text when it has none."""
        if stop.is_set():
            raise StoppedError("llm")
        deadline.require(0.001, stage="llm")
        return self._completion or self.text
