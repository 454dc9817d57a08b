"""The ports whose implementations truly differ, each beside its implementations."""
