"""Which passages answer, and when it is honest to say that none does."""

from __future__ import annotations

import pytest

from orchestrator.engines.embedder_scripted import ScriptedEmbedder
from orchestrator.engines.retriever import Chunk
from orchestrator.engines.retriever_scripted import ScriptedRetriever
from orchestrator.errors import NoAnswerError
from orchestrator.pipeline.rag_answer import Found, find_passages, weigh

EMBEDDER = ScriptedEmbedder()
TEXTS = {
    "en": (
        "Tips are pooled and shared at the end of every shift.",
        "Dogs are welcome on the terrace when they stay on a leash.",
        "The holiday request is due thirty days before the first day off.",
    ),
    "es": ("Los zapatos son negros, cerrados y antideslizantes.", "El pescado llega los martes con hielo."),
}


@pytest.fixture
def retriever() -> ScriptedRetriever:
    made = ScriptedRetriever()
    for language, texts in TEXTS.items():
        made.add_document("tnt", language, "Rules")
        chunks = [Chunk(n=at, heading="Rules", text=text, start=0, end=len(text)) for at, text in enumerate(texts)]
        made.index("tnt", language, chunks, EMBEDDER.embed(texts), model=EMBEDDER.name, language=language)
    return made


def ask(retriever: ScriptedRetriever, question: str, language: str, tenant: str = "tnt") -> Found:
    vector = EMBEDDER.embed([question])[0]
    return find_passages(question, vector, tenant=tenant, retriever=retriever, language=language)


@pytest.mark.parametrize(
    ("question", "language", "opening"),
    [
        ("How are the tips shared?", "en", "Tips are pooled"),
        ("¿Cómo son los zapatos?", "es", "Los zapatos"),
        ("¿Cómo se reparten las propinas?", "es", "Tips are pooled"),
        ("Which shoes are black?", "en", "Los zapatos"),
    ],
)
def test_a_question_finds_its_passage_in_either_language(
    retriever: ScriptedRetriever, question: str, language: str, opening: str
) -> None:
    found = ask(retriever, question, language)

    assert found.passages[0].text.startswith(opening)


def test_a_question_whose_words_are_all_there_is_answered_with_confidence(retriever: ScriptedRetriever) -> None:
    assert ask(retriever, "When are tips shared?", "en").confident


def test_a_question_half_of_whose_words_are_there_is_answered_without(retriever: ScriptedRetriever) -> None:
    assert not ask(retriever, "¿Quién supervisa los zapatos negros brillantes?", "es").confident


@pytest.mark.parametrize("question", ["Who won the football championship?", "asdf qwer", "What is it?", ""])
def test_a_question_about_something_else_is_refused_honestly(retriever: ScriptedRetriever, question: str) -> None:
    with pytest.raises(NoAnswerError) as caught:
        ask(retriever, question, "en")

    assert caught.value.detail_key == "rag.no_answer"


def test_a_tenant_without_documents_gets_no_answer(retriever: ScriptedRetriever) -> None:
    with pytest.raises(NoAnswerError):
        ask(retriever, "How are the tips shared?", "en", tenant="other")


def test_what_scores_far_below_the_best_is_left_out(retriever: ScriptedRetriever) -> None:
    found = ask(retriever, "Are dogs welcome on the terrace?", "en")

    assert all(passage.score >= 0.35 * found.passages[0].score for passage in found.passages)
    assert found.passages[0].text.startswith("Dogs")


def test_no_passages_are_no_evidence() -> None:
    evidence = weigh("tips", [], language="en")

    assert (evidence.similarity, evidence.coverage) == (0.0, 0.0)


def test_a_name_that_no_document_holds_is_counted(retriever: ScriptedRetriever) -> None:
    stranger = ask(retriever, "How are the tips of Otis shared at the end?", "en")
    own = ask(retriever, "How are the tips shared at the end?", "en")

    assert (stranger.evidence.unknown, own.evidence.unknown) == (1, 0)
    assert stranger.evidence.coverage < own.evidence.coverage
