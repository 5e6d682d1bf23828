"""A whole chain as events: raw batch, batch, training batch, deployments, predictions, outcomes, logs."""

from __future__ import annotations

from typing import Any

from support.samples import outcome, prediction

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"


def pipeline(run: str, batch: str | None = None, inputs: tuple[str, ...] = (), **changes: Any) -> dict[str, Any]:
    """A succeeded stage of the sample pipeline at ts 500."""
    event = {
        "type": "pipeline",
        "pipeline": "feed",
        "stage": "load",
        "run_id": run,
        "status": "succeeded",
        "ts": 500.0,
        **changes,
    }
    event |= {} if batch is None else {"data_batch_id": batch}
    return event | ({"inputs": list(inputs)} if inputs else {})


def log(message: str, **changes: Any) -> dict[str, Any]:
    """A log line at ts 999."""
    return {"type": "log", "level": "info", "message": message, "ts": 999.0, **changes}


CHAIN = [
    pipeline("r-raw", "raw/1", pipeline="ingest", ts=100.0, rows_in=20, rows_out=18, rows_rejected=2),
    pipeline("r-b", status="started", inputs=("raw/1",), ts=400.0),
    pipeline("r-b", "b/1", duration=12.5, checks=[{"name": "no_gaps", "passed": False}]),
    pipeline("r-t", "train-1", pipeline="train", ts=50.0),
    {
        "type": "deployment",
        "ts": 300.0,
        "model": "clf",
        "version": "1",
        "stage": "canary",
        "commit": "c0ffee42",
        "training_data": "train-1",
        "config": {"depth": 3},
    },
    {"type": "deployment", "ts": 600.0, "model": "clf", "version": "1", "stage": "production"},
    {"type": "deployment", "ts": 1500.0, "model": "clf", "version": "1", "stage": "retired", "commit": "later"},
    prediction("q/1", data_batch_id="b/1", trace_id=TRACE_ID, tenant="acme"),
    prediction("q/1", version="2", prediction="0", ts=1000.5),
    prediction("other", data_batch_id="b/1", ts=1100.0),
    log("accepted", request_id="q/1", fields={"service.name": "gateway"}),
    log("slow", level="error", trace_id=TRACE_ID, logger="features", ts=999.5),
    log("not ours", request_id="other"),
    {"type": "kpi", "ts": 1600.0, "model": "clf", "version": "1", "kpi": "margin", "value": 2.5, "request_id": "q/1"},
    outcome("q/1", "0"),
    outcome("q/1", "1", ts=2500.0, correction=True),
]
