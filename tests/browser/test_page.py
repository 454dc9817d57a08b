"""The page in a real browser, over the real servers and workers: what a person sees and can do."""

from __future__ import annotations

import re

from playwright.sync_api import Page, Route, expect

from tests.browser.kit import FIGURES, MARKS, PATIENCE_MS, RULES, ask, expect_ending

pytestmark = MARKS


def test_a_question_about_figures_shows_its_stages_its_table_and_its_answer(page: Page) -> None:
    ask(page, FIGURES)
    expect_ending(page, "completed")

    turn = page.locator(".turn").last
    expect(turn.locator(".station[data-state=done]")).to_have_count(3)
    expect(turn.locator(".station[data-stage=sql]")).to_have_count(1)
    expect(turn.locator(".route")).to_contain_text("Data")
    expect(turn.locator(".result__table tbody tr").first).to_be_visible()
    expect(turn.locator(".prose")).not_to_be_empty()
    expect(turn.locator(".time__total")).to_be_visible()


def test_the_statement_behind_a_table_can_be_read(page: Page) -> None:
    ask(page, FIGURES)
    expect_ending(page, "completed")

    page.get_by_role("button", name="Show SQL").last.click()

    expect(page.locator(".sql code").last).to_contain_text(re.compile("select", re.IGNORECASE))


def test_a_citation_opens_its_passage_and_its_address_can_be_shared(page: Page) -> None:
    ask(page, RULES)
    expect_ending(page, "completed")

    page.locator(".mark:enabled").first.click()

    expect(page.locator(".panel .passage__text").first).not_to_be_empty()
    assert re.search(r"artifact=[^&]+&n=\d+", page.url)


def test_a_question_that_waits_behind_others_can_be_stopped(page: Page) -> None:
    ask(page, FIGURES)
    ask(page, RULES)
    ask(page, FIGURES)

    page.get_by_role("button", name="Stop").and_(page.locator(".stop")).last.click()

    expect(page.locator(".turn[data-state=cancelled]")).to_have_count(1, timeout=PATIENCE_MS)


def test_a_conversation_is_called_by_the_first_of_two_questions(page: Page) -> None:
    ask(page, FIGURES)
    ask(page, RULES)

    expect(page.locator(".turn")).to_have_count(2)
    expect(page.locator(".topbar__title")).to_have_text(FIGURES)


def test_words_typed_while_the_conversation_is_made_stay(page: Page) -> None:
    held: list[Route] = []
    page.route("**/api/conversations", lambda route: held.append(route))  # noqa: PLW0108 - playwright marks what it is given

    ask(page, FIGURES)
    page.locator("#question").fill("And the tips?")
    held[0].continue_()

    expect_ending(page, "completed")
    expect(page.locator("#question")).to_have_value("And the tips?")


def test_a_cut_socket_comes_back_and_the_answer_is_whole(page: Page) -> None:
    ask(page, RULES)
    expect(page.locator(".station[data-state=running]").first).to_be_visible()

    page.evaluate("window.sockets.at(-1).close(4999)")

    expect(page.locator(".connection")).to_have_attribute("data-phase", "open", timeout=PATIENCE_MS)
    expect_ending(page, "completed")
    lived_through = page.locator(".prose").last.inner_text()
    page.reload()
    expect_ending(page, "completed")
    assert page.locator(".prose").last.inner_text() == lived_through
    assert page.evaluate("window.sockets.length") >= 1


def test_answers_come_in_the_language_that_was_chosen(page: Page) -> None:
    page.get_by_role("button", name="Español").click()
    expect(page.locator(".connection")).to_have_attribute("data-phase", "open", timeout=PATIENCE_MS)

    page.get_by_label("Tu pregunta").fill("ventas por local el mes pasado")
    page.keyboard.press("Enter")
    expect_ending(page, "completed")

    expect(page.locator(".prose").last).to_contain_text("Ventas netas")
    page.get_by_role("button", name="English").click()


def test_the_page_speaks_spanish_at_once(page: Page) -> None:
    page.get_by_role("button", name="Español").click()

    expect(page.get_by_placeholder("Escribe una pregunta…")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "es")
