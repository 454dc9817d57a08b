"""Small talk, what can be asked here, and asking back: all from fixed sentences."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from orchestrator.engines.llm import Language, Material
from orchestrator.engines.llm_builtin_format import label
from orchestrator.engines.llm_builtin_strings import say
from orchestrator.engines.words import words
from orchestrator.events import Route

_ABILITIES: Final = 8
_ABILITY_CHARS: Final = 200
_CHOICES: Final = 3


def _anywhere(phrases: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(phrases.split(chr(10)))})\b")


def _alone(phrases: str, *, room: int) -> re.Pattern[str]:
    """Match only a message that is little more than the phrase: `room` words may follow."""
    return re.compile(rf"^(?:{'|'.join(phrases.split(chr(10)))})\b(?: \w+){{0,{room}}}$")


_ABILITY_PHRASES: Final = """what (?:can|do|could|else can) you (?:do|know|answer|help)
what (?:can|could|may|should) i ask
how (?:can|do) you help
what are you (?:able|capable|for)
how does this work
how do i use
help
capabilities
(?:example|sample) questions
que (?:mas )?(?:puedes|sabes|podes)
que (?:te )?puedo (?:preguntar|pedir|hacer)
ayuda
ayudame
para que sirves
como (?:funciona|funcionas|te uso|puedes ayudar|puedes ayudarme|me ayudas|se usa)
en que (?:me )?(?:puedes|ayudas)
que haces
ejemplos de preguntas"""
_WHO_PHRASES: Final = """who are you
what are you
who (?:made|built|created) you
what(?: i)? s your name
what is your name
are you (?:a |an )?(?:robot|bot|human|person|ai|real|chatgpt|machine)
quien eres
que eres
como te llamas
cual es tu nombre
eres (?:un |una )?(?:robot|bot|humano|humana|persona|ia|real|maquina)
quien te (?:hizo|creo)"""
_WELL_BEING_PHRASES: Final = """how are you
how(?: i)? s it going
how do you do
how have you been
what s up
whats up
you ok
como estas
como andas
como te va
como va todo
que tal
todo bien"""
_GOODBYE_PHRASES: Final = """bye
goodbye
good night
see you
see ya
farewell
have a (?:nice|good|great) (?:day|evening|weekend)
talk (?:to you )?later
adios
hasta (?:luego|pronto|manana|otra|la vista)
chao
chau
nos vemos
buen fin de semana
que tengas"""
_THANKS_PHRASES: Final = """thanks
thank you
thank u
thx
cheers
much appreciated
gracias
agradecid[oa]
te lo agradezco"""
_DECLINED_PHRASES: Final = """(?:no|nope|nah|not now|nothing)(?: \\w+){0,2} (?:thanks|thank you|gracias|thx)
(?:that s|that is|that will be|thats) all
(?:nothing|no) (?:else|more)
(?:eso es|esto es|ya esta|eso seria) todo
nada mas
ya no(?: necesito nada)?
no hace falta"""
_SORRY_PHRASES: Final = """that(?: i)? s wrong
not what i (?:asked|meant|wanted)
useless
(?:not|isn t|wasn t) helpful
doesn t help
you(?: a)? re wrong
bad answer
eso esta mal
no es lo que
inutil
no me (?:sirve|ayuda)
te equivocas
mala respuesta"""
_PRAISE_PHRASES: Final = """(?:very |so |muy |que )?(?:good|great|nice|perfect|excellent|awesome|cool|wonderful|amazing)
well done
ok
okay
got it
(?:muy |que )?(?:bien|genial|perfecto|excelente|estupendo|buenisimo|fantastico)
vale
entendido
buen trabajo"""
_GREETING_PHRASES: Final = """(?:well )?(?:hi|hello|hey|hiya|howdy|greetings)
good (?:morning|afternoon|evening|day)
hola
buenas
buenos dias
buen dia
saludos
ey
oye"""
#: In the order in which they are tried: "hi, what can you do?" is no mere greeting, "thanks, bye" a farewell.
_INTENTS: Final[Sequence[tuple[str, re.Pattern[str]]]] = (
    ("sorry", _anywhere(_SORRY_PHRASES)),
    ("declined", _alone(_DECLINED_PHRASES, room=3)),
    ("abilities", _anywhere(_ABILITY_PHRASES)),
    ("who", _anywhere(_WHO_PHRASES)),
    ("well_being", _anywhere(_WELL_BEING_PHRASES)),
    ("goodbye", _anywhere(_GOODBYE_PHRASES)),
    ("thanks", _anywhere(_THANKS_PHRASES)),
    ("greeting", _alone(_GREETING_PHRASES, room=3)),
    ("praise", _alone(_PRAISE_PHRASES, room=2)),
)


def small_talk(material: Material) -> str:
    """Return the answer to what is neither about figures nor about documents, and says honestly where talk ends."""
    language, seed = material.language, material.question
    facts = {"tenant": label(material.tenant_name)}
    intent = intent_of(material.question)
    match intent:
        case "abilities":
            return _with_abilities(say("can_do", language, seed=seed, facts=facts), material)
        case "who":
            return _with_abilities(say("who", language, seed=seed, facts=facts), material)
        case "":
            lead = say("no_model", language, seed=seed)
            return _with_abilities(f"{lead} {say('can_do', language, seed=seed, facts=facts)}", material)
        case _:
            return say(intent, language, seed=seed, facts=facts)


def intent_of(question: str) -> str:
    """Return which kind of small talk it is, or an empty text."""
    plain = " ".join(words(question))
    return next((intent for intent, pattern in _INTENTS if pattern.search(plain)), "")


def nothing_found(material: Material) -> str:
    """Return what is said when a route brought neither rows nor passages."""
    key = {"sql": "figures_missing", "rag": "documents_silent", "job": "jobs_missing"}[material.route]
    return _with_abilities(say(key, material.language, seed=material.question), material)


def ask_back(material: Material) -> str:
    """Return a question back that offers the likeliest routes in words, or a plain no where no route is likely."""
    language, seed = material.language, material.question
    facts = {"tenant": label(material.tenant_name)}
    if not material.alternatives:
        return say("out_of_scope", language, seed=seed, facts=facts)
    routes: Sequence[Route] = material.alternatives[:_CHOICES]
    choices = [say(f"route_{route}", language, facts=facts) for route in routes]
    asked = say("ask_back", language, seed=seed, facts={"choices": _either(choices, language)})
    return f"{asked} {say('ask_back_hint', language, seed=seed)}"


def _either(choices: Sequence[str], language: Language) -> str:
    if len(choices) == 1:
        return choices[0]
    return say("or", language, facts={"head": ", ".join(choices[:-1]), "last": choices[-1]})


def _with_abilities(lead: str, material: Material) -> str:
    if not material.abilities:
        return lead
    shown = [f"- {label(ability, most_chars=_ABILITY_CHARS)}" for ability in material.abilities[:_ABILITIES]]
    rest = len(material.abilities) - len(shown)
    if rest > 0:
        shown.append(f"- {say('about_more', material.language, facts={'count': rest})}")
    return "\n".join((f"{lead} {say('about', material.language)}", "", *shown))
