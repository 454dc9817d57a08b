"""The stages: which there are for a route, and what each one does."""
