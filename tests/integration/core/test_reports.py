"""The nightly report, from a fire to mail in real boxes: once each, of its own day, in the reader's language."""

from __future__ import annotations

import asyncio
import email
import email.policy
import io
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from django.conf import settings
from pydantic import SecretStr
from pypdf import PdfReader

from deploy.servers import free_port
from orchestrator import ids
from orchestrator.automation.mail import SILENCE_S
from orchestrator.automation.models import Delivery, Job, Subscription
from orchestrator.automation.notes import Notes
from orchestrator.automation.reports import sales_report
from orchestrator.automation.run_job import JobContext
from orchestrator.engines.llm_builtin import BuiltinModel
from orchestrator.errors import DeadlineExceededError, DependencyDownError, StoppedError, UnfinishedError
from orchestrator.pipeline.semantic.model import SemanticLayer
from orchestrator.pipeline.warehouses import Warehouses
from orchestrator.resilience.deadline import Deadline
from orchestrator.resilience.stop import Stop
from orchestrator.tenants.models import Warehouse
from orchestrator.tenants.sealing import seal
from tests.integration.core import kit
from tests.integration.core.kit import Person

pytestmark = pytest.mark.usefixtures("empty")

NIGHT = datetime(2026, 11, 18, 2, 30, tzinfo=UTC)
LAYER = SemanticLayer.model_validate(
    {
        "name": "shop",
        "dialect": "sqlite",
        "currency": "€",
        "sold": "net_sales",
        "facts": {"sales": {"relation": "sales", "date": "sales.day"}},
        "measures": {
            "net_sales": {
                "labels": {"en": ["net sales"], "es": ["ventas netas"]},
                "format": "money",
                "sources": [{"fact": "sales", "sql": "sum(sales.amount)"}],
            }
        },
        "dimensions": {"branch": {"labels": {"en": ["branch"], "es": ["local"]}, "sql": "sales.branch"}},
    }
)


