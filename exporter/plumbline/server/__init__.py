"""The HTTP server: events in, metrics out, health and a landing page."""
