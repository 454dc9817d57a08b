"""The hot path's statements: named SQL over a bounded pool, one round trip each where that can be."""
