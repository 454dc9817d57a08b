"""Conversations and turns: accepted once, ended once."""
