"""Bring a backup back: the private servers are started for it, nothing else may run; `make restore`."""

import argparse
import asyncio
import os
from pathlib import Path

from deploy.folder import DataFolder, SetupError
from deploy.run import Installation
from deploy.steps import Step
from deploy.terminal import Terminal
from settings.loading import SettingsError, load


def main() -> int:
    """Restore and return the exit code."""
    parser = argparse.ArgumentParser(prog="make restore ARGS='FILE'", description="Restore everything from a backup.")
    parser.add_argument("file", type=Path, help="what `switchyard backup` wrote")
    parser.add_argument("--replace", action="store_true", help="drop what is in the database")
    asked = parser.parse_args()
    terminal = Terminal()
    if not asked.file.is_file():
        terminal.say(f"switchyard: there is no file {asked.file}")
        return 2
    command = ["manage.py", "restore", str(asked.file.resolve())] + (["--replace"] if asked.replace else [])
    steps = (
        Step(title="restore", command=tuple(command), speaks=True),
        # A backup of an earlier version is brought to this one's schema.
        Step(title="database schema", command=("manage.py", "migrate", "--noinput", "--verbosity", "0")),
    )
    try:
        settings = load()
        folder = DataFolder.of(os.environ)
        with folder.locked():
            code = asyncio.run(
                Installation(folder=folder, settings=settings, terminal=terminal, steps=steps, serve=False).run()
            )
        if code == 0:
            here = " with the same SWITCHYARD_DATA_DIR" if os.environ.get("SWITCHYARD_DATA_DIR") else ""
            terminal.say(f"Restored into {folder.root}. Now start it: make run{here}")
    except (SetupError, SettingsError) as exc:
        terminal.say(f"switchyard: {exc}")
        return 1
    return code


if __name__ == "__main__":
    raise SystemExit(main())
