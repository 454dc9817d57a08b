from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import httpx
import orjson
import pytest
import websockets
from django.test import Client as DjangoClient
from pytest_django.plugin import DjangoDbBlocker

from orchestrator import ids
from orchestrator.tenants.accounts import issue_api_key
from orchestrator.tenants.models import ApiKey, Tenant, User
from tests.integration.api.kit import bearer, begin
from tests.integration.gateway_kit import Client, GatewayProcess, Person

MakeKey = Callable[..., str]
#: The password of everybody in these tests.
RIGHT = "x"


@pytest.fixture
def make_key(person: Person, django_db_blocker: DjangoDbBlocker) -> MakeKey:
    """Return how to make the person an API key."""

    def make(*scopes: str, revoked: bool = False) -> str:
        with django_db_blocker.unblock():
            user = User.objects.get(pk=person.account.user)
            tenant = Tenant.objects.get(pk=person.account.tenant)
            text = issue_api_key(tenant=tenant, user=user, name="test", scopes=scopes)
            if revoked:
                ApiKey.objects.filter(user=user).update(revoked_at="2026-01-01T00:00Z")
        return text

    return make


def sign_in(anybody: httpx.Client, person: Person, password: str = RIGHT) -> httpx.Response:
    return anybody.post("/api/auth/token", json={"username": person.account.username, "password": password})


# --- passwords and tokens ---


def test_a_name_and_a_password_give_tokens_that_work(anybody: httpx.Client, person: Person) -> None:
    made = sign_in(anybody, person).json()

    listed = anybody.get("/api/conversations", headers={"Authorization": f"Bearer {made['access']}"})

    assert set(made) == {"access", "refresh", "expires_in"}
    assert made["expires_in"] == 900
    assert listed.status_code == 200


def test_a_person_sets_the_language_they_are_answered_in(anybody: httpx.Client, person: Person) -> None:
    signed = {"Authorization": f"Bearer {sign_in(anybody, person).json()['access']}", "Accept-Language": "en"}

    set_to = anybody.patch("/api/me", json={"language": "es"}, headers=signed).json()["language"]

    refused = anybody.get("/api/turns/nothing", headers=signed).json()
    assert (set_to, refused["detail"]) == ("es", "Aquí no existe tal cosa.")


def test_a_wrong_password_and_an_unknown_name_answer_alike(anybody: httpx.Client, person: Person) -> None:
    wrong = sign_in(anybody, person, "wrong")
    unknown = anybody.post("/api/auth/token", json={"username": ids.new_id("u"), "password": "x"})

    assert (wrong.status_code, unknown.status_code) == (401, 401)
    assert wrong.json() | {"cid": ""} == unknown.json() | {"cid": ""}
    assert wrong.headers["WWW-Authenticate"].startswith("Bearer")


def test_guessing_passwords_is_slowed_down_for_that_name_alone(
    anybody: httpx.Client, person: Person, stranger: Person
) -> None:
    tries = [sign_in(anybody, person, "wrong").status_code for _ in range(11)]
    refused = sign_in(anybody, person)
    other = sign_in(anybody, stranger)

    assert tries == [401] * 10 + [429]
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert refused.json()["retry_after_ms"] > 0
    assert int(refused.headers["Retry-After"]) >= 1
    assert other.status_code == 200


def test_a_refresh_token_is_good_once_and_its_second_use_ends_the_family(anybody: httpx.Client, person: Person) -> None:
    first = sign_in(anybody, person).json()["refresh"]

    second = anybody.post("/api/auth/refresh", json={"refresh": first})
    reused = anybody.post("/api/auth/refresh", json={"refresh": first})
    newest = anybody.post("/api/auth/refresh", json={"refresh": second.json()["refresh"]})

    assert (second.status_code, reused.status_code, newest.status_code) == (200, 401, 401)


def test_revoking_ends_the_family_and_the_access_token(anybody: httpx.Client, person: Person) -> None:
    made = sign_in(anybody, person).json()
    headers = {"Authorization": f"Bearer {made['access']}"}

    revoked = anybody.post("/api/auth/revoke", json={"refresh": made["refresh"]}, headers=headers)

    assert revoked.status_code == 204
    assert anybody.post("/api/auth/refresh", json={"refresh": made["refresh"]}).status_code == 401
    assert anybody.get("/api/conversations", headers=headers).status_code == 401


