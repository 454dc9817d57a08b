"""The HTTP API: thin views over the use cases that the chat socket shares."""
