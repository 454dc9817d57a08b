"""How much a company may ask in 24 hours, and how many documents it may keep."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from orchestrator.automation.documents import add_document
from orchestrator.chat import turns
from orchestrator.chat.models import Turn
from orchestrator.errors import QuotaExceededError
from orchestrator.pipeline.models import Document
from orchestrator.store import accepting, claiming
from orchestrator.store.engine import rw
from orchestrator.tenants.models import Tenant
from tests.integration.core.kit import Person, ask, conversation, person, question

pytestmark = pytest.mark.usefixtures("empty")


def bounded(**limits: int) -> Person:
    who = person()
    Tenant.objects.filter(pk=who.tenant).update(**limits)
    return who


def asked_ago(turn: str, hours: float) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE switchyard_turn SET created_at = now() - %s * interval '1 hour' WHERE id = %s", [hours, turn]
        )


def keep(who: Person, words: str) -> str:
    return add_document(
        tenant=who.tenant, user=who.user, filename="a.md", mime="text/markdown", content=words.encode(), cid="cid_test"
    ).id


def test_a_company_asks_as_much_in_a_day_as_it_may_and_hears_when_it_may_again() -> None:
    who = bounded(turns_a_day=2)
    first = ask(who).turn
    asked_ago(first, 23)
    ask(who)

    with pytest.raises(QuotaExceededError) as refused:
        ask(who)

    assert refused.value.limit == 2
    assert 0.9 * 3_600_000 < (refused.value.retry_after_ms or 0) <= 3_600_000
    asked_ago(first, 25)
    assert ask(who).turn
    assert Turn.objects.filter(tenant=who.tenant).count() == 3


def test_what_was_accepted_before_the_quota_was_used_up_is_answered_again() -> None:
    who = bounded(turns_a_day=1)
    where = conversation(who)
    accepted = ask(who, where, client_id="c1")

    again = ask(who, where, client_id="c1")

    assert (again.turn, again.duplicate) == (accepted.turn, True)


def test_a_quota_of_none_lets_nothing_in() -> None:
    with pytest.raises(QuotaExceededError) as refused:
        ask(bounded(turns_a_day=0), client_id="c1")

    assert refused.value.retry_after_ms == 86_400_000


def test_a_quota_is_the_companys_and_no_other_ones() -> None:
    full = bounded(turns_a_day=1)
    ask(full)

    assert ask(person()).turn


@pytest.mark.parametrize("when_busy", ["reject", "interrupt"])
def test_the_quota_holds_for_who_does_not_queue(when_busy: str) -> None:
    who = bounded(turns_a_day=0)

    with pytest.raises(QuotaExceededError):
        turns.accept(question(who, conversation(who), when_busy=when_busy))


def test_who_is_refused_a_new_turn_keeps_the_one_that_runs() -> None:
    who = bounded(turns_a_day=1)
    where = conversation(who)
    running = ask(who, where).turn

    with pytest.raises(QuotaExceededError):
        ask(who, where, text="Rather this", when_busy="interrupt")

    assert claiming.cancel_requested(rw(), [running]) == []


def test_a_clock_that_was_set_back_makes_nobody_wait_for_longer_than_a_day() -> None:
    who = bounded(turns_a_day=1)
    asked_ago(ask(who).turn, -72)

    with pytest.raises(QuotaExceededError) as refused:
        ask(who)

    assert refused.value.retry_after_ms == 86_400_000


def test_a_wait_is_told_even_when_the_day_has_passed_meanwhile() -> None:
    assert accepting.room_again_s(rw(), tenant=person().tenant, most=1) == 86_400.0


def test_a_company_keeps_as_many_documents_as_it_may() -> None:
    who = bounded(most_documents=2)
    kept = keep(who, "one")
    keep(who, "two")

    with pytest.raises(QuotaExceededError) as refused:
        keep(who, "three")

    assert (refused.value.detail_key, refused.value.retry_after_ms) == ("error.quota_documents", None)
    assert keep(who, "one") == kept
    Document.objects.filter(pk=kept).update(state="deleted")
    assert keep(who, "three")


def test_two_uploads_at_once_do_not_both_take_the_last_place() -> None:
    who = bounded(most_documents=1)

    def tried(words: str) -> bool:
        try:
            keep(who, words)
        except QuotaExceededError:
            return False
        else:
            return True
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(tried, ["a", "b", "c", "d"]))

    assert sum(taken) == 1
    assert Document.objects.filter(tenant=who.tenant).count() == 1
