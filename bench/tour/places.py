"""Around the answers: documents, the list of conversations, empty places, long words, other screens, keys alone."""

from __future__ import annotations

import time
from collections.abc import Callable

from playwright.sync_api import Page, Route, expect

from bench.tour.answers import settle
from bench.tour.items import item
from bench.tour.visit import PATIENCE_MS, Visit, must

MOST_CHARACTERS = 8_000
# The list alone has up to a hundred conversations.
MOST_STOPS = 400
LONG_WORD = "Rindfleischetikettierungsüberwachungsaufgabenübertragungsgesetz" * 3
_FOCUS = """() => {
  const style = getComputedStyle(document.activeElement);
  const box = document.activeElement.closest(".composer__box, .search, .result__tools, .why__reason");
  const around = box && getComputedStyle(box);
  const next = document.activeElement.nextElementSibling;
  const beside = box?.matches(".why__reason") && next ? getComputedStyle(next).outlineStyle : "none";
  return style.outlineStyle !== "none" || (around && around.boxShadow !== "none") || beside !== "none";
}"""


@item("documents")
def documents(visit: Visit) -> None:
    """Give a document, see it become answerable, ask about it, take it away."""
    page = visit.page
    visit.button("documents.title", page.locator(".sidebar")).click()
    expect(page.locator(".document").first).to_be_visible()
    title = f"Zeppole {time.time_ns() % 1_000_000}"
    text = f"# {title}\n\nZeppole are fried to order and are never kept warm for longer than 7 minutes.\n"
    file = {"name": "zeppole.md", "mimeType": "text/markdown", "buffer": text.encode()}
    page.locator("input[type=file]").set_input_files(file)  # type: ignore[arg-type]
    row = page.locator(".document", has_text=title)
    expect(row).to_be_visible()
    visit.look("document-under-way", axe=False)
    expect(row.locator(".document__state")).to_have_text(visit.t("documents.state.indexed"), timeout=PATIENCE_MS)
    visit.look("document-ready")
    visit.button("documents.ask", row).click()
    turn = visit.ended("completed")
    expect(turn.locator(".prose")).to_contain_text("7")
    visit.look("document-asked")
    row.locator(".icon-button").click()
    expect(page.locator("dialog")).to_be_visible()
    visit.look("document-delete")
    visit.button("delete.go", page.locator("dialog")).click()
    expect(row).to_have_count(0)


@item("conversations")
def conversations(visit: Visit) -> None:
    """Rename, find and delete a conversation."""
    page = visit.page
    visit.answered(visit.question("rules"))
    title = f"Tour {time.time_ns() % 1_000_000}"
    mine = page.locator(".conversation[data-selected=true]")
    mine.get_by_role("button").nth(1).click()
    box = page.locator(".conversation__rename")
    expect(box).to_be_focused()
    visit.look("rename")
    box.fill(title)
    box.press("Enter")
    expect(page.locator(".topbar__title")).to_have_text(title)
    page.get_by_label(visit.t("search.label")).fill(" ".join(visit.question("rules").strip("¿?").split()[-2:]))
    expect(page.locator(".found__item").first).to_be_visible()
    visit.look("search")
    page.locator(".found__item").first.click()
    expect(page.locator(".turn .question").first).to_be_in_viewport()
    page.get_by_label(visit.t("search.label")).fill("zzzzzz")
    expect(page.get_by_text(visit.t("search.nothing"))).to_be_visible()
    visit.look("search-nothing")
    page.get_by_label(visit.t("search.label")).fill(title)
    page.locator(".conversation", has_text=title).get_by_role("button").last.click()
    expect(page.locator("dialog")).to_be_visible()
    visit.look("delete")
    visit.button("delete.go", page.locator("dialog")).click()
    expect(page.locator(".conversation", has_text=title)).to_have_count(0)


def answer_with(body: dict[str, object]) -> Callable[[Route], None]:
    """Return what answers a call with `body`."""
    return lambda route: route.fulfill(json=body)


@item("empty")
def empty(visit: Visit) -> None:
    """See the page of a person who has nothing yet: the calls for lists are answered with empty ones."""
    page = visit.page
    nothing: dict[str, object] = {"items": [], "next": None}
    can: dict[str, object] = {"questions": [], "measures": [], "dimensions": [], "documents": []}
    for path, body in (("conversations", nothing), ("documents", nothing), ("abilities", can)):
        page.route(f"**/api/{path}?*", answer_with(body))
    page.reload()
    visit.connected()
    expect(page.get_by_text(visit.t("sidebar.empty"))).to_be_visible()
    visit.look("empty")
    visit.button("documents.title", page.locator(".sidebar")).click()
    expect(page.get_by_text(visit.t("documents.empty"))).to_be_visible()
    visit.look("empty-documents")
    page.keyboard.press("Escape")
    visit.button("abilities.open", page.locator(".sidebar")).click()
    expect(page.locator(".panel").get_by_text(visit.t("abilities.nothing"))).to_be_visible()
    visit.look("empty-abilities")


