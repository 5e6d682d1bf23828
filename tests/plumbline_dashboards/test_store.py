"""The dashboards over the store, asked as Grafana asks, on a real PostgreSQL that the real engine has filled.

What they answer is compared with the look-up of ``plumbline trace``, which shares no SQL with them.
"""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from plumbline import names
from plumbline.alerts import parse_webhook
from plumbline.events.parse import parse
from plumbline.ingest.engine import Engine
from plumbline.keys import KINDS, id_key
from plumbline.store.postgres import PostgresStore
from plumbline.store.postgres_views import READER, VIEWS
from plumbline.trace.lookup import Lookup
from support.alert_samples import alert, webhook
from support.grafana_sql import as_grafana, sql_of
from support.postgres import Postgres
from support.samples import body, open_sample, outcome, prediction
from support.trace_scene import CHAIN, TRACE_ID, log, pipeline

Row = dict[str, Any]
QUOTED = 'o\'clock "x" \\ $1'  # an id may hold any printable character
MANY = 400
START, END = 900.0, 3000.0


class Asked:
    """The store, asked as the reader's role through one dashboard after another."""

    def __init__(self, url: str, lookup: Lookup, dashboards: dict[str, dict[str, Any]]) -> None:
        self.url, self.lookup = url, lookup
        self.sql = {page: sql_of(dashboards[names.DASHBOARD_UIDS[page]]) for page in names.STORE_DASHBOARDS}
        self.db = psycopg.connect(url, autocommit=True)
        self.db.execute(f"SET ROLE {READER}".encode())

    def text(self, page: str, what: str, **values: str | list[str]) -> str:
        every: dict[str, str | list[str]] = {
            "request_id": "",
            "data_batch_id": "",
            "slice": "",
            "slice_value": "",
            "model": ["clf", "reg"],
            "version": ["1", "2"],
            "status": ["ok", "error"],
        }
        return as_grafana(self.sql[page][what], every | values, START, END)

    def rows(self, page: str, what: str, **values: str | list[str]) -> list[Row]:
        cursor = self.db.execute(self.text(page, what, **values).encode())
        assert cursor.description is not None
        columns = [one.name for one in cursor.description]
        return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]


@pytest.fixture(scope="module")
def filled(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Engine]]:
    url = postgres.new_database()
    with psycopg.connect(url, autocommit=True) as db:
        if db.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (READER,)).fetchone() is None:
            db.execute(f"CREATE ROLE {READER}".encode())
    engine = open_sample(tmp_path_factory.mktemp("data"), PostgresStore(url))
    more = [
        prediction(
            f"m{n}",
            ts=1000.0 + n,
            data_batch_id="b/1" if n % 2 else "b/2",
            version=str(1 + n % 2),
            status="error" if n % 10 == 0 else "ok",
            slices={"origin": "EWR" if n % 4 else "JFK"},
        )
        for n in range(MANY)
    ]
    hostile = [
        prediction(QUOTED, data_batch_id=QUOTED, ts=1700.0, features={"x": "\x00", "c": "a"}),
        log("NUL \x00 and \u2028", request_id=QUOTED),
        outcome(QUOTED, "1"),
        prediction("huge", ts=1800.0),
    ]
    lines = body(*CHAIN, pipeline("r-d", "down/1", ("b/1",), ts=700.0), *more, *hostile)
    # A number that no database holds, where nobody looks: in an unknown field.
    lines = lines.replace(b'"request_id": "huge"', b'"request_id": "huge", "n": 1e999999999')
    parsed = parse(lines, time.time())
    assert parsed.rejected == []
    now = time.time()
    engine.commit([parsed], now)
    told = [
        alert(startsAt="1970-01-01T00:15:00Z", labels={"alertname": "During", "version": "1"}),
        alert(startsAt="1970-01-01T00:01:00Z", fingerprint="b1", labels={"alertname": "Before"}),
        alert(
            startsAt="1970-01-01T00:01:00Z",
            fingerprint="b1",
            labels={"alertname": "Before"},
            status="resolved",
            endsAt="1970-01-01T00:02:00Z",
        ),
    ]
    for one in told:
        engine.commit([parse_webhook(webhook(one), now)], now)
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("ANALYZE")
    yield url, engine
    engine.close()


