"""Which kind of figure a question asks for, and whether a sentence holds one."""

from __future__ import annotations

import re
from typing import Final

from orchestrator.engines.words import fold

_NUMBER: Final = (
    r"(?:\d+(?:[.,:]\d+)*|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|half|once|twice|none|no"
    r"|dos|tres|cuatro|cinco|seis|siete|ocho|nueve|diez|once|doce|medio|media|mitad|quince|veinte|treinta)"
)
_UNIT: Final = (
    r"(?:seconds?|minutes?|hours?|days?|nights?|weeks?|months?|quarters?|years?|min|h"
    r"|segundos?|minutos?|horas?|dias?|noches?|semanas?|mes|meses|trimestres?|anos?)"
)
_DAY: Final = (
    r"(?:(?:mon|tues|wednes|thurs|fri|satur|sun)days?|january|february|march|april|june|july|august|september|october"
    r"|november|december|lunes|martes|miercoles|jueves|viernes|sabados?|domingos?|enero|febrero|marzo|abril|mayo|junio"
    r"|julio|agosto|septiembre|octubre|noviembre|diciembre|noon|midnight|mediodia|medianoche"
    r"|first day|last (?:working )?day|primer dia|ultimo dia)"
)
_LONG: Final = re.compile(rf"\b{_NUMBER}\b(?:['’]|\W+\w+){{0,2}}?\W*\b{_UNIT}\b")
_DATE: Final = re.compile(
    rf"\b(?:{_DAY}|\d{{1,2}}[:.h]\d{{2}}|\d{{1,2}}(?:st|nd|rd|th)|dia \d{{1,2}})\b|\b(?:19|20)\d\d\b"
)
_MONEY: Final = re.compile(
    rf"\d\s*%|[€$£]\s*\d|\d\s*[€$£]|\b{_NUMBER}\W+(?:euros?|dollars?|times|veces|percent|por ciento)\b"
)
_DEGREES: Final = re.compile(r"\d+\W*(?:degrees?|grados?|°)|degrees?|grados?")
_ANY: Final = re.compile(rf"\b{_NUMBER}\b")

#: What a question says, and the figures that answer it; the first that fits counts.
_KINDS: Final = (
    (
        re.compile(
            r"\b(?:how (?:long|often|soon|far ahead)|(?:cuanto tiempo|cada cuanto|cuanta antelacion)|notice|deadline"
            r"|plazo|preaviso|(?:cuanto|cuantas?|cuantos) (?:dura|tarda)\w*|duracion)\b"
        ),
        (_LONG, _DATE),
    ),
    (
        re.compile(
            r"\b(?:when|what time|(?:which|what) days?|until|cuando|que hora|que dias?|que fechas?|hasta que dia)\b"
        ),
        (_DATE, _LONG),
    ),
    (re.compile(r"\b(?:temperatures?|temperaturas?|grados|degrees|how (?:hot|cold|warm))\b"), (_DEGREES,)),
    (
        re.compile(
            r"\b(?:how much|price|costs?|fine|fee|penalt(?:y|ies)|discount|interest|percent(?:age)?|share|deposit"
            r"|cuest\w+|precio|multa|penalizaci\w+|descuent\w*|interes(?:es)?|porcentaje|recargo|fianza|senal|plus|cobr\w+)\b"
        ),
        (_MONEY,),
    ),
    (
        re.compile(
            r"\b(?:how (?:many|old|far|big|large)|phone|telephone|number|minimum|maximum|cuant[oa]s?"
            r"|telefono|numero|minim[oa]|maxim[oa])\b"
        ),
        (_ANY,),
    ),
)  # fmt: skip

#: What a sentence counts times: with the asked kind of figure, with a near one, with any other, with none.
RIGHT, NEAR, OTHER, NONE = 1.5, 1.25, 1.05, 0.65


def figure_factor(question: str, sentence: str) -> float:
    """Return what the figures of `sentence` are worth to `question`: 1 when it asks for none."""
    wanted = fold(question)
    told = re.sub(r"^\W*\d{1,2}[.)]\s+", "", fold(sentence))
    for asks, kinds in _KINDS:
        if asks.search(wanted):
            for kind, worth in zip(kinds, (RIGHT, NEAR), strict=False):
                if kind.search(told):
                    return worth
            return OTHER if _ANY.search(told) else NONE
    return 1.0
