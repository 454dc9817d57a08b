"""How long a language model's server is waited for; apart, as configuring one must not load its client."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long to wait for the server; the turn's deadline bounds them all."""

    connect_s: float = 5.0
    #: From the request to the first text.
    first_token_s: float = 15.0
    #: From one text to the next.
    next_token_s: float = 10.0