@pytest.fixture(scope="module")
def asked(filled: tuple[str, Engine], dashboards: dict[str, dict[str, Any]]) -> Iterator[Asked]:
    url, engine = filled
    lookup = Lookup(engine.store.reader(), engine.baselines)
    made = Asked(url, lookup, dashboards)
    yield made
    made.db.close()
    lookup.close()


def test_every_query_runs_for_the_reader_with_empty_and_with_full_variables(asked: Asked) -> None:
    for page, queries in asked.sql.items():
        for what, values in itertools.product(
            queries, ({}, {"request_id": "q/1", "data_batch_id": "b/1", "slice": "origin", "slice_value": "EWR"})
        ):
            asked.rows(page, what, **values)


@pytest.mark.parametrize("page", names.STORE_DASHBOARDS)
def test_every_panel_asks_the_store_and_its_columns_exist(
    asked: Asked, dashboards: dict[str, dict[str, Any]], page: str
) -> None:
    dashboard = dashboards[names.DASHBOARD_UIDS[page]]
    source = {"type": "grafana-postgresql-datasource", "uid": "${store}"}
    variables = dashboard["templating"]["list"]
    assert [(v["name"], v["query"]) for v in variables if v["type"] == "datasource"] == [("store", source["type"])]
    assert all(v["datasource"] == source for v in variables if v["type"] == "query")
    text = " ".join(asked.sql[page].values())
    for variable in variables[1:]:
        assert re.search(rf"\$\{{?{variable['name']}\b", text), variable["name"]
        # A value for "All" would go into the SQL as it stands.
        assert "allValue" not in variable
    for panel in dashboard["panels"]:
        assert panel["datasource"] == source
        if panel["type"] != "row":
            [target] = panel["targets"]
            assert (target["datasource"], target["rawQuery"]) == (source, True)
            cursor = asked.db.execute(asked.text(page, panel["title"]).encode())
            assert cursor.description is not None
            columns = {one.name for one in cursor.description}
            for override in panel["fieldConfig"]["overrides"]:
                assert override["matcher"]["options"] in columns, panel["title"]


def test_ids_in_links_are_encoded(dashboards: dict[str, dict[str, Any]]) -> None:
    for page in names.STORE_DASHBOARDS:
        text = str(dashboards[names.DASHBOARD_UIDS[page]])
        found = re.findall(r"var-\w+=\$\{__data\.fields\.\w+(:\w+)?\}", text)
        assert set(found) == {":percentencode"}, page


def test_the_keys_in_sql_are_the_stores(asked: Asked) -> None:
    for name, kind in KINDS.items():
        for identifier in ("q/1", QUOTED, "höhe ☃"):
            [row] = asked.db.execute(f"SELECT plumbline_views.{name}_key(%s)".encode(), (identifier,)).fetchall()
            assert row == (id_key(kind.encode(), identifier),)


@pytest.mark.parametrize("request_id", ["q/1", QUOTED, "m7"])
def test_the_trace_page_says_what_the_trace_says(asked: Asked, request_id: str) -> None:
    found = asked.lookup.trace(request_id)
    assert found is not None

    def rows(what: str) -> list[Row]:
        return asked.rows("trace", what, request_id=request_id)

    assert [
        (r["model"], r["version"], r["prediction"], r["score"], r["data_batch_id"], r["trace_id"])
        for r in rows("Predictions")
    ] == [(p.model, p.version, p.prediction, p.score, p.data_batch_id, p.trace_id) for p in found.predictions]
    assert [(r["actual"], r["correction"]) for r in rows("Outcomes")] == [
        (o.actual, o.correction) for o in found.outcomes
    ]
    assert {r["alertname"] for r in rows("Alerts that fired")} == {a.alertname for a in found.alerts}
    assert sorted(r["message"].replace("\ufffd", "\x00") for r in rows("Log lines")) == sorted(
        one.message for one in found.logs
    )
    direct = {p.data_batch_id for p in found.predictions}
    runs = [run for b in found.batches if b.data_batch_id in direct for run in b.runs]
    assert [(r["run_id"], r["stage"], r["status"]) for r in rows("Pipeline runs")] == [
        (run.run_id, stage.stage, stage.status) for run in runs for stage in run.stages
    ]


