"""The port that writes: an answer from rows and passages, or a completion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from orchestrator.engines.retriever import Passage
from orchestrator.engines.warehouse import Table
from orchestrator.events import Route
from orchestrator.resilience.deadline import Deadline
from orchestrator.resilience.stop import Stop

Language = Literal["en", "es"]
#: `answer` from material; `ask_back` when the classifier abstained.
Mode = Literal["answer", "ask_back"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """An earlier question of the conversation and its answer."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TableMaterial:
    """Rows to write about, and what they mean."""

    table: Table
    #: One line naming measure, dimensions, filters and time range, in the user's language; empty when unknown.
    description: str
    sql: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """Everything an answer is written from. `passages[i]` is cited as `[i + 1]`."""

    question: str
    language: Language
    route: Route
    tenant_name: str
    mode: Mode = "answer"
    table: TableMaterial | None = None
    passages: tuple[Passage, ...] = ()
    history: tuple[Exchange, ...] = ()
    #: The likeliest routes, best first, for `ask_back`.
    alternatives: tuple[Route, ...] = ()
    #: What the tenant's data can answer, in the user's language: measures, documents.
    abilities: tuple[str, ...] = ()
    #: One for each effect: a server that sees it twice was asked for the same answer again. Empty: not told.
    key: str = ""
    #: One for each claim of the stage, so that its own repeats can be told from somebody else's. Empty: not told.
    claim: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What the writing took; zeros where the backend doesn't say."""

    input_tokens: int
    output_tokens: int
    model: str
    #: The backend didn't count; the figures are a guess from the length of the text.
    estimated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of the stream: text, or the closing usage (then `text` is empty)."""

    text: str = ""
    usage: Usage | None = None


class LanguageModel(Protocol):
    """Writes answers as a stream; thread-safe; never retries after the first piece."""

    #: `builtin` for the built-in writer, else the model's name.
    name: str
    #: Whether `complete` works (the built-in writer can't).
    completes: bool

    def write(self, material: Material, *, deadline: Deadline, stop: Stop) -> Iterator[Piece]:
        """Yield pieces of the answer, the last one carrying the usage.

        Raises:
            StoppedError: the stop came; the stream to the server is closed.
            DeadlineExceededError: no first token, no next token, or no end in time.
            DependencyDownError: the server refuses, is down, or cut the stream.
            EngineError: the server answered something unusable.
        """

    def complete(
        self,
        system: str,
        messages: Sequence[tuple[Literal["user", "assistant"], str]],
        *,
        max_tokens: int,
        deadline: Deadline,
        stop: Stop,
    ) -> str:
        """Return one completion at temperature 0 (for generated SQL).

        Raises:
            As `write`; EngineError also when `completes` is false.
        """
