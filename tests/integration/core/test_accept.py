"""Questions come in once; conversations and turns are read back by their owners."""

from __future__ import annotations

import pytest

from orchestrator import ids
from orchestrator.chat import conversations
from orchestrator.errors import (
    IdReusedError,
    InvalidInputError,
    NotFoundError,
    TooBigError,
)
from orchestrator.log.records import Partial
from orchestrator.store import claiming, sweeping
from orchestrator.store.engine import rw
from tests.integration.core import kit
from tests.integration.core.kit import Person

pytestmark = pytest.mark.usefixtures("empty")


# --- accept -----------------------------------------------------------------------------------------------------------


def test_an_accepted_turn_is_a_queued_row_with_its_first_hop(anna: Person) -> None:
    accepted = kit.ask(anna, text="  How much?  ", deadline_ms=5_000)

    row = kit.turn_row(accepted.turn)
    assert (accepted.duplicate, accepted.fence) == (False, 1)
    assert (row["state"], row["text"], row["fence"]) == ("queued", "How much?", 1)
    assert 4.9 <= (row["deadline_at"] - row["created_at"]).total_seconds() <= 5.1
    assert kit.stages(accepted.turn) == {"classify": "waiting"}


def test_a_forced_route_has_all_its_hops_at_once(anna: Person) -> None:
    accepted = kit.ask(anna, route="rag")

    assert kit.stages(accepted.turn) == {"embed": "waiting", "rag": "waiting", "llm": "waiting"}


def test_the_first_question_names_the_conversation(anna: Person) -> None:
    where = kit.conversation(anna)
    kit.ask(anna, where, text="first")
    kit.ask(anna, where, text="second")

    page = conversations.list_page(tenant=anna.tenant, user=anna.user, limit=10, after=None)

    assert page["items"][0]["title"] == "first"


def test_an_unknown_conversation_is_not_found(anna: Person) -> None:
    with pytest.raises(NotFoundError):
        kit.ask(anna, ids.conversation_id())

    assert kit.look("SELECT 1 FROM switchyard_turn") == []


def test_somebody_elses_conversation_is_not_found(anna: Person, rival: Person) -> None:
    where = kit.conversation(anna)

    with pytest.raises(NotFoundError):
        kit.ask(rival, where)


def test_a_deleted_conversation_is_not_found(anna: Person) -> None:
    where = kit.conversation(anna)
    conversations.delete(tenant=anna.tenant, user=anna.user, conversation=where)

    with pytest.raises(NotFoundError):
        kit.ask(anna, where)


def test_an_id_with_a_null_character_is_invalid(anna: Person) -> None:
    with pytest.raises(InvalidInputError):
        kit.ask(anna, "cnv_\x00")


def test_a_turn_may_have_a_parent_of_its_own_conversation(anna: Person) -> None:
    where = kit.conversation(anna)
    parent = kit.ask(anna, where).turn

    again = kit.ask(anna, where, parent=parent).turn

    assert kit.turn_row(again)["parent_id"] == parent


def test_a_parent_of_another_conversation_is_not_found(anna: Person, rival: Person) -> None:
    stranger = kit.ask(rival).turn

    with pytest.raises(NotFoundError):
        kit.ask(anna, parent=stranger)


def test_a_parent_that_does_not_exist_is_not_found(anna: Person) -> None:
    with pytest.raises(NotFoundError):
        kit.ask(anna, parent=ids.turn_id())


@pytest.mark.parametrize("words", ["", "   ", "\n", "a\x00b"])
def test_a_text_without_words_is_refused(anna: Person, words: str) -> None:
    with pytest.raises(InvalidInputError):
        kit.ask(anna, text=words)


def test_a_text_over_the_limit_is_too_big(anna: Person) -> None:
    with pytest.raises(TooBigError):
        kit.ask(anna, text="x" * 8_001)


def test_a_text_at_the_limit_is_accepted(anna: Person) -> None:
    accepted = kit.ask(anna, text="ñ" * 8_000)

    assert len(kit.turn_row(accepted.turn)["text"]) == 8_000


@pytest.mark.parametrize("deadline_ms", [999, 600_001, 0, -1])
def test_a_deadline_out_of_range_is_refused(anna: Person, deadline_ms: int) -> None:
    with pytest.raises(InvalidInputError):
        kit.ask(anna, deadline_ms=deadline_ms)


def test_the_same_key_and_body_give_the_same_turn(anna: Person) -> None:
    where = kit.conversation(anna)
    first = kit.ask(anna, where, client_id="c-1")

    again = kit.ask(anna, where, client_id="c-1")

    assert (again.turn, again.duplicate) == (first.turn, True)
    assert kit.look("SELECT count(*) AS n FROM switchyard_turn")[0]["n"] == 1


def test_the_same_key_with_another_text_is_refused(anna: Person) -> None:
    where = kit.conversation(anna)
    kit.ask(anna, where, client_id="c-1")

    with pytest.raises(IdReusedError):
        kit.ask(anna, where, client_id="c-1", text="Something else?")


def test_the_same_key_in_another_conversation_is_refused(anna: Person) -> None:
    kit.ask(anna, client_id="c-1")

    with pytest.raises(IdReusedError):
        kit.ask(anna, client_id="c-1")


def test_two_people_may_use_the_same_key(anna: Person, rival: Person) -> None:
    first = kit.ask(anna, client_id="c-1")

    second = kit.ask(rival, client_id="c-1")

    assert (second.duplicate, second.turn != first.turn) == (False, True)


def test_a_key_is_free_again_after_a_day(anna: Person) -> None:
    where = kit.conversation(anna)
    old = kit.ask(anna, where, client_id="c-1").turn
    kit.age(old, 86_401)

    again = kit.ask(anna, where, client_id="c-1", text="Something else?")

    assert (again.duplicate, again.turn != old) == (False, True)
    assert kit.turn_row(old)["client_id"] is None


