"""pydantic's findings in plain words: what is wrong, and what to write instead.

Reads the errors of a failed validation, returns (location, message, rule id) for each.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, get_args

from pydantic import AfterValidator, BaseModel
from pydantic_core import ErrorDetails

from plumbline.catalogue.model import Catalogue
from plumbline.catalogue.source import Location
from plumbline.names import CONTROLS

Finding = tuple[Location, str, str]

UNKNOWN_KEY = "catalogue/unknown-key"
MISSING_KEY = "catalogue/missing-key"
BAD_NAME = "catalogue/bad-name"
BAD_VALUE = "catalogue/bad-value"

_NAME_REMEDY = "use letters, digits and _ . : - , at most 128, beginning with a letter or digit"
_LABEL_REMEDY = "use 1 to 128 characters, no control character, and none of _ at the beginning"


def explain(error: ErrorDetails) -> Finding:
    """Return the finding of one pydantic error."""
    location: Location = tuple(error["loc"])
    if location and location[-1] == "[key]":
        location = location[:-1]
        if error["type"] in ("string_type",):
            return location, f"a name under {dotted(location[:-1])} {_unquoted(error['input'])}", BAD_NAME
        return location, f"{location[-1]!r} is not a usable name: {_name_remedy(error)}", BAD_NAME
    what = dotted(location) or "the catalogue"
    kind = error["type"]
    if kind == "extra_forbidden":
        return location, f"unknown key {what}{_near(location)}", UNKNOWN_KEY
    if kind == "missing":
        return location, f"{dotted(location)} is missing: add it{_meaning(location)}", MISSING_KEY
    return location, f"{what} {_value_message(error)}", BAD_VALUE


def dotted(location: Location) -> str:
    """Return a location as people write it: ``models.flight_late.objectives[1].metric``."""
    text = ""
    for step in location:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text


def nearest(word: str, known: Any) -> str:
    """Return `` (did you mean 'x'?)`` or nothing."""
    near = difflib.get_close_matches(word, [str(k) for k in known], n=1, cutoff=0.6)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _value_message(error: ErrorDetails) -> str:
    kind, given, location = error["type"], error["input"], error["loc"]
    context: Mapping[str, Any] = error.get("ctx") or {}
    if kind == "string_type":
        return _unquoted(given, _is_duration(location))
    if kind == "string_pattern_mismatch":
        return f"is {given!r}, which is not a usable name: {_name_remedy(error)}"
    if kind == "literal_error":
        return f"is {given!r}: write {context['expected']}{nearest(str(given), _options(context))}"
    if kind == "value_error":
        return f"is wrong: {context.get('error', error['msg'])}"
    if kind in ("model_type", "dict_type", "model_attributes_type"):
        return f"must be a section of keys, not {_described(given)}"
    if kind in ("tuple_type", "list_type"):
        return f"must be a list: put - before each item, or write [a, b]; it is {_described(given)}"
    if kind in ("float_type", "float_parsing", "int_type", "int_parsing"):
        return f"must be a number, not {_described(given)}"
    if kind == "int_from_float":
        return f"must be a whole number, not {given}"
    if kind in ("bool_type", "bool_parsing"):
        return f"must be true or false, not {_described(given)}"
    if kind == "too_short":
        return "is empty: it needs at least one entry"
    bounds = {
        "greater_than": ("gt", "greater than"),
        "greater_than_equal": ("ge", "at least"),
        "less_than": ("lt", "less than"),
        "less_than_equal": ("le", "at most"),
        "string_too_short": ("min_length", "at least this many characters long:"),
    }
    if kind in bounds:
        key, words = bounds[kind]
        return f"is {given!r}: it must be {words} {context[key]:g}"
    return f"cannot be used: {error['msg']}"


def _name_remedy(error: ErrorDetails) -> str:
    return _LABEL_REMEDY if CONTROLS in error.get("ctx", {}).get("pattern", "") else _NAME_REMEDY


def _unquoted(given: object, duration: bool = False) -> str:
    if isinstance(given, bool):
        return f"is {str(given).lower()} to YAML (so are yes, no, on and off): put it in quotes"
    if isinstance(given, int | float):
        if duration:
            near = f"{given}s, {given}m or {given}d" if given == int(given) else f"{round(given * 1000)}ms"
            return f"is the number {given}: a duration has a unit, such as {near}"
        return f'is a number to YAML: put it in quotes, "{given}"'
    if given is None:
        return "has no value: write one, or leave the key out"
    if isinstance(given, dict | list):
        return f"must be a text, not {_described(given)}"
    return f"is read by YAML as {type(given).__name__}: put it in quotes"


def _described(given: object) -> str:
    if given is None:
        return "nothing"
    if isinstance(given, dict):
        return "a section of keys"
    if isinstance(given, list | tuple):
        return "a list"
    return repr(given)


def _options(context: Mapping[str, Any]) -> list[str]:
    return [part.strip("' ") for part in str(context["expected"]).replace(" or ", ",").split(",")]


def _near(location: Location) -> str:
    fields = _fields_at(location[:-1])
    word = str(location[-1])
    near = nearest(word, fields)
    if near:
        return near
    if fields:
        return f": known keys here are {', '.join(fields)}"
    return ""


def _meaning(location: Location) -> str:
    model = _model_at(location[:-1])
    info = model.model_fields.get(str(location[-1])) if model else None
    return f" ({info.description})" if info and info.description else ""


def _is_duration(location: Location) -> bool:
    if location and isinstance(location[-1], int):
        return location[:-1] in (("evaluation", "drift"), ("evaluation", "quality"))
    model = _model_at(location[:-1])
    info = model.model_fields.get(str(location[-1])) if model else None
    if info is None:
        return False
    of_optional = (m for one in get_args(info.annotation) for m in getattr(one, "__metadata__", ()))
    return any(isinstance(m, AfterValidator) for m in (*info.metadata, *of_optional))


def _fields_at(location: Location) -> list[str]:
    model = _model_at(location)
    return list(model.model_fields) if model else []


def _model_at(location: Location) -> type[BaseModel] | None:
    """Return the section's model class by walking the annotations along the location."""
    annotation: Any = Catalogue
    for step in location:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            info = annotation.model_fields.get(str(step))
            if info is None:
                return None
            annotation = _unwrapped(info.annotation)
        else:
            inner = getattr(annotation, "__args__", ())
            if not inner:
                return None
            annotation = _unwrapped(inner[-1] if inner[-1] is not Ellipsis else inner[0])
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _unwrapped(annotation: Any) -> Any:
    """Strip ``| None``."""
    options = [a for a in getattr(annotation, "__args__", ()) if a is not type(None)]
    optional = type(None) in getattr(annotation, "__args__", ())
    return options[0] if optional and len(options) == 1 else annotation
