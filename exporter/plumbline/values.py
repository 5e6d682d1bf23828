"""What a value means, by the type that the catalogue declares: the same for a table's cell and an event's field.

Reads the Python values that an event carries (None, bool, int, float, str; ``plain`` makes one of anything
else), returns what is counted. Whoever counts, compares, exports or shows a value asks here:

- a number (``is_number``): an int or a float. A truth value or a text is none, whatever it spells;
- a category, class, boolean or slice value: its name (``category_name``), looked up among the known names
  (``class_codes``, ``code_of``);
- a probability (``probability``) and an id (``identifier``). Times are ``units.parse_time``'s.

None, NaN and, but for ids, a text of nothing but blanks and the texts "nan" and "NaN" are missing: the latter are
how programs write a float that is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import TypeGuard, overload

import msgspec

# What rounding may push a probability past 0 or 1: the sum of a float32 softmax, or an isotonic calibration.
ROUNDING = 1e-6
# A whole number with its ".0", and a float with an exponent, as str() and CSV writers write them.
_FLOAT = re.compile(r"-?\d{1,300}\.0+|-?\d(?:\.\d+)?e[+-]\d{2,3}")
_NUMBER = re.compile(r"(?=-?\.?\d)-?(?:0|[1-9]\d{0,300})?(?:\.\d+)?(?:(?<=\d)e-\d{2,3})?")
MISSING = ("", "nan", "NaN")  # texts that are no value
_EXACT = 1 << 53  # beyond it float64 does not tell whole numbers apart


def plain(value: object) -> object:
    """Return a value of a table or a program as an event carries it: a date is a text, a decimal a number."""
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, Decimal):
        return int(value) if value.is_finite() and value == value.to_integral_value() else float(value)
    return msgspec.to_builtins(value)


def is_missing(value: object) -> bool:
    """Whether a value is missing."""
    return value is None or value != value or (isinstance(value, str) and _text_name(value) is None)


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether a value is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def as_float(value: float) -> float:
    """Return a number as float64; a whole one beyond its range is infinite."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def category_name(value: object) -> str | None:
    """Return the text under which a category is known; None = missing.

    1, 1.0 and the texts "1", "1.0" and " 1 " are "1"; 0.5 is "0.5"; True, "True" and "TRUE" are "true". Any
    other text is its own name, without the blanks around it: "1.10" is not "1.1".
    """
    if isinstance(value, str):
        return _text_name(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        return str(int(value)) if value.is_integer() else float.__repr__(value)
    return None


@lru_cache(1 << 16)
def _text_name(text: str) -> str | None:
    text = text.strip()
    if _FLOAT.fullmatch(text):
        return category_name(float(text)) or text
    if text in MISSING:
        return None
    lower = text.lower()
    return lower if lower in ("true", "false") else text


def class_codes(names: Iterable[str]) -> dict[object, int]:
    """Return a look-up from what an event may carry for a class or category to its index; see ``code_of``.

    It finds names as they are spelled, names as ``category_name`` gives them, and numbers: 0.5 is also "0.50"
    where no name is "0.5". True and false are 1 and 0 where only those are known, and the other way round. Where
    they are all that is known, so are t, y, yes and f, n, no, as databases and people write them.
    """
    listed = [(at, name) for at, name in enumerate(names) if category_name(name) is not None]
    codes: dict[object, int] = {name: at for at, name in reversed(listed)}
    for at, name in listed:
        codes.setdefault(category_name(name), at)
    numbers = [(at, name, number) for at, name in listed if (number := _number_of(name)) is not None]
    # "0.5" goes before "0.50" for 0.5.
    for at, _, number in sorted(numbers, key=lambda n: category_name(n[1]) != category_name(n[2])):
        codes.setdefault(number, at)
    for truth, word, digit in ((True, "true", "1"), (False, "false", "0")):
        if word in codes and digit in codes:
            codes.pop(truth, None)  # also 1 or 0, which are equal to it: their names tell the two apart
        elif word in codes:
            codes[digit] = codes[truth] = codes[word]
        elif digit in codes:
            codes[word] = codes[digit]
    if {category_name(name) for _, name in listed} == {"true", "false"}:
        for word in ("t", "y", "yes", "f", "n", "no"):
            for spelled in (word, word.upper(), word.capitalize()):
                codes.setdefault(spelled, codes["true" if word[0] in "ty" else "false"])
    return codes


def _number_of(name: str) -> float | None:
    """Return the number that a name spells as people and programs write numbers; not of "007" or "1e5"."""
    text = category_name(name) or ""
    if not _NUMBER.fullmatch(text):
        return None
    return float(text) if "." in text or category_name(float(text)) == text else None


@overload
def code_of(codes: Mapping[object, int], value: object, default: int) -> int: ...
@overload
def code_of(codes: Mapping[object, int], value: object, default: None = None) -> int | None: ...
def code_of(codes: Mapping[object, int], value: object, default: int | None = None) -> int | None:
    """Return the index of a class or category among the names of ``class_codes``; the default if it is none."""
    code = codes.get(value)
    return codes.get(category_name(value), default) if code is None else code


def codes_of(codes: Mapping[object, int], values: Sequence[object], default: int) -> list[int]:
    """Return what ``code_of`` does for each value, at the price of a look-up for those that are spelled as listed."""
    found = [codes.get(value, -1) for value in values]
    if -1 in found:
        for at, code in enumerate(found):
            if code == -1:
                found[at] = code_of(codes, values[at], default)
    return found


def listed_name(names: tuple[str, ...], value: object) -> str | None:
    """Return a category as a list spells it, or by its own name where the list has none like it; None = missing."""
    code = code_of(_codes_of_list(names), value)
    return category_name(value) if code is None else names[code]


_codes_of_list = lru_cache(1024)(class_codes)


def same_category(one: object, other: object) -> bool:
    """Whether two values are one category: of one name, or one found by the other's (0.5 and "0.50")."""
    mine, theirs = category_name(one), category_name(other)
    if mine is None or theirs is None or mine == theirs:
        return mine == theirs
    return 0 in (code_of(class_codes([mine]), other), code_of(class_codes([theirs]), one))


def probability(value: float) -> float:
    """Return 0 or 1 for what lies beyond them by rounding only (``ROUNDING``), any other value as it is."""
    if -ROUNDING <= value < 0.0:
        return 0.0
    return 1.0 if 1.0 < value <= 1.0 + ROUNDING else value


def identifier(value: object) -> str | None:
    """Return an id as text, never in an exponent's form; a text stays as it is; None = missing.

    Raises:
        ValueError: it is a float so large that neighbouring ids cannot be told apart.
    """
    if isinstance(value, str):
        return value or None
    if isinstance(value, float) and abs(value) >= _EXACT:
        raise ValueError("is not a usable id: a float column keeps 15 digits; write ids as text or as whole numbers")
    return category_name(value)
