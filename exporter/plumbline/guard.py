"""The one place where anything at all may be caught: foreign code that runs inside a prediction.

An object that a service logs or sends may raise whatever it likes when it is read (``__str__``,
``__iter__``, a lazy proxy). A prediction must not fail by it, so what touches such objects goes through
``guarded``; everything else catches named errors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def guarded(call: Callable[[], T], otherwise: Callable[[Exception], T]) -> T:
    """Return ``call()``, or ``otherwise(error)`` if it raises."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - see above: the objects are not ours
        return otherwise(error)
