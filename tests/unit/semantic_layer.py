"""The example's layer with its values, without a database."""

from __future__ import annotations

import datetime as dt
from functools import cache
from pathlib import Path
from typing import Any, Literal

import sqlglot

from deploy.example.catalogue import CATALOGUES, POSITIONS
from deploy.example.menu import ALLERGENS
from deploy.example.views import VISIBLE
from orchestrator.engines.warehouse import Catalogue, Column
from orchestrator.pipeline.semantic.compose import compose
from orchestrator.pipeline.semantic.describe import describe
from orchestrator.pipeline.semantic.lexicon import Lexicon
from orchestrator.pipeline.semantic.model import load_layer
from orchestrator.pipeline.semantic.query import Query
from orchestrator.pipeline.semantic.reading import read
from orchestrator.pipeline.sql_guard import guard_tree

TODAY = dt.date(2026, 11, 20)
LAYER = load_layer(Path(__file__).parents[2] / "deploy" / "example" / "semantic_trattoria.yaml")
CATALOGUE: Catalogue = {
    relation: tuple(Column(name=name, type="other") for name in names) for relation, names in VISIBLE.items()
}


@cache
def lexicon() -> Lexicon:
    facts = CATALOGUES["trattoria"]
    values = {
        "branch": [branch.name for branch in facts.branches],
        "city": sorted({branch.city for branch in facts.branches}),
        "country": ["Italy", "Spain"],
        "sector": sorted({sector for branch in facts.branches for sector in branch.sectors}),
        "menu_category": list(facts.categories),
        "menu_item": [dish.name for dish in facts.dishes],
        "channel": ["dine-in", "takeaway", "delivery"],
        "payment_method": ["card", "cash", "online", "meal voucher"],
        "supplier": [supplier.name for supplier in facts.suppliers],
        "product_group": sorted({supplier.product_group for supplier in facts.suppliers}),
        "discount_reason": ["loyalty", "happy hour", "staff", "complaint"],
        "booking_source": ["phone", "website", "app"],
        "reservation_status": ["seated", "no-show", "cancelled"],
        "role": list(POSITIONS),
        "waiter": ["Lucía Navarro", "Hugo Molina"],
        "allergen": list(ALLERGENS),
    }
    return Lexicon(LAYER, values)


def understood(question: str) -> dict[str, Any]:
    """Return the parts of the query that say something."""
    query = read(question, lexicon(), today=TODAY)
    empty = Query(measures=())
    return {name: getattr(query, name) for name in Query.__slots__ if getattr(query, name) != getattr(empty, name)}


def days(question: str) -> tuple[str, str]:
    """Return the first day of the question's range and the one after its last."""
    span = read(question, lexicon(), today=TODAY).span
    assert span is not None
    return str(span.start), str(span.end)


def composed(question: str, language: Literal["en", "es"] = "en") -> str:
    """Return the guarded statement."""
    tree = compose(read(question, lexicon(), today=TODAY), LAYER, language=language)
    return guard_tree(tree, dialect="postgres", catalogue=CATALOGUE, limit_rows=1_000).sql


def described(question: str, language: Literal["en", "es"] = "en") -> str:
    return describe(read(question, lexicon(), today=TODAY), LAYER, language=language)


def parsed(sql: str) -> sqlglot.exp.Expr:
    return sqlglot.parse_one(sql, dialect="postgres")
