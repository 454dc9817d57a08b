from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from pytest_django.plugin import DjangoDbBlocker
from redis import Redis

from orchestrator.log.keys import Keys
from orchestrator.store.engine import rw
from orchestrator.store.rows import all_rows, one_row
from orchestrator.tenants.accounts import account
from orchestrator.tenants.models import User
from tests.integration.api.kit import bearer
from tests.integration.gateway_kit import Person

GUIDE = "# Uniform\n\nEverybody wears an apron.\n"


def give(client: httpx.Client, text: str = GUIDE, **fields: str) -> dict[str, Any]:
    made = client.post("/api/documents", json={"text": text, **fields})
    assert made.status_code == 202, made.text
    found: dict[str, Any] = made.json()
    return found


def jobs_of(document: str) -> list[dict[str, Any]]:
    return [
        dict(row)
        for row in all_rows(
            rw(),
            "SELECT type, state, queue, payload, cid FROM switchyard_job WHERE payload->>'document' = :document"
            " ORDER BY id",
            document=document,
        )
    ]


def fail(document: str, error: str) -> None:
    all_rows(rw(), "UPDATE switchyard_document SET state='failed', error=:e WHERE id=:d", e=error, d=document)
    all_rows(rw(), "UPDATE switchyard_job SET state='FAILED' WHERE payload->>'document' = :d", d=document)


def test_a_file_is_kept_with_a_job_that_reads_it(client: httpx.Client, redis_client: Redis, keys: Keys) -> None:
    # redis-py types no `pubsub`.
    with redis_client.pubsub(ignore_subscribe_messages=True) as wakes:  # type: ignore[no-untyped-call]
        wakes.subscribe(keys.wake())
        wakes.get_message(timeout=2)
        made = client.post(
            "/api/documents",
            files={"file": ("../Uniform guide.md", GUIDE.encode(), "text/markdown")},
            headers={"X-Request-ID": "trace-doc"},
        )
        woken = wakes.get_message(timeout=5)

    document = made.json()
    body = one_row(rw(), "SELECT content FROM switchyard_document_body WHERE document_id = :d", d=document["id"])
    assert made.status_code == 202
    assert (document["title"], document["filename"], document["state"]) == (
        "Uniform guide",
        "Uniform guide.md",
        "queued",
    )
    assert jobs_of(document["id"]) == [
        {
            "type": "read_document",
            "state": "PENDING",
            "queue": "jobs",
            "payload": {"document": document["id"]},
            "cid": "trace-doc",
        }
    ]
    assert body is not None
    assert bytes(body["content"]) == GUIDE.encode()
    assert woken is not None


def test_a_text_is_a_document_too(client: httpx.Client) -> None:
    made = give(client, title="Uniform")
    plain = client.post("/api/documents", content="Plain words.", headers={"Content-Type": "text/plain"}).json()

    listed = client.get("/api/documents").json()

    assert [item["id"] for item in listed["items"]] == [plain["id"], made["id"]]
    assert client.get(f"/api/documents/{made['id']}").json()["title"] == "Uniform"


def test_the_same_bytes_again_are_the_same_document(client: httpx.Client) -> None:
    first = give(client)

    again = give(client, title="Another name")

    assert again["id"] == first["id"]
    assert len(jobs_of(first["id"])) == 1


def test_the_same_bytes_of_another_tenant_are_another_document(
    anybody: httpx.Client, client: httpx.Client, stranger: Person
) -> None:
    mine = give(client)

    theirs = anybody.post("/api/documents", json={"text": GUIDE}, headers=bearer(stranger)).json()
    peeked = anybody.get(f"/api/documents/{mine['id']}", headers=bearer(stranger))

    assert theirs["id"] != mine["id"]
    assert peeked.status_code == 404


def test_a_failed_document_says_why_and_is_read_again_when_it_comes_again(client: httpx.Client) -> None:
    document = give(client)["id"]
    fail(document, "documents.no_text")

    failed = client.get(f"/api/documents/{document}").json()
    again = give(client)

    assert failed["error"] == "The file holds no text that can be read (a scan, perhaps)."
    assert (again["id"], again["state"]) == (document, "queued")
    assert [job["state"] for job in jobs_of(document)] == ["FAILED", "PENDING"]


