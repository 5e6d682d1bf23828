"""A prediction and its outcome, as they wait together for maturity, and how the store keeps them."""

from __future__ import annotations

import msgspec

from plumbline.events.kinds import ClassOrNumber


class Pair(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Answers of a shadow and of the production version to one request.

    Attributes:
        shadow: the shadow's version.
        mine: its answer.
        theirs: production's answer.
        since: when the earlier of the two was given; they count if their trial had begun by then.
    """

    shadow: str
    mine: ClassOrNumber
    theirs: ClassOrNumber
    since: float


class Judged(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A prediction and its outcome, as kept while it waits for maturity.

    Attributes:
        model: the label ``model``.
        version: the label ``version``.
        prediction: the class or number that was answered.
        actual: the class or number that came true.
        score: probability of the positive class, if given.
        slices: values of the declared slices, by name.
        scores: probabilities by class (multiclass), if given.
        predicted_ts: when the prediction was made.
        pairs: answers of a shadow and of production to the same request, to be judged with this one.
    """

    model: str
    version: str
    prediction: ClassOrNumber
    actual: ClassOrNumber
    score: float | None
    slices: dict[str, str] = {}
    scores: dict[str, float] | None = None
    predicted_ts: float = 0.0
    pairs: list[Pair] = []


_pack = msgspec.msgpack.encode
decode_judged = msgspec.msgpack.Decoder(Judged).decode


def encode_judged(judged: Judged) -> bytes:
    """Encode a prediction and its outcome for the store.

    MessagePack has integers of 64 bits. JSON has larger ones: they are kept as the nearest float, as which
    they are counted anyway.
    """
    try:
        return _pack(judged)
    except OverflowError:
        replace = msgspec.structs.replace
        pairs = [replace(p, mine=_narrow(p.mine), theirs=_narrow(p.theirs)) for p in judged.pairs]
        prediction, actual = _narrow(judged.prediction), _narrow(judged.actual)
        return _pack(replace(judged, prediction=prediction, actual=actual, pairs=pairs))


def _narrow(value: ClassOrNumber) -> ClassOrNumber:
    return float(value) if isinstance(value, int) and abs(value) >= 1 << 63 else value
