"""A newcomer's first minutes, measured: fresh clone, empty data folder, one command, three questions.

    python3 bench/fresh_start.py [--keep] [repository]

Standard library only, as it runs before anything is installed. Prints one JSON
object. Downloads are what pip says it downloaded, with an empty cache of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

# ruff: noqa: S310 - every address below is http://127.0.0.1
QUESTIONS = {
    "sql": "Net sales by branch last month",
    "rag": "How long do guests have to ask for a refund?",
    "chat": "Hello, what can you do?",
}
LIMIT_S = 1800


def main() -> int:
    """Measure one fresh start and return an exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("repository", nargs="?", default=str(Path(__file__).resolve().parent.parent))
    parser.add_argument("--keep", action="store_true", help="leave the clone for a look")
    arguments = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="switchyard-fresh-"))
    clone = home / "clone"
    subprocess.run(["git", "clone", "-q", arguments.repository, str(clone)], check=True)
    port, flower = _free_port(), _free_port()
    environ = {
        **os.environ,
        "PORT": str(port),
        "FLOWER_PORT": str(flower),
        "PIP_CACHE_DIR": str(home / "pip"),
    }
    for name in ("DATABASE_URL", "REDIS_URL", "SWITCHYARD_DATA_DIR"):
        environ.pop(name, None)
    began = time.monotonic()
    log = (home / "run.log").open("wb")
    running = subprocess.Popen(
        ["make", "run", f"PYTHON={sys.executable}"],
        cwd=clone,
        env=environ,
        stdout=log,
        stderr=log,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    found: dict[str, Any] = {"user": "root" if os.geteuid() == 0 else "ordinary"}
    try:
        base = f"http://127.0.0.1:{port}"
        _wait(lambda: _status(f"{base}/readyz") == 200, running, home)
        found["minutes_until_ready"] = round((time.monotonic() - began) / 60, 2)
        found["page_answers"] = _status(f"{base}/") == 200
        token = _post(f"{base}/api/auth/token", {"username": "demo", "password": "demo"})["access"]
        # Documents are read and embedded after the start: the first rag question waits for them, unmeasured.
        _wait(lambda: _indexed(base, token), running, home)
        found["minutes_until_documents_indexed"] = round((time.monotonic() - began) / 60, 2)
        found["first_answer_s"] = {kind: _ask(base, token, text) for kind, text in QUESTIONS.items()}
        time.sleep(20)
        found["memory_pss_mb"] = _pss_mb(_members(clone))
        found["downloaded_mb"] = _downloaded_mb(clone / ".venv" / "pip.log")
    finally:
        os.killpg(running.pid, signal.SIGINT)
        running.wait(60)
        log.close()
    found["stopped"] = running.returncode
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    if not arguments.keep:
        shutil.rmtree(home, ignore_errors=True)
    return 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(true: Any, running: subprocess.Popen[bytes], home: Path) -> None:
    until = time.monotonic() + LIMIT_S
    while not true():
        if running.poll() is not None or time.monotonic() > until:
            sys.stderr.write((home / "run.log").read_text(errors="replace")[-3000:])
            raise SystemExit("the start failed")
        time.sleep(0.5)


def _status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as exc:
        return exc.code
    except OSError:
        return 0


def _call(request: urllib.request.Request) -> dict[str, Any]:
    with urllib.request.urlopen(request, timeout=30) as answer:
        body: dict[str, Any] = json.loads(answer.read())
        return body


def _post(url: str, body: dict[str, Any], token: str = "", key: str = "") -> dict[str, Any]:
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    if key:
        headers["Idempotency-Key"] = key
    return _call(urllib.request.Request(url, json.dumps(body).encode(), headers))


def _get(url: str, token: str) -> dict[str, Any]:
    return _call(urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"}))


def _indexed(base: str, token: str) -> bool:
    items = _get(f"{base}/api/documents?limit=200", token)["items"]
    return bool(items) and all(item["state"] == "indexed" for item in items)


def _ask(base: str, token: str, text: str) -> float:
    conversation = _post(f"{base}/api/conversations", {}, token)["id"]
    began = time.monotonic()
    url = f"{base}/api/conversations/{conversation}/turns"
    turn = _post(url, {"text": text}, token, key=f"{time.time_ns()}")["turn"]
    name = turn["id"] if isinstance(turn, dict) else turn
    while True:
        state = _get(f"{base}/api/turns/{name}", token)
        if state["state"] not in ("queued", "running"):
            break
        time.sleep(0.02)
    if state["state"] != "completed":
        raise SystemExit(f"{text!r} ended {state['state']}: {state.get('error')}")
    return round(time.monotonic() - began, 2)


def _members(clone: Path) -> list[int]:
    """Return the processes of this start: those that work in the clone, and its PostgreSQL, wherever it lies."""
    homes = [str(clone)]
    servers = clone / ".switchyard" / "servers.json"
    if servers.exists():
        homes.append(json.loads(servers.read_text()).get("postgres_home") or str(clone))
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                where = os.readlink(entry / "cwd")
            except OSError:
                continue
            if any(where == home or where.startswith(home + "/") for home in homes):
                found.append(int(entry.name))
    return found


def _pss_mb(processes: list[int]) -> int:
    total_kb = 0
    for process in processes:
        try:
            text = Path(f"/proc/{process}/smaps_rollup").read_text()
        except OSError:
            continue
        match = re.search(r"^Pss:\s+(\d+)", text, re.MULTILINE)
        total_kb += int(match.group(1)) if match else 0
    return total_kb // 1024


def _downloaded_mb(log: Path) -> float:
    """Return what pip says it downloaded; a wheel that lies on the machine (torch here) is counted by its size."""
    units = {"kB": 0.001, "MB": 1.0, "GB": 1000.0, "bytes": 0.000001}
    text = log.read_text(errors="replace")
    found = re.findall(r"Downloading \S+ \((?:[\d.]+ \w+/)?([\d.]+) (kB|MB|GB|bytes)\)", text)
    fetched = sum(float(size) * units[unit] for size, unit in found)
    # An index whose files lie on this machine downloads nothing: then the wheels' sizes are what others download.
    local = {path for path in re.findall(r"Processing (\S+\.(?:whl|tar\.gz))", text) if os.path.isfile(path)}
    return round(fetched + sum(os.path.getsize(path) for path in local) / 1e6, 1)


if __name__ == "__main__":
    raise SystemExit(main())
