"""What the chat page costs: its first load, and a conversation of 500 turns while 200 tokens a second stream in.

    python -m bench.page [--turns 500] [--tokens 2000] [--per-s 200]

Real processes on private servers, a real Chromium. *Load*: bytes on the wire and requests until the question can be
typed and the socket is open, in a browser without a cache, and again with one. *Streaming*: the conversation's earlier
turns are rows with an answer, a table and sources; one more question is answered by the scripted writer at the given
pace, and meanwhile the page counts its frames (`requestAnimationFrame`) and its long tasks (the browser's own list of
those over 50 ms).

Exit code 1 when a task was longer than 100 ms while tokens came.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

LONG_MS = 100
CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_COUNT = """() => {
  const told = { frames: [], tasks: [] };
  window.told = told;
  const note = (entry) => told.tasks.push([entry.startTime, entry.duration]);
  new PerformanceObserver((list) => list.getEntries().forEach(note)).observe({ type: "longtask" });
  let last = performance.now();
  const tick = (now) => {
    told.frames.push([now, now - last]);
    last = now;
    requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
}"""
_LOADED = """() => {
  const entries = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
  return { requests: entries.length, wire: entries.reduce((sum, entry) => sum + entry.transferSize, 0),
    whole: entries.reduce((sum, entry) => sum + entry.decodedBodySize, 0) };
}"""


def fill(tenant: str, user: str, conversation: str, turns: int) -> None:
    """Give the conversation `turns` answered turns, as the product would have left them."""
    from orchestrator import ids
    from orchestrator.store.engine import json_text, rw
    from orchestrator.store.rows import all_rows

    answer = "\n\n".join(
        [
            "Net sales by branch last month: **Gràcia** leads with **1,682.82** (19 % of the total) [1], then Centro.",
            "- Gràcia: 1,682.82\n- Centro: 1,493.12\n- Chamberí: 1,075.68",
            "| branch | net sales |\n|---|---:|\n| Gràcia | 1,682.82 |\n| Centro | 1,493.12 |",
            "Guests may ask for a refund within 24 hours; the shift leader decides [1].",
        ]
    )
    stage = {"stage": "llm", "attempt": 1, "queue": "llm", "queue_wait_ms": 3, "duration_ms": 200, "worker": "w"}
    for number in range(turns):
        turn, artifact = ids.turn_id(), ids.artifact_id()
        cited = [{"n": 1, "artifact": artifact, "document": "doc_x", "title": "Refunds", "start": 0, "end": 40}]
        all_rows(
            rw(),
            "INSERT INTO switchyard_turn (id, tenant_id, conversation_id, user_id, text, language, route, state, cid,"
            " deadline_at, message, answer, citations, usage, timeline, reached, created_at, ended_at)"
            " VALUES (:turn, :tenant, :conversation, :user, :text, 'en', 'sql', 'completed', 'c', now(), 'm', :answer,"
            " CAST(:cited AS jsonb), CAST('{\"model\": \"builtin\"}' AS jsonb), CAST(:timeline AS jsonb), '[]',"
            " now() - make_interval(secs => :age), now() - make_interval(secs => :age))",
            turn=turn,
            tenant=tenant,
            conversation=conversation,
            user=user,
            text=f"Question {number}: what were the net sales by branch last month?",
            answer=answer,
            cited=json_text(cited),
            timeline=json_text({"stages": [stage], "total_ms": 240, "overhead_ms": 10}),
            age=float(turns - number),
        )
        table = {
            "columns": [{"name": "branch", "type": "text"}, {"name": "net sales", "type": "number"}],
            "rows": [[f"Branch {n}", 100.5 * n] for n in range(1, 9)],
            "truncated": False,
            "total": 8,
            "sql": "SELECT 1",
        }
        all_rows(
            rw(),
            "INSERT INTO switchyard_artifact (id, tenant_id, turn_id, step, kind, title, body, preview)"
            " VALUES (:id, :tenant, :turn, 'sql', 'table', 't', CAST(:body AS jsonb), CAST(:body AS jsonb))",
            id=artifact,
            tenant=tenant,
            turn=turn,
            body=json_text(table),
        )


def load(browser: Browser, url: str, name: str, *, latency_ms: float) -> None:
    """Print what a first load and a return cost, the median of five, with `latency_ms` added to every round trip."""
    doors: list[float] = []
    returns: list[float] = []
    cold: dict[str, int] = {}
    warm: dict[str, int] = {}
    for _ in range(5):
        context = browser.new_context()
        page = context.new_page()
        if latency_ms:
            conditions = {"offline": False, "latency": latency_ms, "downloadThroughput": -1, "uploadThroughput": -1}
            context.new_cdp_session(page).send("Network.emulateNetworkConditions", conditions)
        page.goto(url)
        page.wait_for_selector("button[type=submit]")
        doors.append(page.evaluate("performance.now()"))
        cold = page.evaluate(_LOADED)
        sign_in(page, name)
        page.reload()
        page.wait_for_selector('.connection[data-phase="open"]')
        returns.append(page.evaluate("performance.now()"))
        warm = page.evaluate(_LOADED)
        context.close()
    print(
        f"load at {latency_ms} ms: {cold['requests']} requests, {cold['wire'] / 1000:.0f} kB on the wire, door after"
        f" {statistics.median(doors):.0f} ms; coming back signed in {warm['wire'] / 1000:.0f} kB, connected after"
        f" {statistics.median(returns):.0f} ms"
    )


def sign_in(page: Page, name: str) -> None:
    """Go through the door."""
    page.locator("input[autocomplete=username]").fill(name)
    page.locator("input[type=password]").fill(name)
    page.locator("button[type=submit]").click()
    page.wait_for_selector('.connection[data-phase="open"]')


def stream(browser: Browser, url: str, name: str, conversation: str, *, turns: int, tokens: int) -> bool:
    """Print frames and long tasks while an answer streams; return whether no task was over 100 ms."""
    page = browser.new_context(viewport={"width": 1280, "height": 860}).new_page()
    page.goto(url)
    sign_in(page, name)
    page.goto(f"{url}#c={conversation}")
    page.wait_for_function(f"() => document.querySelectorAll('.turn').length === {turns}", timeout=60_000)
    page.wait_for_timeout(2_000)
    page.evaluate(_COUNT)
    page.wait_for_timeout(1_000)
    page.locator("#question").fill("hello")
    page.keyboard.press("Enter")
    page.wait_for_function(
        "() => document.querySelectorAll('.prose')[document.querySelectorAll('.prose').length - 1]"
        ".dataset.streaming === 'true'",
        timeout=30_000,
    )
    began = page.evaluate("performance.now()")
    page.wait_for_function(
        "() => [...document.querySelectorAll('.turn')].at(-1).dataset.state === 'completed'", timeout=120_000
    )
    ended = page.evaluate("performance.now()")
    told = json.loads(page.evaluate("JSON.stringify(window.told)"))
    frames = [length for at, length in told["frames"] if began <= at <= ended]
    tasks = [length for at, length in told["tasks"] if began <= at <= ended]
    seconds = (ended - began) / 1000
    print(
        f"streaming: {tokens} tokens in {seconds:.1f} s into {turns} turns: {len(frames) / seconds:.0f} frames/s, frame"
        f" p50 {statistics.median(frames):.0f} ms, p99 {sorted(frames)[len(frames) * 99 // 100]:.0f} ms, longest"
        f" {max(frames):.0f} ms; {len(tasks)} tasks over 50 ms, the longest {max(tasks, default=0):.0f} ms"
        f" (aim: none over {LONG_MS})"
    )
    return max(tasks, default=0) <= LONG_MS


def main() -> int:
    """Measure and return an exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=500)
    parser.add_argument("--tokens", type=int, default=2_000)
    parser.add_argument("--per-s", type=float, default=200)
    arguments = parser.parse_args()
    os.environ |= {"DJANGO_SETTINGS_MODULE": "settings.test", "SWITCHYARD_MODE": "test"}
    import django

    django.setup()
    # Playwright's loop counts as one to Django, which then refuses its ORM.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    from playwright.sync_api import sync_playwright

    from tests.integration.core import kit
    from tests.stack import running_stack

    folder = Path(tempfile.mkdtemp(prefix="switchyard-page-"))
    with ExitStack() as stack:
        stack.enter_context(kit.own_platform(folder))
        who = kit.person()
        conversation = kit.conversation(who)
        fill(who.tenant, who.user, conversation, arguments.turns)
        environ = {
            "SWITCHYARD_ENGINES": "scripted",
            "SWITCHYARD_LLM_SCRIPT": f"pieces={arguments.tokens} pace_s={1 / arguments.per_s}",
        }
        names = ("dispatcher", "worker-gpu", "worker-llm")
        running = stack.enter_context(running_stack(folder, environ, names=names))
        running.wait_serving()
        browser = stack.enter_context(sync_playwright()).chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        for latency_ms in (0, 60):
            load(browser, running.base_url, who.username, latency_ms=latency_ms)
        good = stream(
            browser, running.base_url, who.username, conversation, turns=arguments.turns, tokens=arguments.tokens
        )
        browser.close()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
