"""What the terminal knows of a turn: fed with the socket's events, without I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Frame = Mapping[str, Any]  # Any: the wire's own JSON shapes
Ending = Literal["completed", "failed", "cancelled"]


@dataclass(slots=True, kw_only=True)
class StageView:
    """One stage of one attempt."""

    name: str
    attempt: int
    state: Literal["running", "done", "stopped"] = "running"
    worker: str = ""
    queue_wait_ms: int = 0
    duration_ms: int | None = None
    summary: str = ""
    hint: str = ""


@dataclass(slots=True, kw_only=True)
class TurnView:
    """A turn as far as its events have told."""

    turn: str | None = None
    conversation: str | None = None
    stages: list[StageView] = field(default_factory=list)
    #: Plain words on what the turn waits for, while it waits.
    waiting_for: str = ""
    position: int | None = None
    expected_wait_ms: int | None = None
    route: str = ""
    confidence: float | None = None
    artifacts: list[dict[str, Any]] = field(default_factory=list)
    text: str = ""
    citations: list[dict[str, Any]] = field(default_factory=list)
    usage: dict[str, Any] = field(default_factory=dict)
    timeline: dict[str, Any] = field(default_factory=dict)
    ending: Ending | None = None
    error: dict[str, Any] | None = None
    reached: list[str] = field(default_factory=list)

    def apply(self, frame: Frame) -> None:
        """Take one event; those of other turns, and types nobody knows yet, change nothing."""
        data = frame.get("data", {})
        if self.turn is None or data.get("turn") != self.turn or self.ending is not None:
            return
        match frame["type"]:
            case "turn.queued":
                self.waiting_for = str(data["waiting_for"])
                self.position = data.get("position")
                self.expected_wait_ms = data.get("expected_wait_ms")
            case "stage.started":
                self._start(data)
            case "stage.progress":
                self._progress(data)
            case "stage.finished":
                self._finish(data)
            case "turn.routed":
                self.route, self.confidence = str(data["route"]), data.get("confidence")
            case "artifact.ready":
                self.artifacts = [a for a in self.artifacts if a["artifact"] != data["artifact"]] + [dict(data)]
            case "message.started":
                self.text = ""
            case "message.delta":
                # Code points that are here already are not taken twice.
                if data["index"] <= len(self.text):
                    self.text = self.text[: data["index"]] + data["text"]
            case "message.completed":
                self._end("completed", data)
                self.text = str(data["text"])
                self.citations, self.usage = list(data.get("citations", ())), dict(data.get("usage") or {})
            case "turn.failed" | "turn.cancelled":
                self._end("failed" if frame["type"] == "turn.failed" else "cancelled", data)
                self.error = {name: data.get(name) for name in ("code", "message", "retryable")}
                self.reached = list(data.get("reached", ()))

    def restore(self, turn: Mapping[str, Any]) -> None:
        """Take the contract's Turn, after the events were lost."""
        self.text = turn.get("answer") or turn.get("partial") or ""
        self.route = turn.get("route") or self.route
        self.artifacts = [{**artifact, "artifact": artifact["id"]} for artifact in turn.get("artifacts", ())]
        if turn["state"] in ("completed", "failed", "cancelled"):
            self._end(turn["state"], turn)
            self.citations, self.usage = list(turn.get("citations") or ()), dict(turn.get("usage") or {})
            self.error = turn.get("error")

    def _start(self, data: Mapping[str, Any]) -> None:
        self.waiting_for, self.position = "", None
        self.stages.append(
            StageView(
                name=str(data["stage"]),
                attempt=int(data.get("attempt", 1)),
                worker=str(data.get("worker", "")),
                queue_wait_ms=int(data.get("queue_wait_ms", 0)),
            )
        )

    def _progress(self, data: Mapping[str, Any]) -> None:
        if data.get("position") is not None and self.waiting_for:
            self.position = data["position"]
        if self.stages and self.stages[-1].name == data.get("stage"):
            percent = data.get("percent")
            self.stages[-1].hint = str(data.get("text") or (f"{percent} %" if percent is not None else ""))

    def _finish(self, data: Mapping[str, Any]) -> None:
        open_ = [s for s in self.stages if s.name == data["stage"] and s.state == "running"]
        stage = open_[-1] if open_ else StageView(name=str(data["stage"]), attempt=int(data.get("attempt", 1)))
        if not open_:
            self.stages.append(stage)
        stage.state = "done"
        stage.duration_ms, stage.summary = data.get("duration_ms"), str(data.get("summary", ""))

    def _end(self, ending: Ending, data: Mapping[str, Any]) -> None:
        self.ending, self.waiting_for = ending, ""
        self.timeline = dict(data.get("timeline") or {})
        for stage in self.stages:
            if stage.state == "running":
                stage.state = "done" if ending == "completed" else "stopped"

    def as_json(self) -> dict[str, Any]:
        """Return the turn's outcome for machines."""
        return {
            "turn": self.turn,
            "conversation": self.conversation,
            "state": self.ending,
            "route": self.route or None,
            "text": self.text,
            "artifacts": self.artifacts,
            "citations": self.citations,
            "usage": self.usage or None,
            "timeline": self.timeline or None,
            "error": self.error,
            "reached": self.reached,
        }
