"""How many examples a property is tried on."""

from __future__ import annotations

from hypothesis import settings

MORE = 20  # times as many in `make search`


def examples(count: int) -> int:
    """Return how many examples a costly property gets: ``count``, and more of them in ``make search``."""
    return count * MORE if settings.get_current_profile_name() == "search" else count
