"""How often, what share of what, and what money was spent or lost on."""

from __future__ import annotations

import pytest

from orchestrator.pipeline.semantic.query import Misread
from tests.unit.semantic_layer import understood


@pytest.mark.parametrize(
    ("question", "same"),
    [
        ("which supplier is late most often", "which supplier has the highest late rate"),
        ("who delivers late most often", "which supplier has the highest late rate"),
        ("qué proveedor se retrasa con más frecuencia", "which supplier has the highest late rate"),
        ("which supplier is usually late", "which supplier has the highest late rate"),
        ("how often is each supplier late", "late rate by supplier"),
        ("which channel is cancelled least often", "which channel has the lowest cancellation rate"),
        ("% of no-shows per branch", "no-show rate by branch"),
        ("rate of bookings that were no-shows by branch", "no-show rate by branch"),
        ("what percentage of reservations end up as no-shows in each branch", "no-show rate by branch"),
        ("late deliveries as a percentage of deliveries by supplier", "late rate by supplier"),
        ("what % of sales are tips by branch", "tips as a percentage of sales by branch"),
        ("which branch lost the most money on discounts", "which branch has the highest discounts"),
        ("qué local ha perdido más dinero en descuentos", "which branch has the highest discounts"),
        ("which branch spends the most on discounts", "which branch has the highest discounts"),
        ("how much did refunds cost us last month", "refunds last month"),
        ("who earns the most in tips", "which waiter has the highest tips"),
        ("on which supplier do we spend the most", "which supplier has the highest purchase cost"),
        ("which branch spends the most on suppliers", "which branch has the highest purchase cost"),
        ("which payment method do guests use most often", "which payment method has the highest number of payments"),
    ],
)
def test_other_words_for_the_same_figure_give_the_same_query(question: str, same: str) -> None:
    assert understood(question) == understood(same)


@pytest.mark.parametrize(
    "question",
    [
        "late bookings",
        "ventas por la tarde",
        "how much money did we lose last month",
        "which branch lost the most sales",
        "how often do guests complain",
        "which waiter is most punctual",
        "which channel has the most reservations cancelled",
    ],
)
def test_what_only_sounds_like_a_figure_is_not_answered(question: str) -> None:
    with pytest.raises(Misread):
        understood(question)