def test_documents_are_listed_page_by_page(client: httpx.Client) -> None:
    given = [give(client, f"Text number {number}")["id"] for number in range(3)]

    first = client.get("/api/documents?limit=2").json()
    second = client.get(f"/api/documents?limit=2&after={first['next']}").json()

    assert [item["id"] for item in first["items"] + second["items"]] == given[::-1]


def test_a_removed_document_is_gone_with_its_bytes_and_its_job(client: httpx.Client) -> None:
    document = give(client)["id"]

    removed = client.delete(f"/api/documents/{document}")
    again = client.delete(f"/api/documents/{document}")

    body = one_row(rw(), "SELECT 1 AS one FROM switchyard_document_body WHERE document_id = :d", d=document)
    assert (removed.status_code, again.status_code) == (204, 404)
    assert client.get("/api/documents").json() == {"items": []}
    assert body is None
    assert [job["state"] for job in jobs_of(document)] == ["CANCELLED"]
    assert give(client)["id"] != document


def test_a_job_that_reads_a_removed_document_is_told_to_stop(client: httpx.Client) -> None:
    document = give(client)["id"]
    all_rows(rw(), "UPDATE switchyard_job SET state='RUNNING' WHERE payload->>'document' = :d", d=document)

    client.delete(f"/api/documents/{document}")

    row = one_row(
        rw(),
        "SELECT cancel_requested_at IS NOT NULL AS asked FROM switchyard_job WHERE payload->>'document' = :d",
        d=document,
    )
    assert row == {"asked": True}


@pytest.fixture
def colleague(person: Person, django_db_blocker: DjangoDbBlocker) -> Callable[..., Person]:
    """Return how to make another user of the same tenant."""

    def make(*roles: str) -> Person:
        with django_db_blocker.unblock():
            user = User.objects.create_user(
                username=f"{person.account.username}-2",
                password="x",
                tenant_id=person.account.tenant,
                roles=list(roles),
            )
            found = account(user.pk)
        assert found is not None
        return Person(account=found)

    return make


def test_a_colleague_sees_a_document_and_may_not_remove_it(
    anybody: httpx.Client, client: httpx.Client, colleague: Callable[..., Person]
) -> None:
    document = give(client)["id"]
    headers = bearer(colleague("waiter"))

    seen = anybody.get(f"/api/documents/{document}", headers=headers)
    refused = anybody.delete(f"/api/documents/{document}", headers=headers)

    assert seen.status_code == 200
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


def test_an_admin_of_the_tenant_may_remove_what_others_gave(
    anybody: httpx.Client, client: httpx.Client, colleague: Callable[..., Person]
) -> None:
    document = give(client)["id"]

    removed = anybody.delete(f"/api/documents/{document}", headers=bearer(colleague("admin")))

    assert removed.status_code == 204


@pytest.mark.parametrize(
    ("call", "status", "code"),
    [
        ({"json": {"text": ""}}, 400, "invalid"),
        ({"json": {"text": "  \n "}}, 400, "invalid"),
        ({"json": {"text": "x", "titel": "y"}}, 400, "invalid"),
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, 400, "bad_json"),
        ({"data": {"title": "x"}}, 400, "invalid"),
        ({"files": {"other": ("x.md", b"x")}}, 400, "invalid"),
        ({"files": {"file": ("x.md", b"")}}, 400, "invalid"),
        ({"files": {"file": ("x" * 5_000 + ".md", b"x")}}, 400, "invalid"),
        ({"files": {f"file{n}": ("x.md", b"x") for n in range(101)}}, 400, "invalid"),
        ({"files": {"file": ("x.md", b"x")}, "data": {f"field{n}": "x" for n in range(1_001)}}, 400, "invalid"),
        ({"files": {"file": ("x.md", b"x" * 2_000_001)}}, 413, "too_big"),
        ({"json": {"text": "x" * 2_000_001}}, 413, "too_big"),
        ({"content": b"x", "headers": {"Content-Type": "image/png"}}, 400, "invalid"),
    ],
)
def test_what_is_no_document_is_refused_and_leaves_nothing(
    client: httpx.Client, call: dict[str, Any], status: int, code: str
) -> None:
    refused = client.post("/api/documents", **call)

    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert client.get("/api/documents").json() == {"items": []}


def test_a_body_beyond_all_bounds_is_refused_before_it_is_kept(client: httpx.Client) -> None:
    refused = client.post("/api/documents", files={"file": ("x.md", b"x" * 9_000_000)})

    assert refused.status_code == 413
