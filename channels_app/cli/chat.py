"""`switchyard chat`: one conversation in the terminal, question after question."""

from __future__ import annotations

from dataclasses import replace

from rich.console import Console

from channels_app.cli.api import Api, ProblemError
from channels_app.cli.ask import ANSWERED, ask
from channels_app.cli.asking import Question
from channels_app.cli.render import clean

_HELP = """\
/new        begin another conversation
/data       answer the next question from the data, without the classifier
/documents  answer the next question from the documents
/help       this
/quit       leave (Ctrl-D does, too); Ctrl-C stops an answer"""
_ROUTES = {"/data": "sql", "/documents": "rag"}


def chat(api: Api, *, conversation: str | None, out: Console, err: Console) -> int:
    """Carry questions until the person leaves; return the exit code of the last answer.

    Raises:
        SignInError: the credentials are no longer good.
        ProblemError: the conversation is not this person's, or the server can't be reached.
    """
    here = conversation or _begin(api)
    err.print("Ask; /help lists what else can be said.", style="dim")
    route: str | None = None
    code = ANSWERED
    while True:
        try:
            said = err.input("[bold]›[/bold] ").strip()
        except (EOFError, KeyboardInterrupt):
            err.print()
            return code
        word = said.lower()
        if not said:
            continue
        if word in ("/quit", "/exit", "/q"):
            return code
        if word == "/new":
            here, route = _begin(api), None
            err.print("A new conversation.", style="dim")
        elif word in _ROUTES:
            route = _ROUTES[word]
            err.print("The next question goes there.", style="dim")
        elif word.startswith("/"):
            err.print(_HELP, style="dim", markup=False)
        else:
            question = Question(text=said, conversation=here)
            try:
                code = ask(api, replace(question, route=route), out=out, err=err, as_json=False)
            except ProblemError as problem:
                # A question that was refused ends nothing: the next one may be good.
                if problem.code in ("unreachable", "forbidden", "unauthenticated"):
                    raise
                err.print(clean(str(problem)), style="red", markup=False)
            route = None


def _begin(api: Api) -> str:
    return str(api.call("POST", "/api/conversations", json={})["id"])
