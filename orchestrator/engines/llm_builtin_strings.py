"""Everything the built-in writer says, in English and Spanish, and how one wording is chosen."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

from orchestrator.engines.llm import Language

#: Key -> language -> wordings that may stand for each other; placeholders are the same in both languages.
STRINGS: Final[Mapping[str, Mapping[Language, tuple[str, ...]]]] = {
    # Rows
    "result": {"en": ("The result",), "es": ("El resultado",)},
    "value": {"en": ("{subject}: **{value}**.",), "es": ("{subject}: **{value}**.",)},
    "compared": {
        "en": ("{subject}: **{now}**, against **{then}** before ({change}).",),
        "es": ("{subject}: **{now}**, frente a **{then}** antes ({change}).",),
    },
    "points": {"en": ("{value} points",), "es": ("{value} puntos",)},
    "values": {"en": ("{subject}: {values}.",), "es": ("{subject}: {values}.",)},
    "one_named": {
        "en": ("{subject}: **{name}**, with **{value}**.",),
        "es": ("{subject}: **{name}**, con **{value}**.",),
    },
    "one_other": {"en": ("Also: {values}.",), "es": ("Además: {values}.",)},
    "other_of": {"en": ("Also for {name}: {values}.",), "es": ("Además, de {name}: {values}.",)},
    "leader": {
        "en": ("{subject}: **{name}** leads with **{value}**{share}{next}.",),
        "es": ("{subject}: en cabeza está **{name}** con **{value}**{share}{next}.",),
    },
    "trailer": {
        "en": ("{subject}: the lowest is **{name}** with **{value}**{next}.",),
        "es": ("{subject}: el valor más bajo es el de **{name}**, con **{value}**{next}.",),
    },
    "tied": {
        "en": ("{subject}: {names} share first place with **{value}** each.",),
        "es": ("{subject}: {names} comparten el primer puesto con **{value}** cada uno.",),
    },
    "all_equal": {
        "en": ("{subject}: all {count} are at **{value}**.",),
        "es": ("{subject}: los {count} están en **{value}**.",),
    },
    "both_equal": {
        "en": ("{subject}: {names} are both at **{value}**.",),
        "es": ("{subject}: {names} están ambos en **{value}**.",),
    },
    "share": {"en": (" ({share} of the total)",), "es": (" ({share} del total)",)},
    "followed": {"en": (", followed by {names}",), "es": (", por delante de {names}",)},
    "next_lowest": {"en": (", then {names}",), "es": (", y después {names}",)},
    "lowest": {"en": ("The lowest is {name} with {value}.",), "es": ("El valor más bajo es el de {name}: {value}.",)},
    "highest": {"en": ("The highest is {name} with {value}.",), "es": ("El valor más alto es el de {name}: {value}.",)},
    "together": {
        "en": ("Together, the {count} come to **{total}**.",),
        "es": ("Entre los {count} suman **{total}**.",),
    },
    "trend": {
        "en": ("{subject}: from **{first}** {from_when} to **{last}** {to_when}{change}.",),
        "es": ("{subject}: de **{first}** {from_when} a **{last}** {to_when}{change}.",),
    },
    "one_moment": {"en": ("{subject}: **{value}** {when}.",), "es": ("{subject}: **{value}** {when}.",)},
    "change": {"en": (" ({change})",), "es": (" ({change})",)},
    "peak": {
        "en": ("The highest was {high} {high_when}, the lowest {low} {low_when}.",),
        "es": ("El valor más alto fue {high} {high_when}; el más bajo, {low} {low_when}.",),
    },
    "flat": {
        "en": ("It was the same throughout.",),
        "es": ("No cambió en todo el periodo.",),
    },
    "total": {"en": ("In all, that makes **{total}**.",), "es": ("En total son **{total}**.",)},
    "crossed": {
        "en": ("{subject}: the highest figure is **{value}** ({name}, {moment}).",),
        "es": ("{subject}: la cifra más alta es **{value}** ({name}, {moment}).",),
    },
    "crossed_low": {
        "en": ("The lowest is {value} ({name}, {moment}).",),
        "es": ("La más baja es {value} ({name}, {moment}).",),
    },
    "crossed_leader": {
        "en": ("Over the whole period **{name}** leads with **{value}**{share}.",),
        "es": ("En todo el periodo, en cabeza está **{name}** con **{value}**{share}.",),
    },
    "list_all": {"en": ("{subject}: {names}.",), "es": ("{subject}: {names}.",)},
    "list_some": {
        "en": ("{subject}: **{count}** in all. The first are {names}.",),
        "es": ("{subject}: **{count}** en total. Por ejemplo, {names}.",),
    },
    "list_cut": {
        "en": ("{subject}: at least **{count}**. The first are {names}.",),
        "es": ("{subject}: al menos **{count}**. Por ejemplo, {names}.",),
    },
    "empty": {
        "en": ("No data matches that: {subject} gave no rows.",),
        "es": ("No hay datos que coincidan: {subject} no dio ninguna fila.",),
    },
    "empty_bare": {"en": ("No data matches that question.",), "es": ("No hay datos que coincidan con esa pregunta.",)},
    "null": {
        "en": ("There is no figure for that: {subject} has no value.",),
        "es": ("No hay ninguna cifra para eso: {subject} no tiene valor.",),
    },
    "truncated": {
        "en": ("The result was cut at {count} rows: there is more.",),
        "es": ("El resultado se cortó en {count} filas: hay más.",),
    },
    "no_value": {"en": ("(no value)",), "es": ("(sin valor)",)},
    "yes": {"en": ("yes",), "es": ("sí",)},
    "no": {"en": ("no",), "es": ("no",)},
    # Passages
    "documents_say": {
        "en": ("Here is what the documents say:", "This is what I found in the documents:"),
        "es": ("Esto es lo que dicen los documentos:", "Esto es lo que he encontrado en los documentos:"),
    },
    "document_says": {"en": ("**{title}** says:",), "es": ("**{title}** dice:",)},
    "documents_unsure": {
        "en": ("I found no clear answer in the documents. These passages come closest:",),
        "es": ("No he encontrado una respuesta clara en los documentos. Estos pasajes son los más cercanos:",),
    },
    "other_language": {
        "en": ("*The documents are in {language}; I quote them as they are.*",),
        "es": ("*Los documentos están en {language}; los cito tal como están.*",),
    },
    "language_en": {"en": ("English",), "es": ("inglés",)},
    "language_es": {"en": ("Spanish",), "es": ("español",)},
    "documents_silent": {
        "en": ("I found nothing about that in the documents.",),
        "es": ("No he encontrado nada sobre eso en los documentos.",),
    },
    "figures_missing": {
        "en": ("I found no figures for that question.",),
        "es": ("No he encontrado cifras para esa pregunta.",),
    },
    "jobs_missing": {
        "en": ("I can't run tasks from here.",),
        "es": ("No puedo ejecutar tareas desde aquí.",),
    },
    # Talk
    "greeting": {
        "en": (
            "Hello! What would you like to know about {tenant}?",
            "Hi there! Ask me about {tenant}'s figures or documents.",
            "Hello! I'm ready: figures or documents of {tenant}, what do you need?",
        ),
        "es": (
            "¡Hola! ¿Qué quieres saber de {tenant}?",
            "¡Hola! Pregúntame por las cifras o los documentos de {tenant}.",
            "¡Hola! Cuando quieras: cifras o documentos de {tenant}, ¿qué necesitas?",
        ),
    },
    "thanks": {
        "en": ("You're welcome!", "My pleasure. Anything else?", "Glad it helped."),
        "es": ("¡De nada!", "Un placer. ¿Algo más?", "Me alegro de que te sirva."),
    },
    "declined": {
        "en": ("All right. I'm here when you need me.", "Very well. Have a good day!"),
        "es": ("De acuerdo. Aquí estoy cuando me necesites.", "Muy bien. ¡Que tengas un buen día!"),
    },
    "goodbye": {
        "en": ("Goodbye!", "See you soon!", "Have a good day!"),
        "es": ("¡Adiós!", "¡Hasta pronto!", "¡Que tengas un buen día!"),
    },
    "well_being": {
        "en": (
            "All well here, thank you. What can I look up for you?",
            "Everything is running. What would you like to know?",
        ),
        "es": ("Todo bien, gracias. ¿Qué te busco?", "Todo en marcha. ¿Qué quieres saber?"),
    },
    "praise": {
        "en": ("Thank you! What shall we look at next?", "Good to hear. What else would you like to know?"),
        "es": ("¡Gracias! ¿Qué miramos ahora?", "Me alegra oírlo. ¿Qué más quieres saber?"),
    },
    "sorry": {
        "en": (
            "I'm sorry that didn't help. Try it in other words, or name the figure, the place and the period.",
            "Sorry about that. It often helps to name the figure, the place and the period.",
        ),
        "es": (
            "Siento que no te haya servido. Prueba con otras palabras, o nombra la cifra, el lugar y el periodo.",
            "Lo siento. Suele ayudar nombrar la cifra, el lugar y el periodo.",
        ),
    },
    "who": {
        "en": (
            "I'm the assistant of {tenant}. I look up figures in its data and passages in its documents, and I show "
            "where each comes from. No language model is configured here, so my wording is fixed.",
        ),
        "es": (
            "Soy el asistente de {tenant}. Busco cifras en sus datos y pasajes en sus documentos, y muestro de dónde "
            "sale cada uno. Aquí no hay configurado ningún modelo de lenguaje, así que mis frases son fijas.",
        ),
    },
    "can_do": {
        "en": (
            "I answer questions about {tenant}'s data and documents, and show the rows and passages that each answer "
            "comes from.",
        ),
        "es": (
            "Respondo preguntas sobre los datos y los documentos de {tenant}, y muestro las filas y los pasajes de los "
            "que sale cada respuesta.",
        ),
    },
    "about": {"en": ("For example, you can ask about:",), "es": ("Por ejemplo, puedes preguntar por:",)},
    "about_more": {"en": ("and {count} more",), "es": ("y {count} más",)},
    "no_model": {
        "en": ("I can't help with that: no language model is configured here for open conversation.",),
        "es": (
            "En eso no puedo ayudarte: aquí no hay configurado ningún modelo de lenguaje para conversar libremente.",
        ),
    },
    # Asking back
    "ask_back": {
        "en": ("I'm not sure I understood. Do you want {choices}?", "Just to be sure: do you want {choices}?"),
        "es": ("No estoy seguro de haberte entendido. ¿Quieres {choices}?", "Para estar seguros: ¿quieres {choices}?"),
    },
    "ask_back_hint": {
        "en": ("Tell me, or ask again in other words.",),
        "es": ("Dímelo, o pregúntalo con otras palabras.",),
    },
    "out_of_scope": {
        "en": (
            "I can't help with that here. I can look up figures in {tenant}'s data and passages in its documents: "
            "ask me about those.",
        ),
        "es": (
            "En eso no puedo ayudarte aquí. Puedo buscar cifras en los datos de {tenant} y pasajes en sus documentos: "
            "pregúntame por ellos.",
        ),
    },
    "or": {"en": ("{head}, or {last}",), "es": ("{head} o {last}",)},
    "route_sql": {"en": ("figures from {tenant}'s data",), "es": ("cifras de los datos de {tenant}",)},
    "route_rag": {"en": ("what the documents of {tenant} say",), "es": ("lo que dicen los documentos de {tenant}",)},
    "route_chat": {"en": ("just a chat",), "es": ("simplemente charlar",)},
    "route_job": {"en": ("a task to be run",), "es": ("que se ejecute una tarea",)},
}


def say(key: str, language: Language, *, seed: str = "", facts: Mapping[str, object] | None = None) -> str:
    """Return the wording of `key` with `facts` filled in; `seed`, the question, decides among several.

    The same question always gets the same words, so a takeover of a dead worker's attempt
    writes what the first one wrote.
    """
    wordings = STRINGS[key][language]
    digest = hashlib.blake2s(seed.encode(), digest_size=4).digest()
    return wordings[int.from_bytes(digest, "big") % len(wordings)].format_map(facts or {})
