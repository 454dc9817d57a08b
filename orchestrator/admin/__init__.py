"""The Django admin of everything, and the management commands."""
