"""The built-in writer: composes an answer from rows and passages without a language model, the same one every time."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, Literal

from orchestrator.engines.llm import Material, Piece, Usage
from orchestrator.engines.llm_builtin_passages import quote_passages
from orchestrator.engines.llm_builtin_tables import describe_table
from orchestrator.engines.llm_builtin_talk import ask_back, nothing_found, small_talk
from orchestrator.errors import EngineError, StoppedError
from orchestrator.resilience.deadline import Deadline
from orchestrator.resilience.stop import Stop

NAME: Final = "builtin"
#: A few words with all the white space around them, so that the pieces joined are the text.
_PIECE: Final = re.compile(r"(?:\s*\S+){1,3}\s*")


class BuiltinModel:
    """Writes from fixed sentences in English and Spanish; never invents, costs nothing."""

    name: str = NAME
    completes: bool = False

    def __init__(self, *, pace_s: float = 0.0) -> None:
        #: A pause after each piece, for demonstrations and tests of cuts.
        self._pace_s = pace_s

    def write(self, material: Material, *, deadline: Deadline, stop: Stop) -> Iterator[Piece]:
        """Yield the answer a few words at a time; errors as in `LanguageModel.write`, of which only two can come."""
        for piece in _PIECE.findall(compose(material)):
            if stop.is_set() or (self._pace_s and stop.wait(self._pace_s)):
                raise StoppedError("llm")
            deadline.require(0.001, stage="llm")
            yield Piece(text=piece)
        yield Piece(usage=Usage(input_tokens=0, output_tokens=0, model=NAME))

    def complete(
        self,
        system: str,
        messages: Sequence[tuple[Literal["user", "assistant"], str]],
        *,
        max_tokens: int,
        deadline: Deadline,
        stop: Stop,
    ) -> str:
        """Refuse: it writes from material only.

        Raises:
            EngineError: always.
        """
        raise EngineError("no language model is configured", engine=NAME)


def compose(material: Material) -> str:
    """Return the whole answer in Markdown."""
    if material.mode == "ask_back":
        return ask_back(material)
    parts: list[str] = []
    if material.table is not None:
        parts.append(describe_table(material.table, question=material.question, language=material.language))
    if material.passages:
        parts.append(quote_passages(material.question, material.passages, language=material.language))
    if parts:
        return "\n\n".join(parts)
    return small_talk(material) if material.route == "chat" else nothing_found(material)
