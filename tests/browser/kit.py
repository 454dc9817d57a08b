"""What a person does on the page, again and again."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

CHROMIUM = Path("/usr/bin/chromium")
PATIENCE_MS = 30_000
FIGURES = "What were the sales by branch last month?"
WEEKS = "Orders by week this year"
RULES = "What should I do when a guest reports an allergy?"

MARKS = [
    pytest.mark.browser,
    # The first test waits for the whole product: it trains the router and embeds the example's documents.
    pytest.mark.timeout(600),
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no chromium at {CHROMIUM}: apt-get install chromium"),
]


def sign_in(page: Page, username: str, password: str) -> None:
    """Fill the door's form, in whichever language it is."""
    page.locator("input[autocomplete=username]").fill(username)
    page.locator("input[type=password]").fill(password)
    told = page.locator(".connection, .door [role=alert]").first
    for _ in range(20):
        page.locator("button[type=submit]").click()
        told.wait_for()
        if page.locator(".connection").count():
            return
        # As the page says itself: one name may sign in only so often a minute, and every test does.
        time.sleep(1.2)
    raise AssertionError(f"not signed in: {told.inner_text()}")


def ask(page: Page, question: str) -> None:
    """Send a question the way a person does."""
    page.locator("#question").fill(question)
    page.keyboard.press("Enter")


def expect_ending(page: Page, state: str) -> None:
    """Wait until the newest turn has come to its ending."""
    expect(page.locator(".turn").last).to_have_attribute("data-state", state, timeout=PATIENCE_MS)
