"""Alerts that fired while something happened, and what the hooks did about them.

Reads what ``POST /v1/alerts`` and the hooks have stored. A model may have had any number of alerts: those
stored nearest to the moment in question are looked through, and an answer that may lack some says so.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import msgspec

from plumbline.events.kinds import Action, Alert
from plumbline.keys import incident_key
from plumbline.store.base import Reader, StoredEvent
from plumbline.trace.decode import events_of
from plumbline.trace.records import ActionRecord, AlertRecord
from plumbline.units import format_time

MAX_ALERTS = 100
_NEAR = 2000  # events of one key looked through on either side of the moment
_PAGE = 10_000
_INCIDENT_EVENTS = 200

_decode_alert = msgspec.json.Decoder(Alert).decode
_decode_action = msgspec.json.Decoder(Action).decode


def alerts_between(
    reader: Reader, keys: Iterable[int], start: float, end: float, seq: int
) -> tuple[list[AlertRecord], bool]:
    """Return the alerts under some keys that fired at any moment from start to end, oldest first.

    Args:
        reader: of the store.
        keys: ``model_alert_key`` or ``pipeline_alert_key`` of whom the alerts are about.
        start: epoch seconds.
        end: epoch seconds.
        seq: sequence number of an event of that time: alerts stored near it are looked through.

    Returns:
        The alerts, and whether there may be more.
    """
    incidents: dict[str, None] = {}
    truncated = False
    for key in dict.fromkeys(keys):
        near, cut = _near(reader, key, seq)
        truncated |= cut
        stored = reader.read(near)
        for one in (stored[n] for n in near if n in stored):
            if one.kind == "alert":
                alert = _decode_alert(one.raw)
                if alert.starts_at <= end and (alert.ends_at is None or alert.ends_at > start):
                    incidents.setdefault(alert.incident)
    found = (_incident(reader, incident) for incident in incidents)
    # What resolved before the start may have been seen only as firing so far.
    kept = [(begun, record) for begun, ended, record in found if ended is None or ended > start]
    kept.sort(key=lambda one: (one[0], one[1].alertname))
    return [record for _, record in kept[:MAX_ALERTS]], truncated or len(kept) > MAX_ALERTS


def _near(reader: Reader, key: int, seq: int) -> tuple[list[int], bool]:
    """Return the sequence numbers of a key that are nearest to ``seq``, and whether some were left out."""
    before: deque[int] = deque(maxlen=_NEAR)
    count = after = 0
    while seqs := [n for n in reader.find_after(key, after, _PAGE) if n <= seq]:
        before.extend(seqs)
        count += len(seqs)
        after = seqs[-1]
    later = reader.find_after(key, seq, _NEAR + 1)
    return [*before, *later[:_NEAR]], count > _NEAR or len(later) > _NEAR


def _incident(reader: Reader, incident: str) -> tuple[float, float | None, AlertRecord]:
    alerts: list[Alert] = []
    actions: list[tuple[StoredEvent, Action]] = []
    for event in events_of(reader, incident_key(incident), _INCIDENT_EVENTS):
        if event.kind == "alert":
            alert = _decode_alert(event.raw)
            if alert.incident == incident:
                alerts.append(alert)
        elif event.kind == "action":
            action = _decode_action(event.raw)
            if action.incident == incident:
                actions.append((event, action))
    # The words are those of the page that woke somebody: the first that said "firing".
    told = next((one for one in alerts if one.status == "firing"), alerts[0])
    ended = next((one.ends_at for one in reversed(alerts) if one.ends_at is not None), None)
    notes = told.annotations
    record = AlertRecord(
        alertname=told.alertname,
        severity=told.severity,
        incident=incident,
        started=format_time(told.starts_at),
        resolved=None if ended is None else format_time(ended),
        model=told.model,
        version=told.version,
        pipeline=told.pipeline,
        owner=told.owner,
        summary=notes.get("summary", ""),
        description=notes.get("description", ""),
        verdict=notes.get("verdict") or None,
        runbook_url=notes.get("runbook_url"),
        dashboard_url=notes.get("dashboard_url"),
        generator_url=told.generator_url or None,
        alertmanager_url=told.alertmanager_url or None,
        labels=told.labels,
        actions=[
            ActionRecord(format_time(event.ts), action.hook, action.phase, action.result, action.detail)
            for event, action in actions
        ],
    )
    return told.starts_at, ended, record
