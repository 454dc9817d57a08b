"""Make the example company's rows, always the same ones for the same seed.

Every day has a random stream of its own, so a day's orders stay what they were when the window moves on.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final, Literal

from deploy.example.catalogue import CATALOGUES, FIRST_NAMES, LAST_NAMES, POSITIONS, Branch
from deploy.example.day import Row, Tenant, add_day, euros
from deploy.example.menu import ALLERGENS

Size = Literal["small", "medium", "large"]

#: Days of business before `today`.
WINDOW_DAYS: Final = 730
#: About how many order lines each size has in all.
ORDER_LINES: Final[Mapping[Size, int]] = {"small": 20_000, "medium": 150_000, "large": 1_000_000}
#: Order lines that the window ending on 2026-11-19 has at scale 1, measured.
_LINES_AT_SCALE_ONE: Final = 28_600

#: Table -> its columns as loaded; every row starts with the tenant.
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "branches": ("tenant", "id", "name", "city", "country", "opened_on", "seats", "monthly_rent"),
    "sectors": ("tenant", "id", "branch_id", "name"),
    "dining_tables": ("tenant", "id", "branch_id", "sector_id", "label", "seats"),
    "staff": ("tenant", "id", "branch_id", "name", "role", "hired_on", "left_on", "salary", "national_id", "phone"),
    "menu_categories": ("tenant", "id", "name"),
    "menu_items": ("tenant", "id", "category_id", "name", "price", "is_vegetarian", "recipe_notes"),
    "allergens": ("tenant", "id", "name"),
    "menu_item_allergens": ("tenant", "menu_item_id", "allergen_id"),
    "suppliers": ("tenant", "id", "name", "product_group", "city", "payment_days", "iban"),
    "purchases": ("tenant", "id", "branch_id", "supplier_id", "ordered_on", "promised_on", "delivered_on", "amount"),
    "orders": (
        "tenant",
        "id",
        "branch_id",
        "table_id",
        "waiter_id",
        "channel",
        "status",
        "opened_at",
        "closed_at",
        "guests",
        "discount_reason",
        "customer_email",
    ),
    "order_items": (
        "tenant",
        "id",
        "order_id",
        "menu_item_id",
        "quantity",
        "unit_price",
        "discount_amount",
        "unit_cost",
    ),
    "payments": ("tenant", "id", "order_id", "method", "status", "amount", "tip_amount", "paid_at", "card_token"),
    "reservations": (
        "tenant",
        "id",
        "branch_id",
        "created_at",
        "reserved_for",
        "party_size",
        "status",
        "booked_via",
        "guest_name",
        "guest_phone",
    ),
}


def generate(rng_seed: int, today: date, size: Size) -> dict[str, list[Row]]:
    """Return the rows of every table for both tenants, in the order of `COLUMNS`.

    Orders, payments, reservations and purchases cover the `WINDOW_DAYS` days that end the day before `today`.
    """
    tables: dict[str, list[Row]] = {table: [] for table in COLUMNS}
    scale = ORDER_LINES[size] / _LINES_AT_SCALE_ONE
    for name, facts in CATALOGUES.items():
        tenant = Tenant(name=name, facts=facts, seed=rng_seed, scale=scale, tables=tables)
        _add_fixed(tenant, today)
        for back in range(WINDOW_DAYS, 0, -1):
            add_day(tenant, today - timedelta(days=back))
    return tables


def _add_fixed(tenant: Tenant, today: date) -> None:
    name, facts, tables = tenant.name, tenant.facts, tenant.tables
    rng = tenant.rng("fixed")
    sector_id = table_id = 0
    for branch_id, branch in enumerate(facts.branches, start=1):
        first_table = table_id + 1
        seats = 0
        for sector, count in branch.sectors.items():
            sector_id += 1
            tables["sectors"].append((name, sector_id, branch_id, sector))
            for number in range(1, count + 1):
                table_id += 1
                size = rng.choice((2, 2, 4, 4, 4, 6, 8))
                seats += size
                tables["dining_tables"].append((name, table_id, branch_id, sector_id, f"{sector[0]}{number:02}", size))
        tenant.seating[branch_id] = list(range(first_table, table_id + 1))
        tables["branches"].append(
            (name, branch_id, branch.name, branch.city, branch.country, branch.opened_on, seats, branch.rent)
        )
        _add_staff(tenant, branch_id, branch, today)
    for category_id, category in enumerate(facts.categories, start=1):
        tables["menu_categories"].append((name, category_id, category))
    for allergen_id, allergen in enumerate(ALLERGENS, start=1):
        tables["allergens"].append((name, allergen_id, allergen))
    for item_id, dish in enumerate(facts.dishes, start=1):
        category_id = facts.categories.index(dish.category) + 1
        note = f"{name} recipe {item_id}: never leaves the kitchen"
        tables["menu_items"].append(
            (name, item_id, category_id, dish.name, euros(dish.price_cents), dish.vegetarian, note)
        )
        for allergen in dish.allergens:
            tables["menu_item_allergens"].append((name, item_id, ALLERGENS.index(allergen) + 1))
    for supplier_id, supplier in enumerate(facts.suppliers, start=1):
        iban = f"ES{rng.randrange(10**21, 10**22)}"
        tables["suppliers"].append(
            (name, supplier_id, supplier.name, supplier.product_group, supplier.city, supplier.payment_days, iban)
        )


def _add_staff(tenant: Tenant, branch_id: int, branch: Branch, today: date) -> None:
    """Fill each position with one person after the other since the branch opened, up to yesterday."""
    place = 0
    waiters = tenant.waiters.setdefault(branch_id, [])
    for role, (count, salary) in POSITIONS.items():
        for _ in range(max(1, round(count * branch.weight))):
            place += 1
            rng = tenant.rng("staff", branch_id, place)
            hired_on = branch.opened_on - timedelta(days=rng.randrange(5, 30))
            for turn in range(1, 50):
                if hired_on >= today:
                    break
                leaves_on = hired_on + timedelta(days=rng.randrange(240, 2400))
                left_on = leaves_on if leaves_on < today else None
                person = f"{rng.choice(FIRST_NAMES[branch.country])} {rng.choice(LAST_NAMES[branch.country])}"
                # Answers name people, so a name must mean one person.
                while person in tenant.people:
                    person = f"{person} {rng.choice(LAST_NAMES[branch.country])}"
                tenant.people.add(person)
                staff_id = branch_id * 10_000 + place * 100 + turn
                tenant.tables["staff"].append(
                    (
                        tenant.name,
                        staff_id,
                        branch_id,
                        person,
                        role,
                        hired_on,
                        left_on,
                        round(salary * rng.uniform(0.95, 1.2)),
                        f"{rng.randrange(10**7, 10**8)}X",
                        f"+34 6{rng.randrange(10**7, 10**8)}",
                    )
                )
                if role == "waiter":
                    waiters.append((staff_id, hired_on, left_on))
                hired_on = leaves_on + timedelta(days=rng.randrange(1, 25))
