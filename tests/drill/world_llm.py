"""The drill's hold on the language model's server, which is a process of its own."""

from __future__ import annotations

from typing import Final

import httpx

from orchestrator.engines.llm_fake_server import Asked

#: What it does when no fault is on: a token each 50 ms.
USUAL: Final = "slow"


class LlmControl:
    """Tells `orchestrator.engines.llm_fake_server` how to behave, past all links."""

    def __init__(self, url: str) -> None:
        self.url = url

    def set_behaviour(self, name: str = USUAL) -> None:
        """Let it behave as the fake server's `Behaviour` of that name from the next request on."""
        httpx.post(f"{self.url}/control", json={"behaviour": name}, timeout=10).raise_for_status()

    def asked(self, after: int = 0) -> list[Asked]:
        """Return the requests it has seen after the first `after`, in order, with what became of them."""
        answer = httpx.get(f"{self.url}/control", params={"after": after}, timeout=30)
        answer.raise_for_status()
        return [Asked(**one) for one in answer.json()["asked"]]

    def answers(self) -> bool:
        """Tell whether it is up."""
        try:
            return httpx.get(f"{self.url}/health", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False
