"""Documents whose vectors are another encoder's are read again, and no others."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from orchestrator.automation.models import Job
from orchestrator.automation.reindex import reindex
from orchestrator.automation.run_job import JobContext
from orchestrator.engines.gpu import GpuEngines
from orchestrator.pipeline.models import Chunk, Document, DocumentBody
from orchestrator.resilience.deadline import Deadline
from orchestrator.resilience.stop import Stop
from tests.integration.core.kit import Person

pytestmark = pytest.mark.usefixtures("empty")


def document(who: Person, title: str, model: str) -> str:
    made = Document.objects.create(
        tenant_id=who.tenant, title=title, filename=f"{title}.md", mime="text/markdown", size_bytes=1,
        digest=title.encode().ljust(32), state="indexed", chunks=1,
    )  # fmt: skip
    DocumentBody.objects.create(document=made, content=b"# x")
    Chunk.objects.create(
        tenant_id=who.tenant, document=made, n=0, text="x", start_at=0, end_at=1, language="en", model=model,
        embedding=[0.0] * 384, tsv="",
    )  # fmt: skip
    return str(made.pk)


def run(who: Person) -> dict[str, object]:
    context = JobContext(
        job="job_x", tenant=who.tenant, payload={}, cid="cid_x", stop=Stop(), deadline=Deadline.after_ms(10_000)
    )
    # Only the name of the present encoder is asked for.
    engines: Any = SimpleNamespace(embedder=SimpleNamespace(name="new"))
    return dict(reindex(context, engines=lambda: cast(GpuEngines, engines)))


def test_what_another_encoder_wrote_is_read_again_once(anna: Person, rival: Person) -> None:
    old = document(anna, "old", "before")
    document(anna, "new", "new")
    document(rival, "theirs", "before")

    first, second = run(anna), run(anna)

    assert (first["begun"], second["begun"]) == (1, 0)
    assert [job.payload["document"] for job in Job.objects.all()] == [old]
