"""YAML that a person types: no anchors and no merging, by which a few lines become gigabytes in the gateway."""

from __future__ import annotations

from typing import Any

import yaml
from django.forms import ValidationError

#: Longest text that is read.
MOST_LETTERS = 400_000


class _Loader(yaml.SafeLoader):
    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]  # PyYAML has no types
            raise yaml.MarkedYAMLError(problem="anchors (& and *) are not taken: write it out", problem_mark=mark)
        return super().compose_node(parent, index)


def load(text: str) -> Any:
    """Return what a text says.

    Raises:
        ValidationError: a form's; it names the line where there is one.
    """
    if len(text) > MOST_LETTERS:
        raise ValidationError(f"The text is longer than {MOST_LETTERS // 1_000} kB.")
    if "\0" in text or "\\0" in text or "\\x00" in text or "\\u0000" in text:
        raise ValidationError("The text holds a null character, which no database can keep.")
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except RecursionError as exc:
        raise ValidationError("This is nested too deeply.") from exc
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark is not None else ""
        raise ValidationError(f"{where}this is not YAML: {getattr(exc, 'problem', None) or exc}") from exc
    except ValueError as exc:
        # A day such as 2026-13-45, a number that is none.
        raise ValidationError(f"this is not YAML: {exc}") from exc
