"""`switchyard dead`: what was given up, why, and once more. It works where Switchyard is installed, gateway or not."""

from __future__ import annotations

import getpass
import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from channels_app.cli import dead_view
from channels_app.cli.ask import FAILED, USAGE
from channels_app.cli.local import UsageError, complain, err, explained, out, print_json

if TYPE_CHECKING:
    from orchestrator.chat.dead_letters import Replayed, Wanted

app = typer.Typer(
    help="List dead letters: turns that failed for no fault of their users'. Replay asks their questions again.",
    no_args_is_help=True,
)
Tenant = Annotated[str | None, typer.Option("--tenant", help="Only this company's (its slug).")]
Code = Annotated[str | None, typer.Option("--code", help="Only those that ended with this code, as dependency_down.")]
HopName = Annotated[str | None, typer.Option("--hop", help="Only those given up at classify, embed, sql, rag or llm.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
State = Literal["waiting", "replayed", "all"]


@app.command("list")
@explained
def list_(
    tenant: Tenant = None,
    code: Code = None,
    hop: HopName = None,
    state: Annotated[State, typer.Option(help="Those that wait, those that were replayed, or all.")] = "waiting",
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many at most.")] = 50,
    before: Annotated[
        int | None, typer.Option(help="Go on below this letter: the last one of the page before.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List dead letters, the newest first."""
    from orchestrator.chat import dead_letters

    wanted = _wanted(tenant, code, hop, state)
    letters = dead_letters.page(wanted, most=limit, before=before)
    if as_json:
        print_json([dead_view.letter_json(letter) for letter in letters])
        return
    if not letters:
        some = any((tenant, code, hop, before))
        err.print(f"No dead letters{' like that' if some else ''}{'' if state == 'all' else f' ({state})'}.")
        return
    out.print(dead_view.table(letters))
    if len(letters) == limit:
        err.print(f"More: add --before {letters[-1].letter}", style="dim")
    if state != "replayed":
        err.print("Look into one: switchyard dead show NUMBER. Ask again: switchyard dead replay NUMBER …", style="dim")


@app.command()
@explained
def show(
    number: Annotated[int, typer.Argument(help="The letter's number, from the list.")],
    text: Annotated[bool, typer.Option("--text", help="Show also what the person asked.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show why one was given up: its cause, and every stage of every attempt."""
    from orchestrator.chat import dead_letters
    from orchestrator.errors import NotFoundError

    try:
        opened = dead_letters.read(number)
    except NotFoundError as exc:
        raise UsageError(f"There is no dead letter {number}; `switchyard dead list` shows those there are.") from exc
    if as_json:
        print_json(dead_view.opened_json(opened, text=text))
        return
    out.print(dead_view.opened(opened, text=text))


@app.command()
@explained
def replay(
    numbers: Annotated[list[int] | None, typer.Argument(help="Letters' numbers.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that wait; the filters below narrow it.")] = False,
    tenant: Tenant = None,
    code: Code = None,
    hop: HopName = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask before replaying all.")] = False,
    as_json: AsJson = False,
) -> None:
    """Ask their questions again, as new turns of the same people. A letter is replayed once, whoever else tries.

    Exit code 0: all asked again, 1: some not (each says why), 2: usage.
    """
    from orchestrator.chat import dead_letters

    chosen = _chosen(numbers or [], everything, _wanted(tenant, code, hop, "waiting"), yes)
    told = None if as_json else _tell
    results = dead_letters.replay_all(chosen, by=f"cli:{getpass.getuser()}", told=told)
    if as_json:
        print_json([dead_view.replayed_json(result) for result in results])
    elif len(results) > 1:
        asked = sum(result.turn is not None for result in results)
        err.print(f"{asked} of {len(results)} asked again.", style="green" if asked == len(results) else "yellow")
    if any(result.turn is None for result in results):
        raise typer.Exit(FAILED)


def _chosen(numbers: list[int], everything: bool, wanted: Wanted, yes: bool) -> list[int]:
    from orchestrator.chat import dead_letters

    filtered = any((wanted.tenant, wanted.code, wanted.hop))
    if numbers and (everything or filtered):
        raise UsageError("Give numbers, or --all with filters; not both.")
    if numbers:
        return list(dict.fromkeys(numbers))
    if not everything:
        raise UsageError("Which? Give numbers from `switchyard dead list`, or --all.")
    waiting = dead_letters.waiting(wanted)
    if not waiting:
        err.print("Nothing waits to be replayed.")
    elif not yes:
        if not sys.stdin.isatty():
            raise UsageError(f"{len(waiting)} would be replayed; add --yes, as nobody is here to ask.")
        if not typer.confirm(f"Ask again: {len(waiting)}, the oldest first?", err=True):
            raise typer.Exit(USAGE)
    return waiting


def _wanted(tenant: str | None, code: str | None, hop: str | None, state: State) -> Wanted:
    from orchestrator.chat.dead_letters import Wanted
    from orchestrator.chat.plan import QUEUE_OF
    from orchestrator.tenants.models import Tenant as TenantRow

    if hop is not None and hop not in QUEUE_OF:
        raise UsageError(f"There is no hop {hop}; there are: {', '.join(QUEUE_OF)}.")
    found = None
    if tenant is not None:
        slugs = dict(TenantRow.objects.order_by("slug").values_list("slug", "pk"))
        if tenant not in slugs:
            raise UsageError(f"There is no tenant {tenant}; there are: {', '.join(slugs) or 'none'}.")
        found = slugs[tenant]
    return Wanted(tenant=found, code=code, hop=hop, replayed={"waiting": False, "replayed": True, "all": None}[state])


def _tell(result: Replayed) -> None:
    from orchestrator import catalogue
    from orchestrator.errors import NotFoundError

    if result.refusal is None:
        out.print(f"{result.letter}: asked again as {result.turn}", markup=False)
    elif isinstance(result.refusal, NotFoundError):
        complain(f"{result.letter}: There is no such letter.")
    else:
        complain(f"{result.letter}: {catalogue.of_error(result.refusal, 'en')}")
