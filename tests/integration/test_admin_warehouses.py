"""Connected databases in the admin: their address unseen, their connection tried, their meaning changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from orchestrator.tenants.models import Tenant, Warehouse
from orchestrator.tenants.sealing import seal
from tests.integration.admin_kit import a_shop, a_user, signed_in

pytestmark = pytest.mark.usefixtures("database")


def test_a_warehouses_address_is_never_shown(root: Client, tenant: Tenant) -> None:
    Warehouse.objects.create(
        tenant=tenant,
        url_encrypted=b"sealed-address",
        label="sales on db.example",
        layer={"measures": {"secret_sum": 1}},
    )

    address = reverse("admin:tenants_warehouse_change", args=[tenant.pk])
    page = root.get(address).content
    looking = signed_in(a_user(tenant, "view_warehouse", is_staff=True)).get(address).content

    for seen in (page, looking):
        assert b"sales on db.example" in seen
        assert b"1 measures" in seen
        assert b"sealed-address" not in seen
    assert b"secret_sum" in page
    assert b"secret_sum" not in looking
    assert b"Test the connection" not in looking


@pytest.fixture
def shop(tenant: Tenant, tmp_path: Path) -> str:
    return a_shop(tenant, tmp_path)


def test_a_connection_and_a_question_are_tried_from_the_page(root: Client, shop: str) -> None:
    tested = root.post(shop, {"_test": "1"})
    tried = root.post(shop, {"_try": "1", "_question": "takings by branch"})
    beyond = root.post(shop, {"_try": "1", "_question": "who is our landlord"})

    assert b"1 relations, 3 columns" in tested.content
    assert b"1200.5" in tried.content
    assert b"the semantic layer" in tried.content
    assert b"SELECT" in tried.content
    assert beyond.status_code == 200
    assert b"1200.5" not in beyond.content


def test_only_who_may_change_a_data_source_may_try_it(tenant: Tenant, shop: str) -> None:
    looking = signed_in(a_user(tenant, "view_warehouse", is_staff=True))

    assert looking.post(shop, {"_try": "1", "_question": "takings by branch"}).status_code == 403


def test_the_meaning_is_changed_as_a_whole_or_not_at_all(root: Client, tenant: Tenant, shop: str) -> None:
    fields = root.get(shop).context["adminform"].form.fields
    text, seen = fields["layer_text"].initial, fields["seen"].initial

    wrong = root.post(shop, {"layer_text": text.replace("fact: sales", "fact: nothing"), "seen": seen})
    no_yaml = root.post(shop, {"layer_text": "measures: [1", "seen": seen})
    kept = Warehouse.objects.get(tenant=tenant).layer
    root.post(shop, {"layer_text": text.replace("- takings", "- takings\n      - till"), "seen": seen})
    changed = Warehouse.objects.get(tenant=tenant).layer

    assert b"names fact nothing, which is none" in wrong.content
    assert b"this is not YAML" in no_yaml.content
    assert kept["measures"]["takings"]["labels"]["en"] == ["takings"]
    assert changed["measures"]["takings"]["labels"]["en"] == ["takings", "till"]


def test_of_two_who_change_the_meaning_at_once_the_second_is_told(root: Client, tenant: Tenant, shop: str) -> None:
    fields = root.get(shop).context["adminform"].form.fields
    text, seen = fields["layer_text"].initial, fields["seen"].initial

    root.post(shop, {"layer_text": text.replace("- takings", "- first"), "seen": seen})
    second = root.post(shop, {"layer_text": text.replace("- takings", "- second"), "seen": seen})

    assert b"Somebody else has changed this layer" in second.content
    assert Warehouse.objects.get(tenant=tenant).layer["measures"]["takings"]["labels"]["en"] == ["first"]


def test_a_name_that_the_database_does_not_have_is_refused_and_nothing_is_changed(
    root: Client, tenant: Tenant, shop: str
) -> None:
    fields = root.get(shop).context["adminform"].form.fields
    text, seen = fields["layer_text"].initial, fields["seen"].initial

    refused = root.post(shop, {"layer_text": text.replace("sales.amount", "sales.amuont"), "seen": seen})

    assert b"measures.takings: sales has no column amuont" in refused.content
    assert Warehouse.objects.get(tenant=tenant).layer["measures"]["takings"]["sources"][0]["sql"] == "sum(sales.amount)"


def test_a_layer_can_be_changed_while_its_database_is_away(root: Client, tenant: Tenant, shop: str) -> None:
    Warehouse.objects.filter(tenant=tenant).update(url_encrypted=seal("sqlite:////nowhere/at-all.db"))
    fields = root.get(shop).context["adminform"].form.fields
    text, seen = fields["layer_text"].initial, fields["seen"].initial

    saved = root.post(shop, {"layer_text": text.replace("- takings", "- till"), "seen": seen}, follow=True)

    assert b"could not be checked" in saved.content
    assert Warehouse.objects.get(tenant=tenant).layer["measures"]["takings"]["labels"]["en"] == ["till"]


def test_a_question_is_tried_with_what_is_typed_and_not_saved_yet(root: Client, tenant: Tenant, shop: str) -> None:
    fields = root.get(shop).context["adminform"].form.fields
    typed = fields["layer_text"].initial.replace("- takings", "- harvest")
    sent = {"_try": "1", "_question": "harvest by branch", "layer_text": typed, "seen": fields["seen"].initial}

    tried = root.post(shop, sent)
    broken = root.post(shop, sent | {"layer_text": "measures: [1"})

    assert b"1200.5" in tried.content
    assert tried.context["adminform"].form.fields["layer_text"].initial == typed
    assert b"this is not YAML" in broken.content
    assert Warehouse.objects.get(tenant=tenant).layer["measures"]["takings"]["labels"]["en"] == ["takings"]
