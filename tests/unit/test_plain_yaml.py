"""What a person types as YAML in the admin, and what somebody who means harm does."""

from __future__ import annotations

import pytest
from django.forms import ValidationError

from orchestrator.admin import plain_yaml
from orchestrator.pipeline.semantic.lexicon import Lexicon
from orchestrator.pipeline.semantic.model import SemanticLayer

BOMB = "a0: &a0 {x: 1}\n" + "".join(f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}]}}\n" for i in range(1, 40))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BOMB, "line 2: this is not YAML: anchors"),
        ("a: [1", "this is not YAML"),
        ("a: 2026-13-45", "this is not YAML"),
        ("a: !!int foo", "this is not YAML"),
        ("a: !!python/object/apply:os.system [id]", "this is not YAML"),
        ("[" * 5_000, "nested too deeply"),
        ('name: "s\\0"', "null character"),
        ("x" * 400_001, "longer than 400 kB"),
    ],
    ids=lambda text: text[:20],
)
def test_what_is_no_plain_yaml_is_refused_in_words(text: str, said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        plain_yaml.load(text)

    assert said in refused.value.messages[0]


def test_what_people_write_is_read() -> None:
    assert plain_yaml.load("a: {b: [1, zwölf], c: 2026-11-20 12:00}")["a"]["b"] == [1, "zwölf"]


def test_many_dimensions_with_the_same_words_do_not_hold_up_whoever_reads_them() -> None:
    words = [f"w{i}" for i in range(300)]
    dimension = {"labels": {"en": words, "es": words}, "sql": "sales.branch", "fetch": False}
    layer = SemanticLayer.model_validate(
        {"name": "s", "facts": {}, "measures": {}, "dimensions": {f"d{i}": dimension for i in range(100)}}
    )

    # 30,000 phrases; with a scan for each this took minutes, and pytest's own limit ends it.
    assert Lexicon(layer, {}).layer is layer
