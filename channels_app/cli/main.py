"""`switchyard`: what a person does with the product in a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, ParamSpec

import typer
from rich.console import Console

from channels_app.cli import address, credentials, dead, key, operating, user
from channels_app.cli.api import Api, ProblemError
from channels_app.cli.ask import FAILED, USAGE
from channels_app.cli.ask import ask as carry
from channels_app.cli.asking import Question
from channels_app.cli.credentials import Credentials, SignInError
from channels_app.cli.render import clean

P = ParamSpec("P")

ROUTES = ("sql", "rag", "chat", "job")

app = typer.Typer(
    help="Ask your company's data and documents.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
# Without a name its commands stand beside these.
app.add_typer(operating.app)
app.add_typer(dead.app, name="dead", rich_help_panel="Run it")
app.add_typer(user.app, name="user", rich_help_panel="People")
app.add_typer(key.app, name="key", rich_help_panel="People")
out, err = Console(highlight=False), Console(stderr=True, highlight=False)

Server = Annotated[
    str | None,
    typer.Option(
        "--server",
        envvar="SWITCHYARD_SERVER",
        metavar="ADDRESS",
        help="The server; else the one that was started here, else the last one you signed in to.",
    ),
]
#: What the caller did wrong, rather than the turn.
_USAGE_CODES = frozenset({"invalid", "too_big", "not_found", "forbidden", "unauthenticated", "id_reused"})


def explained(command: Callable[P, None]) -> Callable[P, None]:
    """Have a command's expected failures said in one line, with the exit code that scripts go by."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except SignInError as exc:
            err.print(clean(str(exc)), style="red", markup=False)
            raise typer.Exit(USAGE) from exc
        except ProblemError as exc:
            trace = f" (id {exc.cid})" if exc.cid else ""
            err.print(clean(f"{exc}{trace}"), style="red", markup=False)
            raise typer.Exit(USAGE if exc.code in _USAGE_CODES else FAILED) from exc

    return run


@app.command(rich_help_panel="Ask")
@explained
def ask(
    question: Annotated[str, typer.Argument(help="The question; `-` reads it from standard input.")],
    server: Server = None,
    conversation: Annotated[
        str | None, typer.Option("--conversation", "-c", help="Go on in this conversation.")
    ] = None,
    route: Annotated[str | None, typer.Option(help="Skip the classifier: sql, rag, chat or job.")] = None,
    deadline_s: Annotated[float | None, typer.Option("--deadline", min=1, max=600, help="Seconds it may take.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, for machines.")] = False,
) -> None:
    """Ask one question and watch it being answered; Ctrl-C stops it.

    Exit code 0: answered, 1: not, 2: usage or sign-in.
    """
    if route is not None and route not in ROUTES:
        raise typer.BadParameter(f"one of {', '.join(ROUTES)}", param_hint="--route")
    text = sys.stdin.read() if question == "-" else question
    if not text.strip():
        raise typer.BadParameter("is empty", param_hint="QUESTION")
    with _api(server) as api:
        deadline_ms = None if deadline_s is None else round(deadline_s * 1000)
        asked = Question(text=text, conversation=conversation, route=route, deadline_ms=deadline_ms)
        code = carry(api, asked, out=out, err=err, as_json=as_json)
    raise typer.Exit(code)


@app.command(rich_help_panel="Ask")
@explained
def login(
    server: Server = None,
    username: Annotated[str | None, typer.Option("--username", "-u", help="Asked for when missing.")] = None,
) -> None:
    """Sign in.

    The password is asked for, or read from SWITCHYARD_PASSWORD; only tokens are kept, in a private file.
    """
    where, folder = address.chosen(server), credentials.folder_of(os.environ)
    name = username or typer.prompt(f"User name at {where}", err=True)
    password = os.environ.get("SWITCHYARD_PASSWORD") or typer.prompt("Password", hide_input=True, err=True)
    before = credentials.load(folder, where)
    with Api(where, folder=folder, signed=before, language=_language()) as api:
        try:
            kept = api.sign_in(name, password)
        except ProblemError:
            if before is not None:
                _leave(api, before, wanted=name)
            raise
    err.print(f"Signed in to {clean(kept.server)} as {clean(kept.username)}.", style="green", markup=False)


@app.command(rich_help_panel="Ask")
@explained
def logout(server: Server = None) -> None:
    """Sign out: the server forgets the tokens, and so does this machine."""
    with _api(server) as api:
        api.sign_out()
    err.print("Signed out.")


@app.command(rich_help_panel="Ask")
@explained
def ingest(
    files: Annotated[list[Path], typer.Argument(help="Files, or folders with Markdown, PDF, DOCX, HTML or text.")],
    server: Server = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Stay until each document has been read.")] = True,
) -> None:
    """Give documents and watch them being read.

    Exit code 1: one could not be.
    """
    from channels_app.cli import ingest as giving

    paths = list(giving.found(files))
    if not paths:
        raise typer.BadParameter("no documents found there", param_hint="FILES")
    with _api(server) as api:
        given = giving.ingest(api, paths, err=err, wait=wait)
    failed = sum(file.state in ("failed", "refused", "deleted") for file in given)
    if failed:
        err.print(f"{failed} of {len(given)} could not be read.", style="red")
        raise typer.Exit(FAILED)


@app.command(rich_help_panel="Ask")
@explained
def chat(
    server: Server = None,
    conversation: Annotated[
        str | None, typer.Option("--conversation", "-c", help="Go on in this conversation.")
    ] = None,
) -> None:
    """Talk: question after question in one conversation.

    Exit code: as of the last question asked.
    """
    from channels_app.cli.chat import chat as talk

    with _api(server) as api:
        code = talk(api, conversation=conversation, out=out, err=err)
    raise typer.Exit(code)


def _leave(api: Api, before: Credentials, *, wanted: str) -> None:
    """Say who is still signed in; but whoever wanted to be somebody else gets no answers as who they were."""
    if before.username == wanted:
        told = f"{before.username} is still signed in to {api.server}, from before."
    else:
        api.sign_out()
        told = f"{before.username}, who was signed in to {api.server}, is signed out: nobody is signed in there now."
    err.print(clean(told), style="yellow", markup=False)


def _api(server: str | None) -> Api:
    """Return a client for whoever is signed in, or for the key in SWITCHYARD_API_KEY.

    Raises:
        SignInError: nobody is signed in there, and somebody is elsewhere.
    """
    where, folder = address.chosen(server), credentials.folder_of(os.environ)
    mine, key = credentials.load(folder, where), os.environ.get("SWITCHYARD_API_KEY")
    others = [each for each in credentials.everywhere(folder) if each.server != where]
    if key is None and others and mine is None:
        known = ", ".join(f"{each.username} at {each.server}" for each in others)
        raise SignInError(
            f"Nobody is signed in to {where}: sign in with `switchyard login`. Signed in elsewhere: {known}"
            " (`--server ADDRESS` asks there)."
        )
    if key is None and others and mine is not None and server is None:
        # Two installations look alike, and their figures are two companies'.
        err.print(clean(f"{mine.username} at {where}"), style="dim", markup=False)
    return Api(where, folder=folder, signed=mine, key=key, language=_language())


def _language() -> str:
    spoken = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return "es" if spoken.lower().startswith("es") else "en"


if __name__ == "__main__":
    app()
