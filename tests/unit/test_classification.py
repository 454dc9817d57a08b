"""What four scores say about a question that no route is for."""

from __future__ import annotations

import pytest

from orchestrator.engines.classifier import Classification


@pytest.mark.parametrize(
    ("sql", "rag", "chat", "job", "nowhere"),
    [
        (0.28, 0.25, 0.24, 0.23, True),
        (0.40, 0.21, 0.20, 0.19, True),
        (0.50, 0.46, 0.02, 0.02, False),
        (0.97, 0.01, 0.01, 0.01, False),
    ],
)
def test_flat_scores_belong_nowhere(sql: float, rag: float, chat: float, job: float, nowhere: bool) -> None:
    found = Classification(scores={"sql": sql, "rag": rag, "chat": chat, "job": job})

    assert found.belongs_nowhere is nowhere
