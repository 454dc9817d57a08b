"""From the door to the answer: signing in, asking, watching, waiting, stopping, failing, reconnecting."""

from __future__ import annotations

import re

from playwright.sync_api import WebSocketRoute, expect

from bench.tour.items import item
from bench.tour.visit import PATIENCE_MS, Visit, must

# More than the writer works on at once, so that the last one stands in line.
CROWD = 40
# Less than the writer needs at the tour's pace: a turn that fails for real.
TOO_SHORT_MS = 1_000


@item("door")
def door(visit: Visit) -> None:
    """Sign in, after a wrong password."""
    page = visit.page
    expect(page.get_by_role("heading", name=visit.t("sign_in.title"))).to_be_visible()
    expect(page.locator("input[autocomplete=username]")).to_be_focused()
    visit.look("door")
    visit.sign_in("not the password")
    expect(page.locator(".door [role=alert]")).to_be_visible()
    visit.look("door-wrong-password")
    visit.sign_in()


@item("examples")
def examples(visit: Visit) -> None:
    """Ask one of the examples on the empty page."""
    page = visit.page
    visit.look("welcome")
    example = page.locator(".suggestions button", has=page.locator("[data-route=rag]")).first
    question = example.locator("span").last.inner_text()
    example.click()
    expect(page.locator(".question")).to_contain_text(question)
    visit.ended("completed")


@item("abilities")
def abilities(visit: Visit) -> None:
    """Open "What can I ask?" and ask one of its questions."""
    page = visit.page
    visit.button("abilities.open", page.locator(".sidebar")).click()
    expect(page.locator(".ability__documents li").first).to_be_visible()
    visit.look("abilities")
    page.locator(".ability__questions button").first.click()
    expect(page.locator(".panel")).to_have_count(0)
    visit.ended("completed")


@item("stages")
def stages(visit: Visit) -> None:
    """Watch the stages and the words come, then the line fold and tell where the time went."""
    page = visit.page
    visit.ask(visit.question("bars"))
    expect(page.locator(".station[data-stage=llm][data-state=running]")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.locator(".prose[data-streaming=true]")).not_to_be_empty()
    expect(page.locator(".station[data-stage=sql] .station__time")).to_contain_text(re.compile("ms|s"))
    expect(page.locator(".round--stop")).to_be_visible()
    visit.look("streaming", axe=False)
    turn = visit.ended("completed")
    expect(turn.locator(".line[data-folded=true] .station[data-state=done]")).to_have_count(3)
    visit.look("answered")
    turn.locator(".time summary").click()
    expect(turn.locator(".time__table tbody tr")).to_have_count(4)
    turn.locator(".time__table").scroll_into_view_if_needed()
    visit.look("time")


@item("waiting")
def waiting(visit: Visit) -> None:
    """Ask behind many others and read why it waits."""
    page = visit.page
    for _ in range(CROWD):
        conversation = visit.post("/api/conversations", {})["id"]
        visit.post(f"/api/conversations/{conversation}/turns", {"text": visit.question("bars"), "route": "sql"})
    visit.ask(visit.question("bars"))
    visit.ask(visit.question("rules"))
    expect(page.locator(".topbar__title")).to_have_text(visit.question("bars"))
    summary = page.locator(".why-waiting summary").last
    summary.click()
    expect(page.locator(".why-waiting p").last).to_have_text(visit.t("why.kept"))
    visit.look("waiting", axe=False)
    visit.ended("completed")


@item("stop")
def stop(visit: Visit) -> None:
    """Stop an answer while it is written."""
    page = visit.page
    visit.ask(visit.question("bars"))
    expect(page.locator(".prose[data-streaming=true]")).not_to_be_empty(timeout=PATIENCE_MS)
    page.locator(".round--stop").click()
    turn = visit.ended("cancelled")
    expect(turn.locator(".stopped")).to_be_visible()
    visit.look("stopped")


@item("failure")
def failure(visit: Visit) -> None:
    """Meet a failure, read what was saved, and try again."""
    page = visit.page
    visit.answered(visit.question("rules"))
    conversation = visit.conversation()
    question = {"text": visit.question("bars"), "route": "sql", "deadline_ms": TOO_SHORT_MS}
    visit.post(f"/api/conversations/{conversation}/turns", question)
    expect(page.locator(".turn")).to_have_count(2)
    turn = visit.ended("failed")
    expect(turn.locator(".failure__title")).to_have_text(visit.t("error_title.deadline_exceeded"))
    expect(turn.locator(".failure__kept")).to_be_visible()
    visit.look("failed")
    visit.button("turn.retry", turn).click()
    visit.ended("completed")
    expect(page.locator(".versions").last).to_contain_text(visit.t("versions.at", at=2, count=2))


@item("no-answer")
def no_answer(visit: Visit) -> None:
    """Ask what neither the data nor the documents hold, and be told what can be asked."""
    page = visit.page
    visit.answered(visit.question("rules"))
    conversation = visit.conversation()
    visit.post(f"/api/conversations/{conversation}/turns", {"text": visit.question("outside"), "route": "sql"})
    expect(page.locator(".turn")).to_have_count(2)
    turn = visit.ended("failed")
    expect(turn.locator(".failure__title")).to_have_text(visit.t("error_title.no_answer"))
    visit.look("no-answer")


@item("reconnect")
def reconnect(visit: Visit) -> None:
    """Lose the network while reading, ask meanwhile, and get both back without a jump."""
    page = visit.page
    cut = False

    def connect(socket: WebSocketRoute) -> None:
        if cut:
            socket.close()
        else:
            socket.connect_to_server()

    page.route_web_socket("**/ws/chat/**", connect)
    page.reload()
    visit.connected()
    visit.answered(visit.question("weeks"))
    visit.ask(visit.question("rules"))
    expect(page.locator(".station[data-state=running]").first).to_be_visible()
    page.locator(".thread").evaluate("thread => thread.scrollTo({ top: 40 })")
    place = "() => document.querySelector('.question').getBoundingClientRect().top"
    before = page.evaluate(place)
    cut = True
    page.evaluate("window.sockets.at(-1).close(4999)")
    expect(page.locator(".connection")).not_to_have_attribute("data-phase", "open")
    visit.ask(visit.question("bars"))
    expect(page.locator(".turn[data-state=sending] .stopped")).to_have_text(visit.t("turn.kept"))
    page.locator(".thread").evaluate("thread => thread.scrollTo({ top: thread.scrollHeight })")
    expect(visit.button("connection.now")).to_be_visible()
    visit.look("reconnecting", axe=False)
    visit.context.set_offline(True)
    expect(page.locator(".connection")).to_have_attribute("data-phase", "offline")
    visit.look("offline")
    page.locator(".thread").evaluate("thread => thread.scrollTo({ top: 40 })")
    cut = False
    visit.context.set_offline(False)
    visit.connected()
    visit.ended("completed")
    expect(page.locator(".turn")).to_have_count(3)
    after = page.evaluate(place)
    must(abs(before - after) < 2, f"the page jumped from {before} to {after}")
