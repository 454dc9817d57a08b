"""`make drill`: break everything under load, and judge what became of each accepted turn."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Final

import httpx

from tests.drill import faults, ledger, options, people, planner, report
from tests.drill.clients import Client, Pace
from tests.drill.facts import Clock, Facts, Strike
from tests.drill.faults_kind import Fault
from tests.drill.judge import judge
from tests.drill.line import Crowd
from tests.drill.options import Options
from tests.drill.people import TENANTS, Login
from tests.drill.questions import DEADLINE_MS
from tests.drill.world import World
from tests.stack import CHECKOUT

#: Clients for each question a second: enough that some are free while others wait out a fault.
_CLIENTS_PER_RATE: Final = 8
#: After the last question: the longest deadline, and what a sweep and a relay may take after it.
_SETTLE_S: Final = DEADLINE_MS / 1000 + 45
#: How long the rows may be ahead of what the clients have heard.
_HEAR_S: Final = 25.0


def main(arguments: Sequence[str]) -> int:
    """Run the drill and return 0 when it is green."""
    try:
        asked = options.parse(arguments)
        chosen = faults.chosen(asked.only)
    except ValueError as exc:
        _say(str(exc))
        return 2
    if asked.sum:
        whole = report.add_up([report.read(path) for path in asked.sum])
        _say(report.page(whole))
        return 0 if whole.verdict.green else 1
    # Told to stop, it ends its world in order all the same.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = Path(tempfile.mkdtemp(prefix="switchyard-drill-"))
    try:
        return _run(asked, chosen, folder)
    except KeyboardInterrupt:
        _say(f"Stopped: no verdict. What was written lies in {folder}")
        return 130


def _run(asked: Options, chosen: Sequence[Fault], folder: Path) -> int:
    began_s = time.monotonic()
    facts = Facts(
        seed=asked.seed,
        minutes=asked.minutes,
        commit=_commit(),
        wanted=() if asked.calm or asked.minutes <= planner.SHORT_MINUTES else tuple(faults.kinds(chosen)),
        began=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    )
    _say(f"Starting the world in {folder}")
    with World(folder, random.Random(asked.seed)) as world:
        world.wait_ready()
        people.give_documents(world.base_urls[0])
        _say(f"Ready after {time.monotonic() - began_s:.0f} s; asking for {asked.minutes:g} minutes")
        asyncio.run(_drill(world, asked, () if asked.calm else chosen, facts))
    verdict = judge(facts)
    keeps = asked.keep or not verdict.green
    done = report.report_of(facts, verdict, took_s=time.monotonic() - began_s, kept=str(folder) if keeps else "")
    if keeps:
        (folder / "facts.json").write_text(json.dumps(asdict(facts), indent=0), encoding="utf-8")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    asked.report.mkdir(parents=True, exist_ok=True)
    stem = f"drill-seed{asked.seed}-{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%S}"
    (asked.report / f"{stem}.json").write_text(done.as_json(), encoding="utf-8")
    (asked.report / f"{stem}.txt").write_text(report.page(done), encoding="utf-8")
    _say("\n" + report.page(done))
    _say(f"Report: {asked.report / stem}.json")
    return 0 if verdict.green else 1


async def _drill(world: World, asked: Options, chosen: Sequence[Fault], facts: Facts) -> None:
    """Let clients ask while faults strike, wait until all is over, and write down what everybody knows."""
    clock, rng = Clock(), random.Random(asked.seed)
    limits = httpx.Limits(max_connections=50)
    async with httpx.AsyncClient(timeout=15, limits=limits) as http:
        crowd = Crowd(
            base_urls=world.base_urls,
            facts=facts,
            clock=clock,
            http=http,
        )
        pace = Pace(asked.rate, random.Random(rng.random()))
        logins = [Login(name, world.base_urls, http) for name in people.usernames()]
        count = max(len(logins), round(asked.rate * _CLIENTS_PER_RATE))
        clients = [
            Client(crowd, logins[index % len(logins)], pace, index=index, rng=random.Random(rng.random()))
            for index in range(count)
        ]
        running = [asyncio.create_task(client.run()) for client in clients]
        await _strike(world, asked, chosen, facts, clock)
        facts.asking_s = clock.now()
        crowd.closing.set()
        _say(f"Asked {len(facts.questions)} questions; waiting until each has ended")
        await _settle(world, clients)
        crowd.over.set()
        for outcome in await asyncio.gather(*running, return_exceptions=True):
            if isinstance(outcome, BaseException):
                facts.broken.append(f"a client: {outcome!r}")
    facts.counts = dict(crowd.counts)
    _collect(world, facts, clock)


async def _strike(world: World, asked: Options, chosen: Sequence[Fault], facts: Facts, clock: Clock) -> None:
    """Let the faults strike, and return when the minutes are over and everything is healed."""
    schedule = planner.plan(asked.minutes, asked.seed, [fault.kind for fault in chosen])
    lasts = asyncio.create_task(asyncio.sleep(schedule.length_s))

    def told(strike: Strike) -> None:
        facts.strikes.append(strike)
        _say(
            f"{strike.started_s:7.1f} s  {strike.kind} {strike.target}, {strike.healed_s - strike.started_s:.1f} s"
            + (f": NOT DONE, {strike.failed}" if strike.failed else "")
        )

    if chosen:
        await faults.play(world, schedule, clock=clock, told=told, rng=random.Random(asked.seed + 1))
    await lasts


async def _settle(world: World, clients: Sequence[Client]) -> None:
    """Return once each turn has ended and its client knows, or when that takes longer than it ever may."""
    until_s = time.monotonic() + _SETTLE_S
    while time.monotonic() < until_s:
        with suppress(OSError):
            if await asyncio.to_thread(ledger.open_turns, world.database_url, TENANTS) == 0:
                break
        await asyncio.sleep(1)
    until_s = time.monotonic() + _HEAR_S
    while time.monotonic() < until_s:
        untold = await asyncio.to_thread(ledger.untold_endings, world.database_url)
        if not untold and not any(client.open_turns() for client in clients):
            break
        await asyncio.sleep(1)


def _collect(world: World, facts: Facts, clock: Clock) -> None:
    facts.turns = ledger.turn_rows(world.database_url, TENANTS, clock)
    facts.stages = ledger.stage_rows(world.database_url, TENANTS, clock)
    facts.executions = ledger.warehouse_executions(world.warehouse_log, clock)
    facts.executions += ledger.llm_executions(world.llm.asked(), clock)
    for death in world.deaths():
        if death.name == "llm-fake":
            facts.broken.append(f"the language-model server ended: {death.how}")
        elif not death.told:
            at_s = clock.of_wall(death.at_s)
            facts.deaths.append(f"{death.name} ({at_s:.1f} s, {death.how}, lived {death.lived_s:.0f} s)")


def _commit() -> str:
    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=CHECKOUT, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    return (git("rev-parse", "--short", "HEAD") or "unknown") + ("+" if git("status", "--porcelain") else "")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
