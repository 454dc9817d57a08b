"""A classifier without a model: the first word of its script found in the question decides.

For tests and for machines that can't hold a model; it is quick, repeatable and openly simple.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orchestrator.engines.classifier import Classification
from orchestrator.engines.embedder import Embedder
from orchestrator.events import ROUTES, Route

#: Pieces of words in English and Spanish; the first that occurs in the text wins.
DEFAULT_SCRIPT: Mapping[str, Route] = {
    "run the": "job",
    "ejecuta": "job",
    "lanza": "job",
    "start the": "job",
    "policy": "rag",
    "política": "rag",
    "handbook": "rag",
    "manual": "rag",
    "allerg": "rag",
    "alérgen": "rag",
    "contract": "rag",
    "contrato": "rag",
    "how many": "sql",
    "cuánt": "sql",
    "revenue": "sql",
    "ventas": "sql",
    "sales": "sql",
    "average": "sql",
    "total": "sql",
    "top": "sql",
    "hello": "chat",
    "hola": "chat",
    "thank": "chat",
    "gracias": "chat",
    "what can you": "chat",
    "qué puedes": "chat",
}


class ScriptedClassifier:
    """Scores by a table from pieces of text to routes; what matches nothing is undecided.

    Args:
        script: Piece of text (lower case) to route; earlier entries win.
        sure: The score of a route that was found.
        embedder: Gives each classification its embedding, as a shared encoder would.
    """

    def __init__(
        self,
        script: Mapping[str, Route] = DEFAULT_SCRIPT,
        *,
        sure: float = 0.97,
        embedder: Embedder | None = None,
    ) -> None:
        self.name = f"scripted ({len(script)} rules)"
        self._script = dict(script)
        self._sure = sure
        self._embedder = embedder

    def classify(self, texts: Sequence[str]) -> list[Classification]:
        """Return one classification for each text, in order; scores of an undecided one are all equal."""
        if self._embedder is None:
            return [Classification(scores=self._scores(text)) for text in texts]
        rows = self._embedder.embed(texts)
        return [Classification(scores=self._scores(text), embedding=row) for text, row in zip(texts, rows, strict=True)]

    def _scores(self, text: str) -> dict[Route, float]:
        lowered = text.lower()
        found = next((route for piece, route in self._script.items() if piece in lowered), None)
        if found is None:
            return dict.fromkeys(ROUTES, 1 / len(ROUTES))
        rest = (1 - self._sure) / (len(ROUTES) - 1)
        return {route: self._sure if route == found else rest for route in ROUTES}
