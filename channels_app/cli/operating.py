"""What an operator does where Switchyard is installed: look, connect, check, save and bring back."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from channels_app.cli import installation
from channels_app.cli.ask import FAILED, USAGE
from channels_app.cli.local import STOPPED, UsageError, err, explained, out, print_json
from channels_app.cli.render import clean

if TYPE_CHECKING:
    from channels_app.cli.connect import Connected

app = typer.Typer()


@app.command(rich_help_panel="Run it")
@explained
def connect(
    url: Annotated[
        str | None,
        typer.Argument(help="postgresql://… or sqlite:////path; when missing, it is asked for unseen."),
    ] = None,
    tenant: Annotated[str | None, typer.Option(help="Whose it is; not needed while there is one.")] = None,
    files: Annotated[
        list[Path] | None, typer.Option("--csv", metavar="FILE", help="A table with a heading instead; repeatable.")
    ] = None,
    draft: Annotated[
        bool, typer.Option("--draft", help="Forget what was said about the figures, and draft it anew.")
    ] = False,
) -> None:
    """Connect a company's own database, or CSV files, read-only.

    Connecting again keeps what people have said about the figures, and drafts only what is new.

    Run it where Switchyard is installed. The address may also stand in SWITCHYARD_WAREHOUSE_URL: arguments can be seen
    by everybody on the machine.
    """
    from channels_app.cli import connect as connecting

    if url and files:
        raise typer.BadParameter("give an address or --csv files, not both", param_hint="URL")
    try:
        if files:
            address = connecting.tables(files, tenant=tenant, folder=installation.folder() / "tables")
        else:
            address = url or os.environ.get("SWITCHYARD_WAREHOUSE_URL") or ""
            address = address or typer.prompt("Database URL", hide_input=True, err=True)
            address = connecting.absolute(address.strip())
        made = connecting.connect(address, tenant=tenant, anew=draft)
    except connecting.ConnectError as exc:
        raise UsageError(f"Not connected: {exc}") from exc
    verb = "Replaced" if made.replaced else "Connected"
    out.print(clean(f"{verb}: {made.label}, for {made.tenant}."), style="green", markup=False)
    for name, columns in made.relations.items():
        out.print(clean(f"  {name}: {columns} columns"), markup=False)
    out.print(clean(_known(made)), markup=False)
    for question in made.questions:
        out.print(clean(f"  for example: {question}"), markup=False)
    for name in made.left_out:
        line = f"nothing was drafted of {name}: what was said uses that name for something else"
        err.print(clean(f"Careful: {line}."), style="yellow", markup=False)
    for line in made.misfits:
        err.print(clean(f"Careful: {line}."), style="yellow", markup=False)
    for gap in made.gaps:
        err.print(clean(f"Careful: {gap}."), style="yellow", markup=False)
    if made.remedy:
        err.print("A role that can only read, made by the server's administrator; then connect with that one:")
        err.print(clean(made.remedy), style="dim", markup=False, soft_wrap=True)


def _known(made: Connected) -> str:
    counted = f"{len(made.measures)} measures and {len(made.dimensions)} dimensions"
    if not made.kept:
        return f"Drafted {counted} from names and types; questions about them are understood within a minute."
    added = f" Drafted into it: {', '.join(made.added)}." if made.added else ""
    return f"Kept what was said about the figures: {counted}.{added} (--draft begins anew.)"


@app.command(rich_help_panel="Run it")
@explained
def status(
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Show it again every two seconds.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, for machines.")] = False,
) -> None:
    """Show what runs, who waits and what needs a hand, on one screen.

    Exit code 1: something needs a hand.
    """
    from channels_app.cli import status as looking

    if watch:
        try:
            looking.watch(out)
        except KeyboardInterrupt:
            return
    now, breakers = looking.look()
    if as_json:
        print_json(looking.as_json(now, breakers))
    else:
        out.print(looking.screen(now, breakers))
    if now.worries() or breakers:
        raise typer.Exit(FAILED)


@app.command(rich_help_panel="Run it")
def logs(
    processes: Annotated[list[str] | None, typer.Argument(help="Beginnings of names: gateway, worker-sql …")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is written from now on.")] = False,
    level: Annotated[str, typer.Option(help="At least: debug, info, warning or error.")] = "info",
    about: Annotated[str | None, typer.Option(help="Only lines that name this turn, job or correlation id.")] = None,
    since: Annotated[str | None, typer.Option(help="Not older than: 90s, 10m, 2h, 1d.")] = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, max=10_000, help="How many at most.")] = 50,
) -> None:
    """Show what the processes of this installation said, in order of time."""
    from datetime import UTC, datetime

    from channels_app.cli import logs as reading

    if level not in reading.LEVELS:
        raise typer.BadParameter(f"one of {', '.join(reading.LEVELS)}", param_hint="--level")
    try:
        from_then = None if since is None else datetime.now(UTC) - reading.span(since)
    except ValueError as exc:
        raise typer.BadParameter(str(exc), param_hint="--since") from exc
    folder = installation.folder() / "logs"
    if not folder.is_dir():
        err.print(clean(f"There are no logs in {folder}: nothing was started from here."), style="red", markup=False)
        raise typer.Exit(USAGE)
    wanted = reading.Wanted(processes=tuple(processes or ()), level=level, about=about, since=from_then)
    names = [path.stem for path in folder.glob("*.log") if wanted.file(path)]
    if not names:
        known = ", ".join(sorted(path.stem for path in folder.glob("*.log")))
        raise typer.BadParameter(f"no process is called so; there are: {known}", param_hint="PROCESSES")
    width = max(map(len, names)) + 2
    found = reading.latest(folder, wanted, most=lines)
    for line in found:
        out.print(reading.written(line, width=width), soft_wrap=True)
    if not found:
        what = f"names {about}" if about else "is of that kind"
        err.print(clean(f"No line {what} in what {folder} keeps."), style="yellow", markup=False)
        if not follow:
            raise typer.Exit(FAILED)
    try:
        for line in reading.follow(folder, wanted) if follow else ():
            out.print(reading.written(line, width=width), soft_wrap=True)
    except KeyboardInterrupt:
        return


@app.command(rich_help_panel="Run it")
@explained
def backup(file: Annotated[Path, typer.Argument(help="The file to write; it must not exist yet.")]) -> None:
    """Write all that the database holds into one private file, while everything runs.

    Keys are not in it: keep the secrets file of the data folder somewhere else, for sealed addresses open with it.
    """
    from django.core.management import CommandError, call_command
    from rich.progress import Progress

    with Progress(console=err, transient=True) as shown:
        task = shown.add_task("counting", total=None)

        def progress(step: str, done: int, of: int) -> None:
            shown.update(task, description=step, completed=done, total=of or None)

        try:
            call_command("backup", file, progress=progress)
        except CommandError as exc:
            raise UsageError(f"No backup: {exc}") from exc


@app.command(rich_help_panel="Run it")
def restore(
    file: Annotated[Path, typer.Argument(help="What `switchyard backup` wrote.")],
    replace: Annotated[bool, typer.Option("--replace", help="Drop what is in the database.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask before dropping.")] = False,
) -> None:
    """Bring a backup back into an empty database and compare every table. Stop Switchyard first."""
    if not file.is_file():
        raise typer.BadParameter(f"there is no file {file}", param_hint="FILE")
    if replace and not yes and not typer.confirm("Drop everything that is in the database now?", err=True):
        raise typer.Exit(USAGE)
    # In a process of its own: it may have to start the private database, which this program knows nothing of.
    command = [sys.executable, "-m", "deploy.restore", str(file.resolve()), *(["--replace"] if replace else [])]
    raise typer.Exit(subprocess.run(command, cwd=installation.CHECKOUT, check=False).returncode)


@app.command(rich_help_panel="Run it")
def doctor(
    sql: Annotated[bool, typer.Option("--sql", help="Print what a database administrator has to run.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, for machines.")] = False,
) -> None:
    """Check everything this installation stands on, and say what to do about what is wrong.

    Exit code 1: there is a problem.
    """
    try:
        installation.enter()
    except installation.InstallationError as exc:
        err.print(clean(str(exc)), style="red", markup=False)
        raise typer.Exit(USAGE) from exc
    if installation.asleep():
        err.print(clean(STOPPED.format(installation.folder())), style="red", markup=False)
        raise typer.Exit(FAILED)
    from django.core.management import CommandError, call_command

    try:
        call_command("doctor", sql=sql, json=as_json)
    except CommandError as exc:
        err.print(clean(str(exc)), style="red", markup=False)
        raise typer.Exit(FAILED) from exc
