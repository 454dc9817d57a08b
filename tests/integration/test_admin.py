from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from orchestrator import ids
from orchestrator.automation.documents import add_document
from orchestrator.automation.models import Job, Subscription
from orchestrator.chat.models import Feedback
from orchestrator.log.clients import sync_client
from orchestrator.log.keys import Keys
from orchestrator.pipeline.models import Document
from orchestrator.resilience.breaker_registry import Breakers
from orchestrator.resilience.breaker_states import Policy
from orchestrator.tenants import refresh
from orchestrator.tenants.accounts import check_api_key, check_password
from orchestrator.tenants.models import ApiKey, Tenant, User
from orchestrator.tenants.tokens import TokenError
from tests.integration.admin_kit import a_turn, a_user, signed_in

PAGES = (
    "chat_conversation", "chat_turn", "chat_artifact", "automation_job", "pipeline_document", "tenants_warehouse",
    "tenants_tenant", "tenants_user", "tenants_apikey", "control_processrow", "control_outboxrow", "auth_group",
    "chat_feedback", "automation_subscription", "admin_logentry", "pipeline_labelledquestion",
)  # fmt: skip


pytestmark = pytest.mark.usefixtures("database")


@pytest.mark.parametrize("page", PAGES)
def test_a_superuser_sees_every_list(root: Client, page: str) -> None:
    assert root.get(reverse(f"admin:{page}_changelist")).status_code == 200


@pytest.mark.parametrize("page", PAGES)
def test_staff_without_permissions_see_nothing(tenant: Tenant, page: str) -> None:
    client = signed_in(a_user(tenant, is_staff=True))

    assert client.get(reverse(f"admin:{page}_changelist")).status_code == 403


def test_people_who_are_no_staff_are_asked_to_sign_in(tenant: Tenant) -> None:
    answered = signed_in(a_user(tenant)).get(reverse("admin:index"))

    assert answered.status_code == 302
    assert "/login/" in answered["Location"]


def test_the_first_page_shows_figures_of_ones_own_tenant(tenant: Tenant, other: Tenant, root: Client) -> None:
    a_turn(tenant)
    a_turn(other)
    a_turn(other)

    own = signed_in(a_user(tenant, is_staff=True)).get(reverse("admin:index"))
    whole = root.get(reverse("admin:index"))

    def failed(pictures: dict[str, str]) -> int:
        return sum(json.loads(pictures["endings"])["datasets"][1]["data"])

    assert failed(own.context["pictures"]) == 1
    assert failed(whole.context["pictures"]) >= 3
    assert sum(route["turns"] for route in own.context["routes"]) == 1
    assert b"gpu.bulk" in whole.content
    assert b"gpu.bulk" not in own.content


def test_the_first_page_tells_each_schedules_last_result_and_next_time(tenant: Tenant, other: Tenant) -> None:
    for owner, state in ((tenant, "FAILED"), (other, "SUCCEEDED")):
        Job.objects.create(
            tenant=owner,
            type="sales_report",
            queue="batch",
            state=state,
            schedule=f"nightly-sales:{owner.slug}",
            fire_time=timezone.now(),
            cid="cid",
        )

    shown = signed_in(a_user(tenant, is_staff=True)).get(reverse("admin:index")).context["schedules"]

    nightly = next(schedule for schedule in shown if schedule["name"] == "nightly-sales")
    assert nightly["state"] == "FAILED"
    assert (nightly["next"].hour, nightly["next"].minute) == (2, 30)
    assert nightly["next"] > timezone.now()


