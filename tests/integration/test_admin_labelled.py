"""A correction becomes labelled data, one by one or as a file, each company's own."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.admin.utils import quote
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from orchestrator.chat import feedback as thumbs
from orchestrator.chat.models import Feedback
from orchestrator.pipeline.models import LabelledQuestion
from orchestrator.tenants.models import Tenant
from tests.integration.admin_kit import a_turn, a_user, signed_in

MAY = (
    "view_feedback", "change_feedback", "view_labelledquestion", "add_labelledquestion", "change_labelledquestion",
    "delete_labelledquestion",
)  # fmt: skip
LISTING = "/admin/pipeline/labelledquestion/"


pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def client(tenant: Tenant) -> Client:
    return signed_in(a_user(tenant, *MAY, is_staff=True))


def a_rating(tenant: Tenant, text: str = "How many orders?") -> Feedback:
    return Feedback.objects.create(turn=a_turn(tenant, text), tenant=tenant, rating="down")


def page_of(rating: Feedback) -> str:
    return reverse("admin:chat_feedback_change", args=[quote(rating.pk)])


def upload(client: Client, text: str, tenant: Tenant) -> HttpResponse:
    file = SimpleUploadedFile("questions.csv", text.encode())
    return client.post(LISTING + "import/", {"tenant": tenant.pk, "file": file})  # type: ignore[return-value]


def routes(tenant: Tenant) -> dict[str, str]:
    return dict(LabelledQuestion.objects.filter(tenant=tenant).values_list("text", "route"))


def test_a_correction_is_kept_and_the_feedback_dealt_with(client: Client, tenant: Tenant) -> None:
    rating = a_rating(tenant, "Who  may open\nthe safe?")

    shown = client.get(page_of(rating)).content.decode()
    client.post(page_of(rating), {"_label": "rag"})

    kept = LabelledQuestion.objects.get(tenant=tenant)
    assert "Keep as labelled question" in shown
    assert (kept.text, kept.route, kept.source_id) == ("Who may open the safe?", "rag", rating.pk)
    assert kept.labelled_by is not None
    assert Feedback.objects.get(pk=rating.pk).handled_at is not None
    assert LogEntry.objects.filter(object_id=rating.pk, change_message="Labelled rag.").exists()


def test_a_second_correction_of_the_same_question_changes_the_first(client: Client, tenant: Tenant) -> None:
    first, second = a_rating(tenant), a_rating(tenant)

    client.post(page_of(first), {"_label": "rag"})
    client.post(page_of(second), {"_label": "nowhere"})

    assert routes(tenant) == {"How many orders?": "nowhere"}


@pytest.mark.parametrize("text", ["x" * 601, "How many orders?"])
def test_what_cannot_be_kept_is_said_and_stays_on_the_list(client: Client, tenant: Tenant, text: str) -> None:
    rating = a_rating(tenant, text)

    answered = client.post(page_of(rating), {"_label": "sql" if len(text) > 600 else "elsewhere"}, follow=True)

    assert any(word in answered.content.decode() for word in ("600", "Choose the route"))
    assert routes(tenant) == {}
    assert Feedback.objects.get(pk=rating.pk).handled_at is None


def test_nobody_labels_another_companys_question(client: Client, tenant: Tenant, other: Tenant) -> None:
    assert client.post(page_of(a_rating(other)), {"_label": "sql"}).status_code == 403
    assert routes(other) == routes(tenant) == {}


def test_who_may_only_look_at_feedback_labels_nothing(tenant: Tenant) -> None:
    looking = signed_in(a_user(tenant, "view_feedback", "view_labelledquestion", is_staff=True))
    rating = a_rating(tenant)

    assert "Keep as labelled question" not in looking.get(page_of(rating)).content.decode()
    assert looking.post(page_of(rating), {"_label": "sql"}).status_code == 403


def test_a_rating_that_is_taken_back_leaves_the_label(client: Client, tenant: Tenant) -> None:
    rating = a_rating(tenant)
    client.post(page_of(rating), {"_label": "rag"})

    thumbs.withdraw(tenant=tenant.pk, user=rating.turn.user_id, turn=rating.pk)

    assert LabelledQuestion.objects.get(tenant=tenant).source_id is None
    assert client.get(LISTING).status_code == 200


def test_a_label_is_added_once_edited_and_deleted_by_hand(client: Client, tenant: Tenant) -> None:
    body = {"tenant": tenant.pk, "text": "orders  today", "route": "sql"}
    client.post(LISTING + "add/", body)
    again = client.post(LISTING + "add/", body)
    made = LabelledQuestion.objects.get(tenant=tenant)

    client.post(f"{LISTING}{made.pk}/change/", body | {"route": "chat"})

    assert b"labelled already" in again.content
    assert routes(tenant) == {"orders today": "chat"}
    client.post(f"{LISTING}{made.pk}/delete/", {"post": "yes"})
    assert routes(tenant) == {}


def test_another_companys_labels_are_neither_seen_nor_touched(client: Client, tenant: Tenant, other: Tenant) -> None:
    theirs = LabelledQuestion.objects.create(tenant=other, text="theirs alone", route="sql")

    seen = client.get(LISTING).content + client.get(LISTING + "csv/").content
    client.post(f"{LISTING}{theirs.pk}/delete/", {"post": "yes"})
    into = upload(client, "question,route\nours,sql\n", other)

    assert b"theirs alone" not in seen
    assert routes(other) == {"theirs alone": "sql"}
    assert into.status_code == 200
    assert routes(tenant) == {}


def test_a_file_adds_and_changes(client: Client, tenant: Tenant) -> None:
    LabelledQuestion.objects.create(tenant=tenant, text="orders today", route="rag")
    LabelledQuestion.objects.create(tenant=tenant, text="stays", route="chat")

    answered = upload(client, "\ufeffquestion;route;by\norders  today;SQL;x\nhello;chat;y\nstays;chat;\n", tenant)

    assert answered.status_code == 302
    assert routes(tenant) == {"orders today": "sql", "stays": "chat", "hello": "chat"}
    assert LogEntry.objects.filter(change_message="Imported from questions.csv.").count() >= 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("question,route\nfine,sql\nbad,figures\n", "Line 3: “figures” is no route."),
        ("question,route\nfine,sql\n,rag\n", "Line 3: no question."),
        ("question,route\nsame,sql\nsame,rag\n", "Line 3: line 2 has the same question with another route."),
        ("question\nfine\n", "missing: route"),
        ("question,route\n", "no row below its heading"),
        ('question,route\n"fine,sql\n', "this is not CSV"),
    ],
)
def test_a_file_with_a_wrong_line_is_refused_as_a_whole(client: Client, tenant: Tenant, text: str, said: str) -> None:
    answered = upload(client, text, tenant)

    assert said in answered.content.decode()
    assert routes(tenant) == {}


def test_what_is_exported_runs_nothing_and_comes_back_as_it_was(client: Client, tenant: Tenant) -> None:
    LabelledQuestion.objects.create(tenant=tenant, text="=2+3 is how much?", route="nowhere")

    file = client.get(LISTING + "csv/").content.decode()
    LabelledQuestion.objects.filter(tenant=tenant).delete()
    upload(client, file, tenant)

    assert "'=2+3 is how much?,nowhere" in file
    assert routes(tenant) == {"=2+3 is how much?": "nowhere"}


def test_who_may_only_look_imports_nothing(tenant: Tenant) -> None:
    looking = signed_in(a_user(tenant, "view_labelledquestion", is_staff=True))

    assert upload(looking, "question,route\nfine,sql\n", tenant).status_code == 403
