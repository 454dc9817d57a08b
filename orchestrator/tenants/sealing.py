"""Keep a tenant's secret in a row: encrypted with the field key, readable by nobody who has only the database."""

from __future__ import annotations

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings

from orchestrator.errors import ConflictError

#: What an operator does about a row that was sealed with another key.
WAY_BACK = (
    "copy the value of `field_key` from the old installation's secrets.json into this one's (in the data folder; where"
    " SWITCHYARD_FIELD_KEY is set in the environment, that is what counts), then start again"
)


def seal(text: str) -> bytes:
    """Return `text` encrypted and authenticated."""
    return _fernet().encrypt(text.encode())


def unseal(sealed: bytes) -> str:
    """Return the text behind `sealed`.

    Raises:
        ConflictError: it was sealed with another field key.
    """
    try:
        return _fernet().decrypt(sealed).decode()
    except InvalidToken:
        raise ConflictError("sealed with another SWITCHYARD_FIELD_KEY") from None


def _fernet() -> Fernet:
    # The key is at least 32 random characters, so one hash makes Fernet's 32 bytes of it.
    digest = hashlib.sha256(settings.SWITCHYARD.field_key.get_secret_value().encode()).digest()
    return Fernet(base64.urlsafe_b64encode(digest))
