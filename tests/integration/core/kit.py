"""People, questions and looks into the tables."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import orjson
from django.conf import settings as django_settings
from django.core.management import call_command
from django.db import connection as django_connection
from redis import Redis

from deploy.testservers import EmbeddedServers, embedded_servers
from orchestrator import ids
from orchestrator.celery import app
from orchestrator.chat import conversations, ending, plan, turns
from orchestrator.chat.turns import Accepted, NewTurn
from orchestrator.control.judge import Judge
from orchestrator.events import MessageCompleted, TurnFailed
from orchestrator.log.keys import Keys
from orchestrator.queues import QUEUES
from orchestrator.store import claiming, releasing
from orchestrator.store import engine as store
from orchestrator.store.engine import rw
from orchestrator.store.rows import Row, all_rows
from orchestrator.tenants.models import Tenant, User
from settings.base import _database
from settings.loading import load

T = TypeVar("T")
TIMELINE: dict[str, Any] = {"stages": [], "total_ms": 1, "overhead_ms": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who asks."""

    tenant: str
    user: str
    username: str


@contextmanager
def own_platform(folder: Path) -> Iterator[EmbeddedServers]:
    """Run servers of this module's own, migrated, with environment, settings and Celery pointing at them."""
    names = ("DATABASE_URL", "REDIS_URL", "SWITCHYARD_MODE", "SWITCHYARD_DATA_DIR", "SWITCHYARD_START_DESPITE")
    before = {name: os.environ.get(name) for name in names}
    with embedded_servers(folder / "servers") as servers:
        os.environ |= {
            "DATABASE_URL": servers.database_url,
            "REDIS_URL": servers.redis_url,
            "SWITCHYARD_MODE": "test",
            "SWITCHYARD_DATA_DIR": str(folder / "data"),
            # As in settings/test.py: this PostgreSQL waits for no disk.
            "SWITCHYARD_START_DESPITE": "postgres-fsync",
        }
        try:
            _point()
            call_command("migrate", verbosity=0)
            yield servers
        finally:
            store.close()
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})
            _point()


def _point() -> None:
    environment = load()
    django_connection.close()
    django_settings.SWITCHYARD = environment
    url = environment.database_url.get_secret_value() or "postgresql://localhost/switchyard"
    django_settings.DATABASES["default"].update(_database(url))
    # Celery reads its broker once; a pool may still hold a connection to another. Its stubs lack these names.
    celery: Any = app
    if celery._pool is not None:
        celery._pool.force_close_all()
    celery._pool = celery.amqp._producer_pool = None
    url = environment.redis_url.get_secret_value() or "redis://127.0.0.1:6379/0"
    celery.conf["broker_url"] = celery.conf["broker_read_url"] = celery.conf["broker_write_url"] = url


def person(name: str | None = None) -> Person:
    """Return a user of a new tenant; the password is the user's name."""
    django_connection.close()  # an earlier test may have stopped its server
    slug = name or ids.new_id("p").replace("_", "-")
    tenant = Tenant.objects.create(slug=slug, name=slug.title())
    user = User(username=slug, tenant=tenant, language="en")
    user.set_password(slug)
    user.save()
    return Person(tenant=tenant.pk, user=user.pk, username=slug)


def conversation(who: Person) -> str:
    """Return a new conversation of theirs."""
    return conversations.create(tenant=who.tenant, user=who.user).id


def question(who: Person, where: str, **more: Any) -> NewTurn:
    """Return a question as the gateway would make it."""
    fields: dict[str, Any] = {"client_id": None, "text": "How much?", "language": "en", "cid": "cid_test", **more}
    return NewTurn(tenant=who.tenant, user=who.user, conversation=where, **fields)


def ask(who: Person, where: str | None = None, **more: Any) -> Accepted:
    """Accept a question, in a new conversation unless one is named."""
    return turns.accept(question(who, where or conversation(who), **more))


def released(who: Person, where: str | None = None, *, route: Any = "chat", **more: Any) -> str:
    """Return a turn whose hops are dispatched, whatever room there is."""
    turn = ask(who, where, route=route, **more).turn
    releasing.release(rw(), [(turn, 1)])
    return turn


def claim(turn: str, hop: str, *, fence: int = 1, dispatch_no: int = 1, owner: str = "inc_a") -> Row | None:
    """Claim a hop as a worker does."""
    return claiming.claim(
        rw(), turn=turn, fence=fence, hop=hop, dispatch_no=dispatch_no, owner=owner, worker=f"worker {owner}"
    )


def running(turn: str, hop: str, *, owner: str = "inc_a") -> Row:
    """Claim a hop and return its row.

    Raises:
        AssertionError: the claim was refused.
    """
    row = claim(turn, hop, owner=owner)
    assert row is not None
    assert row["stage"] is not None
    return row


