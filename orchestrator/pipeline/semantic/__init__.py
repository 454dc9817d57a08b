"""The semantic layer: what a company's figures mean, and a deterministic way from a question to a query."""
