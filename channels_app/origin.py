"""Which web pages may open a socket. Pure.

A browser names the page in `Origin`, and no script can change it: without this
check any page a signed-in person visits could ask in their name.
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


def is_allowed(
    origin: str | None,
    *,
    host: str | None,
    allowed_origins: Collection[str],
    allowed_hosts: Collection[str],
    own_ports: Collection[int] = (),
) -> bool:
    """Return whether a handshake with these headers may go on.

    Args:
        origin: the `Origin` header; None (no browser) is allowed.
        host: the `Host` header; a page served under it is allowed, if it is one of `allowed_hosts`.
        allowed_origins: further `scheme://host[:port]`.
        allowed_hosts: the names this deployment answers to; without them a foreign name that resolves to our address
            (DNS rebinding) would make its pages "our own".
        own_ports: where the gateways of this deployment listen: a page of one may use the socket of another.
    """
    if origin is None:
        return True
    parts = _split(origin)
    if parts is None:
        return False
    if parts in {_split(entry) for entry in allowed_origins}:
        return True
    scheme, name, port = parts
    own = _split(f"{scheme}://{host}") if host else None
    known = "*" in allowed_hosts or name in {entry.strip("[]").lower() for entry in allowed_hosts}
    return known and own is not None and own[1] == name and (own[2] == port or port in own_ports)


def _split(origin: str) -> tuple[str, str, int] | None:
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or parts.path not in ("", "/"):
        return None
    return parts.scheme, parts.hostname.lower(), port or _DEFAULT_PORTS[parts.scheme]
