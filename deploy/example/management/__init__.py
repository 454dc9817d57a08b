"""Where Django looks for the example's command."""