def test_one_key_on_many_threads_makes_one_turn(anna: Person) -> None:
    where = kit.conversation(anna)

    accepted = kit.at_once(8, lambda _: kit.ask(anna, where, client_id="c-1"))

    assert len({a.turn for a in accepted}) == 1
    assert [a.duplicate for a in accepted].count(False) == 1


def test_a_stale_key_on_many_threads_makes_one_turn(anna: Person) -> None:
    where = kit.conversation(anna)
    kit.age(kit.ask(anna, where, client_id="c-1").turn, 86_401)

    accepted = kit.at_once(8, lambda _: kit.ask(anna, where, client_id="c-1"))

    assert len({a.turn for a in accepted}) == 1


# --- reading ----------------------------------------------------------------------------------------------------------


def snapshot(
    who: Person, where: str, *, limit: int = 50, before: str | None = None, **more: object
) -> dict[str, object]:
    return conversations.snapshot_rows(
        tenant=who.tenant,
        user=who.user,
        conversation=where,
        limit=limit,
        before=before,
        **more,  # type: ignore[arg-type]  # partials alone
    )


def thread(anna: Person, count: int) -> tuple[str, list[str]]:
    where = kit.conversation(anna)
    return where, [kit.ask(anna, where, text=f"q{n}").turn for n in range(count)]


def test_a_snapshot_holds_the_latest_turns_in_order(anna: Person) -> None:
    where, made = thread(anna, 5)

    page = snapshot(anna, where, limit=3)

    assert [turn["id"] for turn in page["turns"]] == made[2:]  # type: ignore[attr-defined]  # the shape is dynamic
    assert page["next"] == made[2]


def test_the_page_before_ends_where_the_later_one_begins(anna: Person) -> None:
    where, made = thread(anna, 5)

    page = snapshot(anna, where, limit=3, before=made[2])

    assert [turn["id"] for turn in page["turns"]] == made[:2]  # type: ignore[attr-defined]  # as above
    assert "next" not in page


def test_a_snapshot_shows_the_running_text_of_a_running_turn_alone(anna: Person) -> None:
    where = kit.conversation(anna)
    done = kit.released(anna, where)
    kit.running(done, "llm")
    kit.end(kit.completed(done, "all"))
    turn = kit.released(anna, where)
    partials = tuple(Partial(turn=name, attempt=1, message="m", text="half") for name in (done, turn))

    page = snapshot(anna, where, partials=partials)

    assert [turn.get("partial") for turn in page["turns"]] == [None, "half"]  # type: ignore[attr-defined]  # as above


def test_a_snapshot_of_a_strangers_conversation_is_not_found(anna: Person, rival: Person) -> None:
    where, _ = thread(anna, 1)

    with pytest.raises(NotFoundError):
        snapshot(rival, where)


def test_a_conversation_of_last_year_can_still_be_read(anna: Person) -> None:
    where, made = thread(anna, 1)
    kit.age(made[0], 366 * 86_400)

    page = snapshot(anna, where)

    assert [turn["id"] for turn in page["turns"]] == made  # type: ignore[attr-defined]  # as above


def test_a_turn_of_last_year_that_nobody_ended_can_still_be_swept(anna: Person) -> None:
    turn = kit.ask(anna).turn
    kit.age(turn, 366 * 86_400)

    assert [row["turn"] for row in sweeping.overdue(rw(), judge=True)] == [turn]


def test_conversations_are_listed_by_use_and_paged(anna: Person) -> None:
    made = [kit.conversation(anna) for _ in range(5)]
    kit.ask(anna, made[0])

    first = conversations.list_page(tenant=anna.tenant, user=anna.user, limit=3, after=None)
    second = conversations.list_page(tenant=anna.tenant, user=anna.user, limit=3, after=first["next"])

    assert [item["id"] for item in first["items"] + second["items"]] == [made[0], *reversed(made[1:])]
    assert "next" not in second


def test_deleted_and_foreign_conversations_are_not_listed(anna: Person, rival: Person) -> None:
    kit.conversation(rival)
    gone = kit.conversation(anna)
    conversations.delete(tenant=anna.tenant, user=anna.user, conversation=gone)

    assert conversations.list_page(tenant=anna.tenant, user=anna.user, limit=3, after=None) == {"items": []}


def test_deleting_a_conversation_names_its_open_turns(anna: Person) -> None:
    where = kit.conversation(anna)
    ended = kit.released(anna, where)
    kit.end(kit.failed(ended))
    still_open = kit.ask(anna, where).turn

    assert conversations.delete(tenant=anna.tenant, user=anna.user, conversation=where) == [still_open]


def test_a_title_can_be_changed_and_has_a_limit(anna: Person) -> None:
    where = kit.conversation(anna)
    renamed = conversations.rename(tenant=anna.tenant, user=anna.user, conversation=where, title=" Lunch ")

    assert renamed.title == "Lunch"
    with pytest.raises(InvalidInputError):
        conversations.rename(tenant=anna.tenant, user=anna.user, conversation=where, title="x" * 201)


def test_earlier_exchanges_come_oldest_first_without_failures(anna: Person) -> None:
    where = kit.conversation(anna)
    for text_ in ("one", "two"):
        turn = kit.released(anna, where, text=text_)
        kit.running(turn, "llm")
        kit.end(kit.completed(turn, text_ + "!"))
    kit.end(kit.failed(kit.released(anna, where, text="three")))
    now = kit.released(anna, where, text="four")

    found = claiming.exchanges(rw(), conversation=where, turn=now, most=6)

    assert [(row["question"], row["answer"]) for row in found] == [("one", "one!"), ("two", "two!")]
