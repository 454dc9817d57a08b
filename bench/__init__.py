"""Measurements and drills: every figure in the docs names its command here."""
