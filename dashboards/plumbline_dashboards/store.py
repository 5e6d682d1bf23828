"""Three pages over the PostgreSQL store: a request, the log of predictions, a data batch.

They need the exporter to keep its store in PostgreSQL (``docs/store.md``); with the embedded store they stay
empty, and the exporter's own pages (``docs/trace.md``) answer the same questions.
"""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from plumbline import names
from plumbline.catalogue.model import Catalogue
from plumbline_dashboards import sql, variables
from plumbline_dashboards.page import Row, page
from plumbline_dashboards.store_panels import lines, listing

_STORE_ONLY = "Needs the store in PostgreSQL."


def _to(name: str, variable: str, column: str) -> str:
    """Return a link to another page, filled in from a cell of the same row."""
    return f"/d/{names.DASHBOARD_UIDS[name]}?var-{variable}=${{__data.fields.{column}:percentencode}}"


REQUEST = {"request_id": _to("trace", "request_id", "request_id")}
BATCH = {"data_batch_id": _to("batch", "data_batch_id", "data_batch_id")}
LATENCY = {"latency": "s"}
DURATION = {"duration": "s"}


def trace(catalogue: Catalogue) -> Dashboard:
    """Return the page of one request."""
    outside = f"{catalogue.links.exporter.rstrip('/')}/trace/${{__data.fields.request_id:percentencode}}"
    urls = {name: f"${{__data.fields.{name}}}" for name in ("runbook_url", "dashboard_url")}
    return page(
        "trace",
        "Request trace",
        f"All that is stored of one request, by its id. The exporter's page {outside.split('$')[0]}ID tells "
        f"the same, and more. {_STORE_ONLY}",
        [variables.words("request_id", "Request id", "The id as the service sent it.")],
        [
            Row(
                "Answer",
                [
                    listing(
                        "Predictions",
                        "What each version answered, shadows and canaries too.",
                        sql.predictions(),
                        BATCH,
                        LATENCY,
                        empty="No prediction with this id",
                        height=5,
                    ),
                    listing(
                        "Outcomes",
                        "What turned out to be true, corrections last.",
                        sql.outcomes(),
                        empty="Not known yet",
                        height=4,
                    ),
                    listing(
                        "Alerts that fired",
                        "Alerts about its models that fired when it was answered.",
                        sql.alerts(),
                        urls,
                        empty="None that Alertmanager told of",
                        height=5,
                    ),
                ],
            ),
            Row("Story", [listing("Timeline", "All of it in the order of time.", sql.request_timeline(), height=14)]),
            Row(
                "Origin",
                [
                    listing(
                        "Model versions",
                        "What the deployments said of the versions that answered, newest first: "
                        "commit, training data, baseline.",
                        sql.versions(),
                        empty="No deployment was told",
                        height=5,
                    ),
                    listing(
                        "Pipeline runs",
                        "Runs that made the data batch it used, all their stages.",
                        sql.runs_of_request(),
                        BATCH,
                        DURATION,
                        empty="No run is stored",
                    ),
                    listing("Features", "What each version saw.", sql.features(), height=10),
                    listing("Log lines", "Lines that carry its id, or its trace.", sql.request_logs(), height=10),
                ],
            ),
        ],
        catalogue,
        since="now-1h",
        store=True,
    )


def predictions(catalogue: Catalogue) -> Dashboard:
    """Return the log of predictions."""
    return page(
        "predictions",
        "Prediction log",
        f"The newest {sql.ROWS} predictions of a time range, with what turned out. {_STORE_ONLY}",
        [
            variables.of_store("model", "Model", sql.models(), "Models to list."),
            variables.of_store("version", "Version", sql.versions_of_models(), "Versions to list."),
            variables.choice("status", "Status", ("ok", "error"), "Answered, or failed."),
            variables.words("slice", "Slice", "A slice or feature to list by; empty lists all."),
            variables.words("slice_value", "Value", "The value that it must have."),
            variables.words("request_id", "Request id", "One request; empty lists all."),
        ],
        [
            Row(
                "Number",
                [
                    lines("Predictions over time", "Predictions that fit, by version.", sql.predictions_over_time()),
                    listing(
                        "Predictions by version", "How many fit in the time range, and from when to when.", sql.counts()
                    ),
                ],
            ),
            Row(
                "List",
                [
                    listing(
                        "Prediction log",
                        f"The newest {sql.ROWS} that fit; the id opens the request.",
                        sql.prediction_log(),
                        {**REQUEST, **BATCH},
                        LATENCY,
                        height=18,
                    )
                ],
            ),
        ],
        catalogue,
        since="now-1h",
        store=True,
    )


def batch(catalogue: Catalogue) -> Dashboard:
    """Return the page of one data batch."""
    return page(
        "batch",
        "Batch lineage",
        "Where a data batch came from, what was made from it, which predictions used it, whenever that was. "
        f"{_STORE_ONLY}",
        [variables.words("data_batch_id", "Data batch", "The id as the pipeline sent it.")],
        [
            Row(
                "Use",
                [
                    listing(
                        "Predictions that used it", "How many, by model version; exact.", sql.batch_used(), empty="None"
                    ),
                    listing(
                        "Newest of them",
                        f"The newest {sql.ROWS}; the id opens the request.",
                        sql.batch_predictions(),
                        REQUEST,
                        height=10,
                    ),
                ],
            ),
            Row(
                "Lineage",
                [
                    listing(
                        "Made by",
                        "The pipeline runs that made it, all their stages.",
                        sql.batch_runs(),
                        BATCH,
                        DURATION,
                        empty="No run is stored",
                    ),
                    listing("Made from", "Batches it was made from, nearest first.", sql.upstream(), BATCH),
                    listing(
                        "Made from it",
                        "Batches made from it, nearest first, and the predictions that used them.",
                        sql.downstream(),
                        BATCH,
                    ),
                    listing("Log lines", "Lines that carry its id.", sql.batch_logs(), height=8),
                ],
            ),
        ],
        catalogue,
        since="now-1h",
        store=True,
    )
