"""Backup and restore: one file with everything that PostgreSQL holds, and the figures that prove it whole."""
