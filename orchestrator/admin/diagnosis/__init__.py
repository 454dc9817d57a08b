"""What is looked at before and while the product runs: each check with its reason and its remedy."""