def test_a_job_of_the_deployment_is_the_superusers_alone(root: Client, tenant: Tenant) -> None:
    job = Job.objects.create(type="clean_up", queue="batch", state="FAILED", schedule=ids.new_id("whole"), cid="cid")
    staff = signed_in(a_user(tenant, "view_job", is_staff=True))
    listing, page = reverse("admin:automation_job_changelist"), reverse("admin:automation_job_change", args=[job.pk])

    seen = [(client.get(listing), client.get(page)) for client in (root, staff)]

    first_pages = [client.get(reverse("admin:index")).context["schedules"] for client in (root, staff)]
    assert [job.pk in listed.content.decode() for listed, _ in seen] == [True, False]
    assert ["maintenance" in [each["name"] for each in shown] for shown in first_pages] == [True, False]
    assert [shown.status_code for _, shown in seen] == [200, 302]


def test_feedback_is_the_work_list_of_ones_own_tenant_until_it_is_dealt_with(tenant: Tenant, other: Tenant) -> None:
    for owner in (tenant, other):
        Feedback.objects.create(turn=a_turn(owner), tenant=owner, rating="down", comment=f"bad for {owner.slug}")
    client = signed_in(a_user(tenant, "view_feedback", "change_feedback", is_staff=True))
    listing = reverse("admin:chat_feedback_changelist")

    before = client.get(listing)
    client.post(
        listing, {"action": "mark_handled", "_selected_action": list(Feedback.objects.values_list("pk", flat=True))}
    )

    assert f"bad for {tenant.slug}".encode() in before.content
    assert f"bad for {other.slug}".encode() not in before.content
    assert Feedback.objects.get(tenant=tenant).handled_at is not None
    assert Feedback.objects.get(tenant=other).handled_at is None


def test_what_somebody_changed_is_on_record_for_their_own_company(root: Client, tenant: Tenant, other: Tenant) -> None:
    mine = a_user(tenant, "view_subscription", "add_subscription", "view_logentry", is_staff=True)
    theirs = a_user(other, "view_logentry", is_staff=True)
    body = {"schedule": "nightly-sales", "email": "kept@example.test", "language": "en", "is_active": "on"}

    signed_in(mine).post(reverse("admin:automation_subscription_add"), body | {"tenant": tenant.pk})
    listing = reverse("admin:admin_logentry_changelist")

    assert b"kept@example.test" in signed_in(mine).get(listing).content
    assert b"kept@example.test" in root.get(listing).content
    assert b"kept@example.test" not in signed_in(theirs).get(listing).content


def test_staff_add_a_reader_of_reports_for_their_own_company_alone(tenant: Tenant, other: Tenant) -> None:
    client = signed_in(a_user(tenant, "view_subscription", "add_subscription", is_staff=True))
    page = reverse("admin:automation_subscription_add")
    body = {"schedule": "nightly-sales", "email": "boss@example.test", "language": "es", "is_active": "on"}

    client.post(page, body | {"tenant": tenant.pk})
    client.post(page, body | {"tenant": other.pk})

    mine = Subscription.objects.filter(email="boss@example.test", tenant__in=[tenant, other])
    assert list(mine.values_list("tenant_id", flat=True)) == [tenant.pk]


def test_staff_with_a_permission_see_their_own_tenants_rows_alone(tenant: Tenant, other: Tenant) -> None:
    mine, theirs = a_turn(tenant, "What is mine?"), a_turn(other, "What is theirs?")
    client = signed_in(a_user(tenant, "view_turn", "view_conversation", is_staff=True))

    listed = client.get(reverse("admin:chat_turn_changelist"))
    own = client.get(reverse("admin:chat_turn_change", args=[mine.pk]))
    foreign = client.get(reverse("admin:chat_turn_change", args=[theirs.pk]))
    foreign_thread = client.get(reverse("admin:chat_conversation_change", args=[theirs.conversation_id]))

    assert b"What is mine?" in listed.content
    assert b"What is theirs?" not in listed.content
    assert own.status_code == 200
    # Django answers an id that it doesn't find by sending back to the first page.
    assert (foreign.status_code, foreign_thread.status_code) == (302, 302)


