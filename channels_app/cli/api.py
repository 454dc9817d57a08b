"""The HTTP half of the contract, for the command line."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import httpx

from channels_app.cli import credentials
from channels_app.cli.credentials import Credentials, SignInError

TIMEOUT_S = 30.0
_AGAIN = "sign in with `switchyard login`"


class ProblemError(Exception):
    """The server refused, and said why; or it could not be reached."""

    def __init__(self, code: str, detail: str, *, status: int = 0, cid: str = "") -> None:
        super().__init__(detail)
        self.code = code
        self.status = status
        self.cid = cid


class Api:
    """Calls in the name of whoever is signed in, or of an API key."""

    def __init__(
        self,
        server: str,
        *,
        folder: Path,
        signed: Credentials | None = None,
        key: str | None = None,
        language: str = "en",
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.server = server.rstrip("/")
        self.language = language
        self._folder = folder
        self._signed = signed
        self._key = key
        self._client = httpx.Client(
            base_url=self.server, timeout=TIMEOUT_S, headers={"Accept-Language": language}, transport=transport
        )

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self._client.close()

    def sign_in(self, username: str, password: str) -> Credentials:
        """Exchange a name and a password for tokens, and keep them.

        Raises:
            ProblemError: the server refuses or can't be reached.
        """
        made = self._ask("POST", "/api/auth/token", json={"username": username, "password": password}).json()
        return self._keep(username, made, signed_in_at=time.time())

    def sign_out(self) -> None:
        """Have the tokens taken back, and forget them; a server that is away is no hindrance."""
        if self._signed is not None:
            try:
                body = {"refresh": self._signed.refresh, "access": self._signed.access}
                self._ask("POST", "/api/auth/revoke", json=body)
            except ProblemError:
                pass
        credentials.forget(self._folder, self.server)

    def token(self, *, fresh: bool = False) -> str | None:
        """Return a good access token, renewed if need be; None when an API key is used instead.

        Raises:
            SignInError: nobody is signed in, or the sign-in has ended.
            ProblemError: the server can't be reached.
        """
        if self._key is not None:
            return None
        if self._signed is None:
            raise SignInError(f"Nobody is signed in to {self.server}: {_AGAIN}.")
        if fresh or self._signed.ends_soon():
            try:
                made = self._ask("POST", "/api/auth/refresh", json={"refresh": self._signed.refresh}).json()
            except ProblemError as problem:
                if problem.status == 401:
                    raise SignInError(f"The sign-in of {self._signed.username} has ended: {_AGAIN}.") from problem
                raise
            self._keep(self._signed.username, made, signed_in_at=self._signed.signed_in_at)
        return self._signed.access

    def call(self, method: str, path: str, **more: Any) -> Any:  # Any: httpx's own keywords; JSON
        """Return the JSON of an authorised call, None where there is none.

        Raises:
            SignInError: the credentials are no longer good.
            ProblemError: the server refuses or can't be reached.
        """
        try:
            response = self._ask(method, path, headers=self._headers(), **more)
        except ProblemError as problem:
            if problem.status != 401:
                raise
            if self._key is not None:
                raise SignInError(f"The API key is not accepted: {problem}") from problem
            response = self._ask(method, path, headers=self._headers(fresh=True), **more)
        return response.json() if response.content else None

    def ticket(self) -> str:
        """Return a one-time ticket for the socket; its refusal says why a socket is refused."""
        return str(self.call("POST", "/api/auth/ticket")["ticket"])

    def unreachable(self) -> ProblemError:
        """Return what a person is told when nothing answers."""
        return ProblemError(
            "unreachable",
            f"{self.server} does not answer. `make run` starts Switchyard in its folder;"
            " `--server ADDRESS` (or SWITCHYARD_SERVER) asks another one.",
        )

    def _headers(self, *, fresh: bool = False) -> dict[str, str]:
        token = self.token(fresh=fresh)
        return {"X-API-Key": self._key or ""} if token is None else {"Authorization": f"Bearer {token}"}

    def _ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        try:
            response = self._client.request(method, path, **more)
        except httpx.HTTPError as exc:
            raise self.unreachable() from exc
        if response.is_success:
            return response
        try:
            body = response.json()
            detail, code = str(body["detail"]), str(body["code"])
        except (ValueError, KeyError, TypeError):
            raise ProblemError("internal", f"{self.server} answered {response.status_code}.") from None
        raise ProblemError(code, detail, status=response.status_code, cid=str(body.get("cid", "")))

    def _keep(self, username: str, made: dict[str, Any], *, signed_in_at: float) -> Credentials:
        kept = Credentials(
            server=self.server,
            username=username,
            access=made["access"],
            refresh=made["refresh"],
            expires_at=time.time() + float(made["expires_in"]),
            signed_in_at=signed_in_at,
        )
        # Stored at once: the refresh token that was just spent must not be used again.
        credentials.save(self._folder, kept)
        self._signed = replace(kept)
        return kept
