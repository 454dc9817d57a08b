"""The secrets of one installation, made at its first start and kept."""

import secrets
from collections.abc import Callable, Mapping

from deploy.folder import DataFolder, read_private, write_private

#: Field of the product's settings -> how its value is made once. The names are those of `settings/env.py`.
GENERATED: Mapping[str, Callable[[], str]] = {
    "secret_key": lambda: secrets.token_urlsafe(48),
    "jwt_key": lambda: secrets.token_urlsafe(48),
    "field_key": lambda: secrets.token_urlsafe(48),
    "flower_password": lambda: secrets.token_urlsafe(12),
}


def product_secrets(
    folder: DataFolder, addresses: Mapping[str, str], setup_only: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return what the settings are to read from `folder.secrets`, written there with missing keys made.

    `addresses` (`database_url`, `redis_url`) belong to this start and replace what an earlier one left: a private
    server may have moved to another port. An address that is not given is removed. `setup_only` is for the steps of
    the set-up: it stands in `folder.setup_secrets`, which no lasting process is told of.
    """
    stored = {name: str(value) for name, value in read_private(folder.secrets).items() if name in GENERATED}
    content = {name: stored.get(name) or make() for name, make in GENERATED.items()} | dict(addresses)
    write_private(folder.secrets, content)
    write_private(folder.setup_secrets, content | dict(setup_only or {}))
    return content
