"""The per-conversation event log: numbered, fenced, replayable; a cache of what PostgreSQL can tell.

`append.lua` and `open.lua` decide, in Redis, in one call each; `writer.py` (synchronous, for workers) and
`reader.py` (asynchronous, for the gateway) are thin shells around it.
"""
