"""`switchyard ask`: a question, its way through the stages, and the answer."""

from __future__ import annotations

import asyncio
import json
import signal
import time

from rich.console import Console, RenderableType
from rich.live import Live

from channels_app.cli import render
from channels_app.cli.api import Api
from channels_app.cli.asking import Asker, Question
from channels_app.cli.turn_view import TurnView

ANSWERED, FAILED, USAGE = 0, 1, 2
_INTERRUPTED = 130


class _Progress:
    """The live part, on standard error, so that the answer can go into a file."""

    def __init__(self, console: Console) -> None:
        self._began = time.monotonic()
        self.asker: Asker | None = None
        self.live = Live(console=console, refresh_per_second=10, transient=True, get_renderable=self._render)

    def _render(self) -> RenderableType:
        if self.asker is None:
            return ""
        return render.live(self.asker.view, elapsed_s=time.monotonic() - self._began, note=self.asker.note)


def ask(api: Api, question: Question, *, out: Console, err: Console, as_json: bool) -> int:
    """Ask, show what goes on, print the answer; return the exit code.

    Raises:
        SignInError: the credentials are no longer good.
        ProblemError: the server refuses, or can't be reached any more.
    """
    progress = _Progress(err)
    # Nothing moves where nobody watches: a pipe or a log gets the answer alone.
    if err.is_terminal and not as_json:
        with progress.live:
            view = asyncio.run(_carried(api, question, progress))
    else:
        view = asyncio.run(_carried(api, question, progress))
    if view is None:
        err.print("Left; the question goes on and can be seen on the page.", style="yellow")
        return _INTERRUPTED
    _print(view, out=out, err=err, as_json=as_json)
    return ANSWERED if view.ending == "completed" else FAILED


async def _carried(api: Api, question: Question, progress: _Progress) -> TurnView | None:
    """Return the ended turn; the first Ctrl-C stops it, after the second there is none to return."""
    asker = progress.asker = Asker(api, question, changed=lambda: None)
    work = asyncio.create_task(asker.run())
    pressed = 0
    stops: set[asyncio.Task[None]] = set()

    def on_interrupt() -> None:
        nonlocal pressed
        pressed += 1
        if pressed > 1:
            work.cancel()
            return
        stops.add(asyncio.create_task(asker.cancel()))

    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, on_interrupt)
    try:
        return await work
    except asyncio.CancelledError:
        if pressed > 1:
            return None
        raise


def _print(view: TurnView, *, out: Console, err: Console, as_json: bool) -> None:
    if as_json:
        out.file.write(json.dumps(view.as_json(), ensure_ascii=False) + "\n")
        return
    if out.is_terminal:
        out.print(render.answer(view))
    elif view.ending == "completed":
        # Half an answer in a file would look like a whole one.
        out.file.write(render.plain(view) + "\n")
    if view.ending != "completed":
        err.print(render.failure(view))
    if err.is_terminal:
        err.print(render.footer(view))
