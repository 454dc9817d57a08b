"""Ask the servers that the product stands on, and judge what they answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from orchestrator.admin.diagnosis import postgres, postgres_facts, redis_server
from orchestrator.admin.diagnosis.findings import AwayError, Finding
from orchestrator.admin.diagnosis.machine import clock
from orchestrator.admin.diagnosis.postgres_facts import Server
from orchestrator.admin.diagnosis.postgres_room import connections, wanted
from orchestrator.admin.diagnosis.postgres_session import pooled, session
from orchestrator.admin.diagnosis.schema import known, schema
from orchestrator.store.rows import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisAnswer:
    """What one Redis says, and what it is for."""

    info: dict[str, Any]
    ahead_s: float
    unsure_s: float
    log: bool
    broker: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What each server says of itself; a text where one doesn't answer."""

    database: Server | str
    #: What `DATABASE_DIRECT_URL` leads to, None where nobody asked.
    direct: Server | str | None
    #: The direct address' statements run in more than one session.
    moves: bool
    redis: Mapping[str, RedisAnswer | str]


def database_url() -> str:
    """Return the platform's database."""
    return str(settings.SWITCHYARD.database_url.get_secret_value())


def broker_url() -> str:
    """Return the broker, whatever kind it is."""
    environment = settings.SWITCHYARD
    return str(environment.broker_url.get_secret_value() or environment.redis_url.get_secret_value())


def ask(*, direct: bool = True, broker: bool = True) -> Answers:
    """Ask all, and only those that a process needs; nothing here raises for what is down."""
    environment = settings.SWITCHYARD
    main = _postgres(database_url())
    straight, moves = None, False
    if direct:
        url = environment.database_direct_url.get_secret_value() or database_url()
        straight = main if url == database_url() else _postgres(url)
        if isinstance(straight, Server) and pooled(straight):
            moves = postgres_facts.moves(url)
    log_url = str(environment.redis_url.get_secret_value())
    if not broker or broker_url() == log_url:
        answers = {"Redis": _redis(log_url, log=True, broker=broker_url() == log_url)}
    else:
        answers = {"the log's Redis": _redis(log_url, log=True, broker=False)}
        if broker_url().startswith(("redis://", "rediss://", "unix://")):
            answers["the broker's Redis"] = _redis(broker_url(), log=False, broker=True)
    return Answers(database=main, direct=straight, moves=moves, redis=answers)


def servers(answers: Answers, *, rows: Sequence[Row] = ()) -> Iterator[Finding]:
    """Yield what the answers tell; `rows`: the processes alive, each of which holds connections."""
    environment = settings.SWITCHYARD
    main, clocks = answers.database, {}
    if isinstance(main, Server):
        clocks["PostgreSQL"] = (main.ahead_s, main.unsure_s)
        yield from postgres.database(main, example=environment.development_users)
        local_model = environment.llm_model_dir is not None
        sums = wanted(gateways=environment.gateways, pool=environment.database_pool, local_model=local_model, rows=rows)
        yield from connections(main, sums)
        yield from schema(main.applied, known())
        if isinstance(answers.direct, Server):
            yield from session(main, answers.direct, moves=answers.moves)
    else:
        yield postgres.away(main)
    if isinstance(answers.direct, str) and answers.direct != main:
        yield postgres.away(f"DATABASE_DIRECT_URL: {answers.direct}")
    for name, answer in answers.redis.items():
        if isinstance(answer, str):
            yield redis_server.away(name, answer)
            continue
        clocks[name] = (answer.ahead_s, answer.unsure_s)
        yield from redis_server.redis(answer.info, name=name, broker=answer.broker, log=answer.log)
    yield from clock(clocks)


def _postgres(url: str) -> Server | str:
    try:
        return postgres_facts.ask(url)
    except AwayError as exc:
        return str(exc)


def _redis(url: str, *, log: bool, broker: bool) -> RedisAnswer | str:
    try:
        info, ahead_s, unsure_s = redis_server.ask(url)
    except AwayError as exc:
        return str(exc)
    return RedisAnswer(info=info, ahead_s=ahead_s, unsure_s=unsure_s, log=log, broker=broker)
