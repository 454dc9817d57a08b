"""A real browser, and the page in it, signed in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Protocol

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser.kit import CHROMIUM, PATIENCE_MS, sign_in

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# The page keeps its socket to itself, so the test remembers it when it is made.
REMEMBER_SOCKETS = """
  window.sockets = [];
  window.WebSocket = class extends WebSocket {
    constructor(...args) { super(...args); window.sockets.push(this); }
  };
"""


class LiveStack(Protocol):
    """Where the running platform is, and who may sign in."""

    base_url: str
    username: str
    password: str


ColorScheme = Literal["light", "dark"]


class Visit(Protocol):
    """Opens the page as somebody would, on some screen."""

    def __call__(
        self, *, language: str = "en", scheme: ColorScheme = "light", width: int = 1280, height: int = 860
    ) -> Page:
        """Return the page, signed in."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Run one headless browser for this module."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def visit(browser: Browser, live_stack: LiveStack) -> Iterator[Visit]:
    """Return what opens the page, signed in and connected; what the policy blocked or a script threw fails the test."""
    contexts: list[BrowserContext] = []
    faults: list[str] = []

    def open_page(*, language: str = "en", scheme: ColorScheme = "light", width: int = 1280, height: int = 860) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, locale="en-US", color_scheme=scheme)
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        opened = context.new_page()
        opened.on("pageerror", lambda error: faults.append(str(error)))
        opened.on(
            "console", lambda entry: faults.append(entry.text) if "Content Security Policy" in entry.text else None
        )
        opened.add_init_script(REMEMBER_SOCKETS)
        # As a person who has chosen before: what the account was left with by another test does not matter.
        opened.add_init_script(f"localStorage.setItem('switchyard.language', '{language}')")
        opened.goto(live_stack.base_url)
        sign_in(opened, live_stack.username, live_stack.password)
        expect(opened.locator(".connection")).to_have_attribute("data-phase", "open", timeout=PATIENCE_MS)
        return opened

    yield open_page
    for context in contexts:
        context.close()
    assert faults == []


@pytest.fixture
def page(visit: Visit) -> Page:
    """Return the page in English, on a desk."""
    return visit()
