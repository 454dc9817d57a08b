"""The example company: a restaurant group, its rival, their documents and the labelled questions about them."""
