"""The port to a customer's own database, read-only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from orchestrator.resilience.stop import Stop

ColumnType = Literal["text", "integer", "number", "boolean", "date", "datetime", "other"]
#: A cell as JSON can carry it: decimals become float, dates ISO text.
Cell = str | int | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A result's or a view's column."""

    name: str
    type: ColumnType


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A result, cut at the caps; `truncated` is said aloud to the user."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    truncated: bool


#: Relation name -> its readable columns. Only what the reading role may see.
Catalogue = Mapping[str, tuple[Column, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A declared foreign key of one column: each row of `relation` names at most one row of `target`."""

    relation: str
    column: str
    target: str
    target_column: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """What the database declares about its relations; empty where nothing is declared, as for views and CSV files."""

    references: tuple[Reference, ...] = ()
    #: (relation, column) that is unique by itself and never null.
    keys: frozenset[tuple[str, str]] = frozenset()
    #: Relations that are views.
    views: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one statement may cost, and whose it is."""

    rows: int = 1_000
    bytes: int = 2_000_000
    timeout_s: float = 10.0
    #: EXPLAIN's total cost above which a statement is refused; ignored where the engine can't say.
    cost: float = 5_000_000.0
    #: What the server's administrator sees it run as, where the engine can say (`application_name`); ASCII, 63 at most.
    run_as: str = ""


class Warehouse(Protocol):
    """Runs one guarded statement at a time per call; thread-safe over a bounded pool."""

    #: sqlglot's name of the dialect: `postgres`, `sqlite`, `mysql`.
    dialect: str

    def catalogue(self) -> Catalogue:
        """Return what the role may read; read once and remembered for minutes.

        Raises:
            DependencyDownError: the server does not answer.
            NoAnswerError: the database's file is gone.
        """

    def structure(self) -> Structure:
        """Return what is declared about the relations; read at each call, for whoever describes a database first.

        Foreign keys of several columns are left out, and what names a relation that is not in `catalogue()` may be in.

        Raises:
            DependencyDownError: the server does not answer.
        """

    def run(self, sql: str, *, limits: Limits, stop: Stop) -> Table:
        """Run guarded SQL (the guard's regenerated text, never a person's or model's) in a read-only transaction.

        The transaction is always rolled back. A stop cancels the statement in the
        server, and the connection is thrown away.

        Raises:
            StoppedError: the stop came first.
            GuardRefusedError: the engine's estimate is over `limits.cost`, or its role may not read something.
            DeadlineExceededError: it ran past `limits.timeout_s`.
            DependencyDownError: the server does not answer.
            NoAnswerError: the database's file is gone.
            EngineError: the statement failed; the message holds no data values.
        """

    def close(self) -> None:
        """Close idle connections; a statement under way is finished first."""
