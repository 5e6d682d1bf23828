"""Storing a sample of the features while everything is counted.

Reads a prediction that is about to be stored and its model's ``store.sample``; writes the line to store.
Whether a request is in the sample is decided by a hash of its id alone, so every exporter, every version and
every resend decides alike, and a smaller share's sample is part of a larger one's. What identifies the event,
joins it with its outcome and traces it is always kept: only the features and fields that the contract does
not know go. See ``docs/adr/0039``.
"""

from __future__ import annotations

import msgspec

from plumbline.catalogue.model import Model
from plumbline.events.kinds import Prediction
from plumbline.events.parsed import Item
from plumbline.keys import hash64


class Sampling(msgspec.Struct, frozen=True):
    """What the stored line says of it; lines of models that are stored whole say nothing.

    Attributes:
        share: of the requests whose features are stored; one such row stands for ``1 / share``.
        kept: whether this one's are.
    """

    share: float
    kept: bool


class _Sampled(msgspec.Struct):
    sampling: Sampling | None = None


_decode = msgspec.json.Decoder(_Sampled).decode
_encode = msgspec.json.Encoder().encode


def in_sample(request_id: str, share: float) -> bool:
    """Whether a request's features are stored."""
    return (hash64(b"sample", request_id.encode()) + 2**63) < share * 2.0**64


def line_to_store(item: Item, model: Model | None) -> bytes:
    """Return the line of an event as it is stored.

    Failed predictions are stored whole, whatever the share: they are few, and what somebody is woken for.
    """
    event = item.event
    if type(event) is not Prediction or model is None or model.store.sample >= 1 or event.status == "error":
        return item.raw
    share = model.store.sample
    kept = in_sample(event.request_id, share)
    said = _encode({"sampling": Sampling(share, kept)})
    raw = item.raw if kept else _without_features(event, model)
    return raw[:-1] + b"," + said[1:]


def sampling_of(raw: bytes) -> Sampling | None:
    """Return what a stored line says of its sampling; None if it is whole because nothing was sampled."""
    try:
        return _decode(raw).sampling
    except msgspec.ValidationError:  # a field of the sender's own of that name
        return None


def _without_features(event: Prediction, model: Model) -> bytes:
    """Return the contract's fields but the features; declared slices that were features become slices."""
    sliced = {name: event.features[name] for name in model.slices if name in event.features}
    slices = {**sliced, **(event.slices or {})}
    bare = msgspec.structs.replace(event, features={}, slices=slices or None)
    fields = {name: value for name, value in msgspec.to_builtins(bare).items() if value is not None}
    return _encode(fields)
