from __future__ import annotations

import numpy as np

from orchestrator.engines.ngrams import hashed_ngrams, ngrams, normalised


def test_accents_and_case_do_not_matter() -> None:
    with_accents, without = hashed_ngrams(["¿CUÁNTO facturó?", "¿cuanto facturo?"], buckets=256)

    assert np.array_equal(with_accents, without)


def test_every_number_counts_as_the_same_word() -> None:
    three, ten = hashed_ngrams(["top 3 dishes", "top 10 dishes"], buckets=256)

    assert np.array_equal(three, ten)


def test_a_word_gives_itself_its_pairs_and_its_pieces() -> None:
    grams = list(ngrams("pan"))

    assert grams == ["w pan", "p ^ pan", "p pan $", "c pa", "cpan", "can ", "c pan", "cpan ", "c pan "]


def test_features_are_the_same_on_every_machine() -> None:
    row = hashed_ngrams(["pan"], buckets=16)[0]

    assert np.flatnonzero(row).tolist() == [3, 5, 7, 8, 9, 10, 14]


def test_a_text_without_words_gives_zeros() -> None:
    rows = normalised(hashed_ngrams(["", "…"], buckets=16))

    assert not rows.any()