@item("long")
def long(visit: Visit) -> None:
    """A word of 189 letters as question and title, a table wider than the page, a question at and over the limit."""
    page = visit.page
    visit.answered(f"{visit.question('rules')} {LONG_WORD}")
    visit.no_sideways()
    page.locator(".thread").evaluate("thread => thread.scrollTo({ top: 0 })")
    visit.look("long-word")
    visit.afresh()
    turn = visit.answered(visit.question("wide"))
    visit.no_sideways()
    turn.locator(".result").scroll_into_view_if_needed()
    visit.look("wide-table")
    visit.afresh()
    words = (visit.question("rules") + " ") * MOST_CHARACTERS
    page.locator("#question").fill(words[: MOST_CHARACTERS + 1])
    expect(page.locator("#composer-hint")).to_have_attribute("data-bad", "true")
    expect(visit.button("composer.send")).to_be_disabled()
    visit.look("too-long")
    page.locator("#question").fill(words[:MOST_CHARACTERS])
    page.keyboard.press("Enter")
    expect(page.locator(".question")).to_be_visible()
    turn = visit.ended("completed")
    visit.look("longest")
    visit.button("turn.question_more", turn).click()
    expect(page.locator(".question[data-cut=true]")).to_have_count(0)


@item("phone")
def phone(visit: Visit) -> None:
    """Everything on a screen of 390 px."""
    page = visit.page
    page.set_viewport_size({"width": 390, "height": 844})
    settle(page)
    expect(page.locator(".welcome h2")).to_be_in_viewport()
    visit.look("phone-welcome")
    turn = visit.answered(visit.question("weeks"))
    visit.no_sideways()
    page.locator(".thread").evaluate("thread => thread.scrollTo({ top: 0 })")
    expect(turn.locator(".chart canvas")).to_be_visible()
    visit.look("phone-answer")
    turn.locator(".result__foot").scroll_into_view_if_needed()
    visit.look("phone-table")
    visit.answered(visit.question("rules"))
    visit.look("phone-end")
    page.locator(".mark:enabled").last.click()
    expect(page.locator(".passage__text").first).to_be_visible()
    settle(page)
    visit.look("phone-source")
    visit.button("panel.close").click()
    visit.button("sidebar.toggle").click()
    expect(page.locator(".sidebar")).to_be_in_viewport()
    settle(page)
    visit.look("phone-menu")


@item("tablet")
def tablet(visit: Visit) -> None:
    """An answer and its source on a tablet held upright."""
    page = visit.page
    page.set_viewport_size({"width": 820, "height": 1180})
    visit.answered(visit.question("bars"))
    visit.no_sideways()
    visit.look("tablet")
    visit.answered(visit.question("rules"))
    page.locator(".mark:enabled").last.click()
    expect(page.locator(".passage__text").first).to_be_visible()
    settle(page)
    visit.look("tablet-source")


@item("wide")
def wide(visit: Visit) -> None:
    """An answer and its source on a screen of 1920 px."""
    page = visit.page
    page.set_viewport_size({"width": 1920, "height": 1080})
    settle(page)
    visit.look("wide-welcome")
    visit.answered(visit.question("bars"))
    visit.answered(visit.question("rules"))
    page.locator(".mark:enabled").last.click()
    expect(page.locator(".passage__text").first).to_be_visible()
    settle(page)
    visit.look("wide-source")


def tab_to(page: Page, selector: str, *, back: bool = False) -> None:
    """Press Tab until what `selector` names has the focus; each stop on the way shows that it has it."""
    for _ in range(MOST_STOPS):
        page.keyboard.press("Shift+Tab" if back else "Tab")
        here = page.evaluate("document.activeElement.outerHTML.slice(0, 120)")
        must(page.evaluate(_FOCUS), f"the focus is not seen on {here}")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"{selector} cannot be reached with Tab")


@item("keyboard")
def keyboard(visit: Visit) -> None:
    """Sign out, sign in, ask, read, rate, rename: with Tab, Enter, Space and Escape alone."""
    page = visit.page
    tab_to(page, ".sidebar__person .icon-button", back=True)
    page.keyboard.press("Enter")
    expect(page.locator("input[autocomplete=username]")).to_be_focused()
    for _ in range(30):
        page.keyboard.press("Control+A")
        page.keyboard.type(visit.username)
        page.keyboard.press("Tab")
        page.keyboard.type(visit.password)
        page.keyboard.press("Enter")
        page.locator(".connection, .door [role=alert]").first.wait_for()
        if page.locator(".connection").count():
            break
        time.sleep(1.5)
        page.keyboard.press("Shift+Tab")
    visit.connected()
    expect(page.locator("#question")).to_be_focused()
    page.keyboard.type(visit.question("bars"))
    page.keyboard.press("Enter")
    visit.ended("completed")
    tab_to(page, ".result__foot .link[aria-expanded]", back=True)
    page.keyboard.press("Enter")
    expect(page.locator(".sql code")).to_be_visible()
    visit.look("keys-sql")
    tab_to(page, ".result__sort", back=True)
    page.keyboard.press("Enter")
    expect(page.locator("th[aria-sort]")).to_have_count(1)
    visit.look("keys-sort")
    tab_to(page, "#question")
    page.keyboard.type(visit.question("rules"))
    page.keyboard.press("Enter")
    expect(page.locator(".turn")).to_have_count(2)
    visit.ended("completed")
    tab_to(page, ".mark", back=True)
    visit.look("keys-mark")
    page.keyboard.press("Enter")
    expect(page.locator(".passage__text").first).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".mark:focus")).to_have_count(1)
    tab_to(page, ".actions .icon-button:last-of-type")
    page.keyboard.press("Space")
    expect(page.locator(".why__reason input").first).to_be_focused()
    page.keyboard.press("ArrowRight")
    visit.look("keys-why")
    page.keyboard.press("Enter")
    expect(page.locator(".actions__said").last).to_have_text(visit.t("feedback.thanks"))
    tab_to(page, ".conversation[data-selected=true] .icon-button", back=True)
    visit.look("keys-list")
