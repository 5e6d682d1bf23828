"""PromQL of a counter less what was taken back of it; rules and dashboards share it."""

from __future__ import annotations


def net(taken: str, back: str) -> str:
    """Return an expression whose sum is what was counted less what was retracted.

    ``or`` drops what has equal labels on its left, so the negated series get a label of their own. Unlike a
    difference it stands where nothing is ever retracted and there are no such series.

    Args:
        taken: series of the counter.
        back: series of what is retracted; empty if nothing ever is.
    """
    return f'{taken} or label_replace(-{back}, "retracted", "true", "", "")' if back else taken
