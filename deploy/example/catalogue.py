"""The fixed facts of the example company: branches, menus, suppliers, names.

The documents under `documents/` say the same; a test holds the two together.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from deploy.example.menu import RIVAL_MENU, TRATTORIA_MENU, Dish


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """One restaurant; `weight` is its share of the business, `sectors` its areas with their number of tables."""

    name: str
    city: str
    country: str
    opened_on: date
    weight: float
    no_show_rate: float
    sectors: Mapping[str, int]
    rent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Supplier:
    """One supplier; `share` is its part of the purchases, `weekdays` when it delivers (Monday is 0)."""

    name: str
    product_group: str
    city: str
    payment_days: int
    share: float
    weekdays: tuple[int, ...]
    late_rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """All fixed facts of one tenant."""

    branches: tuple[Branch, ...]
    dishes: tuple[Dish, ...]
    suppliers: tuple[Supplier, ...]
    #: Part of all orders of the example that this tenant has.
    order_share: float
    spain_hours: bool

    @property
    def categories(self) -> tuple[str, ...]:
        """Return the menu categories in the order of the menu."""
        return tuple(dict.fromkeys(dish.category for dish in self.dishes))


CATALOGUES: Final[Mapping[str, Catalogue]] = {
    "trattoria": Catalogue(
        branches=(
            Branch(
                name="Centro",
                city="Madrid",
                country="Spain",
                opened_on=date(2018, 5, 10),
                weight=1.35,
                no_show_rate=0.07,
                sectors={"Main room": 14, "Bar": 5, "Terrace": 6},
                rent=9800,
            ),
            Branch(
                name="Chamberí",
                city="Madrid",
                country="Spain",
                opened_on=date(2023, 4, 21),
                weight=0.95,
                no_show_rate=0.05,
                sectors={"Main room": 12, "Bar": 4},
                rent=7200,
            ),
            Branch(
                name="Gràcia",
                city="Barcelona",
                country="Spain",
                opened_on=date(2019, 9, 20),
                weight=1.15,
                no_show_rate=0.09,
                sectors={"Main room": 12, "Terrace": 8},
                rent=8400,
            ),
            Branch(
                name="Malvarrosa",
                city="Valencia",
                country="Spain",
                opened_on=date(2021, 6, 4),
                weight=0.90,
                no_show_rate=0.06,
                sectors={"Main room": 8, "Terrace": 12},
                rent=5600,
            ),
            Branch(
                name="Triana",
                city="Seville",
                country="Spain",
                opened_on=date(2025, 3, 14),
                weight=0.80,
                no_show_rate=0.08,
                sectors={"Main room": 10, "Garden": 7},
                rent=4900,
            ),
            Branch(
                name="Navigli",
                city="Milan",
                country="Italy",
                opened_on=date(2020, 2, 14),
                weight=1.20,
                no_show_rate=0.04,
                sectors={"Main room": 13, "Bar": 4, "Terrace": 5},
                rent=9100,
            ),
            Branch(
                name="Trastevere",
                city="Rome",
                country="Italy",
                opened_on=date(2022, 10, 1),
                weight=1.05,
                no_show_rate=0.10,
                sectors={"Main room": 11, "Garden": 8},
                rent=8000,
            ),
            Branch(
                name="Santo Stefano",
                city="Bologna",
                country="Italy",
                opened_on=date(2025, 10, 3),
                weight=0.70,
                no_show_rate=0.03,
                sectors={"Main room": 9, "Bar": 3},
                rent=4300,
            ),
        ),
        dishes=TRATTORIA_MENU,
        suppliers=(
            Supplier(
                name="Verduras Almazora SL",
                product_group="vegetables",
                city="Valencia",
                payment_days=30,
                share=0.17,
                weekdays=(0, 2, 4),
                late_rate=0.06,
            ),
            Supplier(
                name="Pescados Cabo Norte SA",
                product_group="fish",
                city="A Coruña",
                payment_days=15,
                share=0.16,
                weekdays=(1, 4),
                late_rate=0.14,
            ),
            Supplier(
                name="Molino Rosso Srl",
                product_group="flour and pasta",
                city="Parma",
                payment_days=60,
                share=0.10,
                weekdays=(2,),
                late_rate=0.03,
            ),
            Supplier(
                name="Caseificio Valdoro Srl",
                product_group="dairy",
                city="Modena",
                payment_days=30,
                share=0.18,
                weekdays=(1, 4),
                late_rate=0.08,
            ),
            Supplier(
                name="Carnes Sierra Alta SL",
                product_group="meat",
                city="Ávila",
                payment_days=21,
                share=0.19,
                weekdays=(0, 3),
                late_rate=0.05,
            ),
            Supplier(
                name="Bodegas Altavega SA",
                product_group="wine",
                city="Logroño",
                payment_days=45,
                share=0.09,
                weekdays=(3,),
                late_rate=0.04,
            ),
            Supplier(
                name="Birrificio Adda Srl",
                product_group="beer",
                city="Lodi",
                payment_days=30,
                share=0.04,
                weekdays=(3,),
                late_rate=0.10,
            ),
            Supplier(
                name="Aguas del Manzano SL",
                product_group="soft drinks",
                city="Cuenca",
                payment_days=30,
                share=0.04,
                weekdays=(2,),
                late_rate=0.02,
            ),
            Supplier(
                name="Torrefazione Levante Srl",
                product_group="coffee",
                city="Trieste",
                payment_days=45,
                share=0.03,
                weekdays=(0,),
                late_rate=0.05,
            ),
        ),
        order_share=0.8,
        spain_hours=True,
    ),
    "rival": Catalogue(
        branches=(
            Branch(
                name="Puerto",
                city="Málaga",
                country="Spain",
                opened_on=date(2019, 3, 1),
                weight=1.1,
                no_show_rate=0.16,
                sectors={"Dining hall": 12, "Pier": 8},
                rent=6100,
            ),
            Branch(
                name="Casco Viejo",
                city="Bilbao",
                country="Spain",
                opened_on=date(2021, 5, 7),
                weight=1.3,
                no_show_rate=0.12,
                sectors={"Dining hall": 10, "Counter": 6},
                rent=6900,
            ),
            Branch(
                name="Vomero",
                city="Naples",
                country="Italy",
                opened_on=date(2025, 1, 17),
                weight=0.6,
                no_show_rate=0.19,
                sectors={"Dining hall": 9, "Patio": 5},
                rent=3700,
            ),
        ),
        dishes=RIVAL_MENU,
        suppliers=(
            Supplier(
                name="Lonja Bermeo SA",
                product_group="fish",
                city="Bermeo",
                payment_days=10,
                share=0.4,
                weekdays=(1, 4),
                late_rate=0.2,
            ),
            Supplier(
                name="Ganadera Ulloa SL",
                product_group="meat",
                city="Lugo",
                payment_days=90,
                share=0.4,
                weekdays=(0, 3),
                late_rate=0.1,
            ),
            Supplier(
                name="Bebidas Rivera SL",
                product_group="drinks",
                city="Bilbao",
                payment_days=20,
                share=0.2,
                weekdays=(2,),
                late_rate=0.1,
            ),
        ),
        order_share=0.2,
        spain_hours=True,
    ),
}

#: Staff of one branch by role, with the monthly salary in euros (hidden from the reader).
POSITIONS: Final[Mapping[str, tuple[int, int]]] = {
    "manager": (1, 3100),
    "chef": (1, 2900),
    "cook": (4, 2050),
    "waiter": (6, 1750),
    "bartender": (1, 1800),
    "host": (1, 1700),
    "dishwasher": (2, 1550),
}

FIRST_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "Spain": (
        "Lucía",
        "Martina",
        "Carmen",
        "Alba",
        "Noelia",
        "Irene",
        "Paula",
        "Rocío",
        "Hugo",
        "Mateo",
        "Álvaro",
        "Sergio",
        "Iván",
        "Rubén",
        "Marcos",
        "Adrián",
    ),
    "Italy": (
        "Giulia",
        "Chiara",
        "Francesca",
        "Elisa",
        "Sofia",
        "Martina",
        "Alice",
        "Lorenzo",
        "Matteo",
        "Davide",
        "Andrea",
        "Simone",
        "Pietro",
        "Nicolò",
    ),
}

LAST_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "Spain": (
        "Navarro",
        "Ibáñez",
        "Molina",
        "Serrano",
        "Cano",
        "Vidal",
        "Pascual",
        "Herrera",
        "Lozano",
        "Prieto",
        "Crespo",
        "Salas",
        "Rey",
        "Bravo",
        "Gallardo",
        "Peña",
    ),
    "Italy": (
        "Rinaldi",
        "Ferri",
        "Conti",
        "Galli",
        "Marini",
        "Bassi",
        "Longo",
        "Fontana",
        "Caruso",
        "Villa",
        "Serra",
        "Basile",
        "Monti",
        "Fiore",
    ),
}
