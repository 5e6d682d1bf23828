"""SQL of the dashboards over the PostgreSQL store. Reads the views of ``plumbline.store.postgres_views``.

Every function returns one query, Grafana's variables and macros still in it. How they are filled in, and why
that is safe: Grafana doubles the quotes of a variable with one value, so such a variable stands in quotes,
``'$request_id'``; one with several values becomes a quoted list by itself, ``IN ($model)``. Its format
``sqlstring`` would spoil ids that hold a double quote. ``$__unixEpochFilter(ts)`` becomes ``ts >= 1 AND
ts <= 2``, ``$__timeFrom()`` a quoted RFC 3339 time. No macro's argument may hold a closing bracket.

Every query begins at ``keys`` (an index look-up) or at a kind of event within the time range (the index over
kind and time, in the partitions that can hold it): none reads a whole table.
"""

from __future__ import annotations

V = "plumbline_views"
ROWS = 500  # newest ones of a list

# Partitions of days before the first time asked for hold nothing of it; later ones may, because events
# arrive late.
IN_RANGE = "{0}.day >= ($__timeFrom())::date AND $__unixEpochFilter({0}.ts)"
REQUEST = "'${request_id}'"
BATCH = "'${data_batch_id}'"


def under(key: str, identifier: str, view: str, name: str) -> str:
    """Return the events of a view under the key of an id, as items of FROM."""
    return (
        f"{V}.keys {name}k JOIN {V}.{view} {name} ON {name}.day = {name}k.day AND {name}.seq = {name}k.seq "
        f"AND {name}k.key = {V}.{key}_key({identifier})"
    )


_PREDICTIONS = f"SELECT p.* FROM {under('request', REQUEST, 'predictions', 'p')} WHERE p.request_id = {REQUEST}"
WITH_PREDICTIONS = f"WITH p AS MATERIALIZED ({_PREDICTIONS})"

# --- request trace ---


def predictions() -> str:
    """The answers of all versions."""
    return (
        f"{WITH_PREDICTIONS} SELECT time, model, version, status, prediction, score, latency, data_batch_id, "
        "trace_id FROM p ORDER BY ts, seq"
    )


def outcomes() -> str:
    """What turned out, newest last."""
    return (
        f"SELECT o.time, o.actual, o.correction FROM {under('request', REQUEST, 'outcomes', 'o')} "
        f"WHERE o.request_id = {REQUEST} ORDER BY o.ts, o.seq"
    )


def features() -> str:
    """One row per feature, one column per version."""
    return (
        f"{WITH_PREDICTIONS} SELECT f.key AS feature, p.model || ' ' || p.version AS version, f.value "
        "FROM p CROSS JOIN LATERAL jsonb_each_text(p.features) AS f ORDER BY 1, 2"
    )


def versions() -> str:
    """What the deployments said of the versions by then."""
    return (
        f"{WITH_PREDICTIONS} SELECT DISTINCT d.time, d.model, d.version, d.stage, d.commit, d.training_data, "
        f"d.baseline, d.config FROM p JOIN {V}.keys dk ON dk.key = {V}.model_key(p.model) "
        f"JOIN {V}.deployments d ON d.day = dk.day AND d.seq = dk.seq AND d.model = p.model "
        "AND d.version = p.version AND d.ts <= p.ts ORDER BY d.time DESC"
    )


def _runs(batch: str, seed: str) -> str:
    """Return the events of the runs that made a batch: ``r``; ``seed`` yields the batch."""
    return (
        f"{seed} JOIN {V}.keys mk ON mk.key = {V}.made_key({batch}) "
        f"JOIN {V}.pipeline_events m ON m.day = mk.day AND m.seq = mk.seq AND m.data_batch_id = {batch} "
        f"JOIN {V}.keys rk ON rk.key = {V}.run_key(m.run_id) "
        f"JOIN {V}.pipeline_events r ON r.day = rk.day AND r.seq = rk.seq AND r.run_id = m.run_id "
        "AND r.pipeline = m.pipeline"
    )


_RUN_COLUMNS = (
    "r.time, r.pipeline, r.stage, r.run_id, r.status, r.data_batch_id, r.rows_in, r.rows_out, "
    "r.rows_rejected, r.failed_checks, r.duration"
)


def runs_of_request() -> str:
    """The pipeline runs that made the data batches of the request."""
    found = _runs("p.data_batch_id", "FROM p")
    return f"{WITH_PREDICTIONS} SELECT DISTINCT {_RUN_COLUMNS} {found} ORDER BY r.time"


def _alerts() -> str:
    """Alerts about the request's models that fired at its time, one row each."""
    return (
        f"SELECT a.incident, min(a.alertname) AS alertname, min(a.severity) AS severity, min(a.model) AS model, "
        "min(a.version) AS version, min(a.started) AS started, max(a.resolved) AS resolved, "
        "min(a.summary) AS summary, min(a.runbook_url) AS runbook_url, min(a.dashboard_url) AS dashboard_url "
        f"FROM p JOIN {V}.keys ak ON ak.key = {V}.model_alert_key(p.model) "
        f"JOIN {V}.alerts a ON a.day = ak.day AND a.seq = ak.seq AND a.model = p.model "
        "AND a.started <= p.time GROUP BY a.incident, p.time "
        "HAVING max(a.resolved) IS NULL OR max(a.resolved) > p.time"
    )