async def test_revoking_closes_the_tokens_socket(
    gateway: GatewayProcess, anybody: httpx.Client, person: Person
) -> None:
    token = person.token()

    async with Client.to(gateway, person, token=token) as client:
        await asyncio.to_thread(anybody.post, "/api/auth/revoke", json={"access": token})
        began = time.monotonic()
        bye = await client.expect("bye")

    assert bye["data"]["code"] == 4401
    assert time.monotonic() - began < 5


def test_revoking_what_is_unknown_is_no_error(anybody: httpx.Client) -> None:
    assert anybody.post("/api/auth/revoke", json={"refresh": "x", "access": "y"}).status_code == 204
    assert anybody.post("/api/auth/revoke").status_code == 204


async def test_a_ticket_opens_one_socket(gateway: GatewayProcess, client: httpx.Client) -> None:
    ticket = (await asyncio.to_thread(client.post, "/api/auth/ticket")).json()

    async with websockets.connect(f"{gateway.url}?ticket={ticket['ticket']}") as socket:
        hello = orjson.loads(await socket.recv())
    with pytest.raises(websockets.InvalidStatus):
        await websockets.connect(f"{gateway.url}?ticket={ticket['ticket']}")

    assert ticket["expires_in"] == 30
    assert hello["type"] == "hello"


def test_an_expired_token_is_told_apart_by_its_sentence(anybody: httpx.Client, person: Person) -> None:
    token = person.token(now=time.time() - 2_000)

    refused = anybody.post("/api/auth/ticket", headers={"Authorization": f"Bearer {token}"})

    assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")
    assert "expired" in refused.json()["detail"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": "Basic eDp5"},
        {"X-API-Key": "swy_1234_nonsense"},
        {"X-API-Key": ""},
        {"Cookie": "sessionid=nonsense"},
    ],
)
def test_credentials_that_prove_nothing_are_refused(anybody: httpx.Client, headers: dict[str, str]) -> None:
    refused = anybody.get("/api/conversations", headers=headers)

    assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")
    assert refused.headers["Content-Type"] == "application/problem+json"


# --- keys ---


def test_an_api_key_acts_as_its_user(anybody: httpx.Client, client: httpx.Client, make_key: MakeKey) -> None:
    conversation = begin(client, "Mine")

    listed = anybody.get("/api/conversations", headers={"X-API-Key": make_key("chat")}).json()

    assert [item["id"] for item in listed["items"]] == [conversation]


def test_an_api_key_may_only_what_its_scopes_say(anybody: httpx.Client, make_key: MakeKey) -> None:
    headers = {"X-API-Key": make_key("events:publish")}

    refused = [anybody.get(path, headers=headers) for path in ("/api/conversations", "/api/documents")]

    assert [(answer.status_code, answer.json()["code"]) for answer in refused] == [(403, "forbidden")] * 2


def test_a_revoked_api_key_opens_nothing(anybody: httpx.Client, make_key: MakeKey) -> None:
    refused = anybody.get("/api/conversations", headers={"X-API-Key": make_key("chat", revoked=True)})

    assert refused.status_code == 401


# --- the session cookie ---


def test_guessing_passwords_at_the_admin_is_slowed_down_as_well(anybody: httpx.Client, person: Person) -> None:
    page = anybody.get("/admin/login/")
    form = {"username": person.account.username, "password": "wrong", "csrfmiddlewaretoken": page.cookies["csrftoken"]}

    tries = [anybody.post("/admin/login/", data=form) for _ in range(11)]
    elsewhere = sign_in(anybody, person)

    assert [tried.status_code for tried in tries] == [200] * 10 + [429]
    assert int(tries[-1].headers["Retry-After"]) >= 1
    assert elsewhere.status_code == 429


def test_a_session_reads_and_writes_only_with_its_csrf_token(
    anybody: httpx.Client, person: Person, django_db_blocker: DjangoDbBlocker
) -> None:
    with django_db_blocker.unblock():
        django = DjangoClient()
        django.force_login(User.objects.get(pk=person.account.user))
        session = django.cookies["sessionid"].value
    token = "a" * 32
    cookies = {"Cookie": f"sessionid={session}; csrftoken={token}"}

    read = anybody.get("/api/conversations", headers=cookies)
    without = anybody.post("/api/conversations", headers=cookies, json={})
    with_token = anybody.post("/api/conversations", headers=cookies | {"X-CSRFToken": token}, json={})

    assert read.status_code == 200
    assert (without.status_code, without.json()["code"]) == (403, "forbidden")
    assert with_token.status_code == 201


