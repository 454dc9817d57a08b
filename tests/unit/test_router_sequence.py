from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.engines.classifier_sequence import SequenceClassifier
from orchestrator.errors import EngineError
from tests.tiny_router import make_tiny_classifier

pytestmark = pytest.mark.slow


def test_labels_of_one_route_add_up(tmp_path: Path) -> None:
    routes = {"orders": "sql", "sales": "sql", "docs": "rag"}
    folder = make_tiny_classifier(tmp_path, ("orders", "sales", "docs"), routes)

    (found,) = SequenceClassifier(folder).classify(["anything"])

    assert found.scores["sql"] + found.scores["rag"] == pytest.approx(1.0, abs=1e-5)
    assert found.scores["sql"] > found.scores["rag"]
    assert found.scores["chat"] == 0


def test_a_label_that_means_nothing_is_shared_out(tmp_path: Path) -> None:
    folder = make_tiny_classifier(tmp_path, ("none", "noise"), {"none": None, "noise": None})

    (found,) = SequenceClassifier(folder).classify(["anything"])

    assert list(found.scores.values()) == pytest.approx([0.25] * 4)


def test_a_label_without_a_route_is_refused_by_name(tmp_path: Path) -> None:
    folder = make_tiny_classifier(tmp_path, ("sql", "weather"))

    with pytest.raises(EngineError, match="'weather'"):
        SequenceClassifier(folder)


def test_the_case_of_a_label_does_not_matter(tmp_path: Path) -> None:
    folder = make_tiny_classifier(tmp_path, ("SQL", "Rag", "chat", "job"))

    (found,) = SequenceClassifier(folder).classify(["anything"])

    assert sum(found.scores.values()) == pytest.approx(1.0, abs=1e-5)


def test_other_weights_than_expected_are_refused(tmp_path: Path) -> None:
    folder = make_tiny_classifier(tmp_path)

    with pytest.raises(EngineError, match="expected sha256"):
        SequenceClassifier(folder, expected_sha256="0" * 64)
