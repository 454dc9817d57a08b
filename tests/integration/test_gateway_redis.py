"""What the gateways keep in Redis: rate-limit buckets, places, presence, tickets; and refresh tokens in their table."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_django.plugin import DjangoDbBlocker
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from channels_app.presence import MOST_SOCKETS, RENEW_S, SENT_AWAY_S, Deserted, Presence, Seat
from deploy.testservers import EmbeddedServers
from orchestrator import ids
from orchestrator.resilience.rate_limit import Rate, RateLimiter
from orchestrator.tenants import refresh, tickets
from orchestrator.tenants.tokens import TokenError, issue_access
from tests.integration.gateway_kit import Person, a_person


@pytest.fixture
async def redis(servers: EmbeddedServers) -> AsyncIterator[AsyncRedis]:
    client = AsyncRedis.from_url(servers.redis_url)
    yield client
    await client.aclose()


@pytest.fixture
def prefix() -> str:
    return ids.new_id("p")


@pytest.fixture
def person(platform: EmbeddedServers, django_db_blocker: DjangoDbBlocker) -> Person:
    return a_person(django_db_blocker)


def a_rate(per_s: int = 20) -> Rate:
    return Rate(name=ids.new_id("rate"), per_s=per_s)


# --- rate limit ---


async def test_concurrent_takers_on_two_gateways_get_no_more_than_the_rate(redis: AsyncRedis, prefix: str) -> None:
    user = a_rate(60)
    limiters = [RateLimiter(redis, prefix, timeout_s=10) for _ in range(2)]
    connections = [a_rate(1_000) for _ in range(8)]
    passed = 0
    began = time.monotonic()
    while (now := time.monotonic()) - began < 2:
        verdicts = await asyncio.gather(
            *(limiters[n % 2].take(rate, user, now=now) for n, rate in enumerate(connections))
        )
        passed += sum(verdict.allowed for verdict in verdicts)
    elapsed_s = time.monotonic() - began

    assert 60 + 60 * 1.5 <= passed <= 60 + 60 * elapsed_s + 1


async def test_a_refusal_by_one_bucket_takes_nothing_from_the_other(redis: AsyncRedis, prefix: str) -> None:
    limiter = RateLimiter(redis, prefix)
    small, large = a_rate(1), a_rate(5)
    first = [await limiter.take(a_rate(100), small, large, now=0.0) for _ in range(4)]
    rest = [await limiter.take(a_rate(100), large, now=0.0) for _ in range(4)]

    assert [verdict.allowed for verdict in first] == [True, False, False, False]
    assert [verdict.allowed for verdict in rest] == [True, True, True, True]


async def test_whoever_waits_as_told_by_redis_is_let_in(redis: AsyncRedis, prefix: str) -> None:
    limiter, rate = RateLimiter(redis, prefix), a_rate(5)
    for _ in range(5):
        await limiter.take(a_rate(100), rate, now=time.monotonic())
    refused = await limiter.take(a_rate(100), rate, now=time.monotonic())
    await asyncio.sleep(refused.retry_after_ms / 1000)

    # A fifth of a second, and what the round trips of this moment take.
    assert 0 < refused.retry_after_ms < 1_000
    assert (await limiter.take(a_rate(100), rate, now=time.monotonic())).allowed


async def test_without_redis_the_local_buckets_decide(prefix: str) -> None:
    nowhere = AsyncRedis.from_url("redis://127.0.0.1:1/0", socket_connect_timeout=0.2)
    limiter, rate = RateLimiter(nowhere, prefix), a_rate(20)

    verdicts = [await limiter.take(rate, a_rate(60), now=5.0) for _ in range(25)]

    assert [verdict.allowed for verdict in verdicts] == [True] * 20 + [False] * 5


# --- places ---


async def test_a_user_has_twenty_places_and_the_lowest_free_one_is_next(redis: AsyncRedis, prefix: str) -> None:
    presence = Presence(redis, prefix)
    places = [await presence.take_slot("usr", f"con_{n}") for n in range(MOST_SOCKETS)]
    none = await presence.take_slot("usr", "con_x")
    await presence.depart(("usr", "con_3", 3), [])
    again = await presence.take_slot("usr", "con_y")
    other = await presence.take_slot("another", "con_z")

    assert places == list(range(MOST_SOCKETS))
    assert (none, again, other) == (None, 3, 0)


async def test_a_place_is_not_given_back_by_whoever_has_lost_it(redis: AsyncRedis, prefix: str) -> None:
    presence = Presence(redis, prefix)
    await presence.take_slot("usr", "con_old")
    await presence.depart(("usr", "con_old", 0), [])
    await presence.take_slot("usr", "con_new")
    await presence.depart(("usr", "con_old", 0), [])

    assert await presence.take_slot("usr", "con_third") == 1


# --- presence ---


def a_seat(connection: str, mode: Any = "continue") -> Seat:
    return Seat(tenant="t", user="u", conversation="c", connection=connection, on_disconnect=mode)


async def due(presence: Presence, redis: AsyncRedis, prefix: str) -> float | None:
    """Return in how many seconds the conversation is due, None when it is not."""
    score = await redis.zscore(f"{prefix}:presence-due", "t u c")
    return None if score is None else float(score) / 1000 - time.time()


async def forget(redis: AsyncRedis, prefix: str) -> None:
    """Lose everything that is kept under a prefix."""
    await redis.delete(*[key async for key in redis.scan_iter(f"{prefix}*")])


async def test_nothing_is_due_while_nobody_asked_for_it(redis: AsyncRedis, prefix: str) -> None:
    presence = Presence(redis, prefix)
    await presence.join(a_seat("a"))
    await presence.depart(None, [a_seat("a")])

    assert await due(presence, redis, prefix) is None


async def test_the_last_to_leave_starts_ten_seconds(redis: AsyncRedis, prefix: str) -> None:
    presence = Presence(redis, prefix)
    await presence.join(a_seat("a", "cancel"))
    await presence.join(a_seat("b"))
    await presence.depart(None, [a_seat("a", "cancel")])
    while_one_stays = await due(presence, redis, prefix)
    await presence.depart(None, [a_seat("b")])
    once_all_left = await due(presence, redis, prefix)

    assert while_one_stays is not None
    assert while_one_stays > 40
    assert once_all_left is not None
    assert 8 < once_all_left <= 10.1


async def test_who_is_sent_away_has_longer_to_come_back(redis: AsyncRedis, prefix: str) -> None:
    presence = Presence(redis, prefix)
    await presence.join(a_seat("a", "cancel"))
    await presence.depart(None, [a_seat("a", "cancel")], gone_s=SENT_AWAY_S)
    seconds = await due(presence, redis, prefix)

    assert seconds is not None
    assert SENT_AWAY_S - 2 < seconds <= SENT_AWAY_S + 0.1


async def test_a_wish_that_redis_forgot_is_known_by_its_socket(redis: AsyncRedis, prefix: str) -> None:
    presence = Presence(redis, prefix)
    await presence.join(a_seat("a", "cancel"))
    await presence.join(a_seat("b"))
    await forget(redis, prefix)
    await presence.depart(None, [a_seat("a", "cancel")])
    after_leaving = await due(presence, redis, prefix)
    await presence.renew([], [a_seat("b")])
    after_the_other_renewed = await due(presence, redis, prefix)

    # Time enough for whoever else has it open to say so.
    assert after_leaving is not None
    assert after_leaving > RENEW_S
    assert after_the_other_renewed is not None
    assert after_the_other_renewed > 40


async def test_a_renewal_after_a_loss_brings_the_wish_back(redis: AsyncRedis, prefix: str) -> None:
    presence = Presence(redis, prefix)
    await presence.join(a_seat("a", "cancel"))
    await forget(redis, prefix)
    await presence.renew([], [a_seat("a", "cancel")])
    await presence.depart(None, [a_seat("a", "cancel")])
    seconds = await due(presence, redis, prefix)

    assert seconds is not None
    assert 8 < seconds <= 10.1


async def test_a_departure_that_redis_did_not_take_is_said_again(redis: AsyncRedis, prefix: str) -> None:
    cut_off = AsyncRedis(**redis.connection_pool.connection_kwargs | {"port": 1})
    presence, gateway = Presence(redis, prefix), Presence(cut_off, prefix)
    await presence.join(a_seat("a", "cancel"))
    await gateway.depart(None, [a_seat("a", "cancel")])
    before = await due(presence, redis, prefix)
    cut_off.connection_pool.connection_kwargs |= redis.connection_pool.connection_kwargs
    cut_off.connection_pool.reset()  # type: ignore[no-untyped-call]  # redis-py's own
    await gateway.renew([], [])
    after = await due(presence, redis, prefix)
    await cut_off.aclose()

    assert before is not None
    assert before > 15
    assert after is not None
    assert after <= 10.1


async def test_coming_back_in_time_takes_it_back(redis: AsyncRedis, prefix: str) -> None:
    presence = Presence(redis, prefix)
    await presence.join(a_seat("a", "cancel"))
    await presence.depart(None, [a_seat("a", "cancel")])
    await presence.join(a_seat("b"))

    assert await due(presence, redis, prefix) is None


async def test_a_gateway_that_dies_leaves_its_conversations_to_another(redis: AsyncRedis, prefix: str) -> None:
    presence = Presence(redis, prefix)
    await presence.join(a_seat("a", "cancel"))
    await redis.zadd(f"{prefix}:presence-due", {"t u c": 1})  # its lease has run out

    first = await presence.deserted()
    at_once = await presence.deserted()
    await presence.settled(first[0])

    assert first == [Deserted(tenant="t", user="u", conversation="c")]
    assert at_once == []
    assert await due(presence, redis, prefix) is None


# --- tickets ---


async def test_a_ticket_is_good_once_and_its_text_is_not_kept(
    redis: AsyncRedis, redis_client: Redis, prefix: str, person: Person
) -> None:
    _, claims = issue_access(person.account, now=time.time())
    ticket = tickets.issue(redis_client, prefix, claims)
    names = list(redis_client.scan_iter(f"{prefix}:*"))

    first = await tickets.redeem(redis, prefix, ticket, now=time.time())
    with pytest.raises(TokenError):
        await tickets.redeem(redis, prefix, ticket, now=time.time())

    assert first == claims
    assert all(ticket.encode() not in name for name in names)


async def test_a_ticket_of_an_expired_token_is_worthless(
    redis: AsyncRedis, redis_client: Redis, prefix: str, person: Person
) -> None:
    _, claims = issue_access(person.account, now=time.time())
    ticket = tickets.issue(redis_client, prefix, claims)

    with pytest.raises(TokenError) as caught:
        await tickets.redeem(redis, prefix, ticket, now=claims.expires_at)

    assert caught.value.kind == "expired"


# --- refresh tokens ---


@pytest.fixture
def database(platform: EmbeddedServers, django_db_blocker: DjangoDbBlocker) -> Any:
    with django_db_blocker.unblock():
        yield


NOW = datetime(2026, 11, 20, tzinfo=UTC)


def test_a_refresh_token_gives_the_next_one(person: Person, database: None) -> None:
    first = refresh.begin(person.account.user, now=NOW)

    rotated = refresh.rotate(first, now=NOW)

    assert rotated.user == person.account.user
    assert refresh.rotate(rotated.refresh, now=NOW).user == person.account.user


def test_a_spent_refresh_token_ends_its_family_and_no_other(person: Person, database: None) -> None:
    first, other = (refresh.begin(person.account.user, now=NOW) for _ in range(2))
    second = refresh.rotate(first, now=NOW).refresh
    with pytest.raises(TokenError):
        refresh.rotate(first, now=NOW)

    with pytest.raises(TokenError):
        refresh.rotate(second, now=NOW)

    assert refresh.rotate(other, now=NOW).user == person.account.user


def test_an_expired_or_unknown_refresh_token_is_refused(person: Person, database: None) -> None:
    first = refresh.begin(person.account.user, now=NOW)

    with pytest.raises(TokenError) as expired:
        refresh.rotate(first, now=NOW + timedelta(days=400))
    with pytest.raises(TokenError) as unknown:
        refresh.rotate("nonsense", now=NOW)

    assert (expired.value.kind, unknown.value.kind) == ("expired", "invalid")


def test_a_revoked_family_is_refused(person: Person, database: None) -> None:
    first = refresh.begin(person.account.user, now=NOW)
    refresh.revoke(first, now=NOW)
    refresh.revoke("nonsense", now=NOW)

    with pytest.raises(TokenError):
        refresh.rotate(first, now=NOW)
