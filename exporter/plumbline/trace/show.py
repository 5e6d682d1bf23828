"""Values, lengths of time and foreign text as people read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from plumbline.sampling import Sampling
from plumbline.trace.records import BatchRecord, Value


def as_tree(batches: Sequence[BatchRecord]) -> list[BatchRecord]:
    """Return batches so that each is followed by what it was made from."""
    by_id = {batch.data_batch_id: batch for batch in batches}
    ordered: dict[str, BatchRecord] = {}
    waiting = [batch.data_batch_id for batch in reversed(batches)]
    while waiting:
        batch = by_id.get(waiting.pop())
        if batch is not None and batch.data_batch_id not in ordered:
            ordered[batch.data_batch_id] = batch
            waiting.extend(reversed(batch.inputs))
    return list(ordered.values())


def show_json(value: Any) -> str:
    """Return any decoded JSON as the text it was."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def show_count(number: int, one: str, many: str = "") -> str:
    """Return a number and its noun."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def visible(text: str, *, lines: bool = False) -> str:
    """Return text in which nothing is invisible: it quotes what others sent.

    Control characters, colour codes and marks that turn the writing direction become escapes, so they can
    neither move a cursor nor disguise what stands there.

    Args:
        text: any text.
        lines: leave line feeds and tabs.
    """
    if text.isprintable():
        return text
    kept = "\n\t" if lines else ""
    return "".join(c if c.isprintable() or c in kept else c.encode("unicode_escape").decode() for c in text)


def show_number(number: float | None) -> str:
    """Return a number with four significant digits; nothing for None."""
    return "" if number is None else f"{number:.4g}"


def show_time(ts: str) -> str:
    """Return a time of a record to the second, in UTC as all of them."""
    return ts[:19].replace("T", " ")


def show_share(share: float) -> str:
    """Return a share as a person reads it: ``12 %``, ``0.4 %``, ``none``."""
    if share <= 0:
        return "none"
    return f"{share * 100:.2g} %" if share < 0.0995 else f"{share * 100:.0f} %"


def show_value(value: Value) -> str:
    """Return a value as a person writes it: six significant digits are enough for a timeline."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.6g}" if abs(value) < 1e15 else repr(value)
    return "none" if value is None else visible(str(value))


def show_sampling(sampling: Sampling) -> str:
    """Return what the features' absence means, or that others' are absent."""
    what = "features stored" if sampling.kept else "features counted, not stored"
    return f"{what}: the store keeps those of {sampling.share:.4g} of this model's requests"


def show_seconds(seconds: float) -> str:
    """Return a length of time in one or two units: ``340 ms``, ``12.5 s``, ``3 h 20 min``, ``2 d 4 h``."""
    size = abs(seconds)
    if size < 0.9995:
        return f"{seconds * 1000:.3g} ms" if size else "0 s"
    if size < 60:
        return f"{seconds:.3g} s"
    sign = "-" if seconds < 0 else ""
    minutes, rest = divmod(round(size), 60)
    hours, minutes_left = divmod(minutes, 60)
    days, hours_left = divmod(hours, 24)
    if days:
        first, second = f"{days} d", f"{hours_left} h" if hours_left else ""
    elif hours:
        first, second = f"{hours} h", f"{minutes_left} min" if minutes_left else ""
    else:
        first, second = f"{minutes} min", f"{rest} s" if rest else ""
    return f"{sign}{first}{' ' if second else ''}{second}"


def show_offset(seconds: float) -> str:
    """Return a time relative to the prediction: ``+340 ms``, ``-2 d 4 h``, ``0``."""
    if abs(seconds) < 0.0005:
        return "0"
    text = show_seconds(seconds)
    return text if text.startswith("-") else f"+{text}"
