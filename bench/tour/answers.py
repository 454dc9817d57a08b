"""What is done with an answer: its table, its charts, its sources, other versions of it, what it was worth."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, expect

from bench.tour.items import item
from bench.tour.visit import PATIENCE_MS, Visit, must


def settle(page: Page) -> None:
    """Wait until nothing moves any more."""
    page.wait_for_timeout(250)


@item("sql")
def sql(visit: Visit) -> None:
    """Read the statement behind a table."""
    turn = visit.answered(visit.question("bars"))
    visit.button("sql.show", turn).click()
    expect(turn.locator(".sql code")).to_contain_text("SELECT")
    turn.locator(".sql").scroll_into_view_if_needed()
    visit.look("sql")


@item("table")
def table(visit: Visit) -> None:
    """Sort, filter and page a table, and take it along as CSV."""
    turn = visit.answered(visit.question("weeks"))
    result = turn.locator(".result")
    head = result.locator("th button").last
    head.click()
    expect(result.locator("th[aria-sort=descending]")).to_have_count(1)
    largest = int(result.locator(".result__table tbody tr").first.locator("td").last.inner_text())
    head.click()
    expect(result.locator("th[aria-sort=ascending]")).to_have_count(1)
    smallest = int(result.locator(".result__table tbody tr").first.locator("td").last.inner_text())
    must(smallest < largest, "sorting upwards begins with the smallest")
    visit.button("table.page_after", result).click()
    expect(result.locator(".result__foot .versions")).to_contain_text(visit.t("table.page", page=2, count=5))
    result.scroll_into_view_if_needed()
    visit.look("table-sorted")
    result.get_by_role("searchbox").fill("mar")
    expect(result.locator(".result__table tbody tr").first).to_contain_text("mar", ignore_case=True)
    visit.look("table-filtered")
    result.get_by_role("searchbox").fill("zzz")
    expect(result.get_by_text(visit.t("table.no_match"))).to_be_visible()
    visit.look("table-nothing")
    with visit.page.expect_download() as download:
        visit.button("table.csv", result).click()
    lines = Path(download.value.path()).read_text(encoding="utf-8-sig").splitlines()
    must(len(lines) > 40, f"the CSV has only {len(lines)} lines")


@item("chart")
def chart(visit: Visit) -> None:
    """See a course of time, a comparison of names, and figures against figures."""
    for name, kind in (("weeks", "line"), ("bars", "bar"), ("points", "scatter")):
        visit.afresh()
        turn = visit.answered(visit.question(name))
        if kind == "bar":
            visit.button("chart.show", turn).click()
        said = visit.t(f"chart.said.{kind}").split("{")[0].strip()
        drawn = turn.locator(f'.chart[aria-label^="{said}"]')
        expect(drawn.locator("canvas")).to_be_visible()
        drawn.scroll_into_view_if_needed()
        drawn.locator(".u-over").hover()
        settle(visit.page)
        visit.look(f"chart-{kind}")
        visit.page.mouse.move(0, 0)


@item("citation")
def citation(visit: Visit) -> None:
    """Open the passage behind a citation in place, and close it again."""
    page = visit.page
    turn = visit.answered(visit.question("rules"))
    mark = turn.locator(".mark:enabled").first
    mark.click()
    expect(page.locator(".panel .passage__text").first).not_to_be_empty()
    expect(page.locator(".panel .passage[data-current=true] .passage__text")).to_be_in_viewport()
    must("artifact=" in page.url, "the address does not name the source")
    settle(page)
    visit.look("citation")
    page.locator(".panel__others summary").click()
    page.locator(".panel__others .passage").first.scroll_into_view_if_needed()
    visit.look("citation-others")
    page.keyboard.press("Escape")
    expect(page.locator(".panel")).to_have_count(0)
    expect(mark).to_be_focused()


@item("edit")
def edit(visit: Visit) -> None:
    """Put a question in other words; the first answer stays."""
    page = visit.page
    turn = visit.answered(visit.question("bars"))
    visit.button("turn.edit", turn).click()
    expect(page.locator("#edit")).to_be_focused()
    visit.look("edit")
    page.locator("#edit").fill(visit.question("weeks"))
    page.keyboard.press("Enter")
    expect(page.locator(".question")).to_contain_text(visit.question("weeks"))
    visit.ended("completed")
    expect(page.locator(".versions").last).to_contain_text(visit.t("versions.at", at=2, count=2))


@item("regenerate")
def regenerate(visit: Visit) -> None:
    """Have the answer anew; both are kept."""
    page = visit.page
    turn = visit.answered(visit.question("rules"))
    first = turn.get_attribute("data-turn") or ""
    visit.button("turn.regenerate", turn).click()
    pager = page.locator(".exchange > .versions")
    expect(pager).to_contain_text(visit.t("versions.at", at=2, count=2), timeout=PATIENCE_MS)
    visit.ended("completed")
    visit.button("versions.earlier").click()
    expect(page.locator(".turn")).to_have_attribute("data-turn", first)
    pager.scroll_into_view_if_needed()
    visit.look("versions")


@item("thumbs")
def thumbs(visit: Visit) -> None:
    """Say that an answer was bad, and why; it is there after a reload."""
    page = visit.page
    turn = visit.answered(visit.question("bars"))
    visit.button("feedback.down", turn).click()
    page.get_by_label(visit.t("feedback.reason.wrong_figures")).check()
    page.get_by_label(visit.t("feedback.comment")).fill("31.10. / 30.9.")
    page.locator(".why").scroll_into_view_if_needed()
    visit.look("thumbs-why")
    visit.button("feedback.send", page.locator(".why")).click()
    expect(page.locator(".actions__said")).to_have_text(visit.t("feedback.thanks"))
    visit.look("thumbs-thanks")
    page.reload()
    expect(visit.button("feedback.down")).to_have_attribute("aria-pressed", "true", timeout=PATIENCE_MS)
