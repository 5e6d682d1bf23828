"""Cells of a table, which are text, matched with the classes and categories that events carry typed.

A file format cannot always say whether ``1.0`` is a number or a text; ``plumbline.values`` decides for
events, and this module makes the same decision for tables.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from plumbline.values import class_codes

_WHOLE = re.compile(r"([+-]?\d+)\.0+")
_TRUTH = {"true": True, "false": False}


def category_text(cell: str) -> str:
    """Return the text of a category: a float column's ``1.0`` is ``1``."""
    whole = _WHOLE.fullmatch(cell)
    return whole[1] if whole else cell


def code_of(cell: str, codes: Mapping[object, int]) -> int | None:
    """Return the code of a cell as text, as a number, or as a truth value; None if it has none.

    Args:
        cell: e.g. ``1``, ``1.0``, ``True``: all of them class ``"1"`` where that is declared.
        codes: from ``plumbline.values.class_codes``.
    """
    code = codes.get(cell)
    if code is None:
        number = _number(cell)
        code = codes.get(number) if number is not None else codes.get(_TRUTH.get(cell.lower()))
    return code


def codes_of(cells: Sequence[str], names: Sequence[str]) -> list[int | None]:
    """Return the index of each cell's class or category among the names, None where it is none of them."""
    codes = class_codes(names)
    return [code_of(cell, codes) for cell in cells]


def same_value(cell: str, wanted: str) -> bool:
    """Whether a cell is the wanted value: equal as text, or equal as numbers (``1.0``, ``1``)."""
    number = _number(cell)
    return cell == wanted or (number is not None and number == _number(wanted))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
