"""Where Django looks for an app's admin pages: each module registers its own."""

from orchestrator.admin import automation, chat, documents, keys, machinery, people, warehouses

__all__ = ["automation", "chat", "documents", "keys", "machinery", "people", "warehouses"]
