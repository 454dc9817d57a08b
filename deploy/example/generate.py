"""Make the example company's rows, always the same ones for the same seed.

Every day has a random stream of its own, so a day's orders stay what they were when the window moves on.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from random import Random
from typing import Final, Literal

from deploy.example.catalogue import ALLERGENS, CATALOGUES, FIRST_NAMES, LAST_NAMES, POSITIONS, Branch, Catalogue, Dish

Size = Literal["small", "medium", "large"]
Value = str | int | float | bool | date | datetime | None
Row = tuple[Value, ...]

#: Days of business before `today`.
WINDOW_DAYS: Final = 730
#: About how many order lines each size has in all.
ORDER_LINES: Final[Mapping[Size, int]] = {"small": 20_000, "medium": 150_000, "large": 1_000_000}
#: Measured on the window that ends on 2026-11-19: lines per (order share x weight x day) at scale 1.
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
    "orders": ("tenant", "id", "branch_id", "table_id", "waiter_id", "channel", "status", "opened_at", "closed_at", "guests",
               "discount_reason", "customer_email"),
    "order_items": ("tenant", "id", "order_id", "menu_item_id", "quantity", "unit_price", "discount_amount", "unit_cost"),
    "payments": ("tenant", "id", "order_id", "method", "status", "amount", "tip_amount", "paid_at", "card_token"),
    "reservations": ("tenant", "id", "branch_id", "created_at", "reserved_for", "party_size", "status", "booked_via", "guest_name",
                     "guest_phone"),
}  # fmt: skip

_EPOCH: Final = date(2020, 1, 1)
_SEASON: Final = (0.86, 0.88, 0.95, 1.02, 1.08, 1.12, 1.10, 0.92, 1.05, 1.02, 0.98, 1.18)
_BEACH_SEASON: Final = (0.70, 0.72, 0.85, 1.00, 1.12, 1.30, 1.50, 1.55, 1.15, 0.92, 0.78, 0.85)
_WEEKDAY: Final = (0.72, 0.78, 0.86, 0.96, 1.24, 1.42, 1.12)
#: Category -> chance that a guest orders from it.
_APPETITE: Final[Mapping[str, float]] = {
    "Starters": 0.38, "Salads": 0.16, "Pasta": 0.42, "Risotto": 0.12, "Pizza": 0.36, "Mains": 0.22, "Desserts": 0.30,
    "Soft drinks": 0.55, "Beer": 0.28, "Wine": 0.26, "Coffee": 0.34,
    "Tapas": 0.8, "Grill": 0.4, "Pintxos": 0.9, "Sweets": 0.3, "Drinks": 0.9,
}  # fmt: skip


@dataclass(slots=True)
class _Tenant:
    """What the daily streams of one tenant need."""

    name: str
    facts: Catalogue
    seed: int
    scale: float
    tables: Mapping[str, list[Row]]
    seating: dict[int, list[int]] = field(default_factory=dict)
    waiters: dict[int, list[tuple[int, date, date | None]]] = field(default_factory=dict)
    people: set[str] = field(default_factory=set)

    def rng(self, *parts: object) -> Random:
        """Return a stream that depends on the seed, the tenant and `parts` only."""
        # Not a secret: the rows must be the same for the same seed.
        return Random(":".join(map(str, (self.seed, self.name, *parts))))  # noqa: S311


def generate(rng_seed: int, today: date, size: Size) -> dict[str, list[Row]]:
    """Return the rows of every table for both tenants, in the order of `COLUMNS`.

    Orders, payments, reservations and purchases cover the `WINDOW_DAYS` days that end the day before `today`.
    """
    tables: dict[str, list[Row]] = {table: [] for table in COLUMNS}
    scale = ORDER_LINES[size] / _LINES_AT_SCALE_ONE
    for name, facts in CATALOGUES.items():
        tenant = _Tenant(name=name, facts=facts, seed=rng_seed, scale=scale, tables=tables)
        _add_fixed(tenant, today)
        for back in range(WINDOW_DAYS, 0, -1):
            _add_day(tenant, today - timedelta(days=back))
    return tables


def _add_fixed(tenant: _Tenant, today: date) -> None:
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
            (name, item_id, category_id, dish.name, _euros(dish.price_cents), dish.vegetarian, note)
        )
        for allergen in dish.allergens:
            tables["menu_item_allergens"].append((name, item_id, ALLERGENS.index(allergen) + 1))
    for supplier_id, supplier in enumerate(facts.suppliers, start=1):
        iban = f"ES{rng.randrange(10**21, 10**22)}"
        tables["suppliers"].append(
            (name, supplier_id, supplier.name, supplier.product_group, supplier.city, supplier.payment_days, iban)
        )


def _add_staff(tenant: _Tenant, branch_id: int, branch: Branch, today: date) -> None:
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
                    (tenant.name, staff_id, branch_id, person, role, hired_on, left_on, round(salary * rng.uniform(0.95, 1.2)),
                     f"{rng.randrange(10**7, 10**8)}X", f"+34 6{rng.randrange(10**7, 10**8)}")
                )  # fmt: skip
                if role == "waiter":
                    waiters.append((staff_id, hired_on, left_on))
                hired_on = leaves_on + timedelta(days=rng.randrange(1, 25))


def _add_day(tenant: _Tenant, day: date) -> None:
    if (day.month, day.day) in {(12, 25), (1, 1)}:
        return
    number = (day - _EPOCH).days
    for branch_id, branch in enumerate(tenant.facts.branches, start=1):
        age = (day - branch.opened_on).days
        if age < 0:
            continue
        rng = tenant.rng(day, branch_id)
        season = (_BEACH_SEASON if "Terrace" in branch.sectors and branch.sectors["Terrace"] > 8 else _SEASON)[
            day.month - 1
        ]
        ramp = min(1.0, 0.55 + age / 240)
        growth = 1.06 ** ((day - date(2025, 1, 1)).days / 365)
        busy = branch.weight * tenant.facts.order_share * season * _WEEKDAY[day.weekday()] * ramp * growth
        # Six digits of day and branch, then four of the order: the same order keeps its number however the window moves.
        first_id = (number * 100 + branch_id) * 10_000
        for order in range(_poisson(rng, busy * tenant.scale)):
            _add_order(tenant, rng, first_id + order, day, branch_id)
        for booking in range(_poisson(rng, busy * tenant.scale * 0.3)):
            _add_reservation(tenant, rng, first_id + booking, day, branch_id, branch)
        _add_purchases(tenant, rng, first_id, day, branch_id, busy)


def _add_order(tenant: _Tenant, rng: Random, order_id: int, day: date, branch_id: int) -> None:
    name, tables = tenant.name, tenant.tables
    channel = rng.choices(("dine-in", "takeaway", "delivery"), (0.66, 0.14, 0.20))[0]
    status = rng.choices(("completed", "cancelled", "refunded"), (0.955, 0.03, 0.015))[0]
    dinner = rng.random() < (0.58 if day.weekday() < 4 else 0.64)
    opened_at = datetime.combine(day, time(0)) + timedelta(
        minutes=int(rng.triangular(1200, 1400, 1275) if dinner else rng.triangular(750, 960, 845))
    )
    table_id = waiter_id = None
    guests = 0
    minutes = rng.randrange(15, 50)
    diners = rng.choices((1, 2, 3), (0.4, 0.45, 0.15))[0]
    if channel == "dine-in":
        diners = guests = rng.choices((1, 2, 3, 4, 5, 6, 8), (6, 42, 16, 22, 6, 6, 2))[0]
        minutes = rng.randrange(45, 125)
        table_id = rng.choice(tenant.seating[branch_id])
        on_duty = [
            waiter for waiter, hired, left in tenant.waiters[branch_id] if hired <= day and (left is None or day < left)
        ]
        waiter_id = rng.choice(on_duty) if on_duty else None
    discount = rng.choices((0, 10, 20, 15, 50), (0.85, 0.07, 0.04, 0.03, 0.01))[0]
    reason = {0: None, 10: "loyalty", 20: "happy hour", 15: "staff", 50: "complaint"}[discount]
    closed_at = opened_at + timedelta(minutes=minutes)
    email = f"guest{rng.randrange(10**6)}@mail.example" if channel == "delivery" else None
    tables["orders"].append(
        (name, order_id, branch_id, table_id, waiter_id, channel, status, opened_at, closed_at, guests, reason, email)
    )
    total = 0
    for line, (dish_id, quantity) in enumerate(_plate(rng, tenant.facts.dishes, diners, channel), start=1):
        dish = tenant.facts.dishes[dish_id - 1]
        price = _price_cents(dish, day)
        off = price * quantity * discount // 100
        cost = round(price * dish.cost_share * rng.uniform(0.92, 1.08))
        total += price * quantity - off
        tables["order_items"].append(
            (name, order_id * 100 + line, order_id, dish_id, quantity, _euros(price), _euros(off), _euros(cost))
        )
    if status != "cancelled":
        _add_payments(tenant, rng, order_id, channel, status, total, closed_at)


def _plate(rng: Random, dishes: Sequence[Dish], diners: int, channel: str) -> Iterator[tuple[int, int]]:
    """Yield (dish id, quantity), each dish once, at least one."""
    chosen: dict[int, int] = {}
    menus = _by_category(dishes)
    for _ in range(diners):
        for category, (ids, weights) in menus.items():
            drink = category in {"Soft drinks", "Beer", "Wine", "Coffee", "Drinks"}
            if rng.random() < 0.7 * _APPETITE[category] * (0.35 if drink and channel != "dine-in" else 1):
                dish_id = rng.choices(ids, weights)[0]
                chosen[dish_id] = chosen.get(dish_id, 0) + 1
    if not chosen:
        chosen[rng.randrange(1, len(dishes) + 1)] = 1
    yield from chosen.items()


_MENUS: Final[dict[int, dict[str, tuple[list[int], list[float]]]]] = {}


def _by_category(dishes: Sequence[Dish]) -> dict[str, tuple[list[int], list[float]]]:
    menus = _MENUS.get(id(dishes))
    if menus is None:
        menus = _MENUS[id(dishes)] = {}
        for dish_id, dish in enumerate(dishes, start=1):
            ids, weights = menus.setdefault(dish.category, ([], []))
            ids.append(dish_id)
            weights.append(dish.popularity)
    return menus


def _add_payments(
    tenant: _Tenant, rng: Random, order_id: int, channel: str, status: str, total: int, paid_at: datetime
) -> None:
    method = rng.choices(
        ("card", "cash", "online", "meal voucher"),
        (0.08, 0.05, 0.87, 0) if channel == "delivery" else (0.66, 0.21, 0.05, 0.08),
    )[0]
    tip = round(total * rng.uniform(0.04, 0.12) / 50) * 50 if channel != "takeaway" and rng.random() < 0.38 else 0
    parts = [total // 2, total - total // 2] if channel == "dine-in" and rng.random() < 0.06 else [total]
    for number, amount in enumerate(parts):
        token = f"tok_{tenant.name}_{rng.randrange(16**12):012x}" if method in {"card", "online"} else None
        tenant.tables["payments"].append(
            (tenant.name, order_id * 10 + number, order_id, method, "refunded" if status == "refunded" else "paid", _euros(amount),
             _euros(0 if number or status == "refunded" else tip), paid_at, token)
        )  # fmt: skip


def _add_reservation(tenant: _Tenant, rng: Random, booking_id: int, day: date, branch_id: int, branch: Branch) -> None:
    starts = rng.choice((810, 840, 870, 1230, 1260, 1260, 1290, 1320))
    reserved_for = datetime.combine(day, time(0)) + timedelta(minutes=starts)
    created_at = reserved_for - timedelta(hours=min(720.0, 3 + rng.expovariate(1 / 90)))
    party = rng.choices((2, 3, 4, 5, 6, 8, 10, 12), (40, 14, 24, 8, 8, 4, 1, 1))[0]
    status = rng.choices(("seated", "no-show", "cancelled"), (0.9 - branch.no_show_rate, branch.no_show_rate, 0.1))[0]
    via = rng.choices(("phone", "website", "app"), (0.35, 0.45, 0.2))[0]
    guest = f"{rng.choice(FIRST_NAMES[branch.country])} {rng.choice(LAST_NAMES[branch.country])}"
    tenant.tables["reservations"].append(
        (tenant.name, booking_id, branch_id, created_at.replace(microsecond=0), reserved_for, party, status, via, guest,
         f"+34 6{rng.randrange(10**7, 10**8)}")
    )  # fmt: skip


def _add_purchases(tenant: _Tenant, rng: Random, first_id: int, day: date, branch_id: int, busy: float) -> None:
    for supplier_id, supplier in enumerate(tenant.facts.suppliers, start=1):
        promised = day - timedelta(days=1)
        late = rng.random() < supplier.late_rate and promised.weekday() in supplier.weekdays
        on_time = rng.random() >= supplier.late_rate and day.weekday() in supplier.weekdays
        if not (late or on_time):
            continue
        # About 47 euros an order and 30 % of it goods; a delivery stands for the days since the last one.
        days = 7 / len(supplier.weekdays)
        cents = round(busy * tenant.scale * 4700 * 0.31 * supplier.share * days * rng.uniform(0.8, 1.2)) + 900
        promised_on = promised if late else day
        tenant.tables["purchases"].append(
            (tenant.name, first_id + supplier_id, branch_id, supplier_id, promised_on - timedelta(days=rng.choice((1, 2, 2, 3))),
             promised_on, day, _euros(cents))
        )  # fmt: skip


def _price_cents(dish: Dish, day: date) -> int:
    """Return the price on that day: 4 % less for each calendar year before 2026, on 10 cents."""
    return round(dish.price_cents * 0.96 ** max(0, 2026 - day.year) / 10) * 10


def _euros(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"


def _poisson(rng: Random, mean: float) -> int:
    if mean > 60:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    limit, product, count = math.exp(-mean), rng.random(), 0
    while product > limit:
        product *= rng.random()
        count += 1
    return count
