"""What a person has said of a question decides its way, from the next minute on, for one company alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.engines.gpu import GpuConfig, GpuEngines, load
from orchestrator.pipeline.figure_names import FigureNames
from orchestrator.pipeline.labelled_routes import LabelledRoutes
from orchestrator.pipeline.models import LabelledQuestion
from orchestrator.pipeline.run_stage import run_stage
from orchestrator.pipeline.runtime import Runtime
from orchestrator.pipeline.stage_classify import classify
from orchestrator.store import releasing
from orchestrator.store.engine import json_text, rw
from orchestrator.store.rows import Row
from tests.integration.core import kit
from tests.integration.core.kit import Person


@pytest.fixture
def engines(tmp_path: Path) -> Iterator[GpuEngines]:
    loaded = load(GpuConfig(data_dir=tmp_path, scripted=True))
    yield loaded
    loaded.close()


def label(who: Person, text: str, route: str) -> None:
    LabelledQuestion.objects.update_or_create(tenant_id=who.tenant, text=text, defaults={"route": route})


def classified(runtime: Runtime, engines: GpuEngines, who: Person, text: str) -> Row:
    turn = kit.ask(who, text=text).turn
    releasing.release(rw(), [(turn, 1)])
    run_stage(
        "classify",
        lambda context: classify(context, engines, LabelledRoutes(), FigureNames()),
        runtime=runtime,
        turn=turn,
        fence=1,
        dispatch_no=1,
    )
    return kit.look(
        "SELECT t.route, t.confidence, s.summary, l.carry -> 'ask_back' AS ask_back FROM switchyard_turn t"
        " JOIN switchyard_stage s ON s.turn_id = t.id AND s.hop = 'classify'"
        " LEFT JOIN switchyard_stage l ON l.turn_id = t.id AND l.hop = 'llm' WHERE t.id = :turn",
        turn=turn,
    )[0]


def test_a_labelled_question_goes_where_a_person_said(runtime: Runtime, engines: GpuEngines, anna: Person) -> None:
    label(anna, "Total quality, what is it?", "rag")

    row = classified(runtime, engines, anna, "  total quality,   what is it ")

    assert (row["route"], row["confidence"], row["ask_back"]) == ("rag", 1.0, None)
    assert "as your company has said" in row["summary"]


def test_a_question_that_belongs_nowhere_is_asked_back_without_a_choice(
    runtime: Runtime, engines: GpuEngines, anna: Person
) -> None:
    label(anna, "total eclipse", "nowhere")

    row = classified(runtime, engines, anna, "Total eclipse?")

    assert (row["route"], row["ask_back"]) == ("chat", [])


def test_a_label_of_another_company_or_of_another_question_decides_nothing(
    runtime: Runtime, engines: GpuEngines, anna: Person, rival: Person
) -> None:
    label(rival, "total of today", "rag")
    label(anna, "total of yesterday", "rag")

    assert classified(runtime, engines, anna, "total of today")["route"] == "sql"


def test_labels_are_read_once_a_minute(anna: Person) -> None:
    kept, fresh = LabelledRoutes(), LabelledRoutes(fresh_s=0)
    label(anna, "total", "rag")
    before = (kept.of(anna.tenant, "total"), fresh.of(anna.tenant, "total"))

    label(anna, "total", "chat")

    assert before == ("rag", "rag")
    assert (kept.of(anna.tenant, "total"), fresh.of(anna.tenant, "total")) == ("rag", "chat")


def test_of_two_wordings_that_are_alike_the_later_one_counts(anna: Person) -> None:
    label(anna, "Total", "rag")
    label(anna, "total?", "chat")

    assert LabelledRoutes().of(anna.tenant, "TOTAL") == "chat"


def figures_of(who: Person, *names: str) -> None:
    layer = {"measures": {f"m{i}": {"labels": {"en": [name], "es": [name]}} for i, name in enumerate(names)}}
    kit.look(
        "INSERT INTO switchyard_warehouse (tenant_id, url_encrypted, layer, label, updated_at)"
        " VALUES (:t, '', CAST(:layer AS jsonb), 'films', clock_timestamp())",
        t=who.tenant,
        layer=json_text(layer),
    )


def test_what_the_router_knows_no_place_for_goes_to_the_figures_that_it_names(
    runtime: Runtime, engines: GpuEngines, anna: Person, rival: Person
) -> None:
    figures_of(anna, "films", "late returns")

    named = classified(runtime, engines, anna, "Film by language, please")
    two_words = classified(runtime, engines, anna, "any late return?")
    neither = classified(runtime, engines, anna, "any return?")
    of_another = classified(runtime, engines, rival, "Films by language")
    known = classified(runtime, engines, anna, "what is the handbook's word on films")

    assert [row["route"] for row in (named, two_words, neither, of_another, known)] == [
        "sql", "sql", "chat", "chat", "rag",
    ]  # fmt: skip
    assert named["summary"] == "it names figures of your company"
    assert neither["ask_back"] == []


def test_a_label_decides_before_a_name_does(runtime: Runtime, engines: GpuEngines, anna: Person) -> None:
    figures_of(anna, "films")
    label(anna, "films tonight", "nowhere")

    assert classified(runtime, engines, anna, "Films tonight?")["route"] == "chat"
