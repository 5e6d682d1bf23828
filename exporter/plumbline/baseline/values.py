"""Values as tables and events spell them, made one text: classes, categories, booleans.

The same class arrives as ``1``, ``1.0``, ``True`` or ``"1"`` depending on the writer's language and
file format. The catalogue's spelling is the one we keep.
"""

from __future__ import annotations

from collections.abc import Sequence

BOOLEAN_CATEGORIES = ("false", "true")
_TRUE = frozenset(("true", "1", "1.0", "t", "yes"))
_FALSE = frozenset(("false", "0", "0.0", "f", "no"))

Scalar = str | float | bool


def value_text(value: Scalar) -> str:
    """Return the plain text of a value: whole numbers without ``.0``, booleans as true and false."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def class_text(value: Scalar, classes: Sequence[str]) -> str | None:
    """Return the catalogue's spelling of a class, or None if it is none of them.

    Args:
        value: as found: ``1``, ``1.0``, ``True``, ``"1"``, ``"1.0"``, ``"true"`` are all class ``"1"``
            where the catalogue declares ``"1"`` (and not, say, ``"true"``).
        classes: the declared classes.
    """
    text = value_text(value)
    if text in classes:
        return text
    number = _as_number(text)
    if number is not None:
        for declared in classes:
            if _as_number(declared) == number:
                return declared
    truth = boolean_text(value)
    if truth is not None:
        for declared in classes:
            if boolean_text(declared) == truth:
                return declared
    return None


def boolean_text(value: Scalar) -> str | None:
    """Return ``"true"`` or ``"false"``, or None if the value is neither (``2``, ``"maybe"``)."""
    text = value_text(value).strip().lower()
    if text in _TRUE:
        return "true"
    if text in _FALSE:
        return "false"
    return None


def same_value(text: str, wanted: str) -> bool:
    """Whether a cell's text is the wanted value: equal as text, or equal as numbers (``1.0``, ``1``)."""
    if text == wanted:
        return True
    number = _as_number(text)
    return number is not None and number == _as_number(wanted)


def _as_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
