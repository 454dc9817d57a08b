"""Tests: the real servers, fast password hashing."""

from settings.base import *  # noqa: F403 - Django's own way of layering settings
from settings.base import SWITCHYARD as _ENVIRONMENT

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# The tests' PostgreSQL is thrown away with the run and waits for no disk.
SWITCHYARD = _ENVIRONMENT.model_copy(update={"start_despite": (*_ENVIRONMENT.start_despite, "postgres-fsync")})
