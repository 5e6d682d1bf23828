"""Alertmanager's webhooks, and an engine with hooks, that several tests share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from plumbline.events.parse import parse
from plumbline.ingest.engine import Engine
from plumbline.store.base import Store
from support.samples import body, catalogue, open_sample

START = "2026-01-05T10:00:00.123456789Z"
ENDLESS = "0001-01-01T00:00:00Z"


def alert(**changes: Any) -> dict[str, Any]:
    """A firing page about clf 2 whose verdict is to roll back to 1, as Alertmanager 0.25 writes it."""
    labels = {
        "alertname": "ModelQualityCritical",
        "model": "clf",
        "version": "2",
        "severity": "critical",
        "owner": "team",
        "metric": "accuracy",
        **changes.pop("labels", {}),
    }
    annotations = {
        "summary": "s",
        "verdict": "Roll back to version 1.",
        "rollback_version": "1",
        "dashboard_url": "http://g/d/x",
        "runbook_url": "http://r/ModelQualityCritical.md",
        **changes.pop("annotations", {}),
    }
    return {
        "status": "firing",
        "labels": {k: v for k, v in labels.items() if v is not None},
        "annotations": annotations,
        "startsAt": START,
        "endsAt": ENDLESS,
        "generatorURL": "http://p/graph",
        "fingerprint": "0123456789abcdef",
        **changes,
    }


def webhook(*alerts: dict[str, Any], **changes: Any) -> bytes:
    """Alerts as one notification."""
    group = {
        "version": "4",
        "groupKey": '{}/{}:{alertname="A"}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "plumbline-exporter",
        "groupLabels": {},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://am",
        "alerts": list(alerts),
        **changes,
    }
    return json.dumps(group).encode()


def deployments(*versions: str) -> bytes:
    """Versions of clf that entered production one after another."""
    return body(
        *(
            {"type": "deployment", "ts": 1000.0 + 100 * at, "model": "clf", "version": v, "stage": "production"}
            for at, v in enumerate(versions)
        )
    )


def hooks_catalogue(**hooks: Any) -> dict[str, Any]:
    """Changes to the sample catalogue that give clf hooks."""
    models = catalogue().model_dump(mode="json")["models"]
    models["clf"]["hooks"] = hooks
    return {"models": models}


def open_with_hooks(folder: Path, store: Store | None = None, **hooks: Any) -> Engine:
    """An engine whose clf has been deployed as 1 and then 2."""
    engine = open_sample(folder, store, **hooks_catalogue(**hooks))
    engine.commit([parse(deployments("1", "2"), 2000.0)], 2000.0)
    return engine