def alerts() -> str:
    """The alerts with their links."""
    return (
        f"{WITH_PREDICTIONS}, a AS ({_alerts()}) SELECT DISTINCT started, resolved, severity, alertname, model, "
        "version, summary, runbook_url, dashboard_url FROM a ORDER BY started"
    )


def _log_lines() -> str:
    by_request = under("request_log", REQUEST, "logs", "l")
    by_trace = (
        f"p JOIN {V}.keys lk ON lk.key = {V}.trace_log_key(p.trace_id) "
        f"JOIN {V}.logs l ON l.day = lk.day AND l.seq = lk.seq AND l.trace_id = p.trace_id"
    )
    return f"SELECT l.* FROM {by_request} WHERE l.request_id = {REQUEST} UNION SELECT l.* FROM {by_trace}"


def request_logs() -> str:
    """Log lines of the request and of its traces."""
    return (
        f"{WITH_PREDICTIONS}, l AS ({_log_lines()}) SELECT time, level, service, message, run_id FROM l "
        f"ORDER BY ts, seq LIMIT {ROWS}"
    )


def request_timeline() -> str:
    """All of it in one list, by time."""
    runs = _runs("p.data_batch_id", "FROM p")
    return (
        f"{WITH_PREDICTIONS}, l AS ({_log_lines()}), a AS ({_alerts()}) "
        "SELECT time, what, who, text FROM ("
        "SELECT time, 'prediction' AS what, model || ' ' || version AS who, "
        "coalesce(prediction, status) || coalesce(', score ' || score, '') AS text FROM p "
        "UNION SELECT r.time, 'pipeline', r.pipeline || '/' || r.stage, r.status || coalesce(', batch ' || "
        f"r.data_batch_id, '') || coalesce(', failed checks: ' || r.failed_checks, '') {runs} "
        "UNION SELECT o.time, 'outcome', '', CASE WHEN o.correction THEN 'corrected to ' ELSE 'turned out ' END "
        f"|| o.actual FROM {under('request', REQUEST, 'outcomes', 'o')} WHERE o.request_id = {REQUEST} "
        f"UNION SELECT k.time, 'kpi', k.model || ' ' || k.version, k.kpi || ' ' || k.value "
        f"FROM {under('request', REQUEST, 'kpis', 'k')} WHERE k.request_id = {REQUEST} "
        "UNION SELECT time, 'log', coalesce(service, ''), level || ': ' || message FROM l "
        "UNION SELECT started, 'alert', alertname, coalesce(severity, 'alert') || ' fires: ' || "
        "coalesce(summary, '') FROM a "
        "UNION SELECT resolved, 'alert', alertname, 'resolved' FROM a WHERE resolved IS NOT NULL"
        f") AS moments ORDER BY time, what LIMIT {2 * ROWS}"
    )


# --- prediction log ---


def models() -> str:
    """Names of models: those deployed, and those of the newest predictions. Few rows either way."""
    return (
        f"SELECT model FROM {V}.deployments UNION SELECT model FROM (SELECT model FROM {V}.predictions "
        "ORDER BY ts DESC LIMIT 1000) AS newest WHERE model IS NOT NULL ORDER BY 1"
    )


def versions_of_models() -> str:
    """Versions of the chosen models, found as the models are."""
    return (
        f"SELECT version FROM {V}.deployments WHERE model IN ($model) UNION SELECT version FROM (SELECT model, "
        f"version FROM {V}.predictions ORDER BY ts DESC LIMIT 1000) AS newest WHERE model IN ($model) ORDER BY 1"
    )


_CHOSEN = (
    f"{IN_RANGE.format('p')} AND p.model IN ($model) AND p.version IN ($version) AND p.status IN ($status) "
    "AND ('${request_id}' = '' OR p.request_id = '${request_id}') "
    "AND ('${slice}' = '' OR coalesce(p.slices ->> '${slice}', p.features ->> '${slice}') = '${slice_value}')"
)


def prediction_log() -> str:
    """The newest predictions that fit, with what turned out."""
    outcome = (
        f"SELECT o.actual FROM {V}.keys k JOIN {V}.outcomes o ON o.day = k.day AND o.seq = k.seq "
        f"WHERE k.key = {V}.request_key(p.request_id) AND o.request_id = p.request_id "
        "ORDER BY o.correction DESC, CASE WHEN o.correction THEN -o.ts ELSE o.seq END LIMIT 1"
    )
    return (
        "SELECT p.time, p.request_id, p.model, p.version, p.status, p.prediction, p.score, o.actual, p.latency, "
        f"p.data_batch_id, p.slices::text AS slices, p.features::text AS features FROM (SELECT p.* "
        f"FROM {V}.predictions p WHERE {_CHOSEN} ORDER BY p.ts DESC LIMIT {ROWS}) AS p "
        f"LEFT JOIN LATERAL ({outcome}) AS o ON true ORDER BY p.ts DESC"
    )


