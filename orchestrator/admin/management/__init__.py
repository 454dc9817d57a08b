"""Where Django looks for the product's commands."""