def test_the_trace_page_leads_to_commit_and_training_data(asked: Asked) -> None:
    rows = asked.rows("trace", "Model versions", request_id="q/1")
    assert [(r["stage"], r["commit"], r["training_data"]) for r in rows] == [
        ("production", None, None),
        ("canary", "c0ffee42", "train-1"),
    ]
    features = asked.rows("trace", "Features", request_id="q/1")
    assert ("x", "clf 1", "0.5") in {(r["feature"], r["version"], r["value"]) for r in features}


def test_the_timeline_is_in_order_and_names_the_failed_check(asked: Asked) -> None:
    rows = asked.rows("trace", "Timeline", request_id="q/1")
    assert [r["time"] for r in rows] == sorted(r["time"] for r in rows)
    kinds = {r["what"] for r in rows}
    assert kinds == {"prediction", "pipeline", "outcome", "kpi", "log", "alert"}
    assert any("failed checks: no_gaps" in r["text"] for r in rows)
    assert any(r["text"] == "corrected to 1" for r in rows)


def test_one_hostile_line_costs_no_page(asked: Asked) -> None:
    assert len(asked.rows("trace", "Predictions", request_id=QUOTED)) == 1
    [features] = [r["value"] for r in asked.rows("trace", "Features", request_id=QUOTED) if r["feature"] == "x"]
    assert features == "\ufffd"
    # A number beyond what the database can hold: that event alone is left out, the list goes on.
    listed = {r["request_id"] for r in asked.rows("predictions", "Prediction log")}
    assert QUOTED in listed
    assert "huge" not in listed
    assert len(listed) > MANY


@pytest.mark.parametrize(
    "evil", ["' OR true --", "'); DROP SCHEMA plumbline_views CASCADE; --", "\\' OR true --", "$$"]
)
def test_a_variable_stays_a_value(asked: Asked, evil: str) -> None:
    assert asked.rows("trace", "Predictions", request_id=evil) == []
    assert asked.rows("batch", "Predictions that used it", data_batch_id=evil) == []
    assert asked.rows("predictions", "Prediction log", model=[evil]) == []
    assert asked.rows("predictions", "Prediction log", slice=evil, slice_value=evil) == []


def test_the_log_is_filtered_by_every_variable(asked: Asked) -> None:
    def ids(**values: str | list[str]) -> set[str]:
        return {r["request_id"] for r in asked.rows("predictions", "Prediction log", **values)}

    many = {f"m{n}" for n in range(MANY)}
    assert ids() >= many
    assert ids(version=["2"]) & many == {f"m{n}" for n in range(MANY) if n % 2}
    assert ids(status=["error"]) == {f"m{n}" for n in range(MANY) if n % 10 == 0}
    assert ids(slice="origin", slice_value="JFK") == {f"m{n}" for n in range(MANY) if n % 4 == 0}
    assert ids(request_id="m7") == {"m7"}
    assert ids(model=["reg"]) == set()
    [row] = asked.rows("predictions", "Prediction log", request_id=QUOTED)
    assert row["actual"] == "1"
    [corrected] = asked.rows("predictions", "Prediction log", request_id="q/1", version=["1"])
    assert corrected["actual"] == "1"


def test_the_log_counts_what_lies_in_the_time_range(asked: Asked) -> None:
    expected = {("clf", "1", "ok"): 0, ("clf", "1", "error"): 0, ("clf", "2", "ok"): 0}
    for n in range(MANY):
        expected["clf", str(1 + n % 2), "error" if n % 10 == 0 else "ok"] += 1
    expected["clf", "1", "ok"] += 3  # q/1, other, the one with quotes
    expected["clf", "2", "ok"] += 1
    rows = asked.rows("predictions", "Predictions by version")
    assert {(r["model"], r["version"], r["status"]): r["predictions"] for r in rows} == expected
    lines = asked.rows("predictions", "Predictions over time")
    assert sum(r["n"] for r in lines) == sum(expected.values())
    assert all(float(r["time"]) % 60 == 0 for r in lines)


