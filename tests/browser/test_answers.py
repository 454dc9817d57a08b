"""What a person does with an answer: rates it, has it anew, edits the question, reads the table another way."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.conftest import LiveStack
from tests.browser.kit import FIGURES, MARKS, PATIENCE_MS, RULES, WEEKS, ask, expect_ending

pytestmark = MARKS


def test_a_thumb_down_with_its_reason_is_there_after_a_reload(page: Page) -> None:
    ask(page, FIGURES)
    expect_ending(page, "completed")

    page.get_by_role("button", name="Bad answer").click()
    page.get_by_label("Wrong figures").check()
    page.get_by_label("Anything else?").fill("October, not September")
    page.get_by_role("button", name="Send", exact=True).first.click()
    expect(page.locator(".actions__said")).to_have_text("Thank you, noted.")
    page.reload()

    expect(page.get_by_role("button", name="Bad answer")).to_have_attribute("aria-pressed", "true", timeout=PATIENCE_MS)


def test_an_answer_that_is_made_anew_stays_beside_the_first(page: Page) -> None:
    ask(page, FIGURES)
    expect_ending(page, "completed")
    first = page.locator(".turn").get_attribute("data-turn")

    page.get_by_role("button", name="Answer again").click()
    expect(page.locator(".versions").last).to_contain_text("2 of 2")
    expect_ending(page, "completed")
    second = page.locator(".turn").get_attribute("data-turn")
    page.get_by_role("button", name="Earlier version").click()

    assert second != first
    expect(page.locator(".turn")).to_have_attribute("data-turn", first or "")
    expect(page.locator(".question")).to_have_count(1)


def test_an_edited_question_takes_the_place_of_the_first(page: Page) -> None:
    ask(page, FIGURES)
    expect_ending(page, "completed")

    page.get_by_role("button", name="Edit the question").click()
    page.locator("#edit").fill("Orders by branch last month")
    page.keyboard.press("Enter")

    expect(page.locator(".question")).to_have_text(re.compile("Orders by branch last month"))
    expect_ending(page, "completed")
    page.reload()
    expect(page.locator(".versions").last).to_contain_text("2 of 2", timeout=PATIENCE_MS)


def test_a_table_is_sorted_filtered_and_paged_as_a_whole(page: Page) -> None:
    ask(page, WEEKS)
    expect_ending(page, "completed")
    table = page.locator(".result").last
    expect(table.locator(".result__foot .versions")).to_contain_text("1 of")

    table.get_by_role("button", name="Orders").click()
    expect(table.locator("th[aria-sort=descending]")).to_have_count(1)
    largest = int(table.locator(".result__table tbody tr").first.locator("td").last.inner_text())
    table.get_by_role("button", name="Orders").click()
    expect(table.locator("th[aria-sort=ascending]")).to_have_count(1)
    smallest = int(table.locator(".result__table tbody tr").first.locator("td").last.inner_text())
    table.get_by_role("searchbox").fill("Jan")

    assert smallest < largest
    expect(table.locator(".result__table tbody tr").first).to_contain_text("Jan")
    for row in table.locator(".result__table tbody tr").all_inner_texts():
        assert "Jan" in row


def test_a_course_of_time_is_drawn_and_told(page: Page) -> None:
    ask(page, WEEKS)
    expect_ending(page, "completed")

    chart = page.get_by_role("img", name=re.compile("Line chart of Orders by Week"))
    expect(chart.locator("canvas")).to_be_visible()
    page.get_by_role("button", name="Hide chart").click()

    expect(chart).to_have_count(0)


def test_the_table_comes_as_a_file(page: Page) -> None:
    ask(page, FIGURES)
    expect_ending(page, "completed")

    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()

    assert Path(download.value.path()).read_text(encoding="utf-8-sig").startswith("branch,net sales")


def test_the_first_questions_are_the_companys_own_and_work(page: Page) -> None:
    page.get_by_role("button", name="New conversation").click()
    example = page.locator(".suggestions button", has=page.locator("[data-route=sql]")).first
    expect(example).to_be_visible()
    question = example.locator("span").last.inner_text()

    example.click()
    expect_ending(page, "completed")

    expect(page.locator(".question")).to_contain_text(question)
    expect(page.locator(".route")).to_contain_text("Data")


def test_what_can_be_asked_is_a_press_away(page: Page) -> None:
    page.locator(".sidebar").get_by_role("button", name="What can I ask?").click()

    panel = page.locator(".panel")
    expect(panel.get_by_text("net sales", exact=True)).to_be_visible()
    expect(panel.locator(".ability__documents li").first).to_be_visible()
    page.keyboard.press("Escape")
    expect(panel).to_have_count(0)


def test_a_word_of_an_earlier_question_leads_to_it(page: Page) -> None:
    ask(page, RULES)
    expect_ending(page, "completed")
    sought = page.locator(".turn").get_attribute("data-turn")
    page.get_by_role("button", name="New conversation").click()

    page.get_by_label("Search conversations").fill("guest allergy")
    page.locator(".found__item").first.click()

    expect(page.locator(f'[data-turn="{sought}"] .question')).to_be_in_viewport(timeout=PATIENCE_MS)


def test_a_search_that_fails_does_not_say_that_nothing_was_found(page: Page) -> None:
    page.route("**/api/search**", lambda route: route.abort())

    page.get_by_label("Search conversations").fill("guest allergy")

    expect(page.locator(".sidebar [role=alert]")).to_contain_text("The search did not work.")


def test_a_new_conversation_takes_the_focus_at_once(page: Page) -> None:
    ask(page, RULES)
    expect_ending(page, "completed")

    # Whatever a person does next is a task of its own: by then the focus has moved, or it would take their keys.
    focused = page.evaluate(
        """async () => {
          document.activeElement.blur();
          document.querySelector(".sidebar__new").click();
          const { port1, port2 } = new MessageChannel();
          await new Promise((next) => { port1.onmessage = next; port2.postMessage(0); });
          return document.activeElement.id;
        }"""
    )

    assert focused == "question"


def test_a_document_becomes_answerable_in_front_of_ones_eyes(page: Page, tmp_path: Path) -> None:
    (tmp_path / "zeppole.md").write_text(
        "# Zeppole rule\n\nZeppole are fried to order and are never kept warm for longer than 7 minutes.\n"
    )
    page.locator(".sidebar").get_by_role("button", name="Documents").click()

    page.locator("input[type=file]").set_input_files(tmp_path / "zeppole.md")
    row = page.locator(".document", has_text="Zeppole rule")
    expect(row.locator(".document__state")).to_have_text("Ready", timeout=PATIENCE_MS)
    ask(page, "How long may zeppole be kept warm?")
    expect_ending(page, "completed")

    expect(page.locator(".prose").last).to_contain_text("7 minutes")
    row.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(row).to_have_count(0)


def test_the_chosen_theme_holds_after_a_reload(page: Page, live_stack: LiveStack) -> None:
    def paper() -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    light = paper()
    page.get_by_role("button", name="Dark", exact=True).click()
    dark = paper()
    page.reload()

    assert light != dark
    assert paper() == dark
