"""Make one day of business of one tenant: orders, payments, reservations, deliveries."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from random import Random
from typing import Final

from deploy.example.catalogue import FIRST_NAMES, LAST_NAMES, Branch, Catalogue
from deploy.example.menu import Dish

Value = str | int | float | bool | date | datetime | None
Row = tuple[Value, ...]

_EPOCH: Final = date(2020, 1, 1)
_SEASON: Final = (0.86, 0.88, 0.95, 1.02, 1.08, 1.12, 1.10, 0.92, 1.05, 1.02, 0.98, 1.18)
_BEACH_SEASON: Final = (0.70, 0.72, 0.85, 1.00, 1.12, 1.30, 1.50, 1.55, 1.15, 0.92, 0.78, 0.85)
_WEEKDAY: Final = (0.72, 0.78, 0.86, 0.96, 1.24, 1.42, 1.12)
#: Category -> chance that a guest orders from it.
_APPETITE: Final[Mapping[str, float]] = {
    "Starters": 0.38,
    "Salads": 0.16,
    "Pasta": 0.42,
    "Risotto": 0.12,
    "Pizza": 0.36,
    "Mains": 0.22,
    "Desserts": 0.30,
    "Soft drinks": 0.55,
    "Beer": 0.28,
    "Wine": 0.26,
    "Coffee": 0.34,
    "Tapas": 0.8,
    "Grill": 0.4,
    "Pintxos": 0.9,
    "Sweets": 0.3,
    "Drinks": 0.9,
}


@dataclass(slots=True)
class Tenant:
    """What the rows of one tenant are made from, and the tables they go to."""

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
        return Random(":".join(map(str, (self.seed, self.name, *parts))))


def euros(cents: int) -> str:
    """Return cents as a decimal number of euros."""
    return f"{cents // 100}.{cents % 100:02}"


def add_day(tenant: Tenant, day: date) -> None:
    """Add one day's orders, payments, reservations and deliveries of every open branch to the tenant's tables."""
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
        # Day and branch, then four digits of the order: an order keeps its number however the window moves.
        first_id = (number * 100 + branch_id) * 10_000
        for order in range(_poisson(rng, busy * tenant.scale)):
            _add_order(tenant, rng, first_id + order, day, branch_id)
        for booking in range(_poisson(rng, busy * tenant.scale * 0.3)):
            _add_reservation(tenant, rng, first_id + booking, day, branch_id, branch)
        _add_purchases(tenant, rng, first_id, day, branch_id, busy)


def _add_order(tenant: Tenant, rng: Random, order_id: int, day: date, branch_id: int) -> None:
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
            (name, order_id * 100 + line, order_id, dish_id, quantity, euros(price), euros(off), euros(cost))
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
    tenant: Tenant, rng: Random, order_id: int, channel: str, status: str, total: int, paid_at: datetime
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
            (
                tenant.name,
                order_id * 10 + number,
                order_id,
                method,
                "refunded" if status == "refunded" else "paid",
                euros(amount),
                euros(0 if number or status == "refunded" else tip),
                paid_at,
                token,
            )
        )


def _add_reservation(tenant: Tenant, rng: Random, booking_id: int, day: date, branch_id: int, branch: Branch) -> None:
    starts = rng.choice((810, 840, 870, 1230, 1260, 1260, 1290, 1320))
    reserved_for = datetime.combine(day, time(0)) + timedelta(minutes=starts)
    created_at = reserved_for - timedelta(hours=min(720.0, 3 + rng.expovariate(1 / 90)))
    party = rng.choices((2, 3, 4, 5, 6, 8, 10, 12), (40, 14, 24, 8, 8, 4, 1, 1))[0]
    status = rng.choices(("seated", "no-show", "cancelled"), (0.9 - branch.no_show_rate, branch.no_show_rate, 0.1))[0]
    via = rng.choices(("phone", "website", "app"), (0.35, 0.45, 0.2))[0]
    guest = f"{rng.choice(FIRST_NAMES[branch.country])} {rng.choice(LAST_NAMES[branch.country])}"
    tenant.tables["reservations"].append(
        (
            tenant.name,
            booking_id,
            branch_id,
            created_at.replace(microsecond=0),
            reserved_for,
            party,
            status,
            via,
            guest,
            f"+34 6{rng.randrange(10**7, 10**8)}",
        )
    )


def _add_purchases(tenant: Tenant, rng: Random, first_id: int, day: date, branch_id: int, busy: float) -> None:
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
            (
                tenant.name,
                first_id + supplier_id,
                branch_id,
                supplier_id,
                promised_on - timedelta(days=rng.choice((1, 2, 2, 3))),
                promised_on,
                day,
                euros(cents),
            )
        )


def _price_cents(dish: Dish, day: date) -> int:
    """Return the price on that day: 4 % less for each calendar year before 2026, on 10 cents."""
    return round(dish.price_cents * 0.96 ** max(0, 2026 - day.year) / 10) * 10


def _poisson(rng: Random, mean: float) -> int:
    if mean > 60:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    limit, product, count = math.exp(-mean), rng.random(), 0
    while product > limit:
        product *= rng.random()
        count += 1
    return count
