"""Why a line is no event, for whoever sent it: the field, what it holds instead, and what to write.

Reads a line that the decoder refused; writes the reason and the detail of its rejection. Texts are not
repeated, unless they come close to what may stand there: they may be of persons, and the detail goes to the log.
"""

from __future__ import annotations

import difflib
import functools
import json
import re
from collections.abc import Iterable
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from plumbline.events.kinds import KIND_OF, Event
from plumbline.events.parsed import clip

KINDS: dict[str, type] = {KIND_OF[kind]: kind for kind in get_args(Event)}
_WHERE = re.compile(r" - at `\$\.?(.*)`$")
_STEP = re.compile(r"[^.\[\]]+|\.\.\.")
_QUOTED = re.compile(r" '.*'", re.DOTALL)
_GOT = re.compile(r"got `(\w+)`")
# Texts that are repeated: short numbers and times. Longer digits may be a person's: a phone, a card, an insurance.
_NUMERIC = re.compile(r"-?\d{1,7}(?:[.,]\d{1,9})?|[12]\d{3}-\d\d-\d\d(?:[Tt ][0-9:.+Zz-]{0,30})?")
_JSON_NAMES = {list: "array", dict: "object", type(None): "null", str: "str", int: "int", float: "float", bool: "bool"}
_WORDS = {"str": "a text", "float": "a number", "int": "a whole number", "bool": "true or false", "null": "null"}
_WORDS |= {"object": "an object", "array": "a list"}


def explain(line: bytes, error: Exception) -> tuple[str, str]:
    """Return (reason, detail) of a line that could not be decoded.

    Args:
        line: at most as long as a line may be.
        error: msgspec's, UnicodeDecodeError or RecursionError.
    """
    if not isinstance(error, msgspec.ValidationError):
        return "bad_json", _no_json(line, error)
    message = str(error)
    reason = "missing_field" if "missing required field" in message else "bad_field"
    if message.startswith("Invalid value") and message.endswith("`$.type`"):
        reason = "unknown_type"
    try:
        return reason, _explained(json.loads(line.decode()), message)
    except (json.JSONDecodeError, UnicodeDecodeError) as wrong:
        return "bad_json", _no_json(line, wrong)
    except (ValueError, LookupError, AttributeError, TypeError, RecursionError):
        # A key that is there twice, a number of thousands of digits.
        return reason, f"{clip(_QUOTED.sub('', message))}; write each field once, as docs/events.md says"


def _explained(event: Any, message: str) -> str:
    found = _WHERE.search(message)
    steps = _STEP.findall(found[1]) if found else []
    if "missing required field" in message:
        return _missing(message.split("`")[1], steps, event)
    name, value = _place(event, steps, message)
    closed = _closed(event, steps)
    if closed:
        return f"{name} is {_of_list(value, closed)}"
    if message.startswith("Number out of range"):
        return f"{name} is beyond what a number can hold: send a smaller one, or null"
    wanted = message.split("`")[1]
    quotes = ""
    if wanted in ("str", "str | null") and isinstance(value, int | float):
        quotes = "; write it in quotes"
    elif isinstance(value, str) and _NUMERIC.fullmatch(value) and "str" not in wanted.split(" | "):
        quotes = "; write it without quotes"
    words = [_WORDS.get(one, one) for one in wanted.replace("int | float", "float").split(" | ")]
    must = " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))
    return f"{name} is {described(value)}: it must be {must}{quotes}"


def _closed(event: Any, steps: list[str]) -> tuple[str, ...]:
    """Return the texts that a field may have, where they are a closed list."""
    if steps == ["type"]:
        return tuple(KINDS)
    if len(steps) != 1:
        return ()
    hint = _hints(KINDS[event["type"]])[steps[0]]
    return get_args(hint) if get_origin(hint) is Literal else ()


def described(value: object) -> str:
    """Return what a value is, in a few words: itself where it is a number, "a text" where it is a text."""
    if isinstance(value, str):
        return repr(value) if _NUMERIC.fullmatch(value) else "a text"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "an object"
    return clip(json.dumps(value), 40)


_hints = functools.cache(get_type_hints)


def _of_list(value: object, closed: Iterable[str]) -> str:
    near = difflib.get_close_matches(str(value).lower(), closed, n=1)
    said = f"{value!r} (did you mean {near[0]!r}?)" if near else described(value)
    return f"{said}: write one of {', '.join(closed)}"


def _missing(field: str, steps: list[str], event: Any) -> str:
    inside = f" of {'.'.join(steps)}" if steps else ""
    near = difflib.get_close_matches(field, event, n=1, cutoff=0.6) if isinstance(event, dict) and not steps else []
    meant = f" (is it what you call {clip(near[0], 40)!r}?)" if near else ""
    return f"the field {field!r}{inside} is missing{meant}: add it"


def _place(event: Any, steps: list[str], message: str) -> tuple[str, Any]:
    """Return the name of a place in an event, and what is there.

    msgspec does not say under which key of an object it stopped: it is the first that holds what it got.
    """
    name, value = "the line", event
    got = _GOT.search(message)
    for at, step in enumerate(steps):
        if step == "...":
            fits = (
                key
                for key, one in value.items()
                if (_JSON_NAMES[type(one)] == got[1] if got else one in (float("inf"), float("-inf")))
            )
            step = next(fits, "")
            name, value = f"{name}[{clip(repr(step), 60)}]", value.get(step)
        elif isinstance(value, list):
            name, value = f"{name}[{step}]", value[int(step)]
        else:
            name, value = f"{name}.{step}" if at else step, value.get(step)
    return name, value


def _no_json(line: bytes, error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start + 1} is not UTF-8: send UTF-8"
    if isinstance(error, RecursionError):
        return "objects or lists are nested too deeply: send a flat event"
    try:
        json.loads(line.decode())
    except json.JSONDecodeError as wrong:
        what = f"{wrong.msg[0].lower()}{wrong.msg[1:]} at character {wrong.pos + 1}"
    except (UnicodeDecodeError, RecursionError) as wrong:
        return _no_json(line, wrong)
    except ValueError:  # Python's own limit
        what = "it holds a number of thousands of digits"
    else:
        what = str(error).removeprefix("JSON is malformed: ")
    return f"this is not JSON: {what}; send one JSON object a line"
