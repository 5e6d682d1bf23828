"""The store: events, counters and pending outcomes in one transaction."""
