"""The command line: ask, sign in, give documents, connect a database, look for what is wrong."""