@dataclass(slots=True)
class Box:
    """What a real SMTP server took; it refuses `gone@…` for good and `later@…` for now."""

    taken: list[EmailMessage] = field(default_factory=list)
    busy: bool = True
    #: How long it takes over a message.
    pace_s: float = 0.0
    on_taken: Callable[[], None] = lambda: None

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take a recipient, or not."""
        if address.startswith("gone@"):
            return "550 no such box"
        if address.startswith("later@") and self.busy:
            return "451 come back later"
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Keep a message."""
        content = envelope.content
        assert isinstance(content, bytes)
        message = email.message_from_bytes(content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        await asyncio.sleep(self.pace_s)
        self.taken.append(message)
        self.on_taken()
        return "250 taken"


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    kept = Box()
    server = Controller(kept, hostname="127.0.0.1", port=free_port())
    server.start()
    point(monkeypatch, f"smtp://127.0.0.1:{server.port}")
    yield kept
    server.stop()


def point(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    changes: dict[str, Any] = {"smtp_url": SecretStr(url), "mail_from": "Yard <yard@example.test>"}
    monkeypatch.setattr(settings, "SWITCHYARD", settings.SWITCHYARD.model_copy(update=changes))


@pytest.fixture
def shop(anna: Person, tmp_path: Path) -> Path:
    """Give anna's company a database with two days of sales."""
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE sales (day TEXT, branch TEXT, amount REAL)")
        database.executemany(
            "INSERT INTO sales VALUES (?, ?, ?)",
            [
                ("2026-11-17", "Centro", 1200.5),
                ("2026-11-17", "Gràcia", 800),
                ("2026-11-18", "Centro", 5),
            ],
        )
    Warehouse.objects.create(
        tenant_id=anna.tenant,
        url_encrypted=seal(f"sqlite:///{path}"),
        layer=LAYER.model_dump(mode="json"),
        label="shop",
    )
    return path


def subscribe(who: Person, address: str, language: str = "en") -> None:
    Subscription.objects.create(tenant_id=who.tenant, schedule="nightly-sales", email=address, language=language)


def fired(who: Person) -> str:
    job = Job.objects.create(
        tenant_id=who.tenant,
        type="sales_report",
        queue="batch",
        schedule=f"nightly-sales:{who.tenant}",
        fire_time=NIGHT,
        cid=ids.new_id("cid"),
    )
    return str(job.pk)


def run(
    who: Person, job: str, *, limit_s: float = 60, stop: Stop | None = None, notes: Notes | None = None
) -> dict[str, object]:
    context = JobContext(
        job=job,
        tenant=who.tenant,
        payload={},
        cid="cid_report",
        stop=stop or Stop(),
        deadline=Deadline.after_ms(int(limit_s * 1000)),
        fire_time=NIGHT,
        notes=notes or Notes(),
    )
    return dict(sales_report(context, warehouses=Warehouses, llm=BuiltinModel))


def test_a_report_of_its_own_day_reaches_each_subscriber_in_their_language(anna: Person, shop: Path, box: Box) -> None:
    subscribe(anna, "boss@example.test")
    subscribe(anna, "jefa@example.test", "es")

    done = run(anna, fired(anna))

    by_reader = {message["To"]: message for message in box.taken}
    english, spanish = by_reader["boss@example.test"], by_reader["jefa@example.test"]
    assert (done["mailed"], done["refused"]) == (2, 0)
    assert "17 Nov 2026" in english["Subject"]
    assert "17 nov 2026" in spanish["Subject"]
    text = english.get_body(("plain",))
    assert text is not None
    assert "€1,200.50" in text.get_content()
    words = spanish.get_body(("html",))
    assert words is not None
    assert "1.200,50\u00a0€" in words.get_content()
    pdf = next(iter(english.iter_attachments()))
    page = PdfReader(io.BytesIO(pdf.get_content())).pages[0].extract_text()
    assert "Sales of 17 Nov 2026" in page
    assert "Gràcia" in page


def test_a_report_that_is_run_again_is_not_sent_again(anna: Person, shop: Path, box: Box) -> None:
    subscribe(anna, "boss@example.test")
    job = fired(anna)

    first, second = run(anna, job), run(anna, job)

    assert len(box.taken) == 1
    assert first == second


def test_a_box_that_is_gone_keeps_nobody_else_waiting(anna: Person, shop: Path, box: Box) -> None:
    for address in ("gone@example.test", "here@example.test"):
        subscribe(anna, address)

    notes = Notes()
    done = run(anna, fired(anna), notes=notes)

    assert [message["To"] for message in box.taken] == ["here@example.test"]
    assert notes.lines()[-1]["text"] == "mailed to 1, 1 refused"
    assert "example.test" not in str(notes.lines())
    assert (done["mailed"], done["refused"]) == (1, 1)
    assert Delivery.objects.get(email="gone@example.test").answer == "550 no such box"


def test_a_server_that_says_later_is_asked_again_and_only_for_those_who_wait(
    anna: Person, shop: Path, box: Box
) -> None:
    for address in ("early@example.test", "later@example.test"):
        subscribe(anna, address)
    job = fired(anna)

    with pytest.raises(DependencyDownError):
        run(anna, job)
    box.busy = False
    run(anna, job)

    assert [message["To"] for message in box.taken] == ["early@example.test", "later@example.test"]


def test_a_slow_server_gets_the_rest_from_the_next_attempt_and_nobody_twice(anna: Person, shop: Path, box: Box) -> None:
    everybody = [f"reader{n}@example.test" for n in range(6)]
    for address in everybody:
        subscribe(anna, address)
    job, box.pace_s = fired(anna), 0.5

    with pytest.raises(UnfinishedError):
        run(anna, job, limit_s=SILENCE_S + 2)
    in_time = len(box.taken)
    done = run(anna, job)

    assert 0 < in_time < len(everybody)
    assert [message["To"] for message in box.taken] == everybody
    assert (done["mailed"], done["refused"]) == (6, 0)


def test_an_attempt_without_time_for_a_single_mail_counts_as_one(anna: Person, shop: Path, box: Box) -> None:
    subscribe(anna, "boss@example.test")

    with pytest.raises(DeadlineExceededError) as told:
        run(anna, fired(anna), limit_s=SILENCE_S - 1)

    assert not isinstance(told.value, UnfinishedError)
    assert box.taken == []


def test_a_stop_comes_between_two_mails(anna: Person, shop: Path, box: Box) -> None:
    for address in ("early@example.test", "late@example.test"):
        subscribe(anna, address)
    job, stop = fired(anna), Stop()
    box.on_taken = stop.set

    with pytest.raises(StoppedError):
        run(anna, job, stop=stop)
    run(anna, job)

    assert [message["To"] for message in box.taken] == ["early@example.test", "late@example.test"]


def test_the_same_mail_carries_the_same_id_whoever_sends_it(anna: Person, shop: Path, box: Box) -> None:
    subscribe(anna, "boss@example.test")
    job = fired(anna)
    run(anna, job)
    # A worker that died between the server's "taken" and its own note.
    Delivery.objects.update(state="sending")

    run(anna, job)

    assert len({message["Message-ID"] for message in box.taken}) == 1
    assert len(box.taken) == 2


def test_without_a_server_the_report_is_kept_and_says_why_nobody_got_it(
    anna: Person, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    point(monkeypatch, "")
    subscribe(anna, "boss@example.test")

    done = run(anna, fired(anna))

    assert done["not_mailed"] == "no mail server is set"
    assert kit.look("SELECT title FROM switchyard_artifact") == [{"title": "Sales of 2026-11-17"}]


def test_a_server_that_is_away_or_cannot_prove_itself_is_told_without_its_password(
    anna: Person, shop: Path, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribe(anna, "boss@example.test")
    listening = settings.SWITCHYARD.smtp_url.get_secret_value().rpartition(":")[2]
    for url in (f"smtp://127.0.0.1:{free_port()}", f"smtp+starttls://me:hidden@127.0.0.1:{listening}"):
        point(monkeypatch, url)
        with pytest.raises(DependencyDownError) as told:
            run(anna, fired_again(anna))
        assert "hidden" not in str(told.value)

    assert box.taken == []


def fired_again(who: Person) -> str:
    Job.objects.all().delete()
    return fired(who)