@pytest.mark.parametrize("page", ["control_processrow", "control_outboxrow"])
def test_the_machinery_is_for_superusers_whatever_permissions_staff_have(tenant: Tenant, page: str) -> None:
    client = signed_in(a_user(tenant, "view_processrow", "view_outboxrow", is_staff=True))

    assert client.get(reverse(f"admin:{page}_changelist")).status_code == 403


def test_a_turn_shows_its_time_and_its_error_without_running_it(root: Client, tenant: Tenant) -> None:
    turn = a_turn(tenant)

    page = root.get(reverse("admin:chat_turn_change", args=[turn.pk])).content.decode()

    assert "waiting" in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert(1)</script>" not in page


@pytest.mark.parametrize(("page", "verb"), [("chat_turn", "delete"), ("chat_turn", "add"), ("automation_job", "add")])
def test_what_the_product_writes_is_only_looked_at(root: Client, tenant: Tenant, page: str, verb: str) -> None:
    args = [a_turn(tenant).pk] if verb == "delete" else []

    assert root.get(reverse(f"admin:{page}_{verb}", args=args)).status_code == 403


def test_a_password_is_changed_on_its_page(root: Client, tenant: Tenant) -> None:
    user = a_user(tenant)
    new = "a long and unusual one"

    page = reverse("admin:auth_user_password_change", args=[user.pk])
    shown = root.get(page)
    done = root.post(page, {"password1": new, "password2": new, "usable_password": "true"})

    assert (shown.status_code, done.status_code) == (200, 302)
    assert check_password(user.username, new) is not None


def test_another_password_ends_what_the_old_one_began(root: Client, tenant: Tenant) -> None:
    user, colleague = a_user(tenant), a_user(tenant)
    began, others = [refresh.begin(person.pk, now=timezone.now()) for person in (user, colleague)]
    page = reverse("admin:auth_user_password_change", args=[user.pk])

    root.post(page, {"password1": "long enough 77", "password2": "long enough 77", "usable_password": "true"})

    assert refresh.rotate(others, now=timezone.now()).user == colleague.pk
    with pytest.raises(TokenError):
        refresh.rotate(began, now=timezone.now())


def test_a_person_is_added_with_a_tenant(root: Client, tenant: Tenant) -> None:
    name = ids.new_id("u")[-20:]
    form = {"username": name, "tenant": tenant.pk, "password1": "long enough 77", "password2": "long enough 77"}

    added = root.post(reverse("admin:tenants_user_add"), form | {"usable_password": "true"})

    assert added.status_code == 302
    assert User.objects.get(username=name).tenant_id == tenant.pk


def test_staff_cannot_make_anybody_mightier(tenant: Tenant) -> None:
    staff = a_user(tenant, "view_user", "change_user", is_staff=True)
    colleague, root = a_user(tenant), a_user(tenant, is_staff=True, is_superuser=True)
    client = signed_in(staff)
    form = {"username": colleague.username, "is_superuser": "on", "is_staff": "on", "is_active": "on", "roles": "[]"}

    client.post(reverse("admin:tenants_user_change", args=[colleague.pk]), form)
    password = client.get(reverse("admin:auth_user_password_change", args=[root.pk]))

    colleague.refresh_from_db()
    assert (colleague.is_superuser, colleague.is_staff) == (False, False)
    assert password.status_code == 403


def key_form(tenant: Tenant, user: User) -> dict[str, Any]:
    no_expiry = {"expires_at_0": "", "expires_at_1": ""}
    return {"tenant": tenant.pk, "user": user.pk, "name": "till", "scopes": ["chat"], **no_expiry}


def test_a_new_key_is_shown_once_and_works(root: Client, tenant: Tenant) -> None:
    user = a_user(tenant)

    made = root.post(reverse("admin:tenants_apikey_add"), key_form(tenant, user))

    found = re.search(r"data-key>([^<]+)<", made.content.decode())
    assert found is not None
    key = check_api_key(found[1])
    assert key is not None
    assert (key[0].user, key[1]) == (user.pk, ("chat",))
    assert "no-store" in made["Cache-Control"]
    row = ApiKey.objects.get(user=user)
    again = root.get(reverse("admin:tenants_apikey_change", args=[row.pk])).content.decode()
    assert found[1] not in again


