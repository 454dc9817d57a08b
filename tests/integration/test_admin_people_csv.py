"""People as a file: without passwords either way, all of it or nothing, and for one's own company."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from orchestrator import ids
from orchestrator.tenants.models import Tenant, User
from tests.integration.admin_kit import a_tenant, a_user, signed_in

MAY = ("view_user", "add_user", "change_user")
LISTING = "/admin/tenants/user/"


pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def client(tenant: Tenant) -> Client:
    return signed_in(a_user(tenant, *MAY, is_staff=True))


@pytest.fixture
def name() -> str:
    return ids.new_id("u")[-20:]


def upload(client: Client, text: str, tenant: Tenant) -> str:
    file = SimpleUploadedFile("people.csv", text.encode())
    return client.post(LISTING + "import/", {"tenant": tenant.pk, "file": file}, follow=True).content.decode()


def test_people_are_added_who_cannot_sign_in_yet_and_are_no_staff(client: Client, tenant: Tenant, name: str) -> None:
    heading = "Username,email,first_name,language,roles,is_staff,is_superuser"

    said = upload(client, f"{heading}\n{name},a@example.test,Ana,es,waiter kitchen,1,true\n", tenant)

    made = User.objects.get(username=name)
    assert "1 added" in said
    assert (made.tenant_id, made.email, made.first_name, made.language) == (tenant.pk, "a@example.test", "Ana", "es")
    assert made.roles == ["waiter", "kitchen"]
    assert (made.has_usable_password(), made.is_staff, made.is_superuser) == (False, False, False)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{name}2,x@example.test,en,secret", "Line 3: a password does not belong in a file."),
        ("{name}2,no address,en,", "Line 3: email: Enter a valid email address."),
        ("{name}2,,fr,", "Line 3: language: Value"),
        (",x@example.test,en,", "Line 3: username: This field cannot be blank."),
        ("{name},,en,", "Line 3: line 2 has the same name."),
        ("{taken},,en,", "Line 3: this name is taken."),
    ],
)
def test_a_wrong_line_adds_nobody(client: Client, tenant: Tenant, name: str, line: str, said: str) -> None:
    taken = a_user(a_tenant()).username
    wrong = line.format(name=name, taken=taken)

    answered = upload(client, f"username,email,language,password\n{name},,en,\n{wrong}\n", tenant)

    assert said in answered
    assert not User.objects.filter(username__startswith=name).exists()


def test_what_is_exported_holds_no_password_and_nobody_of_another_company(client: Client, tenant: Tenant) -> None:
    mine, theirs = a_user(tenant, first_name="=1+1"), a_user(a_tenant())

    text = client.get(LISTING + "csv/").content.decode()

    assert mine.username in text
    assert "'=1+1" in text
    assert theirs.username not in text
    assert mine.password not in text


def test_people_are_added_to_ones_own_company_alone(client: Client, name: str) -> None:
    upload(client, f"username\n{name}\n", a_tenant())

    assert not User.objects.filter(username=name).exists()


def test_who_may_only_look_adds_nobody(tenant: Tenant, name: str) -> None:
    looking = signed_in(a_user(tenant, "view_user", is_staff=True))

    assert looking.get(LISTING + "import/").status_code == 403
