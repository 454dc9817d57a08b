"""The page at `/`: one Django view, static ES modules, one catalogue of strings."""
