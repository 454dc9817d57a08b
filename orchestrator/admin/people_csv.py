"""People as a table: told without what opens a door, and taken without passwords."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from django.contrib.admin.models import ADDITION, LogEntry
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from orchestrator.admin.transfer import FileRefusedError, Line, refuse_if_any
from orchestrator.tenants.models import Tenant, User

REQUIRED: Final = ("username",)
#: `password` is read only to be refused.
OPTIONAL: Final = ("email", "first_name", "last_name", "language", "roles", "password")
HEADER: Final = ("username", "email", "first_name", "last_name", "language", "roles", "tenant", "active", "last_login")
NEEDS: Final = (
    "A CSV file whose first line names the column username and, if you like, email, first_name, last_name, language"
    " (en or es) and roles (with spaces between). Names that are taken are refused. Nobody of it can sign in until a"
    " password is set on the person's page or by `switchyard user password`: passwords do not belong in a file."
)


def told(people: Iterable[User]) -> list[Sequence[object]]:
    """Return what `HEADER` names of each."""
    return [
        (
            person.username,
            person.email,
            person.first_name,
            person.last_name,
            person.language,
            " ".join(map(str, person.roles)),
            person.tenant.slug,
            person.is_active,
            person.last_login.isoformat() if person.last_login else "",
        )
        for person in people
    ]


def add(given: Sequence[Line], *, tenant: Tenant, by: User, file: str) -> int:
    """Add the people of a file, none of whom can sign in yet, and return how many.

    Raises:
        FileRefusedError: a line is wrong, or names somebody who is there already.
    """
    people = [_person(line, tenant) for line in given]
    wrong: list[str] = []
    first: dict[str, int] = {}
    names = [person.username for person in people]
    taken = set(User.objects.filter(username__in=names).values_list("username", flat=True))
    for line, person in zip(given, people, strict=True):
        said = _wrong(line, person)
        if person.username in taken:
            said.append("this name is taken")
        if person.username in first:
            said.append(f"line {first[person.username]} has the same name")
        first.setdefault(person.username, line.number)
        wrong += [f"Line {line.number}: {each}." for each in said]
    refuse_if_any(wrong)
    try:
        with transaction.atomic():
            made = User.objects.bulk_create(people)
            LogEntry.objects.log_actions(by.pk, made, ADDITION, change_message=f"Imported from {file}.")
    except IntegrityError as exc:
        raise FileRefusedError("One of the names was taken just now. Upload the file again to see which.") from exc
    return len(made)


def _person(line: Line, tenant: Tenant) -> User:
    cells = line.cells
    person = User(
        tenant=tenant,
        username=User.normalize_username(cells["username"]),
        email=cells["email"],
        first_name=cells["first_name"],
        last_name=cells["last_name"],
        language=cells["language"].lower(),
        roles=cells["roles"].split(),
    )
    person.set_unusable_password()
    return person


def _wrong(line: Line, person: User) -> list[str]:
    said = ["a password does not belong in a file"] if line.cells["password"] else []
    try:
        # Names that are taken are looked up for all lines at once.
        person.full_clean(exclude={"password", "tenant"}, validate_unique=False)
    except ValidationError as exc:
        said += [f"{field}: {text.rstrip('.')}" for field, texts in exc.message_dict.items() for text in texts]
    return said
