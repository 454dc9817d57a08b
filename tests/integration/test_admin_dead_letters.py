from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from orchestrator import ids
from orchestrator.chat.models import Conversation, DeadLetter, Turn
from orchestrator.control.models import OutboxRow
from orchestrator.tenants.models import Tenant
from tests.integration.admin_kit import a_tenant, a_turn, a_user, signed_in

LIST = "admin:chat_deadletter_changelist"
HISTORY = [
    {
        "hop": "llm", "attempt": attempt, "outcome": "lost", "worker": f"worker-llm-{attempt}", "summary": "",
        "ready_at": "2026-11-20T03:00:00+00:00", "started_at": f"2026-11-20T03:00:0{attempt}+00:00",
        "ended_at": f"2026-11-20T03:00:1{attempt}+00:00",
    }
    for attempt in (1, 2, 3)
]  # fmt: skip


pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def operator(tenant: Tenant) -> Client:
    return signed_in(a_user(tenant, "view_deadletter", "change_deadletter", is_staff=True))


def a_letter(tenant: Tenant, *, hop: str = "llm", text: str = "How many orders?") -> DeadLetter:
    letter: DeadLetter = DeadLetter.objects.create(
        tenant=tenant, turn=a_turn(tenant, text), hop=hop, code="internal", cause=f"lost at {hop}", history=HISTORY
    )
    return letter


def replays_of(letter: DeadLetter) -> list[str]:
    return list(Turn.objects.filter(parent=letter.turn).values_list("state", flat=True))


def said(client: Client, page: str) -> str:
    return client.get(page).content.decode()


def test_an_operator_sees_their_own_tenants_letters_alone(tenant: Tenant, operator: Client) -> None:
    mine, theirs = a_letter(tenant, hop="sql"), a_letter(a_tenant(), hop="rag")

    listed = said(operator, reverse(LIST))
    foreign = operator.get(reverse("admin:chat_deadletter_change", args=[theirs.pk]))

    assert mine.cause in listed
    assert theirs.cause not in listed
    assert foreign.status_code == 302


def test_a_letter_tells_its_cause_and_every_attempt_but_not_the_question(tenant: Tenant, operator: Client) -> None:
    letter = a_letter(tenant, text="What does Ana earn?")

    page = said(operator, reverse("admin:chat_deadletter_change", args=[letter.pk]))

    assert letter.cause in page
    assert re.findall(r"worker-llm-\d</td>", page) == [f"worker-llm-{n}</td>" for n in (1, 2, 3)]
    assert "What does Ana earn?" not in page


def test_chosen_letters_are_replayed_once(tenant: Tenant, operator: Client) -> None:
    chosen, other = a_letter(tenant), a_letter(tenant)
    form = {"action": "replay_chosen", "_selected_action": [chosen.pk]}

    first = operator.post(reverse(LIST), form, follow=True).content.decode()
    second = operator.post(reverse(LIST), form, follow=True).content.decode()

    assert replays_of(chosen) == ["queued"]
    assert replays_of(other) == []
    assert "1 question is asked again." in first
    assert "It has been replayed already." in second


def test_all_shown_means_what_the_filters_show(tenant: Tenant, operator: Client) -> None:
    shown, hidden, foreign = a_letter(tenant, hop="sql"), a_letter(tenant, hop="rag"), a_letter(a_tenant(), hop="sql")

    page = said(operator, reverse(LIST) + "?hop__exact=sql")
    operator.post(reverse(LIST) + "?hop__exact=sql", {"_replay_shown": "1"})

    assert "Replay all 1</button>" in page
    assert [replays_of(letter) for letter in (shown, hidden, foreign)] == [["queued"], [], []]


def test_one_letter_is_replayed_from_its_page_which_then_offers_it_no_more(tenant: Tenant, operator: Client) -> None:
    letter = a_letter(tenant)
    page = reverse("admin:chat_deadletter_change", args=[letter.pk])

    before = said(operator, page)
    after = operator.post(page, {"_replay": "1"}, follow=True).content.decode()

    assert replays_of(letter) == ["queued"]
    assert 'name="_replay"' in before
    assert 'name="_replay"' not in after


def test_the_record_says_who_replayed(tenant: Tenant) -> None:
    letter, olga = a_letter(tenant), a_user(tenant, "view_deadletter", "change_deadletter", is_staff=True)

    signed_in(olga).post(reverse("admin:chat_deadletter_change", args=[letter.pk]), {"_replay": "1"})

    kept = LogEntry.objects.get(user=olga)
    letter.refresh_from_db()
    assert (kept.object_id, kept.change_message) == (str(letter.pk), f"Replayed as {letter.replayed_as_id}.")


def test_who_may_only_look_replays_nothing(tenant: Tenant) -> None:
    letter = a_letter(tenant)
    client, page = signed_in(a_user(tenant, "view_deadletter", is_staff=True)), reverse(LIST)

    offered = said(client, page)
    codes = [
        client.post(page, {"_replay_shown": "1"}).status_code,
        client.post(reverse("admin:chat_deadletter_change", args=[letter.pk]), {"_replay": "1"}).status_code,
    ]
    client.post(page, {"action": "replay_chosen", "_selected_action": [letter.pk]})

    assert codes == [403, 403]
    assert "replay" not in offered.lower().replace("replayed", "")
    assert replays_of(letter) == []


def test_an_operator_replays_no_strangers_letter(operator: Client) -> None:
    foreign = a_letter(a_tenant())

    operator.post(reverse("admin:chat_deadletter_change", args=[foreign.pk]), {"_replay": "1"})
    operator.post(reverse(LIST), {"action": "replay_chosen", "_selected_action": [foreign.pk]})
    operator.post(reverse(LIST), {"_replay_shown": "1"})

    assert replays_of(foreign) == []


def test_a_deleted_conversation_is_told_and_the_others_are_asked(tenant: Tenant, operator: Client) -> None:
    gone, good = a_letter(tenant), a_letter(tenant)
    Conversation.objects.filter(turns=gone.turn).update(deleted_at=gone.created_at)

    told = operator.post(reverse(LIST), {"_replay_shown": "1"}, follow=True).content.decode()

    assert f"Letter {gone.pk}: Its conversation has been deleted." in told
    assert (replays_of(gone), replays_of(good)) == ([], ["queued"])


def test_a_replay_needs_the_pages_token(tenant: Tenant) -> None:
    letter, client = a_letter(tenant), Client(enforce_csrf_checks=True)
    client.force_login(a_user(tenant, "view_deadletter", "change_deadletter", is_staff=True))

    answered = client.post(reverse(LIST), {"_replay_shown": "1"})

    assert answered.status_code == 403
    assert replays_of(letter) == []


def test_an_outbox_row_that_was_not_understood_is_seen_and_tried_again(tenant: Tenant) -> None:
    later = timezone.now() + timedelta(hours=1)
    row = OutboxRow.objects.create(
        kind="ending", key=ids.new_id("trn"), body={"from": "the future"}, attempts=3, next_at=later
    )
    page, root = reverse("admin:control_outboxrow_changelist"), a_user(tenant, is_staff=True, is_superuser=True)
    client = signed_in(root)

    listed = said(client, page + f"?q={row.key}")
    client.post(page, {"action": "try_again", "_selected_action": [row.pk]})

    row.refresh_from_db()
    assert "not understood" in listed.lower()
    assert row.next_at < later
