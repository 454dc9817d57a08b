"""What keeps a stage from waiting for ever: deadlines, stops, retries, rate limits."""
