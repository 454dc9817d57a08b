"""Opaque, unguessable ids that sort by time."""

from __future__ import annotations

import secrets
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def new_id(prefix: str) -> str:
    """Return `<prefix>_` and a ULID in lower case: 48 bits of milliseconds, then 80 random bits.

    The time in front keeps B-tree inserts local; the 80 bits make it unguessable.
    Source: the ULID specification (github.com/ulid/spec).
    """
    number = (int(time.time() * 1000) << 80) | secrets.randbits(80)
    letters = [_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5)]
    return f"{prefix}_{''.join(letters)}"


def tenant_id() -> str:
    """Return a new tenant's id (a named function, as migrations need one)."""
    return new_id("tnt")


def user_id() -> str:
    """Return a new user's id."""
    return new_id("usr")


def conversation_id() -> str:
    """Return a new conversation's id."""
    return new_id("cnv")


def turn_id() -> str:
    """Return a new turn's id."""
    return new_id("trn")


def artifact_id() -> str:
    """Return a new artifact's id."""
    return new_id("art")


def document_id() -> str:
    """Return a new document's id."""
    return new_id("doc")


def chunk_id() -> str:
    """Return a new chunk's id."""
    return new_id("chk")


def job_id() -> str:
    """Return a new job's id."""
    return new_id("job")


def key_id() -> str:
    """Return a new API key's id."""
    return new_id("key")


def family_id() -> str:
    """Return a new refresh-token family's id."""
    return new_id("fam")
