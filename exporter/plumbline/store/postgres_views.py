"""Views over a PostgreSQL store, for people and their tools: Grafana's dashboards, psql, a notebook.

Reads the schema ``plumbline`` of ``postgres_schema``; makes the schema ``plumbline_views``, which holds no
data. The stored lines are opaque bytes to SQL; each view gives the events of one kind by named columns.

- ``predictions``, ``outcomes``, ``kpis``, ``deployments``, ``pipeline_events``, ``logs``, ``alerts``,
  ``actions``: one row per event. ``day`` is the day of arrival and never before that of ``ts``, so
  ``day >= <date of the first ts>`` leaves out older partitions and no event.
- ``keys``: under which 64-bit keys an event is found. ``request_key('...')`` and its kin give the key of an
  id, so ``keys JOIN predictions USING (day, seq) WHERE key = request_key(...)`` reads an index and no table.

Whoever has the role ``plumbline_reader`` may read the views and nothing beneath them.
"""

from __future__ import annotations

import psycopg
import structlog

from plumbline.keys import KINDS
from plumbline.store.postgres_schema import Connection, can_partition, migrating

log = structlog.get_logger(__name__)

SCHEMA = "plumbline_views"
READER = "plumbline_reader"
# To be raised with every change below: they are then made anew.
VIEWS_VERSION = 1

# jsonb knows no NUL, and an event may hold one: a hostile log line must not cost a page. The second attempt
# replaces them; the third gives up on that event alone (a number beyond the database's own).
_DOCUMENT = r"""
CREATE FUNCTION plumbline_views.document(raw bytea) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN convert_from(raw, 'UTF8')::jsonb;
EXCEPTION WHEN OTHERS THEN
    BEGIN
        RETURN replace(convert_from(raw, 'UTF8'), '\u0000', '\ufffd')::jsonb;
    EXCEPTION WHEN OTHERS THEN
        RETURN NULL;
    END;
END $$"""

# As plumbline.keys.id_key; ids hold no NUL, so any text is one.
_KEY = """
CREATE FUNCTION plumbline_views.{name}_key(id text) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT ('x' || substr(md5('{kind}:' || id), 1, 16))::bit(64)::bigint
$$"""

# OFFSET 0 keeps the planner from writing the call once for every column that is read from it.
_DOCUMENTS = """
CREATE VIEW plumbline_views.documents AS
SELECT e.day, e.seq, e.kind, e.ts, to_timestamp(e.ts) AS time, d.doc
FROM plumbline.events e
CROSS JOIN LATERAL (SELECT plumbline_views.document(e.raw) AS doc OFFSET 0) d"""


def _text(*names: str) -> str:
    return ", ".join(f"doc ->> '{name}' AS {name}" for name in names)


def _number(*names: str) -> str:
    # Checked when they came in: a number, or absent.
    return ", ".join(f"(doc ->> '{name}')::double precision AS {name}" for name in names)


def _array(name: str) -> str:
    return f"CASE WHEN jsonb_typeof(doc -> '{name}') = 'array' THEN doc -> '{name}' ELSE '[]' END AS {name}"


def _object(name: str) -> str:
    return f"CASE WHEN jsonb_typeof(doc -> '{name}') = 'object' THEN doc -> '{name}' ELSE '{{}}' END AS {name}"


_FAILED_CHECKS = """(
    SELECT string_agg(c ->> 'name', ', ')
    FROM jsonb_array_elements(
        CASE WHEN jsonb_typeof(doc -> 'checks') = 'array' THEN doc -> 'checks' ELSE '[]' END
    ) c
    WHERE c ->> 'passed' = 'false'
) AS failed_checks"""
_SERVICE = (
    "coalesce(doc -> 'fields' ->> 'service.name', doc -> 'fields' ->> 'service_name', "
    "doc -> 'fields' ->> 'service', doc ->> 'logger') AS service"
)

# View -> kind of event and columns.
VIEWS: dict[str, tuple[str, tuple[str, ...]]] = {
    "predictions": (
        "prediction",
        (
            _text("request_id", "model", "version"),
            "coalesce(doc ->> 'status', 'ok') AS status",
            _text("prediction"),
            _number("score", "latency"),
            _text("data_batch_id", "trace_id"),
            _object("features"),
            _object("slices"),
            _object("scores"),
        ),
    ),
    "outcomes": (
        "outcome",
        (_text("request_id", "actual"), "coalesce(doc ->> 'correction' = 'true', false) AS correction"),
    ),
    "kpis": ("kpi", (_text("request_id", "model", "version", "kpi"), _number("value"))),
    "deployments": (
        "deployment",
        (_text("model", "version", "stage", "commit", "training_data", "baseline", "config"),),
    ),
    "pipeline_events": (
        "pipeline",
        (
            _text("pipeline", "stage", "run_id", "status", "data_batch_id"),
            _number("duration", "rows_in", "rows_out", "rows_rejected"),
            _array("inputs"),
            _array("checks"),
            _FAILED_CHECKS,
        ),
    ),
    "logs": (
        "log",
        (
            _text(
                "level", "message", "logger", "request_id", "trace_id", "model", "version", "data_batch_id", "run_id"
            ),
            _SERVICE,
            _object("fields"),
        ),
    ),
    "alerts": (
        "alert",
        (
            _text("incident", "status", "alertname", "severity", "model", "version", "pipeline", "owner"),
            "to_timestamp((doc ->> 'starts_at')::double precision) AS started",
            "to_timestamp((doc ->> 'ends_at')::double precision) AS resolved",
            "doc -> 'annotations' ->> 'summary' AS summary",
            "doc -> 'annotations' ->> 'runbook_url' AS runbook_url",
            "doc -> 'annotations' ->> 'dashboard_url' AS dashboard_url",
        ),
    ),
    "actions": ("action", (_text("incident", "hook", "phase", "result", "detail", "model", "version", "alertname"),)),
}


def statements() -> list[str]:
    """Return what makes the schema, in order."""
    made = [f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE", f"CREATE SCHEMA {SCHEMA}", _DOCUMENT, _DOCUMENTS]
    made += [_KEY.format(name=name, kind=kind) for name, kind in KINDS.items()]
    made.append("CREATE VIEW plumbline_views.keys AS SELECT day, key, seq FROM plumbline.event_keys")
    for view, (kind, columns) in VIEWS.items():
        made.append(
            f"CREATE VIEW {SCHEMA}.{view} AS SELECT day, seq, ts, time, {', '.join(columns)} "  # noqa: S608
            f"FROM {SCHEMA}.documents WHERE kind = '{kind}'"
        )
    return made


def make_views(db: Connection) -> None:
    """Make the views where they are missing or another version's, and let the reader's role read them.

    A store works without them: a server that refuses costs the dashboards over the store, and a line in
    the log, but no event.
    """
    try:
        with migrating(db):
            row = db.execute("SELECT value FROM plumbline.meta WHERE name = 'views_version'").fetchone()
            if row is None or row[0] != str(VIEWS_VERSION):
                for statement in statements():
                    db.execute(statement.encode())
                db.execute(
                    "INSERT INTO plumbline.meta (name, value) VALUES ('views_version', %s) "
                    "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                    (str(VIEWS_VERSION),),
                )
            if db.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (READER,)).fetchone():
                db.execute(f"GRANT USAGE ON SCHEMA {SCHEMA} TO {READER}".encode())
                db.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {SCHEMA} TO {READER}".encode())
    except psycopg.Error as error:
        if db.closed:
            raise
        if can_partition(db):
            log.warning("the views for dashboards could not be made", problem=" ".join(str(error).split()))
