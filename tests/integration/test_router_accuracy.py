"""The router as a deployment has it: trained by its command, judged on questions it never saw."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from orchestrator.engines.gpu import configured, load

# Training takes 15 s of CPU, which a busy machine stretches.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Point the deployment at an empty data folder and train there."""
    folder = tmp_path_factory.mktemp("router")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "SWITCHYARD", settings.SWITCHYARD.model_copy(update={"router_dir": folder}))
        call_command("train_router", stdout=io.StringIO())
    return folder


@pytest.fixture(autouse=True)
def _deployment(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "SWITCHYARD", settings.SWITCHYARD.model_copy(update={"router_dir": trained}))


def said_by(*command: str) -> str:
    out = io.StringIO()
    call_command(*command, stdout=out)
    return out.getvalue()


def test_the_router_holds_its_figures_on_questions_it_never_saw() -> None:
    report = json.loads(said_by("evaluate_router", "--json"))

    assert report["figures"]["en"]["accuracy"] >= 0.95
    assert report["figures"]["es"]["accuracy"] >= 0.90
    assert report["figures"]["all"]["asked_back"] <= 0.05
    assert report["nowhere_asked_back"] >= 0.70
    assert report["calibration_error"] <= 0.06


def test_the_report_can_be_read_by_a_person() -> None:
    text = said_by("evaluate_router", "--wrong")

    assert "all-MiniLM-L6-v2 + head" in text
    assert "misrouted" in text


def test_a_current_head_is_not_trained_again(trained: Path) -> None:
    before = (trained / "head.json").stat().st_mtime_ns

    text = said_by("train_router", "--if-missing")

    assert text == "The router's head is current.\n"
    assert (trained / "head.json").stat().st_mtime_ns == before


def test_the_worker_loads_the_trained_head() -> None:
    engines = load(configured())
    found = engines.classify("¿Cuántos pedidos tuvimos ayer en Triana?", timeout_s=30)
    rows = engines.embed(["one", "two"], timeout_s=30)

    engines.close()
    assert found.ranked()[0][0] == "sql"
    assert found.ranked()[0][1] > engines.threshold
    assert engines.shares_encoder
    assert rows.shape == (2, 384)


def test_a_folder_without_questions_is_a_plain_error(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"no router_train\.jsonl"):
        call_command("train_router", "--questions", str(tmp_path))


def test_a_deployment_with_scripted_engines_needs_no_head(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted = settings.SWITCHYARD.model_copy(update={"engines": "scripted"})
    monkeypatch.setattr(settings, "SWITCHYARD", scripted)

    text = said_by("train_router")

    assert "nothing to train" in text
