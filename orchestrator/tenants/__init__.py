"""Tenants, their users and credentials."""
