"""What a client asked for: media types and encodings with their weights (RFC 9110, section 12)."""

from __future__ import annotations


def weights(header: str) -> dict[str, float]:
    """Return each name of an Accept or Accept-Encoding header with its highest weight.

    Parameters other than ``q`` are ignored; a weight that is no number counts as 0.
    """
    found: dict[str, float] = {}
    for part in header.split(","):
        name, *parameters = (p.strip().lower() for p in part.split(";"))
        if not name:
            continue
        weight = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip() == "q":
                try:
                    weight = float(value)
                except ValueError:
                    weight = 0.0
        found[name] = max(weight, found.get(name, 0.0))
    return found


def wants_openmetrics(accept: str) -> bool:
    """Whether OpenMetrics is asked for by name, and no less than plain text."""
    asked = weights(accept)
    openmetrics = asked.get("application/openmetrics-text", 0.0)
    return openmetrics > 0 and openmetrics >= asked.get("text/plain", 0.0)


def wants_gzip(accept_encoding: str) -> bool:
    """Whether gzip may be used."""
    asked = weights(accept_encoding)
    return asked.get("gzip", asked.get("*", 0.0)) > 0


def wants_json(accept: str) -> bool:
    """Whether JSON is preferred to HTML."""
    asked = weights(accept)
    return asked.get("application/json", 0.0) > asked.get("text/html", 0.0)
