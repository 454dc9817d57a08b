"""Say what the page may load: its own files and nothing else."""

from csp.utils import build_policy

#: Everything is forbidden first, so that a new kind of resource fails closed.
#: `require-trusted-types-for` makes the browser refuse any HTML string that has
#: not been through DOMPurify, whoever forgets to call it.
POLICY: dict[str, list[str]] = {
    "default-src": ["'none'"],
    "script-src": ["'self'"],
    "style-src": ["'self'"],
    "img-src": ["'self'", "data:"],
    "connect-src": ["'self'"],
    "font-src": ["'self'"],
    "base-uri": ["'none'"],
    "form-action": ["'self'"],
    "frame-ancestors": ["'none'"],
    "require-trusted-types-for": ["'script'"],
    "trusted-types": ["dompurify"],
}


def policy_header() -> str:
    """Return the policy as the value of a `Content-Security-Policy` header."""
    return build_policy(config=POLICY)