def plan_rest(turn: str, stage: int, *hops: str, admitted: int | None = None) -> Row | None:
    """Plan hops after `classify`; `admitted` overrides every queue's limit."""
    return claiming.plan(
        rw(),
        stage=stage,
        route="chat",
        confidence=0.9,
        summary="s",
        rest=[
            {
                "hop": hop,
                "place": place,
                "queue": plan.QUEUE_OF[hop],  # type: ignore[index]  # a hop's name
                "admitted": QUEUES[plan.QUEUE_OF[hop]].admitted if admitted is None else admitted,  # type: ignore[index]  # as above
                "share": QUEUES[plan.QUEUE_OF[hop]].share,  # type: ignore[index]  # as above
                "carry": None,
            }
            for place, hop in enumerate(hops, start=1)
        ],
    )


def completed(turn: str, text: str = "An answer.") -> MessageCompleted:
    """Return a good ending."""
    return MessageCompleted(
        turn=turn,
        attempt=1,
        message="msg_1",
        text=text,
        citations=({"n": 1},),
        usage={"model": "m", "input_tokens": 1, "output_tokens": 2},
        timeline=TIMELINE,
    )


def failed(turn: str) -> TurnFailed:
    """Return a bad ending."""
    return TurnFailed(turn=turn, code="internal", message="m", retryable=True, timeline=TIMELINE)


def end(event: ending.Ending, *, fence: int = 1, idle: bool = False) -> bool:
    """Commit an ending."""
    conversation = _conversation_of(event.turn)
    return ending.commit(event, fence=fence, conversation=conversation, cid="cid_test", idle=idle) is not None


def _conversation_of(turn: str) -> str:
    return str(look("SELECT conversation_id AS c FROM switchyard_turn WHERE id = :turn", turn=turn)[0]["c"])


def look(statement: str, **values: object) -> list[Row]:
    """Run a statement of the test's own."""
    return all_rows(rw(), statement, **values)


def turn_row(turn: str) -> Row:
    """Return a turn's row."""
    return look("SELECT * FROM switchyard_turn WHERE id = :turn", turn=turn)[0]


def stages(turn: str) -> dict[str, str]:
    """Return hop -> state."""
    rows = look("SELECT hop, state FROM switchyard_stage WHERE turn_id = :turn ORDER BY fence, place", turn=turn)
    return {row["hop"]: row["state"] for row in rows}


def outbox(turn: str) -> list[Row]:
    """Return the outbox rows of a turn."""
    return look("SELECT * FROM switchyard_outbox WHERE key = :turn", turn=turn)


def age(turn: str, seconds: float) -> None:
    """Make a turn older, its deadline and its waits included."""
    look(
        "UPDATE switchyard_turn SET created_at = created_at - :s * interval '1 second',"
        " deadline_at = deadline_at - :s * interval '1 second' WHERE id = :turn",
        s=seconds,
        turn=turn,
    )
    waited(turn, seconds)


def waited(turn: str, seconds: float) -> None:
    """Make a turn's waits longer, its place in the order kept."""
    look(
        "UPDATE switchyard_stage SET ready_at = ready_at - :s * interval '1 second' WHERE turn_id = :turn",
        s=seconds,
        turn=turn,
    )


def alive(owner: str, *, silent_s: float = 0, queues: Sequence[str] = (), slots: int = 1) -> None:
    """Write a process row last heard of `silent_s` ago."""
    look(
        "INSERT INTO switchyard_process (incarnation, name, role, host, pid, queues, slots, draining, seen_at)"
        " VALUES (:owner, :owner, 'worker', 'h', 1, CAST(:queues AS jsonb), :slots, false,"
        " now() - :s * interval '1 second')",
        owner=owner,
        queues=orjson.dumps(list(queues)).decode(),
        slots=slots,
        s=silent_s,
    )


def at_once(count: int, call: Callable[[int], T]) -> list[T]:
    """Run `call` on `count` threads at the same time and return what each gave."""
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(call, range(count)))


def frames(redis: Redis, keys: Keys, where: str) -> list[dict[str, Any]]:
    """Return a conversation's log in order."""
    # redis-py types replies as possibly awaitable.
    entries: Any = redis.xrange(keys.stream(where))
    return [orjson.loads(fields[b"d"]) for _, fields in entries]


def types_of(found: Sequence[dict[str, Any]], turn: str) -> list[str]:
    """Return the types of a turn's frames."""
    return [frame["type"] for frame in found if frame["data"].get("turn") == turn]


def let_judge(judge: Judge) -> None:
    """Have a judge watched for long enough, as after some seconds of sweeps."""
    for ago_s in (8.0, 6.0, 4.0, 2.0, 0.0):
        judge.saw(time.monotonic() - ago_s)
