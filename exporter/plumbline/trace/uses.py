"""The predictions that used a data batch: how many by model version, and page by page."""

from __future__ import annotations

import msgspec

from plumbline.keys import batch_key
from plumbline.store.base import Reader
from plumbline.trace.decode import decode_prediction, pages_of
from plumbline.trace.model import Use, Used, UsedPage
from plumbline.units import format_time

PAGE = 100
MAX_PAGE = 10_000


class _Use(msgspec.Struct, gc=False):
    """The fields of a prediction that a count by version needs; the rest is not decoded."""

    model: str
    version: str
    data_batch_id: str | None = None


_decode_use = msgspec.json.Decoder(_Use).decode


def uses(reader: Reader, data_batch_id: str) -> list[Use]:
    """Return how often each model version used a batch; reads every prediction that did, in parts."""
    counts: dict[tuple[str, str], tuple[int, float, float]] = {}
    for page in pages_of(reader, batch_key(data_batch_id)):
        for event in page:
            use = _decode_use(event.raw)
            if use.data_batch_id != data_batch_id:
                continue
            key = (use.model, use.version)
            count, first, last = counts.get(key, (0, event.ts, event.ts))
            counts[key] = (count + 1, min(first, event.ts), max(last, event.ts))
    return [
        Use(model, version, count, format_time(first), format_time(last))
        for (model, version), (count, first, last) in sorted(counts.items())
    ]


def count(reader: Reader, data_batch_id: str) -> int:
    """Return how many predictions used a batch, from the index alone."""
    key, found, after = batch_key(data_batch_id), 0, 0
    while seqs := reader.find_after(key, after, MAX_PAGE):
        found += len(seqs)
        after = seqs[-1]
    return found


def used_page(reader: Reader, data_batch_id: str, after: int = 0, limit: int = PAGE) -> UsedPage:
    """Return a part of the predictions that used a batch, oldest stored first."""
    limit = max(1, min(limit, MAX_PAGE))
    seqs = reader.find_after(batch_key(data_batch_id), after, limit + 1)
    more = len(seqs) > limit
    stored = reader.read(seqs[:limit])
    found = []
    for event in (stored[seq] for seq in seqs[:limit] if seq in stored):
        made = decode_prediction(event.raw)
        if made.data_batch_id == data_batch_id:
            ts = format_time(event.ts)
            found.append(Used(ts, made.request_id, made.model, made.version, made.status, made.prediction))
    return UsedPage(data_batch_id, found, seqs[limit - 1] if more else None)
