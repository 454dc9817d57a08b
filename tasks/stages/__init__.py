"""One task a hop; importing this registers them all."""

from tasks.stages import classify, llm, rag, sql

__all__ = ["classify", "llm", "rag", "sql"]
