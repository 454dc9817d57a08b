#!/usr/bin/env python
"""Django's command line, with the settings that `SWITCHYARD_MODE` names."""

import os
import sys


def main() -> int:
    """Run the command and return its exit code."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings." + os.environ.get("SWITCHYARD_MODE", "dev"))
    from django.core.management import execute_from_command_line

    from settings.loading import SettingsError

    try:
        execute_from_command_line(sys.argv)
    except SettingsError as exc:
        sys.stderr.write(f"{exc}\n")
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
