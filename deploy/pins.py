"""Print what pip needs to know: `pins.py` the pins of this environment, `pins.py ml` the requirements with an extra.

The second form lets an image install the dependencies before it copies the sources.
"""

import subprocess
import sys
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"


def pins() -> list[str]:
    """Return every distribution of the running environment at its exact version, but the project itself."""
    command = [sys.executable, "-m", "pip", "freeze", "--exclude-editable", "--exclude", "switchyard"]
    frozen = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    # A local version (`+cpu`) exists in one place only; the pin without it accepts every build of that version.
    return [line.partition("+")[0] for line in frozen if "==" in line]


def requirements(extras: list[str]) -> list[str]:
    """Return what the project asks for, with `extras`."""
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    optional = project["optional-dependencies"]
    return [*project["dependencies"], *(line for extra in extras for line in optional[extra])]


def main(extras: list[str]) -> None:
    """Write the requirements with `extras`, or the pins when there are none."""
    head = ["# Exact versions of everything in a finished environment; made by: make constraints"]
    sys.stdout.write("\n".join(requirements(extras) if extras else head + pins()) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
