"""Small stand-ins for the router's parts: an encoder without a model, a handful of questions, a random classifier."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from orchestrator.engines.classifier import Matrix
from orchestrator.engines.embedder_scripted import ScriptedEmbedder
from orchestrator.engines.model_files import minilm_directory
from orchestrator.engines.router_questions import Question
from orchestrator.events import Route

_WORDS: Mapping[Route | None, tuple[str, ...]] = {
    "sql": ("how many orders", "total sales", "average ticket", "top dishes", "revenue by branch", "ventas por local"),
    "rag": ("holiday policy", "allergens of pesto", "contract clause", "handbook rules", "dress code", "norma de baja"),
    "chat": ("hello there", "thank you", "good morning", "who are you", "what can you do", "hola buenas"),
    "job": ("run the report", "process the invoices", "send the mail", "start the audit", "print labels", "ejecuta ya"),
    None: ("capital of Mongolia", "weather in Oslo", "love poem", "chess opening", "moon landing", "loteria de hoy"),
}
_FRAMES = ("{}", "please, {}", "{} today", "I want: {}")


class NgramEncoder:
    """The scripted embedder seen as an encoder."""

    def __init__(self, sha256: str = "a" * 64) -> None:
        self._embedder = ScriptedEmbedder(64)
        self.name = "ngrams"
        self.sha256 = sha256
        self.dim = self._embedder.dim

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Return the embedder's rows."""
        return self._embedder.embed(texts)


def a_few_questions() -> list[Question]:
    """Return 24 questions of each route and 24 of none, most of them English."""
    return [
        Question(text=frame.format(words), route=route, language="es" if number == len(of_route) - 1 else "en")
        for route, of_route in _WORDS.items()
        for number, words in enumerate(of_route)
        for frame in _FRAMES
    ]


def make_tiny_classifier(
    folder: Path, labels: Sequence[str] = ("sql", "rag", "chat", "job"), routes: Mapping[str, str | None] | None = None
) -> Path:
    """Write a BERT sequence classifier of one layer with random weights into `folder`; return it. Needs torch."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    tokenizer = AutoTokenizer.from_pretrained(str(minilm_directory()), local_files_only=True)
    tokenizer.save_pretrained(str(folder))
    torch.manual_seed(7)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=64,
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
    )
    BertForSequenceClassification(config).save_pretrained(str(folder))
    if routes is not None:
        (folder / "routes.json").write_text(json.dumps(routes))
    return folder
