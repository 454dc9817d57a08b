"""Documents into plain text, one parser a format, always in a process of their own."""
