"""The built-in writer's talk, asking back, streaming, and its catalogue."""

from __future__ import annotations

import string

import pytest

from orchestrator.engines.llm import Language, Material
from orchestrator.engines.llm_builtin import BuiltinModel, compose
from orchestrator.engines.llm_builtin_strings import STRINGS
from orchestrator.engines.llm_builtin_talk import intent_of
from orchestrator.events import Route
from orchestrator.resilience.deadline import Deadline
from orchestrator.resilience.stop import Stop


def said(question: str, *, language: Language = "en", route: Route = "chat", abilities: tuple[str, ...] = ()) -> str:
    return compose(
        Material(question=question, language=language, route=route, tenant_name="Trattoria", abilities=abilities)
    )


@pytest.mark.parametrize(
    ("question", "intent"),
    [
        ("Hello!", "greeting"),
        ("good morning everyone", "greeting"),
        ("Hi, what can you do?", "abilities"),
        ("help", "abilities"),
        ("Who are you?", "who"),
        ("what's your name", "who"),
        ("How are you today?", "well_being"),
        ("Thanks a lot!", "thanks"),
        ("No thanks", "declined"),
        ("No, gracias", "declined"),
        ("no, muchas gracias", "declined"),
        ("That's all, thank you", "declined"),
        ("Eso es todo, gracias", "declined"),
        ("gracias, no era eso lo que quería", "thanks"),
        ("thanks, bye", "goodbye"),
        ("Great job", "praise"),
        ("That's not helpful", "sorry"),
        ("¡Hola!", "greeting"),
        ("buenos días", "greeting"),
        ("¿Qué puedes hacer?", "abilities"),
        ("¿En qué me puedes ayudar?", "abilities"),
        ("¿Quién eres?", "who"),
        ("¿Qué tal estás?", "well_being"),
        ("Muchas gracias", "thanks"),
        ("Hasta mañana", "goodbye"),
        ("Perfecto", "praise"),
        ("Eso está mal", "sorry"),
        ("Tell me a joke about cooks", ""),
        ("¿Cuál es el sentido de la vida?", ""),
    ],
)
def test_small_talk_is_told_apart(question: str, intent: str) -> None:
    assert intent_of(question) == intent


def test_the_same_question_always_gets_the_same_words() -> None:
    assert said("Hello!") == said("Hello!")


def test_other_questions_get_other_wordings() -> None:
    assert len({said(f"hello {n}") for n in range(30)}) == 3


def test_what_it_can_do_lists_the_abilities() -> None:
    answer = said("What can you do?", abilities=("net sales by branch", "the staff handbook"))

    assert "- net sales by branch\n- the staff handbook" in answer


def test_a_long_list_of_abilities_is_cut_with_its_count() -> None:
    answer = said("What can you do?", abilities=tuple(f"thing {n}" for n in range(12)))

    assert answer.endswith("- thing 7\n- and 4 more")


def test_free_talk_is_refused_honestly_in_english() -> None:
    assert "no language model is configured here" in said("Tell me a joke about cooks").lower()


def test_free_talk_is_refused_honestly_in_spanish() -> None:
    assert "no hay configurado ningún modelo de lenguaje" in said("Cuéntame un chiste", language="es")


@pytest.mark.parametrize(
    ("language", "choices"),
    [
        ("en", "figures from Trattoria's data, or what the documents of Trattoria say?"),
        ("es", "cifras de los datos de Trattoria o lo que dicen los documentos de Trattoria?"),
    ],
)
def test_asking_back_offers_the_likeliest_routes_in_words(language: Language, choices: str) -> None:
    material = Material(
        question="tips?",
        language=language,
        route="chat",
        tenant_name="Trattoria",
        mode="ask_back",
        alternatives=("sql", "rag"),
    )

    assert choices in compose(material)


@pytest.mark.parametrize(("language", "plainly"), [("en", "I can't help with that here"), ("es", "no puedo ayudarte")])
def test_what_is_out_of_scope_is_said_to_be(language: Language, plainly: str) -> None:
    material = Material(
        question="who won the match?", language=language, route="chat", tenant_name="Trattoria", mode="ask_back"
    )

    assert plainly in compose(material)


def test_a_long_ability_is_not_cut_inside_a_word() -> None:
    answer = said("What can you do?", abilities=("figures " + "dining tables, " * 20,))

    assert answer.splitlines()[-1].endswith(("tables…", "dining…"))


@pytest.mark.parametrize("route", ["sql", "rag", "job"])
def test_a_route_that_brought_nothing_says_so(route: Route) -> None:
    assert said("anything", route=route)


def test_the_pieces_are_the_text_white_space_included() -> None:
    material = Material(
        question="What can you do?", language="en", route="chat", tenant_name="Trattoria", abilities=("a b", "c")
    )

    pieces = list(BuiltinModel().write(material, deadline=Deadline.after_ms(5_000), stop=Stop()))

    assert "".join(piece.text for piece in pieces) == compose(material)
    assert max(len(piece.text.split()) for piece in pieces) <= 3


def test_a_tenants_name_cannot_write_markdown() -> None:
    material = Material(question="hello", language="en", route="chat", tenant_name="<img src=x> [a](http://b)")

    assert "<img" not in compose(material).replace("\\<img", "")
    assert "](http:" not in compose(material)


def placeholders(wording: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(wording) if name}


@pytest.mark.parametrize("key", STRINGS)
def test_every_sentence_takes_the_same_facts_in_both_languages(key: str) -> None:
    found = [placeholders(wording) for wordings in STRINGS[key].values() for wording in wordings]

    assert set(STRINGS[key]) == {"en", "es"}
    assert all(names == found[0] for names in found)
