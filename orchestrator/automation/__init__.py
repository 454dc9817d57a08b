"""Automation work: jobs, what they do and who asked."""
