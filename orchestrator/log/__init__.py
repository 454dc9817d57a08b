"""The per-conversation event log: numbered, fenced, replayable; a cache of what PostgreSQL can tell.

`script.lua` decides, in Redis, in one call; `writer.py` (synchronous, for workers) and
`reader.py` (asynchronous, for the gateway) are thin shells around it.
"""
