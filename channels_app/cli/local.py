"""What the commands that work inside an installation have in common: errors in one line, exit codes, no log between."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec

import typer
from rich.console import Console

from channels_app.cli import installation
from channels_app.cli.ask import FAILED, USAGE
from channels_app.cli.render import clean

if TYPE_CHECKING:
    from orchestrator.tenants.models import Tenant

P = ParamSpec("P")
out, err = Console(highlight=False), Console(stderr=True, highlight=False)


#: Said of a data folder whose own servers are down with everything else.
STOPPED = "Switchyard does not run with {}: start it by `make run`."


class UsageError(Exception):
    """The caller asked for what can't be; the text says what can."""


def explained(command: Callable[P, None]) -> Callable[P, None]:
    """Have what was asked wrongly end with exit code 2, and what failed with 1, each in one line."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            with _installed():
                command(*args, **kwargs)
        except (UsageError, installation.InstallationError) as exc:
            complain(str(exc))
            raise typer.Exit(USAGE) from exc

    return run


def tenant_of(slug: str | None) -> Tenant:
    """Return the tenant with that slug; without one named, the only one there is.

    Raises:
        UsageError: there is none such, or several to choose from.
    """
    from orchestrator.tenants.models import Tenant

    tenants = {tenant.slug: tenant for tenant in Tenant.objects.order_by("slug")}
    there_are = ", ".join(tenants) or "none yet"
    if slug is None:
        if len(tenants) != 1:
            raise UsageError(f"Name the company by --tenant; there are: {there_are}.")
        return next(iter(tenants.values()))
    if slug not in tenants:
        raise UsageError(f"There is no tenant {slug}; there are: {there_are}.")
    return tenants[slug]


def complain(text: str) -> None:
    """Say what went wrong, on standard error."""
    err.print(clean(text), style="red", markup=False)


def print_json(value: Any) -> None:  # Any: what JSON holds
    """Print one line of JSON."""
    out.file.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")


@contextmanager
def _installed() -> Iterator[None]:
    """Load the installation, keep its log off the terminal, and say plainly when its database is away."""
    installation.enter()
    import logging

    import structlog
    from django.db import OperationalError, ProgrammingError

    from orchestrator.errors import StoreDownError

    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    try:
        yield
    except (StoreDownError, OperationalError) as exc:
        complain(
            STOPPED.format(installation.folder())
            if installation.asleep()
            else "The database does not answer. Is it running? `switchyard doctor` says what is wrong."
        )
        raise typer.Exit(FAILED) from exc
    except ProgrammingError as exc:
        complain(
            "The database has no schema of this version. `make run` brings it up to date; else: manage.py migrate."
        )
        raise typer.Exit(FAILED) from exc
