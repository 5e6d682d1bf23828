"""Counting: batches of events to increments of a frozen numpy layout."""
