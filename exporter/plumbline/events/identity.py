"""What makes two events the same one, and the keys that find an event again."""

from __future__ import annotations

from plumbline import keys
from plumbline.events.kinds import ClassOrNumber, Deployment, Event, Log, Outcome, PipelineEvent, Prediction, Recomputed


def identify(event: Event, line: bytes) -> tuple[int, int]:
    """Return (key, identity). A prediction is the same one if request, model and version are."""
    request_id: str | None = None if type(event) is Log else getattr(event, "request_id", None)
    key = None if request_id is None else keys.request_key(request_id)
    if event.event_id is not None:
        identity = keys.hash64(b"e", type(event).__name__.encode(), event.event_id.encode())
    elif type(event) is Prediction:
        identity = keys.hash64(b"p", event.request_id.encode(), event.model.encode(), event.version.encode())
    elif type(event) is Outcome and not event.correction:
        # The actual belongs to the identity: another answer for the same request is a conflict to be
        # counted, not a resend to be dropped.
        identity = keys.hash64(b"o", event.request_id.encode(), repr(_plain(event.actual)).encode())
    elif type(event) is Recomputed:
        # Once per request and version: recomputing again is a resend, whatever it finds this time.
        of = ((event.model or "").encode(), (event.version or "").encode())
        identity = keys.hash64(b"s", event.request_id.encode(), *of)
    else:
        identity = keys.hash64(b"x", line)
    return (identity if key is None else key), identity


def links_of(event: Event) -> tuple[int, ...]:
    """Return the further keys that find the event: its data batch, run, inputs, model, ids of a log line."""
    if type(event) is Prediction:
        return () if event.data_batch_id is None else (keys.batch_key(event.data_batch_id),)
    if type(event) is PipelineEvent:
        links = [keys.run_key(event.run_id)]
        if event.data_batch_id is not None:
            links.append(keys.made_key(event.data_batch_id))
        return (*links, *(keys.input_key(batch) for batch in dict.fromkeys(event.inputs or ())))
    if type(event) is Deployment:
        return (keys.model_key(event.model),)
    if type(event) is Log:
        carried = (
            (keys.request_log_key, event.request_id),
            (keys.trace_log_key, event.trace_id),
            (keys.batch_log_key, event.data_batch_id),
            (keys.run_log_key, event.run_id),
        )
        return tuple(key(value) for key, value in carried if value is not None)
    return ()


def _plain(value: ClassOrNumber) -> ClassOrNumber:
    return float(value) if isinstance(value, int | float) else value
