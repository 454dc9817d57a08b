"""Verified queries one by one: tried before they are kept, kept in the layer alone, lost to nobody's haste."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.admin.utils import quote
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from orchestrator.chat.models import Artifact, Feedback
from orchestrator.tenants.models import Tenant, Warehouse
from tests.integration.admin_kit import a_shop, a_tenant, a_turn, a_user, signed_in

MAY = ("view_warehouse", "change_warehouse", "view_feedback", "change_feedback")
TYPED = {
    "name": "best_branches",
    "en": "who won the race\nwinners in {branch}",
    "es": "",
    "sql": "select s.branch, s.amount from sales s where s.branch = :branch",
    "slots": "branch: {kind: value, dimension: branch}",
    "describe_en": "Winners in {branch}",
    "describe_es": "",
}


pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def client(tenant: Tenant) -> Client:
    return signed_in(a_user(tenant, *MAY, is_staff=True))


@pytest.fixture
def queries(tenant: Tenant, tmp_path: Path) -> str:
    """Connect a small database and return the page of its verified queries."""
    return a_shop(tenant, tmp_path).replace("/change/", "/verified/")


def save(client: Client, page: str, **changed: str) -> str:
    return client.post(page, TYPED | {"_save": "1"} | changed, follow=True).content.decode()


def seen(client: Client, page: str) -> str:
    return str(client.get(page).context["form"].initial["seen"])


def kept(tenant: Tenant) -> dict[str, str]:
    layer = Warehouse.objects.get(tenant=tenant).layer
    return {verified["name"]: verified["sql"] for verified in layer.get("verified", [])}


def test_a_query_is_tried_shows_its_rows_and_is_not_kept(client: Client, tenant: Tenant, queries: str) -> None:
    tried = client.post(queries + "add/", TYPED | {"_try": "1"}).content.decode()

    assert "It runs." in tried
    assert "branch = Centro" in tried
    assert "1200.5" in tried
    # The first of its questions names no branch, which a hole without a default needs.
    assert "do not find it: “who won the race”" in tried
    assert kept(tenant) == {}


def test_a_query_is_kept_in_the_layer_changed_renamed_and_deleted(client: Client, tenant: Tenant, queries: str) -> None:
    added = save(client, queries + "add/")
    edit = queries + "of/best_branches/"
    mark = seen(client, edit)
    save(client, edit, name="winners", sql="select s.branch from sales s where s.branch = :branch", seen=mark)
    changed = kept(tenant)
    shown = client.get(queries + "of/winners/delete/")
    client.post(queries + "of/winners/delete/", {"seen": shown.context["seen"]})

    assert "best_branches was added" in added
    assert "these do not find it: “who won the race”" in added
    assert "winners in {branch}" in added
    assert list(changed) == ["winners"]
    assert kept(tenant) == {}
    said = [
        str(entry) for entry in LogEntry.objects.filter(object_id=tenant.pk).values_list("change_message", flat=True)
    ]
    assert any("winners deleted" in each for each in said)
    assert any("best_branches added" in each for each in said)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"sql": "delete from sales"}, "The guard does not let it run"),
        ({"sql": "select s.secret from sales s"}, "The guard does not let it run"),
        ({"sql": "select ((("}, "The guard does not let it run: the statement can&#x27;t be read"),
        ({"slots": ""}, "has a hole :branch that is not among its holes"),
        ({"slots": "branch: {kind: value, dimension: nowhere}"}, "nowhere is no dimension"),
        ({"slots": "branch: {kind: letter}"}, "Input should be"),
        ({"slots": "branch: ["}, "this is not YAML"),
        ({"name": "Best Branches"}, "String should match pattern"),
        ({"en": "", "es": ""}, "At least one question is needed"),
    ],
)
def test_a_wrong_query_is_refused_with_the_reason(
    client: Client, tenant: Tenant, queries: str, changed: dict[str, str], said: str
) -> None:
    answered = save(client, queries + "add/", **changed)

    assert said in answered
    assert kept(tenant) == {}


def test_a_query_that_no_question_would_find_is_not_kept(client: Client, tenant: Tenant, queries: str) -> None:
    fixed = "select s.amount from sales s where s.day = '2026-11-17'"

    answered = save(client, queries + "add/", en="winners last week", sql=fixed, slots="", describe_en="")

    assert "none of its questions would find it" in answered
    assert kept(tenant) == {}


def test_two_queries_do_not_share_a_name(client: Client, tenant: Tenant, queries: str) -> None:
    save(client, queries + "add/")

    assert "a verified query named best_branches already" in save(client, queries + "add/")


def test_of_two_who_change_a_query_at_once_the_second_is_told(client: Client, tenant: Tenant, queries: str) -> None:
    save(client, queries + "add/")
    edit = queries + "of/best_branches/"
    mark = seen(client, edit)

    save(client, edit, sql="select 1 as first from sales s where s.branch = :branch", seen=mark)
    second = save(client, edit, sql="select 2 as second from sales s where s.branch = :branch", seen=mark)
    late = client.post(edit + "delete/", {"seen": mark}, follow=True).content.decode()

    assert "Somebody else has changed this query meanwhile" in second
    assert "Somebody else has changed this query meanwhile" in late
    assert "first" in kept(tenant)["best_branches"]


def test_two_who_change_two_queries_at_once_both_are_kept(client: Client, tenant: Tenant, queries: str) -> None:
    save(client, queries + "add/")
    mark = seen(client, queries + "of/best_branches/")

    save(client, queries + "add/", name="other", en="others in {branch}")
    save(client, queries + "of/best_branches/", sql="select 1 as x from sales s where s.branch = :branch", seen=mark)

    assert set(kept(tenant)) == {"best_branches", "other"}
    assert "as x" in kept(tenant)["best_branches"]


def test_a_query_that_has_gone_meanwhile_is_not_written_again(client: Client, tenant: Tenant, queries: str) -> None:
    save(client, queries + "add/")
    edit = queries + "of/best_branches/"
    mark = seen(client, edit)
    client.post(edit + "delete/", {"seen": mark})

    assert "Somebody else has changed this query meanwhile" in save(client, edit, seen=mark)
    assert kept(tenant) == {}


def test_a_rated_question_becomes_a_verified_query_and_is_dealt_with(
    client: Client, tenant: Tenant, queries: str
) -> None:
    turn = a_turn(tenant, "Who are the winners?")
    body = {"sql": "SELECT s.branch FROM sales s", "columns": [], "rows": []}
    Artifact.objects.create(tenant=tenant, turn=turn, step="sql", kind="table", body=body)
    rating = Feedback.objects.create(turn=turn, tenant=tenant, rating="down")
    page = reverse("admin:chat_feedback_change", args=[quote(rating.pk)])

    link = client.get(page).context["verify_url"]
    form = client.get(link).context["form"].initial
    save(client, link, name=form["name"], en=form["en"], sql=form["sql"], slots="", describe_en="")

    assert form == {"name": "who_are_the_winners", "en": "Who are the winners?", "sql": body["sql"]}
    assert kept(tenant) == {"who_are_the_winners": body["sql"]}
    assert Feedback.objects.get(pk=rating.pk).handled_at is not None


def test_another_companys_queries_are_out_of_reach(tenant: Tenant, queries: str) -> None:
    stranger = signed_in(a_user(a_tenant(), *MAY, is_staff=True))
    looking = signed_in(a_user(tenant, "view_warehouse", "view_feedback", is_staff=True))

    assert stranger.get(queries).status_code == 403
    assert stranger.post(queries + "add/", TYPED | {"_save": "1"}).status_code == 403
    assert looking.get(queries).status_code == 403
    assert kept(tenant) == {}


def test_a_rating_of_another_company_is_not_dealt_with(client: Client, tenant: Tenant, queries: str) -> None:
    other = a_tenant()
    theirs = Feedback.objects.create(turn=a_turn(other), tenant=other, rating="down")

    save(client, f"{queries}add/?feedback={theirs.pk}")

    assert Feedback.objects.get(pk=theirs.pk).handled_at is None


def test_a_layer_that_cannot_be_read_is_mended_first(client: Client, tenant: Tenant, queries: str) -> None:
    Warehouse.objects.filter(tenant=tenant).update(layer={"measures": {"takings": 1}})

    assert b"mend its text first" in client.get(queries, follow=True).content


def test_a_layer_is_downloaded_and_uploaded_as_a_whole_or_not_at_all(
    client: Client, tenant: Tenant, queries: str
) -> None:
    save(client, queries + "add/")
    page = queries.replace("/verified/", "/upload/")
    text = client.get(queries.replace("/verified/", "/yaml/")).content.decode()
    began = str(client.get(page).context["form"].initial["seen"])

    def upload(content: str) -> str:
        file = SimpleUploadedFile("layer.yaml", content.encode())
        return client.post(page, {"file": file, "seen": began}, follow=True).content.decode()

    wrong = upload(text.replace("fact: sales", "fact: nothing"))
    unreadable = upload("measures: [1")
    kept_before = kept(tenant)
    right = upload(text.replace("best_branches", "winners"))
    late = upload(text)

    assert "names fact nothing, which is none" in wrong
    assert "this is not YAML" in unreadable
    assert list(kept_before) == ["best_branches"]
    assert "The layer was replaced" in right
    assert "Somebody else has changed this layer" in late
    assert list(kept(tenant)) == ["winners"]


def test_another_companys_layer_is_neither_given_nor_taken(tenant: Tenant, queries: str) -> None:
    stranger = signed_in(a_user(a_tenant(), *MAY, is_staff=True))
    looking = signed_in(a_user(tenant, "view_warehouse", is_staff=True))

    answers = [
        person.get(queries.replace("/verified/", page)).status_code
        for person in (stranger, looking)
        for page in ("/yaml/", "/upload/")
    ]

    assert answers == [403] * 4
