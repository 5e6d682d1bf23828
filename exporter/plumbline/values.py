"""How values in events and tables become class and category names."""

from __future__ import annotations

from collections.abc import Sequence


def category_name(value: object) -> str | None:
    """Return the text under which a category is known: ``1`` and ``1.0`` are "1", True is "true".

    Returns:
        None if the value cannot name a category (a fraction, a list, ...).
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return None


def class_codes(classes: Sequence[str]) -> dict[object, int]:
    """Return a look-up from whatever an event may carry for a class to the class's index.

    Numbers find the class of the same text (1 and 1.0 find "1"); so do true and false, by their own
    names first and as 1 and 0 otherwise.
    """
    codes: dict[object, int] = {}
    for index, name in enumerate(classes):
        codes[name] = index
    for index, name in enumerate(classes):
        if name in ("true", "false"):
            codes.setdefault(name == "true", index)
        else:
            try:
                number = float(name)
            except ValueError:
                continue
            if category_name(number) == name or str(number) == name:
                codes.setdefault(number, index)
    return codes
