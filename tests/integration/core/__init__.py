"""The core against real servers of its own: some of these tests stop, empty and freeze them."""