def test_a_key_for_a_stranger_is_refused(root: Client, tenant: Tenant, other: Tenant) -> None:
    form = {"tenant": tenant.pk, "user": a_user(other).pk, "name": "till", "scopes": ["chat"]}

    root.post(reverse("admin:tenants_apikey_add"), form)

    assert not ApiKey.objects.filter(tenant=tenant).exists()


def test_staff_make_keys_for_their_own_tenant_alone(tenant: Tenant, other: Tenant) -> None:
    client = signed_in(a_user(tenant, "add_apikey", "view_apikey", is_staff=True))
    form = {"tenant": other.pk, "user": a_user(other).pk, "name": "till", "scopes": ["chat"]}

    client.post(reverse("admin:tenants_apikey_add"), form)

    assert not ApiKey.objects.filter(tenant=other).exists()


def test_keys_are_revoked_by_an_action(root: Client, tenant: Tenant) -> None:
    user = a_user(tenant)
    root.post(reverse("admin:tenants_apikey_add"), key_form(tenant, user))
    row = ApiKey.objects.get(user=user)

    root.post(reverse("admin:tenants_apikey_changelist"), {"action": "revoke", "_selected_action": [row.pk]})

    row.refresh_from_db()
    assert row.revoked_at is not None


def test_a_failed_document_is_read_again(root: Client, tenant: Tenant) -> None:
    given = add_document(
        tenant=tenant.pk, user=a_user(tenant).pk, filename="x.md", mime="text/markdown", content=b"# x", cid="c"
    )
    Document.objects.filter(pk=given.id).update(state="failed", error="documents.no_text")
    Job.objects.filter(payload__document=given.id).update(state="FAILED")

    listed = root.get(reverse("admin:pipeline_document_changelist")).content
    root.post(reverse("admin:pipeline_document_changelist"), {"action": "read_again", "_selected_action": [given.id]})

    assert b"The file holds no text that can be read" in listed
    assert Document.objects.get(pk=given.id).state == "queued"
    assert Job.objects.filter(payload__document=given.id, state="PENDING").count() == 1


def test_a_superuser_sees_which_warehouse_is_left_alone(root: Client, tenant: Tenant) -> None:
    environment = settings.SWITCHYARD
    redis = sync_client(environment.redis_url.get_secret_value())
    breakers = Breakers(redis, Keys(environment.key_prefix), Policy(failures=1, cool_ms=60_000, cool_most_ms=60_000))
    breakers.of("warehouse", tenant.pk, probe_s=1).enter().failed()

    page = root.get(reverse("admin:index")).content.decode()

    assert re.search(rf"warehouse {tenant.name}</strong>.*?>open<", page, re.DOTALL)


def test_staff_see_no_breakers(tenant: Tenant) -> None:
    page = signed_in(a_user(tenant, is_staff=True)).get(reverse("admin:index")).content.decode()

    assert "Breaker" not in page


def test_a_companys_limits_are_a_superusers_to_set_and_its_own_staffs_to_see(root: Client, tenant: Tenant) -> None:
    a_turn(tenant)
    page = reverse("admin:tenants_tenant_change", args=[tenant.pk])
    staff = signed_in(a_user(tenant, "view_tenant", "change_tenant", is_staff=True))
    form = {"name": tenant.name, "slug": tenant.slug, "is_active": "on", "turns_a_day": "5", "most_documents": ""}

    root.post(page, form)
    staff.post(page, form | {"turns_a_day": "9000"})
    shown = staff.get(page).content.decode()

    tenant.refresh_from_db()
    assert (tenant.turns_a_day, tenant.most_documents) == (5, None)
    assert "1 of 5" in shown
    assert "0, no limit" in shown
