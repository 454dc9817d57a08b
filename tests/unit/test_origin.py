"""Which pages may open a socket."""

from __future__ import annotations

import pytest

from channels_app.auth import preferred_language
from channels_app.origin import is_allowed


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        (None, "127.0.0.1:8000", True),
        ("http://127.0.0.1:8000", "127.0.0.1:8000", True),
        ("http://localhost:8000", "localhost:8000", True),
        ("http://127.0.0.1:8001", "127.0.0.1:8000", True),
        ("http://127.0.0.1:9000", "127.0.0.1:8000", False),
        ("http://localhost:8000", "127.0.0.1:8000", False),
        ("https://example.com", "example.com", True),
        ("https://EXAMPLE.com", "example.com:443", True),
        ("http://[::1]:8000", "[::1]:8000", True),
        ("https://partner.example", "127.0.0.1:8000", True),
        ("http://partner.example", "127.0.0.1:8000", False),
        ("https://evil.example", "127.0.0.1:8000", False),
        # DNS rebinding: the foreign name resolves to us, so Origin and Host agree.
        ("http://evil.example", "evil.example", False),
        ("null", "127.0.0.1:8000", False),
        ("file://", "127.0.0.1:8000", False),
        ("", "127.0.0.1:8000", False),
        ("http://127.0.0.1:99999", "127.0.0.1:99999", False),
        ("http://127.0.0.1:8000/evil", "127.0.0.1:8000", False),
        ("http://127.0.0.1:8000", None, False),
    ],
)
def test_only_our_own_and_named_pages_are_allowed(origin: str | None, host: str | None, allowed: bool) -> None:
    found = is_allowed(
        origin,
        host=host,
        allowed_origins=("https://partner.example",),
        allowed_hosts=("127.0.0.1", "localhost", "[::1]", "example.com"),
        own_ports=range(8000, 8002),
    )

    assert found is allowed


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("es", "es"),
        ("es-AR,es;q=0.9,en;q=0.8", "es"),
        ("fr, es;q=0.4, en;q=0.5", "en"),
        ("de-DE, de;q=0.9", "en"),
        ("es;q=0", "en"),
        ("es;q=banana, en", "en"),
        ("ES", "es"),
    ],
)
def test_the_language_wanted_most_is_chosen(header: str, language: str) -> None:
    assert preferred_language(header) == language
