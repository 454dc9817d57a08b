"""Tests: the real servers, fast password hashing."""

from settings.base import *  # noqa: F403 - Django's own way of layering settings

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
