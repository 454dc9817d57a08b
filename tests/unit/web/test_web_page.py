"""The page's shell: its policy, its language, and that nothing in it is inline."""

from __future__ import annotations

import re

import pytest
from django.conf import settings
from django.test import AsyncClient, override_settings
from django.urls import reverse

EXECUTABLE_INLINE = re.compile(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)|<style|\sstyle=|\son\w+=")


@pytest.fixture
def client() -> AsyncClient:
    """Return a client that calls the async view as the server does."""
    return AsyncClient()


async def test_the_page_forbids_everything_that_it_does_not_name(client: AsyncClient) -> None:
    response = await client.get(reverse("web:page"))

    policy = dict(part.strip().partition(" ")[::2] for part in response["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert "unsafe" not in response["Content-Security-Policy"]


async def test_the_page_carries_nothing_inline_that_its_policy_would_stop(client: AsyncClient) -> None:
    response = await client.get(reverse("web:page"))

    assert EXECUTABLE_INLINE.findall(response.content.decode()) == []


async def test_the_page_comes_in_the_language_of_the_browser(client: AsyncClient) -> None:
    response = await client.get(reverse("web:page"), headers={"Accept-Language": "es-AR"})

    assert '<html lang="es">' in response.content.decode()
    assert "Accept-Language" in response["Vary"]


@pytest.mark.parametrize(("made", "told"), [(True, "true"), (False, "false")])
async def test_the_example_s_users_are_suggested_only_where_they_were_made(
    client: AsyncClient, made: bool, told: str
) -> None:
    environment = settings.SWITCHYARD.model_copy(update={"development_users": made})

    with override_settings(SWITCHYARD=environment):
        response = await client.get(reverse("web:page"))

    assert f'data-development="{told}"' in response.content.decode()


async def test_the_page_is_only_read(client: AsyncClient) -> None:
    response = await client.post(reverse("web:page"))

    assert response.status_code == 405
