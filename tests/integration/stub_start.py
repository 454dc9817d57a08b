"""A start with stand-ins for the product's processes, run by the tests of the set-up in a process of its own."""

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from deploy.folder import DataFolder, SetupError
from deploy.live import answers
from deploy.process import Phase, Process
from deploy.run import Installation
from deploy.steps import Step
from deploy.terminal import Terminal
from settings.loading import load

HERE = Path(__file__).parent
GATEWAY = """
import http.server, os
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"{}")
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Answer).serve_forever()
"""
#: Starts a grandchild in a session of its own, as a job does, and will not listen to SIGTERM.
STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print('{"level": "warning", "event": "worker up", "queue": "gpu"}', flush=True)
time.sleep(600)
"""


def table(environ: Mapping[str, str]) -> list[Process]:
    """Return two processes: one that serves, one that has to be killed and may never say that it is at work."""
    grace_s = float(environ.get("STUB_GRACE_S", "0.3"))
    return [
        Process(
            name="gateway",
            command=(sys.executable, "-c", GATEWAY),
            phase=Phase.EDGE,
            live=answers(int(environ["PORT"]), "/healthz"),
        ),
        Process(
            name="worker",
            command=(sys.executable, "-c", STUBBORN),
            phase=Phase.WORKERS,
            stop_grace_s=grace_s,
            live=(lambda _: False) if "STUB_NEVER_LIVE" in environ else None,
            live_limit_s=1,
        ),
    ]


def main() -> int:
    """Run as `deploy.run` does, with the stand-ins."""
    terminal = Terminal()
    steps = (Step(title="a step that speaks", command=("-c", "print('key once: abc')"), speaks=True),)
    folder = DataFolder.of(os.environ)
    try:
        with folder.locked():
            start = Installation(folder=folder, settings=load(), terminal=terminal, steps=steps, table=table)
            return asyncio.run(start.run())
    except SetupError as exc:
        terminal.say(f"switchyard: {exc}")
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
