"""A warehouse that answers from a table of statements; for tests of what stands above it."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from orchestrator.engines.warehouse import Catalogue, Limits, Structure, Table
from orchestrator.engines.warehouse_cells import Rows
from orchestrator.errors import DeadlineExceededError, EngineError, GuardRefusedError, StoppedError
from orchestrator.resilience.stop import Stop


@dataclass(slots=True, kw_only=True)
class ScriptedWarehouse:
    """Answers the statements that it was given; `ran` records what was asked, in order."""

    relations: Catalogue
    answers: Mapping[str, Table]
    #: Statements that last for ever.
    endless: Collection[str] = ()
    #: Statements that the role may not run.
    denied: Collection[str] = ()
    dialect: str = "postgres"
    declared: Structure = field(default_factory=Structure)
    ran: list[str] = field(default_factory=list)

    def catalogue(self) -> Catalogue:
        """Return the relations that it was given; see the port."""
        return self.relations

    def structure(self) -> Structure:
        """Return what it was told to be declared; see the port."""
        return self.declared

    def run(self, sql: str, *, limits: Limits, stop: Stop) -> Table:
        """Answer from the script; see the port."""
        self.ran.append(sql)
        if stop.is_set():
            raise StoppedError("sql")
        if sql in self.denied:
            raise GuardRefusedError("the reading role may not do this")
        if sql in self.endless:
            return self._last(limits, stop)
        answer = self.answers.get(sql)
        if answer is None:
            raise EngineError("the statement failed (not in the script)", engine="warehouse")
        rows = Rows(limits)
        rows.add(answer.rows)
        return rows.table(answer.columns)

    def close(self) -> None:
        """Do nothing: there is nothing to close."""

    def _last(self, limits: Limits, stop: Stop) -> Table:
        until_s = time.monotonic() + limits.timeout_s
        while time.monotonic() < until_s:
            if stop.wait(min(0.05, limits.timeout_s)):
                raise StoppedError("sql")
        raise DeadlineExceededError(f"the statement ran past {limits.timeout_s:g} s", stage="sql")
