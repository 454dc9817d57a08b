from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from orchestrator.chat.models import Conversation, DeadLetter, Turn
from orchestrator.tenants.models import Tenant
from tests.integration.admin_kit import a_tenant, a_turn

CHECKOUT = Path(__file__).resolve().parents[2]
HISTORY = [
    {
        "hop": "llm", "attempt": 1, "outcome": "lost", "worker": "worker-llm", "summary": "\x1b[2Jcleared",
        "ready_at": "2026-11-20T03:00:00+00:00", "started_at": "2026-11-20T03:00:01+00:00",
        "ended_at": "2026-11-20T03:00:09+00:00",
    }
]  # fmt: skip


pytestmark = pytest.mark.usefixtures("database")


def a_letter(tenant: Tenant, *, hop: str = "llm", text: str = "How many orders?") -> DeadLetter:
    letter: DeadLetter = DeadLetter.objects.create(
        tenant=tenant, turn=a_turn(tenant, text), hop=hop, code="internal", cause="its worker died", history=HISTORY
    )
    return letter


def dead(*arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """Run `switchyard dead …` as an operator's own process, with nobody at the keyboard."""
    environ = os.environ | {"COLUMNS": "200"} | more.pop("environ", {})
    return subprocess.run(
        [sys.executable, "-m", "channels_app.cli.main", "dead", *arguments], cwd=CHECKOUT, env=environ, text=True,
        **({"stdin": subprocess.DEVNULL, "capture_output": True, "timeout": 60} | more),
    )  # fmt: skip


def replays_of(letter: DeadLetter) -> list[str]:
    return list(Turn.objects.filter(parent=letter.turn).values_list("pk", flat=True))


def test_the_list_says_what_waits_and_what_to_do(tenant: Tenant) -> None:
    letter, other = a_letter(tenant, hop="sql"), a_letter(a_tenant())

    done = dead("list", "--tenant", tenant.slug)
    machines = json.loads(dead("list", "--tenant", tenant.slug, "--hop", "sql", "--json").stdout)
    none = dead("list", "--tenant", tenant.slug, "--hop", "rag")

    assert done.returncode == 0, done.stderr
    assert f"{letter.pk} " in done.stdout
    assert "its worker died" in done.stdout
    assert other.tenant.slug not in done.stdout
    assert "switchyard dead replay" in done.stderr
    assert [(one["number"], one["hop"], one["replayed_as"]) for one in machines] == [(letter.pk, "sql", None)]
    assert (none.returncode, none.stdout) == (0, "")


def test_one_is_shown_with_its_history_and_without_the_question_or_control_characters(tenant: Tenant) -> None:
    letter = a_letter(tenant, text="What does Ana earn?")

    done = dead("show", str(letter.pk))
    with_text = dead("show", str(letter.pk), "--text")
    machines = json.loads(dead("show", str(letter.pk), "--json").stdout)

    assert "its worker died" in done.stdout
    assert "worker-llm" in done.stdout
    assert "8.0 s" in done.stdout
    assert "\x1b[2J" not in done.stdout
    assert "What does Ana earn?" not in done.stdout
    assert "What does Ana earn?" in with_text.stdout
    assert machines["history"][0]["outcome"] == "lost"


def test_letters_are_replayed_once_and_the_refused_ones_say_why(tenant: Tenant) -> None:
    gone, good = a_letter(tenant), a_letter(tenant)
    Conversation.objects.filter(turns=gone.turn).update(deleted_at=gone.created_at)

    done = dead("replay", str(gone.pk), str(good.pk), "999999999")
    again = dead("replay", str(good.pk), "--json")

    (turn,) = replays_of(good)
    assert done.returncode == 1
    assert f"{good.pk}: asked again as {turn}" in done.stdout
    assert f"{gone.pk}: Its conversation has been deleted." in done.stderr
    assert "999999999: There is no such letter." in done.stderr
    assert "1 of 3 asked again." in done.stderr
    assert (again.returncode, json.loads(again.stdout)[0]["error"]["code"]) == (1, "conflict")


def test_all_that_the_filters_name_are_replayed(tenant: Tenant) -> None:
    chosen, other = [a_letter(tenant, hop="sql") for _ in range(2)], a_letter(tenant, hop="rag")

    refused = dead("replay", "--all", "--tenant", tenant.slug, "--hop", "sql")
    done = dead("replay", "--all", "--tenant", tenant.slug, "--hop", "sql", "--yes")
    none = dead("replay", "--all", "--tenant", tenant.slug, "--hop", "sql", "--yes")

    assert (refused.returncode, done.returncode, none.returncode) == (2, 0, 0)
    assert "2 would be replayed; add --yes" in refused.stderr
    assert [len(replays_of(letter)) for letter in (*chosen, other)] == [1, 1, 0]
    assert "Nothing waits" in none.stderr


def test_an_operator_at_a_terminal_is_asked_first(tenant: Tenant) -> None:
    letter = a_letter(tenant)
    ours, theirs = pty.openpty()

    os.write(ours, b"n\n")
    done = dead("replay", "--all", "--tenant", tenant.slug, stdin=theirs)
    os.close(ours)
    os.close(theirs)

    assert done.returncode == 2
    assert "Ask again: 1," in done.stderr
    assert replays_of(letter) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "999999999"), "There is no dead letter 999999999"),
        (("list", "--tenant", "nobody"), "There is no tenant nobody; there are:"),
        (("list", "--hop", "lmm"), "There is no hop lmm; there are: classify, embed, sql, rag, llm."),
        (("replay",), "Give numbers from `switchyard dead list`, or --all."),
        (("replay", "1", "--all"), "not both"),
    ],
)
def test_what_is_asked_wrongly_is_answered_plainly(arguments: tuple[str, ...], said: str) -> None:
    done = dead(*arguments)

    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_a_redis_that_is_away_holds_up_no_replay(tenant: Tenant) -> None:
    letter = a_letter(tenant)

    done = dead("replay", str(letter.pk), environ={"REDIS_URL": "redis://127.0.0.1:1/0"})

    assert done.returncode == 0, done.stderr
    assert len(replays_of(letter)) == 1


def test_a_database_that_is_away_is_one_plain_line() -> None:
    done = dead("list", environ={"DATABASE_URL": "postgresql://u:secret-word@127.0.0.1:1/x"})

    assert done.returncode == 1
    assert done.stderr.startswith("The database does not answer.")
    assert "secret-word" not in done.stderr + done.stdout
