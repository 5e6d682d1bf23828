"""Alertmanager's webhook (version 4): one JSON object with a group of alerts, as events for the store.

Reads the body of ``POST /v1/alerts``; writes ``Parsed``: one event per alert and status, or, for an alert
that cannot be one, a rejection. Alertmanager repeats itself: until it resolves, the same alert comes again
every ``repeat_interval``, and from every Alertmanager of a cluster. An alert's identity is its fingerprint,
its start and its status, so each repetition is a duplicate to the store.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from plumbline import names
from plumbline.events.kinds import Alert
from plumbline.events.parsed import Item, Parsed, Rejected, clip
from plumbline.keys import hash64, incident_key, model_alert_key, pipeline_alert_key
from plumbline.units import parse_time

MAX_ALERTS = 10_000
MAX_PAIRS = 64
MAX_NAME_CHARS = 128
MAX_VALUE_CHARS = 8192
_FINGERPRINT = re.compile(r"[0-9A-Za-z]{1,64}")
# A clock that is ahead of ours, or an alert that began with somebody's first data: both exist.
_MAX_AHEAD_SECONDS = 3600.0


class WebhookError(ValueError):
    """The body as a whole is no webhook of Alertmanager; the message says why."""


class _Group(msgspec.Struct):
    """The webhook. Alerts stay undecoded: one bad alert must not cost the others."""

    version: str
    alerts: list[msgspec.Raw]
    group_key: str = msgspec.field(name="groupKey", default="")
    truncated: int = msgspec.field(name="truncatedAlerts", default=0)
    receiver: str = ""
    external_url: str = msgspec.field(name="externalURL", default="")


class _Alert(msgspec.Struct):
    """One alert of the webhook."""

    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    starts_at: str = msgspec.field(name="startsAt")
    fingerprint: str
    annotations: dict[str, str] = {}
    ends_at: str = msgspec.field(name="endsAt", default="")
    generator_url: str = msgspec.field(name="generatorURL", default="")


_decode_group = msgspec.json.Decoder(_Group).decode
_decode_alert = msgspec.json.Decoder(_Alert).decode
_encode = msgspec.json.Encoder().encode


def parse_webhook(body: bytes, now: float) -> Parsed:
    """Decode a webhook.

    Args:
        body: as Alertmanager sent it.
        now: epoch seconds of arrival.

    Returns:
        Each alert as an event, or as a rejection whose ``line`` is its place in the list, from 1.

    Raises:
        WebhookError: the body is not JSON, not version 4, or holds more than ``MAX_ALERTS`` alerts.
    """
    try:
        group = _decode_group(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WebhookError(f"this is no webhook of Alertmanager: {clip(str(error))}") from error
    if group.version != "4":
        raise WebhookError(f"webhook version {clip(group.version, 20)!r} is not known: version 4 is")
    if len(group.alerts) > MAX_ALERTS:
        raise WebhookError(
            f"{len(group.alerts)} alerts in one notification: set max_alerts of Alertmanager's receiver "
            f"to at most {MAX_ALERTS}, or group by more labels"
        )
    if len(group.group_key) > MAX_VALUE_CHARS or not 0 <= group.truncated < 2**31:
        raise WebhookError("groupKey is too long, or truncatedAlerts is not a plausible count")
    events: list[Item] = []
    rejected: list[Rejected] = []
    for place, raw in enumerate(group.alerts, 1):
        made = _item(group, bytes(raw), now)
        if isinstance(made, Item):
            events.append(made)
        else:
            rejected.append(Rejected(place, *made))
    return Parsed(events, rejected, len(group.alerts), group.truncated)


def _item(group: _Group, raw: bytes, now: float) -> Item | tuple[str, str]:
    try:
        alert = _decode_alert(raw)
    except msgspec.ValidationError as error:
        reason = "missing_field" if "missing required field" in str(error) else "bad_field"
        return reason, clip(str(error))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return "bad_json", clip(str(error))
    if not _FINGERPRINT.fullmatch(alert.fingerprint):
        return "bad_id", "fingerprint must have 1 to 64 letters and digits"
    for field, pairs in (("labels", alert.labels), ("annotations", alert.annotations)):
        wrong = _wrong_pairs(field, pairs)
        if wrong is not None:
            return "bad_field", wrong
    if not alert.labels.get("alertname"):
        return "missing_field", "an alert needs the label alertname"
    try:
        starts = parse_time(alert.starts_at)
        # While an alert fires, endsAt is the year 1, or when it would end if nobody repeated it.
        ends = parse_time(alert.ends_at) if alert.status == "resolved" else None
    except (ValueError, OverflowError) as error:
        return "bad_timestamp", clip(str(error))
    if starts > now + _MAX_AHEAD_SECONDS:
        return "bad_timestamp", f"startsAt {alert.starts_at} lies in the future: check the sender's clock"
    return _make(group, alert, starts, ends)


def _make(group: _Group, alert: _Alert, starts: float, ends: float | None) -> Item:
    labels = alert.labels
    incident = f"{alert.fingerprint}-{round(starts * 1000)}"
    event = Alert(
        ts=starts if ends is None else ends,
        incident=incident,
        status=alert.status,
        alertname=labels["alertname"],
        severity=labels.get("severity", ""),
        fingerprint=alert.fingerprint,
        starts_at=starts,
        ends_at=ends,
        model=labels.get("model") or None,
        version=labels.get("version") or None,
        pipeline=labels.get("pipeline") or None,
        owner=labels.get("owner") or None,
        labels=labels,
        annotations=alert.annotations,
        generator_url=alert.generator_url,
        alertmanager_url=group.external_url,
        group_key=group.group_key,
        receiver=group.receiver,
    )
    links = [incident_key(incident)]
    if event.model is not None:
        links.append(model_alert_key(event.model))
    if event.pipeline is not None:
        links.append(pipeline_alert_key(event.pipeline))
    identity = hash64(b"a", incident.encode(), alert.status.encode(), b"" if ends is None else b"%.3f" % ends)
    ts = starts if ends is None else ends
    return Item(event, ts, identity, identity, False, tuple(links), _encode(event))


def _wrong_pairs(field: str, pairs: dict[str, str]) -> str | None:
    if len(pairs) > MAX_PAIRS:
        return f"{len(pairs)} {field}; at most {MAX_PAIRS} are taken"
    for name, value in pairs.items():
        if len(name) > MAX_NAME_CHARS or len(value) > MAX_VALUE_CHARS:
            return (
                f"{field}: {clip(name, 40)!r} is too long (names to {MAX_NAME_CHARS}, "
                f"values to {MAX_VALUE_CHARS} characters)"
            )
    return None


def severity_of(alert: Alert) -> str:
    """Return the alert's severity, or "other" for one outside the closed list."""
    return alert.severity if alert.severity in names.SEVERITIES else names.OTHER
