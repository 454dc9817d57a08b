from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import GuardRefusedError
from orchestrator.pipeline.sql_guard import guard
from tests.unit.sql_guard_corpus import (
    CATALOGUE,
    POSTGRES_ATTACKS,
    POSTGRES_BENIGN,
    SQLITE_ATTACKS,
    SQLITE_BENIGN,
)


def guarded(sql: str, dialect: str = "postgres", limit_rows: int = 100) -> str:
    return guard(sql, dialect=dialect, catalogue=CATALOGUE, limit_rows=limit_rows).sql


@pytest.mark.parametrize("sql", POSTGRES_ATTACKS)
def test_an_attack_on_postgres_is_refused(sql: str) -> None:
    with pytest.raises(GuardRefusedError):
        guarded(sql)


@pytest.mark.parametrize("sql", SQLITE_ATTACKS)
def test_an_attack_on_sqlite_is_refused(sql: str) -> None:
    with pytest.raises(GuardRefusedError):
        guarded(sql, "sqlite")


@pytest.mark.parametrize("sql", POSTGRES_BENIGN)
def test_an_honest_postgres_query_passes_and_its_text_is_stable(sql: str) -> None:
    text = guarded(sql)

    assert guarded(text) == text


@pytest.mark.parametrize("sql", SQLITE_BENIGN)
def test_an_honest_sqlite_query_passes_and_its_text_is_stable(sql: str) -> None:
    text = guarded(sql, "sqlite")

    assert guarded(text, "sqlite") == text


def test_the_corpora_are_as_large_as_promised() -> None:
    sizes = [len(set(corpus)) for corpus in (POSTGRES_ATTACKS, SQLITE_ATTACKS, (*POSTGRES_BENIGN, *SQLITE_BENIGN))]

    assert [size >= least for size, least in zip(sizes, (120, 40, 30), strict=True)] == [True, True, True]


def test_comments_do_not_survive() -> None:
    assert "--" not in guarded("SELECT id FROM orders -- hello")


def test_a_missing_limit_is_added_with_one_row_to_spare() -> None:
    assert guarded("SELECT id FROM orders", limit_rows=50).endswith("LIMIT 51")


def test_a_limit_above_the_cap_is_lowered() -> None:
    assert guarded("SELECT id FROM orders LIMIT 5000", limit_rows=50).endswith("LIMIT 51")


def test_a_limit_below_the_cap_is_kept() -> None:
    assert guarded("SELECT id FROM orders LIMIT 5", limit_rows=50).endswith("LIMIT 5")


def test_a_star_becomes_the_columns_that_the_reader_may_see() -> None:
    assert guarded("SELECT * FROM branches b", limit_rows=1).startswith('SELECT "b"."id", "b"."name", "b"."city" FROM')


def test_what_is_read_is_told() -> None:
    found = guard(
        "SELECT b.name FROM orders o JOIN branches b ON b.id = o.branch_id",
        dialect="postgres",
        catalogue=CATALOGUE,
        limit_rows=1,
    )

    assert (found.columns, found.relations) == (
        ("branches.id", "branches.name", "orders.branch_id"),
        ("branches", "orders"),
    )


def test_order_by_an_alias_means_the_result_even_when_a_column_has_its_name() -> None:
    assert 'ORDER BY "amount"' in guarded("SELECT -amount AS amount FROM orders ORDER BY amount")


def test_a_reason_holds_no_text_of_the_statement() -> None:
    with pytest.raises(GuardRefusedError) as refusal:
        guarded("SELECT id FROM orders WHERE note = 'top secret' AND")

    assert "secret" not in refusal.value.reason


def test_an_unknown_dialect_is_refused() -> None:
    with pytest.raises(GuardRefusedError):
        guarded("SELECT id FROM orders", "tsql")


def test_deep_nesting_is_refused_in_time() -> None:
    with pytest.raises(GuardRefusedError):
        guarded("SELECT " + "(" * 3_000 + "1" + ")" * 3_000)


def test_a_huge_statement_is_refused_unread() -> None:
    with pytest.raises(GuardRefusedError):
        guarded("SELECT id FROM orders WHERE id IN (" + "1," * 20_000 + "1)")


_SPACES = st.sampled_from([" ", "\n", "\t", "  ", " /* c */ ", " -- c\n", " /**/ "])


@st.composite
def mutated(draw: st.DrawFn, corpus: tuple[str, ...]) -> str:
    sql = draw(st.sampled_from(corpus))
    words = sql.split(" ")
    # Case of keywords and names only where no quote is open: texts and quoted names must stay what they are.
    quoted = False
    changed = []
    for word in words:
        plain = not quoted and not set(word) & set("'\"`[$")
        changed.append(draw(st.sampled_from([word, word.upper(), word.lower()])) if plain else word)
        quoted ^= (word.count("'") + word.count('"')) % 2 == 1
    gap = draw(_SPACES)
    text = sql if quoted or "'" in sql or '"' in sql or "$" in sql else gap.join(changed)
    wrap = draw(
        st.sampled_from(
            [
                "{}",
                "({})",
                "SELECT * FROM ({}) z",
                "WITH w AS ({}) SELECT * FROM w",
                "{};",
                "\n{} --",
                "{} UNION ALL {}",
            ]
        )
    )
    return wrap.replace("{}", text)


@settings(max_examples=300, deadline=None)
@given(mutated(POSTGRES_ATTACKS))
def test_a_mutated_attack_on_postgres_reads_only_the_catalogue(sql: str) -> None:
    assert _refused_or_harmless(sql, "postgres")


@settings(max_examples=150, deadline=None)
@given(mutated(SQLITE_ATTACKS))
def test_a_mutated_attack_on_sqlite_reads_only_the_catalogue(sql: str) -> None:
    assert _refused_or_harmless(sql, "sqlite")


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=80))
def test_any_text_at_all_is_refused_or_guarded_and_never_breaks(text: str) -> None:
    assert _refused_or_harmless(f"SELECT {text} FROM orders", "postgres")


def _refused_or_harmless(sql: str, dialect: str) -> bool:
    readable = {f"{relation}.{column.name}" for relation, columns in CATALOGUE.items() for column in columns}
    try:
        found = guard(sql, dialect=dialect, catalogue=CATALOGUE, limit_rows=10)
    except GuardRefusedError:
        return True
    return set(found.columns) <= readable and set(found.relations) <= set(CATALOGUE)
