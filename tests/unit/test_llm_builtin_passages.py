"""Quotations: the right sentences, their numbers, their documents, and honesty about their language."""

from __future__ import annotations

from orchestrator.engines.llm import Language
from orchestrator.engines.llm_builtin_passages import quote_passages
from orchestrator.engines.retriever import Passage


def passage(text: str, *, document: str = "d1", title: str = "Staff handbook", similarity: float = 0.6) -> Passage:
    return Passage(
        chunk=text[:8], document=document, title=title, heading="", text=text, start=0, end=len(text), score=0.03,
        similarity=similarity,
    )  # fmt: skip


def quoted(question: str, *passages: Passage, language: Language = "en") -> str:
    return quote_passages(question, passages, language=language)


TIPS = passage("Welcome to the team. Tips are pooled by shift. The pool is split by hours worked. Uniforms are washed.")
HOLIDAYS = passage("## Holidays\n- Each person has 25 days of holiday a year.\n- Ask two weeks ahead.")
CARD = passage(
    "Card tips are paid out with the next salary. The safe is emptied daily.", document="d2", title="Payments"
)


def test_the_sentence_that_answers_is_quoted_with_its_number_and_document() -> None:
    answer = quoted("How many days of holiday do I have?", TIPS, HOLIDAYS)

    assert "**Staff handbook** says:" in answer
    assert "“Each person has 25 days of holiday a year.” [2]" in answer


def test_what_follows_completes_the_sentence() -> None:
    assert "“Tips are pooled by shift. The pool is split by hours worked." in quoted("Are tips pooled?", TIPS)


def test_several_documents_stand_apart_the_better_one_first() -> None:
    till = passage("Tips are paid in cash.", document="d3", title="Till")

    answer = quoted("How are tips paid?", TIPS, CARD, till)

    assert answer.index("**Till** says:") < answer.index("**Payments** says:")
    assert "[3]" in answer.split("**Payments** says:")[0]
    assert "[2]" in answer.split("**Payments** says:")[1]


def test_at_most_three_sentences_are_quoted() -> None:
    long = passage(" ".join(f"Rule {n} about tips is number {n}." for n in range(40)))

    assert quoted("What are the rules about tips?", long, long).count("Rule ") <= 3


def test_what_fits_far_worse_than_the_best_is_not_quoted() -> None:
    answer = quoted("When are card tips paid out?", CARD, passage("The bar closes at 01:00. Tips are welcome there."))

    assert "paid out with the next salary" in answer
    assert "Tips are welcome" not in answer
    assert "bar closes" not in answer


def test_the_sentence_with_the_asked_figure_comes_first() -> None:
    leave = passage("Holidays are requested in the app. Holidays are 25 days a year; from five years on 27. Be kind.")

    answer = quoted("How many days of holidays do I get?", leave)

    assert "“Holidays are 25 days a year; from five years on 27." in answer


def test_a_row_keeps_the_line_that_leads_in() -> None:
    fires = passage("For a fire take:\n- Oil: class F\n- Paper: foam\nNever water.")

    assert "- For a fire take: “Oil: class F” [1]" in quoted("Which extinguisher is for oil?", fires)


def test_a_sentence_that_points_back_brings_the_one_before() -> None:
    lease = passage("The lease runs until 31 May 2027. It ends without notice. The rent is low. Pets are fine.")

    assert "The lease runs until 31 May 2027. It ends without notice." in quoted("Does it end without notice?", lease)


def test_passages_of_both_languages_compete_each_in_its_own() -> None:
    spanish = passage("La nómina se paga el día 5. El comedor abre a las 11.", document="d4", title="Pagos")

    answer = quoted("When are wages paid?", passage("The wages office is blue. Ring twice."), spanish)

    assert "“La nómina se paga el día 5." in answer


def test_documents_in_another_language_are_announced() -> None:
    answer = quoted("¿Cómo se reparten las propinas?", TIPS, language="es")

    assert answer.startswith("Esto es lo que")
    assert answer.endswith("*Los documentos están en inglés; los cito tal como están.*")


def test_documents_in_the_same_language_are_not() -> None:
    assert "*The documents are" not in quoted("How are tips shared?", TIPS)


def test_passages_that_only_came_for_want_of_better_ones_are_called_so() -> None:
    answer = quoted("quantum physics", passage("Cats sleep a lot.", similarity=0.1))

    assert answer.startswith("I found no clear answer in the documents.")


def test_empty_passages_are_no_answer() -> None:
    assert quoted("tips?", passage(" ")) == "I found nothing about that in the documents."


def test_a_documents_text_cannot_write_markdown() -> None:
    answer = quoted("tips", passage("Tips ![x](http://evil/) <b>now</b> are pooled."))

    assert "![x](" not in answer
    assert "\\<b\\>" in answer
    assert "http://" not in answer


def test_a_row_of_a_table_reads_as_a_row() -> None:
    assert "“Gluten · Pizza”" in quoted("Which dish has gluten?", passage("| Gluten | Pizza |"))
