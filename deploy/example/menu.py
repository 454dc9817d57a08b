"""The menus of the example company, with prices, popularity and allergens."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Dish:
    """One line of the menu; `popularity` is relative within its category, allergens are names of `ALLERGENS`."""

    name: str
    category: str
    price_cents: int
    cost_share: float
    popularity: float
    vegetarian: bool
    allergens: tuple[str, ...]


ALLERGENS: Final = (
    "gluten",
    "crustaceans",
    "eggs",
    "fish",
    "peanuts",
    "soybeans",
    "milk",
    "nuts",
    "celery",
    "mustard",
    "sesame",
    "sulphites",
    "lupin",
    "molluscs",
)

_LETTERS: Final = dict(
    zip("GCEFPSMNYUXWLO", ALLERGENS, strict=True)  # one letter each, so that a menu line below stays one line
)


def _menu(text: str, cost_share: float) -> tuple[Dish, ...]:
    dishes: list[Dish] = []
    category = ""
    for line in filter(None, map(str.strip, text.splitlines())):
        if line.startswith("# "):
            category = line[2:]
            continue
        name, price, popularity, vegetarian, letters = (part.strip() for part in line.split("|"))
        dishes.append(
            Dish(
                name=name,
                category=category,
                price_cents=round(float(price) * 100),
                cost_share=cost_share,
                popularity=float(popularity),
                vegetarian=vegetarian == "v",
                allergens=tuple(_LETTERS[letter] for letter in letters),
            )
        )
    return tuple(dishes)


# name | price | popularity | v for vegetarian | allergens: G gluten, C crustaceans, E eggs, F fish, P peanuts,
# S soybeans, M milk, N nuts, Y celery, U mustard, X sesame, W sulphites, L lupin, O molluscs
_TRATTORIA: Final = """
# Starters
Bruschetta al pomodoro | 6.50 | 10 | v | G
Burrata with cherry tomatoes | 11.50 | 8 | v | M
Vitello tonnato | 13.50 | 4 | - | EFUW
Fritto misto | 14.00 | 6 | - | GCFO
Focaccia with rosemary | 5.50 | 9 | v | G
Caponata | 8.50 | 3 | v | YW
# Salads
Caprese | 10.50 | 7 | v | M
Panzanella | 9.50 | 4 | v | GW
Tuna and bean salad | 11.00 | 5 | - | FW
# Pasta
Spaghetti carbonara | 13.50 | 12 | - | GEM
Tagliatelle al ragù | 14.00 | 10 | - | GEY
Lasagne alla bolognese | 14.50 | 9 | - | GEMY
Trofie al pesto | 13.00 | 7 | v | GMN
Penne all'arrabbiata | 11.50 | 6 | v | G
Linguine alle vongole | 16.50 | 5 | - | GOW
Cacio e pepe | 12.50 | 8 | v | GM
Gnocchi alla sorrentina | 12.50 | 5 | v | GEM
# Risotto
Risotto ai funghi | 14.50 | 7 | v | MYW
Risotto alla milanese | 15.00 | 6 | - | MYW
Risotto al nero di seppia | 16.50 | 4 | - | FOMW
# Pizza
Margherita | 10.00 | 14 | v | GM
Marinara | 8.50 | 4 | v | G
Diavola | 12.00 | 9 | - | GM
Quattro formaggi | 12.50 | 7 | v | GM
Prosciutto e funghi | 12.50 | 8 | - | GM
Capricciosa | 13.00 | 6 | - | GM
Tartufata | 15.50 | 3 | v | GM
# Mains
Ossobuco | 21.00 | 5 | - | YW
Saltimbocca alla romana | 18.50 | 5 | - | GMW
Branzino al forno | 22.00 | 4 | - | F
Melanzane alla parmigiana | 14.00 | 6 | v | GM
Tagliata di manzo | 23.50 | 6 | - | M
# Desserts
Tiramisù | 6.50 | 14 | v | GEM
Panna cotta | 5.50 | 8 | - | M
Cannoli siciliani | 6.00 | 6 | v | GMN
Affogato | 5.00 | 4 | v | M
Pistachio gelato | 4.50 | 7 | v | MN
# Soft drinks
Still water | 2.50 | 14 | v |
Sparkling water | 2.50 | 9 | v |
Lemonade | 3.50 | 5 | v |
Cola | 3.00 | 8 | v |
Orange juice | 3.50 | 3 | v |
# Beer
Draught beer | 3.50 | 12 | v | G
Peroni | 4.00 | 7 | v | G
Craft IPA | 5.50 | 4 | v | G
# Wine
House red | 4.00 | 10 | v | W
House white | 4.00 | 8 | v | W
Chianti Classico | 22.00 | 3 | v | W
Prosecco | 24.00 | 2 | v | W
Albariño | 23.00 | 2 | v | W
# Coffee
Espresso | 1.80 | 14 | v |
Cappuccino | 2.60 | 7 | v | M
Macchiato | 2.10 | 5 | v | M
"""

_RIVAL: Final = """
# Tapas
Patatas bravas | 6.00 | 12 | v | E
Ham croquettes | 8.00 | 11 | - | GEM
Padrón peppers | 6.50 | 6 | v |
Garlic prawns | 13.00 | 7 | - | CW
# Grill
Iberian pork secreto | 19.00 | 8 | - | W
Galician T-bone | 34.00 | 4 | - |
Grilled octopus | 21.00 | 6 | - | O
# Pintxos
Gilda | 2.50 | 12 | - | F
Tortilla pintxo | 3.00 | 14 | v | E
Cod pil-pil pintxo | 4.20 | 6 | - | F
# Sweets
Basque cheesecake | 6.80 | 12 | v | GEM
Babà al rum | 5.90 | 5 | v | GEMW
# Drinks
Txakoli | 3.80 | 10 | v | W
Cider | 3.20 | 8 | v | W
Rivale vermouth | 4.50 | 7 | v | W
Mineral water | 2.20 | 9 | v |
"""

TRATTORIA_MENU: Final = _menu(_TRATTORIA, 0.29)
RIVAL_MENU: Final = _menu(_RIVAL, 0.34)