def predictions_over_time() -> str:
    """Number of predictions that fit, by version."""
    return (
        "SELECT $__unixEpochGroupAlias(p.ts, '$__interval'), p.model || ' ' || p.version AS metric, count(*) AS n "
        f"FROM {V}.predictions p WHERE {_CHOSEN} GROUP BY 1, 2 ORDER BY 1"
    )


def counts() -> str:
    """Number of predictions that fit, by version and status."""
    return (
        "SELECT p.model, p.version, p.status, count(*) AS predictions, min(p.time) AS first, max(p.time) AS last "
        f"FROM {V}.predictions p WHERE {_CHOSEN} GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    )


# --- batch lineage ---


def batch_used() -> str:
    """Predictions that used the batch, by version: exact, whenever they were made."""
    return (
        "SELECT p.model, p.version, count(*) AS predictions, min(p.time) AS first, max(p.time) AS last "
        f"FROM {under('batch', BATCH, 'predictions', 'p')} WHERE p.data_batch_id = {BATCH} GROUP BY 1, 2 "
        "ORDER BY 1, 2"
    )


def batch_predictions() -> str:
    """The newest predictions that used the batch."""
    newest = f"SELECT day, seq FROM {V}.keys WHERE key = {V}.batch_key({BATCH}) ORDER BY seq DESC LIMIT {ROWS}"
    return (
        "SELECT p.time, p.request_id, p.model, p.version, p.status, p.prediction FROM "
        f"({newest}) AS k JOIN {V}.predictions p ON p.day = k.day AND p.seq = k.seq "
        f"WHERE p.data_batch_id = {BATCH} ORDER BY p.seq DESC"
    )


def batch_runs() -> str:
    """The pipeline runs that made the batch."""
    return f"SELECT DISTINCT {_RUN_COLUMNS} {_runs('b.batch', f'FROM (SELECT {BATCH} AS batch) AS b')} ORDER BY r.time"


def upstream() -> str:
    """What the batch was made from, step by step."""
    step = (
        "SELECT i.input, up.steps + 1, r.pipeline, r.run_id "
        + _runs("up.batch", "FROM up")
        + " AND coalesce(r.data_batch_id, up.batch) = up.batch "
        "CROSS JOIN LATERAL jsonb_array_elements_text(r.inputs) AS i(input) WHERE up.steps < 20"
    )
    return (
        f"WITH RECURSIVE up(batch, steps, pipeline, run_id) AS (SELECT {BATCH}, 0, '', '' UNION {step}) "
        "SELECT batch AS data_batch_id, min(steps) AS steps, max(pipeline) AS read_by, max(run_id) AS run_id "
        "FROM up WHERE steps > 0 GROUP BY 1 ORDER BY 2, 1"
    )


def downstream() -> str:
    """What was made from the batch, step by step, and how many predictions used it."""
    step = (
        "SELECT m.data_batch_id, down.steps + 1, m.pipeline FROM down "
        f"JOIN {V}.keys ik ON ik.key = {V}.input_key(down.batch) "
        f"JOIN {V}.pipeline_events r ON r.day = ik.day AND r.seq = ik.seq AND r.inputs ? down.batch "
        f"JOIN {V}.keys rk ON rk.key = {V}.run_key(r.run_id) "
        f"JOIN {V}.pipeline_events m ON m.day = rk.day AND m.seq = rk.seq AND m.run_id = r.run_id "
        "AND m.pipeline = r.pipeline AND m.data_batch_id IS NOT NULL "
        "AND coalesce(r.data_batch_id, m.data_batch_id) = m.data_batch_id WHERE down.steps < 20"
    )
    return (
        f"WITH RECURSIVE down(batch, steps, pipeline) AS (SELECT {BATCH}, 0, '' UNION {step}), "
        "made AS (SELECT batch, min(steps) AS steps, max(pipeline) AS pipeline FROM down WHERE steps > 0 GROUP BY 1) "
        "SELECT made.batch AS data_batch_id, made.steps, made.pipeline AS made_by, "
        f"(SELECT count(*) FROM {V}.keys k WHERE k.key = {V}.batch_key(made.batch)) AS predictions "
        "FROM made ORDER BY 2, 1"
    )


def batch_logs() -> str:
    """Log lines that carry the batch's id."""
    return (
        f"SELECT l.time, l.level, l.service, l.message, l.run_id FROM {under('batch_log', BATCH, 'logs', 'l')} "
        f"WHERE l.data_batch_id = {BATCH} ORDER BY l.ts, l.seq LIMIT {ROWS}"
    )
