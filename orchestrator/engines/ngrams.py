"""Words and pieces of words as hashed features: what tells languages and topics apart without a model."""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from orchestrator.engines.classifier import Matrix

_TOKEN = re.compile(r"[^\W\d_]+|\d+|[?¿]")
_PIECE_LENGTHS = (3, 4, 5)


def ngrams(text: str) -> Iterator[str]:
    """Yield the text's words, pairs of words, and the 3 to 5 letter pieces of each word.

    Case and accents are dropped, because people type without them, and every
    number becomes `#`.
    """
    plain = "".join(char for char in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(char))
    words = ["#" if token.isdecimal() else token for token in _TOKEN.findall(plain)]
    if not words:
        return
    yield from (f"w {word}" for word in words)
    yield from (f"p {left} {right}" for left, right in zip(["^", *words], [*words, "$"], strict=True))
    for word in words:
        padded = f" {word} "
        for length in _PIECE_LENGTHS:
            yield from (f"c{padded[at : at + length]}" for at in range(len(padded) - length + 1))


def hashed_ngrams(texts: Sequence[str], *, buckets: int) -> Matrix:
    """Return (len(texts), buckets) float32 counts on a logarithmic scale, the same on every machine.

    CRC-32 rather than `hash`, which differs from process to process.
    """
    rows = np.zeros((len(texts), buckets), dtype=np.float32)
    for row, text in zip(rows, texts, strict=True):
        counts = Counter(zlib.crc32(gram.encode()) % buckets for gram in ngrams(text))
        row[list(counts)] = 1 + np.log(np.fromiter(counts.values(), dtype=np.float32, count=len(counts)))
    return rows


def normalised(rows: Matrix) -> Matrix:
    """Return `rows` scaled to length 1; a row of zeros stays."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    scaled: Matrix = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    return scaled