def test_the_variables_offer_what_is_stored(asked: Asked) -> None:
    assert [r["model"] for r in asked.rows("predictions", "model")] == ["clf"]
    assert [r["version"] for r in asked.rows("predictions", "version")] == ["1", "2"]


def test_the_batch_page_says_what_the_batch_says(asked: Asked) -> None:
    found = asked.lookup.batch("b/1")
    assert found is not None
    used = asked.rows("batch", "Predictions that used it", data_batch_id="b/1")
    assert {(r["model"], r["version"]): r["predictions"] for r in used} == {
        (use.model, use.version): use.predictions for use in found.used_by
    }
    newest = asked.rows("batch", "Newest of them", data_batch_id="b/1")
    assert {r["request_id"] for r in newest} == {
        one.request_id for one in asked.lookup.used("b/1", 0, 1000).predictions
    }
    runs = asked.rows("batch", "Made by", data_batch_id="b/1")
    assert [(r["run_id"], r["status"]) for r in runs] == [("r-b", "started"), ("r-b", "succeeded")]
    up = asked.rows("batch", "Made from", data_batch_id="b/1")
    assert [(r["data_batch_id"], r["steps"]) for r in up] == [(b.data_batch_id, b.depth) for b in found.upstream]
    down = asked.rows("batch", "Made from it", data_batch_id="raw/1")
    above = asked.lookup.batch("raw/1")
    assert above is not None
    assert [(r["data_batch_id"], r["steps"], r["predictions"]) for r in down] == [
        (one.data_batch_id, one.depth, one.predictions) for one in above.downstream
    ]


def test_the_reader_sees_the_views_and_nothing_beneath(asked: Asked) -> None:
    for view in (*VIEWS, "keys"):
        asked.db.execute(f"TABLE plumbline_views.{view} LIMIT 1".encode())
    for forbidden in (
        "SELECT * FROM plumbline.events",
        "DELETE FROM plumbline_views.keys",
        "UPDATE plumbline_views.keys SET key = 0",
        "CREATE TABLE plumbline_views.mine (x int)",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            asked.db.execute(forbidden.encode())


def plan(asked: Asked, sql: str) -> str:
    # The planner may read a small table whole; with many days of it, this is what it does.
    with psycopg.connect(asked.url, autocommit=True) as db:
        db.execute("SET enable_seqscan = off")
        return "\n".join(row[0] for row in db.execute(b"EXPLAIN " + sql.encode()).fetchall())


def test_a_request_is_found_through_the_index_of_each_partition(asked: Asked) -> None:
    for page, what in (("trace", "Predictions"), ("trace", "Timeline"), ("batch", "Predictions that used it")):
        told = plan(asked, asked.text(page, what, request_id="q/1", data_batch_id="b/1"))
        assert "Seq Scan" not in told, told
        assert re.search(r"Index (Only )?Scan using event_keys_\d{8}_pkey", told), told
        assert re.search(r"Index Scan using events_\d{8}_pkey", told), told


def test_the_log_reads_the_index_over_time_in_the_partitions_that_can_hold_it(asked: Asked) -> None:
    today, tomorrow = (time.strftime("%Y%m%d", time.gmtime(time.time() + 86400 * n)) for n in (0, 1))
    values = {"model": ["clf"], "version": ["1"], "status": ["ok"], "slice": "", "slice_value": "", "request_id": ""}
    asks = asked.sql["predictions"]["Prediction log"]
    told = plan(asked, as_grafana(asks, values, 1000.0, 1010.0))
    assert "Seq Scan" not in told, told
    assert f"events_{today}_kind_ts_idx" in told, told
    # What was asked of tomorrow on cannot have arrived today.
    told = plan(asked, as_grafana(asks, values, time.time() + 86400, time.time() + 2 * 86400))
    newest = told[told.index("Limit") :]
    assert f"events_{tomorrow}_kind_ts_idx" in newest
    assert f"events_{today}_kind_ts_idx" not in newest


def test_traces_share_no_id_with_others(asked: Asked) -> None:
    # A log line that carries only the trace's id belongs to the request; another request's does not.
    found = {r["message"] for r in asked.rows("trace", "Log lines", request_id="q/1")}
    assert found == {"accepted", "slow"}
    assert TRACE_ID
