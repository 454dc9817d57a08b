"""One variant of the tour: a browser signed in to a running start, its words, its pictures, what axe says of each."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Locator, Page, expect

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PATIENCE_MS = 30_000
CATALOGUE = Path(__file__).parents[2] / "channels_app/web/catalogue"
DESK = (1280, 860)
#: The page keeps its socket to itself, so it is remembered when it is made.
_REMEMBER_SOCKETS = """
  window.sockets = [];
  window.WebSocket = class extends WebSocket {
    constructor(...args) { super(...args); window.sockets.push(this); }
  };
"""
_QUESTIONS = {
    "bars": ("What were the sales by branch last month?", "¿Cuáles fueron las ventas por local el mes pasado?"),
    "weeks": ("Orders by week this year", "Pedidos por semana este año"),
    "points": (
        "Net sales and guests by branch and channel last month",
        "Ventas y clientes por local y canal el mes pasado",
    ),
    "wide": (
        "Net sales, orders, guests, tips, discounts and refunds by branch and channel this year",
        "Ventas, pedidos, clientes, propinas, descuentos y devoluciones por local y canal este año",
    ),
    "rules": ("What should I do when a guest reports an allergy?", "¿Cómo se reparten las propinas?"),
    "outside": ("What will the weather be like in Paris?", "¿Qué tiempo hará en París?"),
}


def must(held: bool, otherwise: str) -> None:
    """Fail the item with the words `otherwise` unless `held`.

    Raises:
        AssertionError: it did not hold.
    """
    if not held:
        raise AssertionError(otherwise)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One violation that axe found in one picture."""

    picture: str
    rule: str
    impact: str
    targets: list[str]


@dataclass(slots=True, kw_only=True)
class Visit:
    """A signed-in page in one language and theme; `number` and `item` name its pictures."""

    context: BrowserContext
    page: Page
    url: str
    username: str
    password: str
    language: Literal["en", "es"]
    theme: Literal["light", "dark"]
    folder: Path
    words: dict[str, str]
    number: int = 0
    item: str = ""
    pictures: list[dict[str, Any]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @classmethod
    def begin(
        cls, browser: Browser, *, language: Literal["en", "es"], theme: Literal["light", "dark"], **rest: Any
    ) -> Visit:
        """Return a visit at the door, nobody signed in."""
        width, height = DESK
        context = browser.new_context(viewport={"width": width, "height": height}, locale="en-US", color_scheme=theme)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        words = json.loads((CATALOGUE / f"{language}.json").read_text(encoding="utf-8"))
        visit = cls(context=context, page=page, language=language, theme=theme, words=words, **rest)
        page.on("pageerror", lambda error: visit.faults.append(str(error)))
        page.on("console", lambda entry: visit.faults.append(entry.text) if "Content Security" in entry.text else None)
        page.add_init_script(_REMEMBER_SOCKETS)
        # `about:blank` has no storage.
        page.add_init_script(f"if (location.host) localStorage.setItem('switchyard.language', '{language}')")
        page.goto(visit.url)
        return visit

    def t(self, key: str, **params: object) -> str:
        """Return the page's words for `key`."""
        text = self.words[key]
        for name, value in params.items():
            text = text.replace(f"{{{name}}}", str(value))
        return text

    def question(self, name: str) -> str:
        """Return a question of the example company, in this variant's language."""
        return _QUESTIONS[name][("en", "es").index(self.language)]

    def button(self, key: str, inside: Locator | None = None) -> Locator:
        """Return the buttons that are called `key` in the catalogue."""
        return (inside or self.page).get_by_role("button", name=self.t(key), exact=True)

    def look(self, name: str, *, axe: bool = True) -> None:
        """Keep a picture of what is on the screen, and what axe finds in it."""
        picture = f"{self.number:02d}-{name}.{self.language}.{self.theme}.png"
        self.page.screenshot(path=self.folder / picture, animations="disabled")
        self.pictures.append({"file": picture, "item": self.item, "language": self.language, "theme": self.theme})
        if not axe:
            return
        for each in Axe().run(self.page).response["violations"]:
            targets = [str(node["target"]) for node in each["nodes"]]
            found = Finding(picture=picture, rule=each["id"], impact=each["impact"] or "minor", targets=targets)
            self.findings.append(found)

    def sign_in(self, password: str | None = None) -> None:
        """Fill the form; with the right password, wait until the page is connected."""
        page = self.page
        for _ in range(30):
            page.locator("input[autocomplete=username]").fill(self.username)
            page.locator("input[type=password]").fill(password or self.password)
            page.locator("button[type=submit]").click()
            told = page.locator(".connection, .door [role=alert]").first
            told.wait_for()
            if password or page.locator(".connection").count():
                break
            # One name may sign in only so often a minute; the page says so.
            time.sleep(1.5)
        if not password:
            self.connected()

    def connected(self) -> None:
        """Wait until the page hears the server."""
        expect(self.page.locator(".connection")).to_have_attribute("data-phase", "open", timeout=PATIENCE_MS)

    def afresh(self) -> None:
        """Begin an item: the desk's screen, the empty page, everything closed."""
        width, height = DESK
        self.context.set_offline(False)
        self.page.unroute_all()
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.goto("about:blank")
        self.page.goto(self.url)
        if self.page.locator(".door").count():
            self.sign_in()
        self.connected()
        expect(self.page.locator(".suggestions button").first).to_be_visible()

    def ask(self, question: str) -> None:
        """Send a question the way a person does."""
        self.page.locator("#question").fill(question)
        self.page.keyboard.press("Enter")

    def answered(self, question: str) -> Locator:
        """Ask, wait for the whole answer, and return its turn."""
        before = self.page.locator(".turn").count()
        self.ask(question)
        expect(self.page.locator(".turn")).to_have_count(before + 1)
        return self.ended("completed")

    def ended(self, state: str) -> Locator:
        """Wait until the newest turn has come to `state`, and return it."""
        turn = self.page.locator(".turn").last
        expect(turn).to_have_attribute("data-state", state, timeout=PATIENCE_MS)
        return turn

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Call the API as the person on the page."""
        kept = json.loads(self.page.evaluate("sessionStorage.getItem('switchyard.session')"))
        headers = {"Authorization": f"Bearer {kept['access']}"}
        answer = self.context.request.post(f"{self.url}{path}", data=body, headers=headers)
        must(answer.ok, f"{path}: {answer.status} {answer.text()[:200]}")
        return dict(answer.json())

    def conversation(self) -> str:
        """Return the id of the conversation on the screen, from the page's address."""
        self.page.wait_for_url("**/#c=**")
        return self.page.url.split("#c=")[1].split("&")[0]

    def no_sideways(self) -> None:
        """Fail when the page or the thread scrolls sideways."""
        for place in ("document.scrollingElement", "document.querySelector('.thread')"):
            must(self.page.evaluate(f"{place}.scrollWidth <= {place}.clientWidth"), f"{place} scrolls sideways")