# --- problems ---


def test_a_problem_speaks_the_callers_language_and_carries_the_callers_id(
    anybody: httpx.Client, spaniard: Person
) -> None:
    refused = anybody.get("/api/turns/trn_none", headers=bearer(spaniard) | {"X-Request-ID": "trace-7"})

    assert refused.headers["X-Request-ID"] == refused.json()["cid"] == "trace-7"
    assert refused.json() == {
        "type": "urn:switchyard:error:not_found",
        "title": "Not Found",
        "status": 404,
        "code": "not_found",
        "detail": "Aquí no existe tal cosa.",
        "cid": "trace-7",
    }


def test_a_browsers_language_counts_until_the_caller_is_known(anybody: httpx.Client) -> None:
    refused = anybody.get("/api/conversations", headers={"Accept-Language": "es-MX,es;q=0.9"})

    assert refused.json()["detail"] == "Vuelve a iniciar sesión."


def test_an_id_that_could_break_a_log_line_is_replaced(anybody: httpx.Client) -> None:
    answered = anybody.get("/healthz", headers={"X-Request-ID": "x" * 65})

    assert answered.headers["X-Request-ID"].startswith("req_")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/nothing", 404, "not_found"),
        ("PUT", "/api/conversations", 405, "invalid"),
        ("GET", "/api/conversations?limit=0", 400, "invalid"),
        ("GET", "/api/conversations?limit=x", 400, "invalid"),
        ("GET", "/api/conversations?after=a'b", 404, "not_found"),
        ("GET", "/api/conversations?after=%00", 404, "not_found"),
        ("GET", "/api/turns/%00", 404, "not_found"),
        ("GET", "/api/artifacts/x?format=xml", 400, "invalid"),
        ("GET", "/api/search?q=a", 400, "invalid"),
        ("GET", "/api/search?q=ab%00", 400, "invalid"),
    ],
)
def test_what_is_wrong_about_an_address_is_a_problem_document(
    client: httpx.Client, method: str, path: str, status: int, code: str
) -> None:
    refused = client.request(method, path)

    assert (refused.status_code, refused.json()["code"], refused.json()["status"]) == (status, code, status)
    assert refused.headers["Content-Type"] == "application/problem+json"


def test_a_body_that_is_no_json_is_named_so(client: httpx.Client) -> None:
    refused = client.post("/api/conversations", content=b"{", headers={"Content-Type": "application/json"})

    assert (refused.status_code, refused.json()["code"]) == (400, "bad_json")


def test_a_password_never_reaches_the_log(gateway: GatewayProcess, anybody: httpx.Client) -> None:
    anybody.post("/api/auth/token", json={"username": "u", "password": "hunter2" * 200})
    anybody.post("/api/auth/token", json={"username": "u", "password": "hunter2"})

    assert b"hunter2" not in gateway.log.read_bytes()


def test_every_line_of_a_request_carries_its_id(gateway: GatewayProcess, client: httpx.Client) -> None:
    conversation = begin(client)
    client.post(f"/api/conversations/{conversation}/turns", json={"text": "x"}, headers={"X-Request-ID": "trace-8"})

    lines = [line for line in gateway.lines() if line.get("cid") == "trace-8"]

    assert {line["event"] for line in lines} == {"turn accepted", "request"}


# --- the documentation ---


def test_the_documentation_is_served_from_here(anybody: httpx.Client) -> None:
    page = anybody.get("/api/docs")
    schema = anybody.get("/api/openapi.json").json()

    assert page.status_code == 200
    assert "cdn." not in page.text
    assert "/api/conversations/{conversation}/turns" in schema["paths"]
    assert set(schema["components"]["securitySchemes"]) == {"Bearer", "Key", "Session"}


@pytest.mark.parametrize("path", ["/admin/login/", "/api/docs", "/healthz"])
def test_no_page_runs_inline_scripts(anybody: httpx.Client, path: str) -> None:
    policy = anybody.get(path).headers["Content-Security-Policy"]

    [scripts] = [directive for directive in policy.split("; ") if directive.startswith("script-src ")]
    assert "'self'" in scripts
    assert "unsafe-inline" not in scripts
    assert "default-src 'none'" in policy
