"""Walk through the chat page of a running start and keep a picture of every state.

    SWITCHYARD_LLM_PACE_S=0.12 make run          # slow enough to see the words come and a question wait
    python -m bench.tour --out build/tour [--url http://127.0.0.1:8000] [--user demo] [--password demo]
                         [--only chart] [--language es] [--theme dark]

Every item is done in English and Spanish, light and dark, as a person does it, on the example company; its
conversations stay. Three things are arranged: the lists of a person who has nothing yet (`empty`) are answered with
empty ones, the socket and then the network are cut (`reconnect`), and the turn that fails (`failure`) was given less
time than the writer needs. axe runs on every state that holds still. `--out` gets the pictures, `index.json` and
`index.html`.

Exit code 1 when an item did not work, a script threw, the policy blocked something, or axe found something serious.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from playwright.sync_api import sync_playwright

from bench.page import CHROMIUM, FLAGS
from bench.tour import answers, asking, places  # noqa: F401 - each puts its items into the list
from bench.tour.album import write_album
from bench.tour.items import ITEMS
from bench.tour.visit import Visit

ORDER = [
    *("door", "examples", "abilities", "stages", "sql", "table", "chart", "citation", "stop", "failure", "no-answer"),
    *("edit", "regenerate", "thumbs", "documents", "waiting", "reconnect", "conversations", "empty", "long"),
    *("phone", "tablet", "wide", "keyboard"),
]
LANGUAGES: tuple[Literal["en", "es"], ...] = ("en", "es")
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
SERIOUS = ("serious", "critical")


def walk(visit: Visit, only: list[str]) -> list[str]:
    """Do the items of one variant, a line each; return those that did not work."""
    failed: list[str] = []
    for number, name in enumerate(ORDER, start=1):
        if only and name not in only:
            continue
        began = time.monotonic()
        visit.number, visit.item, visit.faults[:] = number, name, []
        problem = ""
        try:
            if name != "door":
                visit.afresh()
            ITEMS[name](visit)
        except Exception as error:  # the other items can still be looked at
            problem = str(error).strip().split("\nCall log")[0].replace("\n", " ")[:300]
            visit.page.screenshot(path=visit.folder / f"failed-{name}.{visit.language}.{visit.theme}.png")
        problem = problem or "; ".join(visit.faults)
        if problem:
            failed.append(f"{name}.{visit.language}.{visit.theme}")
        took = time.monotonic() - began
        print(
            f"{'FAILED' if problem else 'ok':6} {name} {visit.language} {visit.theme} {took:.1f} s {problem}",
            flush=True,
        )
    return failed


def main() -> int:
    """Take the tour and return an exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--user", default="demo")
    parser.add_argument("--password", default="demo")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", action="append", default=[], choices=ORDER)
    parser.add_argument("--language", action="append", choices=LANGUAGES)
    parser.add_argument("--theme", action="append", choices=THEMES)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    visits: list[Visit] = []
    failed: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        for language in arguments.language or LANGUAGES:
            for theme in arguments.theme or THEMES:
                where = {"url": arguments.url.rstrip("/"), "username": arguments.user, "password": arguments.password}
                visit = Visit.begin(browser, language=language, theme=theme, folder=arguments.out, **where)
                visits.append(visit)
                failed += walk(visit, arguments.only)
                visit.context.close()
        browser.close()
    findings = [finding for visit in visits for finding in visit.findings]
    for finding in findings:
        print(f"axe {finding.impact}: {finding.rule} in {finding.picture}: {', '.join(finding.targets[:3])}")
    counts = {
        name: Counter(each.impact for each in findings)[name] for name in ("critical", "serious", "moderate", "minor")
    }
    pictures = [picture for visit in visits for picture in visit.pictures]
    result = {"failed": failed, "axe": counts, "findings": [asdict(finding) for finding in findings]}
    write_album(arguments.out, pictures, result)
    items = len(arguments.only or ORDER) * len(visits)
    print(
        f"{items - len(failed)} of {items} items ok ({len(visits)} variants), {len(pictures)} pictures; axe: "
        + ", ".join(f"{count} {impact}" for impact, count in counts.items())
    )
    return 1 if failed or any(finding.impact in SERIOUS for finding in findings) else 0


if __name__ == "__main__":
    sys.exit(main())
