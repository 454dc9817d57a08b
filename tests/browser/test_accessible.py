"""What people with a keyboard, a screen reader or a small screen need: axe finds nothing serious, and keys suffice."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import ColorScheme, Visit
from tests.browser.kit import MARKS, PATIENCE_MS, RULES, WEEKS, ask, expect_ending

pytestmark = MARKS


def serious(page: Page) -> list[str]:
    """Return what axe finds serious or critical, with where it is."""
    found = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {node['target']}"
        for each in found
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_is_found_on_any_view(visit: Visit, language: str, scheme: ColorScheme) -> None:
    page = visit(language=language, scheme=scheme)
    expect(page.locator(".suggestions button").first).to_be_visible()
    views = {"welcome": serious(page)}
    page.locator(".welcome__more").click()
    expect(page.locator(".ability").first).to_be_visible()
    views["abilities"] = serious(page)
    page.keyboard.press("Escape")
    ask(page, WEEKS if language == "en" else "Pedidos por semana este año")
    expect_ending(page, "completed")
    expect(page.locator(".chart canvas")).to_be_visible()
    page.locator(".actions__row button").last.click()
    views["table, chart, feedback"] = serious(page)
    ask(page, RULES if language == "en" else "¿Cómo se reparten las propinas?")
    expect_ending(page, "completed")
    page.locator(".mark:enabled").first.click()
    expect(page.locator(".passage__text").first).to_be_visible()
    views["source"] = serious(page)
    page.keyboard.press("Escape")
    page.locator(".sidebar__row").last.click()
    expect(page.locator(".document").first).to_be_visible()
    views["documents"] = serious(page)

    assert [found for found in views.items() if found[1]] == []


def test_nothing_serious_is_found_on_a_phone_nor_at_the_door(visit: Visit) -> None:
    page = visit(width=390, height=844)
    ask(page, WEEKS)
    expect_ending(page, "completed")
    answered = serious(page)
    page.locator(".topbar__menu").click()
    expect(page.locator(".sidebar")).to_be_in_viewport()
    menu = serious(page)
    page.locator(".sidebar__person .icon-button").click()
    expect(page.locator(".door")).to_be_visible()

    assert (answered, menu, serious(page)) == ([], [], [])


def test_no_view_scrolls_sideways_on_a_phone(visit: Visit) -> None:
    page = visit(width=360, height=740)
    ask(page, WEEKS)
    expect_ending(page, "completed")

    for place in ("document.scrollingElement", "document.querySelector('.thread')"):
        assert page.evaluate(f"{place}.scrollWidth <= {place}.clientWidth"), place


def test_the_empty_page_is_read_from_its_top_on_a_phone(visit: Visit) -> None:
    page = visit(width=390, height=700)

    expect(page.locator(".welcome__more")).to_be_attached()

    expect(page.locator(".welcome h2")).to_be_in_viewport()


def test_a_question_is_asked_read_and_rated_by_keys_alone(page: Page) -> None:
    expect(page.locator("#question")).to_be_focused()
    page.keyboard.type(WEEKS)
    page.keyboard.press("Enter")
    expect_ending(page, "completed")

    for _ in range(60):
        page.keyboard.press("Shift+Tab")
        if page.evaluate("document.activeElement.getAttribute('aria-label')") == "Good answer":
            break
    page.keyboard.press("Space")

    expect(page.get_by_role("button", name="Good answer")).to_have_attribute(
        "aria-pressed", "true", timeout=PATIENCE_MS
    )


def test_a_screen_reader_hears_the_whole_answer_once(page: Page) -> None:
    ask(page, RULES)
    expect_ending(page, "completed")

    heard = page.locator(".thread > [aria-live=polite]").inner_text()
    assert heard.strip() != ""
    assert heard.replace("\n", " ")[:20] in page.locator(".prose").last.inner_text().replace("\n", " ")
