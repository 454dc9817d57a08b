"""The form of one verified query, and what a rated answer fills it with."""

from __future__ import annotations

import re
from typing import Any, Final

import yaml
from django import forms
from pydantic import ValidationError
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from orchestrator.admin import plain_yaml
from orchestrator.chat.models import Turn
from orchestrator.pipeline.semantic.editing import mark
from orchestrator.pipeline.semantic.model import Verified
from orchestrator.pipeline.semantic.words import plain

_MONO = {"spellcheck": "false", "style": "font-family:monospace"}
#: Where a part of the model is typed.
_FIELD_OF: Final = {"describe": "describe_en"}


class _Lines(forms.CharField):
    """Texts, one a line."""

    def __init__(self, *, rows: int, **more: Any) -> None:  # Any: Django's own options, handed on
        super().__init__(widget=UnfoldAdminTextareaWidget(attrs={"rows": rows}), max_length=8_000, **more)

    def clean(self, value: Any) -> list[str]:  # Any: as Django has it
        return [" ".join(line.split()) for line in super().clean(value).splitlines() if line.strip()]


class VerifiedForm(forms.Form):
    """What a person says of one verified query; either language may be left to the other's texts."""

    name = forms.CharField(
        max_length=63,
        widget=UnfoldAdminTextInputWidget(attrs=_MONO),
        help_text="Small letters, digits and underscores; unique in the layer.",
    )
    en = _Lines(
        rows=3,
        required=False,
        label="Questions in English",
        help_text="One a line. What changes from question to question is a hole in braces: dishes with {allergen}.",
    )
    es = _Lines(rows=3, required=False, label="Questions in Spanish", help_text="Empty: the English ones.")
    sql = forms.CharField(
        max_length=12_000,
        label="SQL",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 12, **_MONO}),
        help_text="One SELECT; a hole is :allergen. A date in it stays as it is: make it a hole of kind start or end.",
    )
    slots = forms.CharField(
        max_length=4_000,
        required=False,
        label="Holes",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4, **_MONO}),
        help_text="YAML, one a line, such as allergen: {kind: value, dimension: allergen}. Kinds: value, number, start"
        " (first day of a range), end (the day after its last). A default makes a hole optional.",
    )
    describe_en = forms.CharField(
        max_length=300,
        required=False,
        label="Description in English",
        widget=UnfoldAdminTextInputWidget,
        help_text="Stands over the rows; holes in braces are filled. Empty: the first question.",
    )
    describe_es = forms.CharField(
        max_length=300, required=False, label="Description in Spanish", widget=UnfoldAdminTextInputWidget
    )
    seen = forms.CharField(required=False, widget=forms.HiddenInput)

    def clean_slots(self) -> dict[str, Any]:
        """Return the holes as YAML has them; the model looks at them later."""
        slots = plain_yaml.load(self.cleaned_data["slots"]) or {}
        if not isinstance(slots, dict):
            raise forms.ValidationError("Each hole is a line of its own: name: {kind: value, dimension: …}.")
        return slots

    def clean(self) -> dict[str, Any]:
        """Add the query as the layer holds it, under `verified`."""
        given = super().clean() or {}
        if self.errors:
            return given
        en, es = given["en"] or given["es"], given["es"] or given["en"]
        if not en:
            self.add_error("en", "At least one question is needed.")
            return given
        told_en = given["describe_en"] or given["describe_es"] or en[0]
        told_es = given["describe_es"] or given["describe_en"] or es[0]
        raw = {name: given[name] for name in ("name", "sql", "slots")}
        try:
            given["verified"] = Verified.model_validate(
                raw | {"en": en, "es": es, "describe": {"en": [told_en], "es": [told_es]}}
            )
        except ValidationError as exc:
            for error in exc.errors()[:5]:
                field, *rest = map(str, error["loc"])
                self.add_error(_FIELD_OF.get(field, field), ": ".join([*rest[:1], error["msg"]]))
        return given


def shown(verified: Verified) -> dict[str, str]:
    """Return the form's values for a query."""
    slots = {name: slot.model_dump(exclude_none=True) for name, slot in verified.slots.items()}
    return {
        "name": verified.name,
        "en": "\n".join(verified.en),
        "es": "\n".join(verified.es),
        "sql": verified.sql.strip(),
        "slots": yaml.safe_dump(slots, allow_unicode=True, sort_keys=False, default_flow_style=None) if slots else "",
        "describe_en": verified.describe.en[0],
        "describe_es": verified.describe.es[0],
        "seen": mark(verified),
    }


def drawn_from(turn: Turn) -> dict[str, str]:
    """Return the form's values for a turn: its question, and the statement that it ran, if it did."""
    table = turn.artifacts.filter(step="sql").first()
    question = " ".join(turn.text.split())
    words = re.sub(r"[^a-z0-9]+", "_", plain(question)).strip("_")
    return {
        "name": (words if words[:1].isalpha() else f"q_{words}")[:50].rstrip("_"),
        "es" if turn.language == "es" else "en": question,
        "sql": str(table.body.get("sql", "")) if table is not None else "",
    }
