"""Faults under a running stack; the figures of `docs/evidence.md` come from here."""
