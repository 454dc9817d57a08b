"""Who asks in the drill: two tenants with their users and a document, and fresh tokens for as long as it lasts."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from orchestrator.tenants.models import Tenant

TENANTS = ("drill-one", "drill-two")
USERS_A_TENANT = 4
PASSWORD = "drill"
DOCUMENT = """# Policy of the drill

## Questions

Every drill question has a number, and the policy says that an answer repeats that number.

## Faults

What the policy says about faults: they strike in random order, and no question is lost.
"""
#: Tokens live for 900 s unless set otherwise.
_RENEW_S = 400.0


def make_people() -> dict[str, Tenant]:
    """Create tenants and users in the platform's database, and return the tenants by slug."""
    # Models can be imported only once the world has said which database they are in.
    from orchestrator.tenants.models import Tenant, User

    tenants = {slug: Tenant.objects.get_or_create(slug=slug, defaults={"name": slug.title()})[0] for slug in TENANTS}
    for slug, tenant in tenants.items():
        for index in range(USERS_A_TENANT):
            user, made = User.objects.get_or_create(
                username=f"{slug}-{index}", defaults={"tenant": tenant, "language": "en"}
            )
            if made:
                user.set_password(PASSWORD)
                user.save()
    return tenants


def usernames() -> list[str]:
    """Return every user, the tenants taking turns."""
    return [f"{slug}-{index}" for index in range(USERS_A_TENANT) for slug in TENANTS]


def give_documents(base_url: str, *, limit_s: float = 60.0) -> None:
    """Upload the policy for each tenant and return once it can be found.

    Raises:
        TimeoutError: it was not read in `limit_s`.
    """
    with httpx.Client(base_url=base_url, timeout=20) as http:
        for slug in TENANTS:
            answer = http.post("/api/auth/token", json={"username": f"{slug}-0", "password": PASSWORD})
            answer.raise_for_status()
            headers = {"Authorization": f"Bearer {answer.json()['access']}"}
            files = {"file": ("policy.md", f"{DOCUMENT}\nThis copy belongs to {slug}.\n", "text/markdown")}
            given = http.post("/api/documents", files=files, headers=headers)
            given.raise_for_status()
            until = time.monotonic() + limit_s
            while True:
                state = http.get(f"/api/documents/{given.json()['id']}", headers=headers).json()
                if state.get("state") == "indexed":
                    break
                if time.monotonic() > until or state.get("state") == "failed":
                    raise TimeoutError(f"the drill's document is not indexed: {state}")
                time.sleep(0.3)


@dataclass(slots=True)
class Login:
    """One user's token, renewed before it expires; many clients share it."""

    username: str
    base_urls: tuple[str, ...]
    http: httpx.AsyncClient
    _token: str = ""
    _taken_s: float = 0.0
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def token(self, *, fresh: bool = False) -> str:
        """Return a token with some minutes to live, asking for it as long as nobody gives one."""
        async with self._lock:
            age_s = time.monotonic() - self._taken_s
            if self._token and age_s < (5.0 if fresh else _RENEW_S):
                return self._token
            server = 0
            while True:
                with contextlib.suppress(httpx.HTTPError, KeyError, ValueError):
                    answer = await self.http.post(
                        f"{self.base_urls[server % len(self.base_urls)]}/api/auth/token",
                        json={"username": self.username, "password": PASSWORD},
                    )
                    self._token = answer.json()["access"]
                    self._taken_s = time.monotonic()
                    return self._token
                server += 1
                await asyncio.sleep(1.0)
