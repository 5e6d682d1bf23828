"""Every check of the proof can fail: each is shown what it must refuse."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from examples.demo.proof import (
    Asker,
    Check,
    Tally,
    counters_agree,
    dashboards_answer,
    pages_arrived,
    series_exist,
    tally,
)
from examples.demo.receiver import Notice
from plumbline import names
from plumbline.errors import ToolError

Vector = dict[str, float]


@dataclass
class FakePrometheus:
    """Answers queries of the HTTP API from functions of the expression."""

    vector: Callable[[str], Vector] = lambda expr: {}
    samples: Callable[[str], int] = lambda expr: 0
    refuses: str = ""
    asked: list[dict[str, str]] = field(default_factory=list)
    url: str = ""

    def answer(self, path: str, parameters: dict[str, str]) -> dict[str, Any]:
        self.asked.append(parameters)
        expr = parameters["query"]
        if self.refuses:
            return {"status": "error", "errorType": "bad_data", "error": self.refuses}
        if path == "/api/v1/query":
            result: list[Any] = [
                {"metric": {"model": model}, "value": [1.0, repr(value)]} for model, value in self.vector(expr).items()
            ]
            return {"status": "success", "data": {"resultType": "vector", "result": result}}
        assert path == "/api/v1/query_range"
        values = [[float(n), "1"] for n in range(self.samples(expr))]
        result = [{"metric": {}, "values": values}] if values else []
        return {"status": "success", "data": {"resultType": "matrix", "result": result}}


@pytest.fixture
def fake() -> Iterator[FakePrometheus]:
    prometheus = FakePrometheus()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            body = json.dumps(prometheus.answer(self.path, {k: v[0] for k, v in form.items()})).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    prometheus.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield prometheus
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.fixture
def asker(fake: FakePrometheus) -> Iterator[Asker]:
    found = Asker(fake.url)
    yield found
    found.close()


def by_name(checks: list[Check]) -> dict[str, Check]:
    assert len({check.name for check in checks}) == len(checks)
    return {check.name: check for check in checks}


# --- the independent count -------------------------------------------------------------------------------


def write(path: Path, *events: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return path


def prediction(request: str, model: str, value: float | str) -> dict[str, Any]:
    return {"type": "prediction", "ts": 1.0, "request_id": request, "model": model, "prediction": value, "features": {}}


def outcome(request: str, actual: float | str) -> dict[str, Any]:
    return {"type": "outcome", "ts": 2.0, "request_id": request, "actual": actual}


@pytest.fixture
def expected(tmp_path: Path) -> Tally:
    """The counts of three predictions of each model, two of which have outcomes; one in the second file."""
    first = write(
        tmp_path / "history.ndjson",
        {"type": "deployment", "ts": 0.0, "model": "delay", "version": "1"},
        prediction("d1", "delay", 10.0),
        prediction("d2", "delay", 20.0),
        prediction("l1", "late", "1"),
        prediction("l2", "late", "0"),
        {"type": "pipeline", "ts": 1.5, "pipeline": "feed", "stage": "s", "run_id": "r", "status": "started"},
        outcome("d1", 13.0),
        outcome("l1", "1"),
    )
    second = write(
        tmp_path / "live.ndjson",
        prediction("d3", "delay", 30.0),
        prediction("l3", "late", "0"),
        outcome("d2", 15.0),
        outcome("l2", "1"),
    )
    return tally([first, second])


def test_tally_counts_events_and_joins_rows_across_files(expected: Tally) -> None:
    assert expected.predictions == {"delay": 3, "late": 3}
    assert expected.outcomes == {"delay": 2, "late": 2}
    assert dict(expected.numbers) == {"delay": ([10.0, 20.0], [13.0, 15.0])}
    assert dict(expected.classes) == {"late": (["1", "0"], ["1", "1"])}


# --- counters --------------------------------------------------------------------------------------------

PREDICTIONS = "predictions in Prometheus = predictions sent"
JOINED = "outcomes joined = outcomes sent"
MATURED = "outcomes counted after maturity = outcomes sent"
MAE = "MAE from PromQL = scikit-learn's"
ACCURACY = "accuracy from PromQL = scikit-learn's"


def truth() -> dict[str, Vector]:
    return {
        names.PREDICTIONS.name: {"delay": 3, "late": 3},
        names.OUTCOMES.name: {"delay": 2, "late": 2},
        names.OUTCOMES_MATURED.name: {"delay": 2, "late": 2},
        names.ABSOLUTE_ERROR.name: {"delay": 4.0},
        names.CONFUSION.name: {"late": 0.5},
    }


def answers(shown: dict[str, Vector]) -> Callable[[str], Vector]:
    def vector(expr: str) -> Vector:
        (metric,) = [name for name in shown if f"({name})" in expr or f"({name}{{" in expr]
        return shown[metric]

    return vector


def test_counters_that_agree_pass(fake: FakePrometheus, asker: Asker, expected: Tally) -> None:
    fake.vector = answers(truth())
    checks = by_name(counters_agree(asker, expected))
    assert set(checks) == {PREDICTIONS, JOINED, MATURED, MAE, ACCURACY}
    assert all(check.passed for check in checks.values())
    assert checks[PREDICTIONS].detail == "delay: 3 shown, 3 expected, late: 3 shown, 3 expected"


@pytest.mark.parametrize(
    ("metric", "shown", "failing"),
    [
        (names.PREDICTIONS.name, {"delay": 3, "late": 2}, PREDICTIONS),
        (names.PREDICTIONS.name, {"delay": 4, "late": 3}, PREDICTIONS),
        (names.PREDICTIONS.name, {"delay": 3}, PREDICTIONS),
        (names.PREDICTIONS.name, {}, PREDICTIONS),
        (names.OUTCOMES.name, {"delay": 1, "late": 2}, JOINED),
        (names.OUTCOMES_MATURED.name, {"delay": 2, "late": 0}, MATURED),
        (names.ABSOLUTE_ERROR.name, {"delay": 4.0000001}, MAE),
        (names.ABSOLUTE_ERROR.name, {"delay": float("nan")}, MAE),
        (names.CONFUSION.name, {"late": 0.75}, ACCURACY),
        (names.CONFUSION.name, {"delay": 0.5}, ACCURACY),
    ],
)
def test_one_wrong_or_missing_counter_fails_its_check_alone(
    fake: FakePrometheus, asker: Asker, expected: Tally, metric: str, shown: Vector, failing: str
) -> None:
    fake.vector = answers({**truth(), metric: shown})
    checks = by_name(counters_agree(asker, expected))
    assert [name for name, check in checks.items() if not check.passed] == [failing]


def test_nothing_sent_proves_nothing(fake: FakePrometheus, asker: Asker) -> None:
    fake.vector = answers(truth())
    assert not any(check.passed for check in counters_agree(asker, Tally()))


# --- recorded series -------------------------------------------------------------------------------------


def test_drift_and_quality_are_looked_for_live_and_over_the_history(fake: FakePrometheus, asker: Asker) -> None:
    fake.vector = lambda expr: {"": 5.0}
    checks = by_name(series_exist(asker, ["30s", "1m"], ["7d"], 400))
    assert set(checks) == {
        "drift recorded live",
        "drift recorded over the history",
        "quality recorded live",
        "quality recorded over the history",
    }
    assert all(check.passed for check in checks.values())
    assert checks["drift recorded live"].detail == "30s: 5 series, 1m: 5 series"


@pytest.mark.parametrize(
    ("absent", "failing"),
    [
        (names.R_PSI.over("1m"), "drift recorded live"),
        (names.R_PSI.over("7d"), "drift recorded over the history"),
        (names.R_QUALITY.over("30s"), "quality recorded live"),
        (names.R_QUALITY.over("7d"), "quality recorded over the history"),
    ],
)
def test_one_window_without_samples_fails_its_check_alone(
    fake: FakePrometheus, asker: Asker, absent: str, failing: str
) -> None:
    fake.vector = lambda expr: {} if f"({absent}[" in expr else {"": 5.0}
    checks = series_exist(asker, ["30s", "1m"], ["7d"], 400)
    assert [check.name for check in checks if not check.passed] == [failing]


# --- notices ---------------------------------------------------------------------------------------------

TICKET, PAGE = "at least one ticket came", "at least one page came"
OWNER, FEED = "every notice reached its owner", "the broken feed paged its owner"


def notice(owner: str, kind: str, *, status: str = "firing", severity: str = "", labelled: str | None = None) -> Notice:
    grade = severity or {"page": "critical", "ticket": "warning"}[kind]
    labels = {"owner": owner if labelled is None else labelled}
    return Notice(0.0, owner, kind, status, "Alert", grade, labels, "", "")


GOOD = [notice("flight-ml", "ticket"), notice("weather-data", "page")]


def failed(notices: list[Notice]) -> list[str]:
    return [check.name for check in pages_arrived(notices) if not check.passed]


def test_a_ticket_and_a_page_to_their_owners_pass() -> None:
    assert failed(GOOD) == []
    assert failed([*GOOD, notice("weather-data", "page", status="resolved")]) == []


@pytest.mark.parametrize(
    ("notices", "failing"),
    [
        ([], [TICKET, PAGE, OWNER, FEED]),
        (GOOD[1:], [TICKET]),
        (GOOD[:1], [PAGE, FEED]),
        ([GOOD[0], notice("flight-ml", "page")], [FEED]),
        ([GOOD[0], notice("weather-data", "page", status="resolved")], [PAGE, FEED]),
        ([*GOOD, notice("flight-ml", "page", labelled="weather-data")], [OWNER]),
        ([*GOOD, notice("flight-ml", "ticket", labelled="")], [OWNER]),
        ([*GOOD, notice("flight-ml", "page", severity="warning")], [OWNER]),
        ([*GOOD, notice("flight-ml", "ticket", severity="critical")], [OWNER]),
        ([*GOOD, notice("flight-ml", "ticket", severity="critical", status="resolved")], [OWNER]),
    ],
)
def test_missing_or_stray_notices_fail(notices: list[Notice], failing: list[str]) -> None:
    assert failed(notices) == failing


def test_stray_notice_is_named() -> None:
    stray = notice("flight-ml", "page", severity="warning", labelled="platform")
    check = by_name(pages_arrived([*GOOD, stray]))[OWNER]
    assert check.detail == "Alert (warning, owner platform) came to flight-ml/page"


# --- dashboards ------------------------------------------------------------------------------------------


def listing(path: Path, *queries: tuple[str, str]) -> Path:
    listed = [
        {"dashboard": "D", "panel": f"P{n}", "ref": "A", "expr": expr, "may_be_empty": why}
        for n, (expr, why) in enumerate(queries)
    ]
    path.write_text(json.dumps(listed))
    return path


def test_queries_with_data_or_an_excuse_pass_and_are_asked_over_the_replay(
    fake: FakePrometheus, asker: Asker, tmp_path: Path
) -> None:
    fake.samples = lambda expr: 3 if expr == "full" else 0
    (check,) = dashboards_answer(asker, listing(tmp_path / "q", ("full", ""), ("rare", "no errors")), 100.0, 700.0)
    assert check.passed
    assert check.detail == "1 of 2 queries returned data; 1 may be empty (D / P1 / A: no errors)"
    assert {(a["start"], a["end"], a["step"]) for a in fake.asked} == {("100.0", "700.0", "10.0")}


def test_empty_query_without_a_reason_fails_and_is_named(fake: FakePrometheus, asker: Asker, tmp_path: Path) -> None:
    fake.samples = lambda expr: 3 if expr == "full" else 0
    (check,) = dashboards_answer(asker, listing(tmp_path / "q", ("full", ""), ("hollow", "")), 0.0, 60.0)
    assert not check.passed
    assert check.detail.endswith("empty without a reason: D / P1 / A")


def test_empty_list_of_queries_fails(asker: Asker, tmp_path: Path) -> None:
    (check,) = dashboards_answer(asker, listing(tmp_path / "q"), 0.0, 60.0)
    assert not check.passed


# --- a Prometheus that does not answer -------------------------------------------------------------------


def test_refused_query_is_an_error_with_prometheus_words(fake: FakePrometheus, asker: Asker) -> None:
    fake.refuses = "parse error: unexpected end"
    with pytest.raises(ToolError, match=r"refuses sum\(: parse error: unexpected end"):
        asker.number("sum(")


def test_absent_prometheus_is_an_error() -> None:
    asker = Asker("http://127.0.0.1:1")
    with pytest.raises(ToolError, match="does not answer"):
        asker.number("1")
    asker.close()
