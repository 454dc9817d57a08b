"""What the admin shows of jobs, and what an operator can do about one that failed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.admin.utils import quote
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from orchestrator.automation.models import Job
from orchestrator.automation.reruns import run_again
from orchestrator.errors import ConflictError
from orchestrator.tenants.models import Tenant
from tests.integration.admin_kit import a_tenant, a_user, signed_in

LIST = "admin:automation_job_changelist"


pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def operator(tenant: Tenant) -> Client:
    return signed_in(a_user(tenant, "view_job", "change_job", is_staff=True))


def a_job(tenant: Tenant | None, *, state: str = "FAILED", **more: object) -> Job:
    now = timezone.now()
    # Nobody takes this queue, so that a job that is run again can be looked at.
    fields: dict[str, object] = {
        "type": "sales_report", "queue": "nobody", "cid": "cid", "attempts": 3, "error": "SMTP: 451 later",
        "started_at": now - timedelta(seconds=90), "ended_at": now, "log": [
            {"at": "2026-11-20T02:30:01.250+00:00", "attempt": 3, "level": "error", "text": "failed: <b>451</b>"},
        ],
    } | more  # fmt: skip
    job: Job = Job.objects.create(tenant=tenant, state=state, **fields)
    return job


def last_line(job: Job) -> str:
    return str(job.log[-1]["text"]) if job.log else ""


def page(job: Job) -> str:
    return reverse("admin:automation_job_change", args=[quote(job.pk)])


def said(client: Client, where: str) -> str:
    return client.get(where).content.decode()


def test_a_jobs_page_tells_its_time_its_result_and_its_log(tenant: Tenant, operator: Client) -> None:
    result = {
        "mailed": 1200, "not_done": {"switchyard_turn": "another session holds it"}, "left": [],
        "largest": [{"table": "switchyard_chunk", "size_bytes": 5 * 2**20}],
    }  # fmt: skip
    job = a_job(tenant, state="SUCCEEDED", result=result)

    shown = said(operator, page(job))

    assert "90.00 s" in shown
    assert "<strong>mailed</strong>: 1,200" in shown
    assert "another session holds it" in shown
    assert "5.0\xa0MB" in shown
    assert "2026-11-20 02:30:01" in shown
    assert "failed: &lt;b&gt;451&lt;/b&gt;" in shown


def test_a_job_that_runs_shows_its_time_so_far(tenant: Tenant, operator: Client) -> None:
    job = a_job(tenant, state="RUNNING", ended_at=None, log=None)

    shown = said(operator, page(job))

    assert " s so far" in shown
    assert "It has said nothing." in shown


def test_a_failed_job_is_run_again_once_however_often_the_button_is_pressed(tenant: Tenant, operator: Client) -> None:
    job = a_job(tenant)
    form = {"_run_again": str(job.fence)}

    first = operator.post(page(job), form, follow=True).content.decode()
    second = operator.post(page(job), form, follow=True).content.decode()

    job.refresh_from_db()
    assert (job.state, job.fence, job.attempts, job.error) == ("PENDING", 2, 0, "")
    assert last_line(job).endswith(" after: SMTP: 451 later")
    assert "1 job is run again." in first
    assert 'name="_run_again"' not in first
    assert "is run again already" in second


def test_a_button_of_an_earlier_failure_does_nothing_about_a_later_one(tenant: Tenant, operator: Client) -> None:
    job = a_job(tenant, fence=5)

    operator.post(page(job), {"_run_again": "4"})

    job.refresh_from_db()
    assert (job.state, job.fence) == ("FAILED", 5)


def test_chosen_jobs_are_run_again_but_for_those_that_did_not_fail(tenant: Tenant, operator: Client) -> None:
    failed, done, foreign = a_job(tenant), a_job(tenant, state="SUCCEEDED"), a_job(a_tenant())
    chosen = [job.pk for job in (failed, done, foreign)]

    operator.post(reverse(LIST), {"action": "run_chosen_again", "_selected_action": chosen})

    states = [Job.objects.get(pk=pk).state for pk in chosen]
    assert states == ["PENDING", "SUCCEEDED", "FAILED"]


def test_who_may_only_look_is_offered_nothing_and_refused(tenant: Tenant) -> None:
    job, reader = a_job(tenant), signed_in(a_user(tenant, "view_job", is_staff=True))

    shown = said(reader, page(job))
    refused = reader.post(page(job), {"_run_again": "1"})

    assert 'name="_run_again"' not in shown
    assert refused.status_code == 403
    assert Job.objects.get(pk=job.pk).state == "FAILED"


def test_the_record_says_who_ran_it_again(tenant: Tenant) -> None:
    job, olga = a_job(tenant), a_user(tenant, "view_job", "change_job", is_staff=True)

    signed_in(olga).post(page(job), {"_run_again": "1"})

    assert LogEntry.objects.get(object_id=job.pk).user == olga
    assert f"admin:{olga.username}" in last_line(Job.objects.get(pk=job.pk))


def test_a_job_of_the_deployment_is_run_again_by_superusers_alone(tenant: Tenant, operator: Client) -> None:
    job, root = a_job(None), signed_in(a_user(tenant, is_staff=True, is_superuser=True))

    operator.post(page(job), {"_run_again": "1"})
    before = Job.objects.get(pk=job.pk).state
    root.post(page(job), {"_run_again": "1"})

    assert (before, Job.objects.get(pk=job.pk).state) == ("FAILED", "PENDING")


def test_a_closed_companys_job_is_not_run_again(tenant: Tenant) -> None:
    job = a_job(tenant)
    Tenant.objects.filter(pk=tenant.pk).update(is_active=False)

    with pytest.raises(ConflictError):
        run_again(job.pk, fence=1, by="test")


def test_the_first_page_shows_the_days_failures_to_whoever_may_see_jobs(tenant: Tenant, operator: Client) -> None:
    mine, old = a_job(tenant), a_job(tenant, ended_at=timezone.now() - timedelta(days=2))
    theirs = a_job(a_tenant())

    shown = said(operator, reverse("admin:index"))
    blind = said(signed_in(a_user(tenant, is_staff=True)), reverse("admin:index"))

    assert mine.pk in shown
    assert old.pk not in shown
    assert theirs.pk not in shown
    assert "SMTP: 451 later" in shown
    assert mine.pk not in blind
