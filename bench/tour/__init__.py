"""A walk through every item of the chat page in a real browser, in both languages and both themes, with pictures."""
