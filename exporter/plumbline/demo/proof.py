"""The demo's proof: what Prometheus shows against an independent count of what was sent.

Reads the event files, the receiver's notices, the generated list of dashboard queries, and asks the
running Prometheus. Returns a list of checks; nothing here knows the engine.
"""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import requests

from plumbline import names
from plumbline.demo.receiver import Notice
from plumbline.errors import ToolError
from plumbline.names import Metric

_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Check:
    """One thing proven or not.

    Attributes:
        name: what is claimed.
        passed: whether it holds.
        detail: the numbers behind it.
    """

    name: str
    passed: bool
    detail: str


@dataclass(slots=True)
class Tally:
    """An independent count of event files.

    Attributes:
        predictions: per model.
        outcomes: per model of the prediction they belong to.
        absolute_error: sum of |prediction - actual| per model with numeric predictions.
        correct: outcomes equal to the predicted class, per model with classes.
    """

    predictions: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    absolute_error: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    correct: Counter[str] = field(default_factory=Counter)


class _Line(msgspec.Struct):
    type: str
    request_id: str = ""
    model: str = ""
    prediction: str | float | None = None
    actual: str | float | None = None


def tally(paths: Iterable[Path]) -> Tally:
    """Count event files without the engine: predictions, outcomes, errors."""
    decode = msgspec.json.Decoder(_Line).decode
    made: dict[str, tuple[str, str | float | None]] = {}
    result = Tally()
    for path in paths:
        with path.open("rb") as lines:
            for raw in lines:
                line = decode(raw)
                if line.type == "prediction":
                    result.predictions[line.model] += 1
                    made[line.request_id] = (line.model, line.prediction)
                elif line.type == "outcome":
                    model, predicted = made[line.request_id]
                    result.outcomes[model] += 1
                    if isinstance(predicted, float) and isinstance(line.actual, float):
                        result.absolute_error[model].append(abs(predicted - line.actual))
                    elif predicted == line.actual:
                        result.correct[model] += 1
    return result


class Asker:
    """Asks a Prometheus.

    Args:
        url: its base URL.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = requests.Session()

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def by_model(self, expr: str) -> dict[str, float]:
        """Return an instant vector as {model: value}."""
        result = self._get("query", {"query": expr})
        return {item["metric"].get("model", ""): float(item["value"][1]) for item in result}

    def number(self, expr: str) -> float:
        """Return an instant vector's only value; 0 if there is none."""
        result = self._get("query", {"query": expr})
        return float(result[0]["value"][1]) if result else 0.0

    def samples(self, expr: str, start: float, end: float, step: float) -> int:
        """Return how many samples a range query gives."""
        result = self._get("query_range", {"query": expr, "start": start, "end": end, "step": step})
        return sum(len(series["values"]) for series in result)

    def _get(self, path: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        try:
            answer = self._session.post(f"{self._url}/api/v1/{path}", data=parameters, timeout=60).json()
        except requests.RequestException as error:
            raise ToolError(f"prometheus does not answer: {error}") from error
        if answer.get("status") != "success":
            raise ToolError(f"prometheus refuses {parameters['query']}: {answer.get('error')}")
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result


def counters_agree(asker: Asker, expected: Tally) -> list[Check]:
    """Compare counters in Prometheus with the independent count."""
    all_rows = f'{{slice="{names.ALL}",value="{names.ALL}"}}'

    def compare(name: str, expr: str, wanted: dict[str, float]) -> Check:
        shown = asker.by_model(expr)
        agree = all(
            math.isclose(shown.get(model, math.nan), value, rel_tol=_TOLERANCE)
            for model, value in wanted.items()
        ) and bool(wanted)
        numbers = ", ".join(
            f"{model}: {shown.get(model, math.nan):,.10g} shown, {value:,.10g} sent"
            for model, value in sorted(wanted.items())
        )
        return Check(name, agree, numbers)

    def total(metric: Metric, selector: str = "") -> str:
        return f"sum by (model) ({metric.name}{selector}) > 0"

    outcomes = {model: float(n) for model, n in expected.outcomes.items()}
    matched = '{state=~"matched|late"}'
    correct = f"sum by (model) (sum by (model, actual, predicted) ({names.CONFUSION.name}{all_rows})"
    # Keep the cells whose two classes are the same: the labels are compared by making them one.
    correct += ' and on (model, actual, predicted) label_replace(' + names.CONFUSION.name + all_rows
    correct += ', "predicted", "$1", "actual", "(.*)"))'
    return [
        compare(
            "predictions in Prometheus = predictions sent",
            total(names.PREDICTIONS),
            {model: float(n) for model, n in expected.predictions.items()},
        ),
        compare("outcomes joined = outcomes sent", total(names.OUTCOMES, matched), outcomes),
        compare("outcomes counted after maturity = outcomes sent", total(names.OUTCOMES_MATURED), outcomes),
        compare(
            "sum of absolute errors = computed from the files",
            total(names.ABSOLUTE_ERROR, all_rows),
            {model: math.fsum(errors) for model, errors in expected.absolute_error.items()},
        ),
        compare(
            "correct classes = computed from the files",
            correct,
            {model: float(n) for model, n in expected.correct.items()},
        ),
    ]


def series_exist(asker: Asker, windows: Sequence[str], history: Sequence[str], days: int) -> list[Check]:
    """Check that drift and quality are recorded, live and over the history."""
    checks = []
    for stem, what in ((names.R_PSI, "drift"), (names.R_QUALITY, "quality")):
        live = {w: asker.number(f"count({stem.over(w)})") for w in windows}
        detail = ", ".join(f"{w}: {n:.0f} series" for w, n in live.items())
        checks.append(Check(f"{what} recorded live", all(n > 0 for n in live.values()), detail))
        past = {w: asker.number(f"sum(count_over_time({stem.over(w)}[{days}d]))") for w in history}
        detail = ", ".join(f"{w}: {n:,.0f} samples" for w, n in past.items())
        checks.append(Check(f"{what} recorded over the history", all(n > 0 for n in past.values()), detail))
    return checks


def pages_arrived(notices: Sequence[Notice]) -> list[Check]:
    """Check that pages and tickets came, each to its owner and by its severity's way."""
    firing = [notice for notice in notices if notice.status == "firing"]

    def listed(kind: str) -> str:
        found = Counter(f"{n.alert} to {n.owner}" for n in firing if n.kind == kind)
        return ", ".join(sorted(found)) or "none"

    ways = {"critical": "page", "warning": "ticket"}
    strays = [
        f"{n.alert} ({n.severity}, owner {n.labels.get('owner')}) came to {n.owner}/{n.kind}"
        for n in notices
        if n.labels.get("owner") != n.owner or (n.severity in ways and ways[n.severity] != n.kind)
    ]
    return [
        Check("at least one ticket came", any(n.severity == "warning" for n in firing), listed("ticket")),
        Check("at least one page came", any(n.severity == "critical" for n in firing), listed("page")),
        Check("every notice reached its owner", bool(notices) and not strays, "; ".join(strays) or "all"),
        Check(
            "the broken feed paged its owner",
            any(n.owner == "weather-data" and n.kind == "page" for n in firing),
            ", ".join(sorted({n.alert for n in firing if n.owner == "weather-data"})) or "no page",
        ),
    ]


def dashboards_answer(asker: Asker, listing: Path, start: float, end: float) -> list[Check]:
    """Send every query of every dashboard; each returns data or says why it need not."""
    queries = json.loads(listing.read_text(encoding="utf-8"))
    answered, excused, empty = 0, [], []
    for query in queries:
        where = f"{query['dashboard']} / {query['panel']} / {query['ref']}"
        if asker.samples(query["expr"], start, end, max(1.0, (end - start) / 60)):
            answered += 1
        elif query["may_be_empty"]:
            excused.append(f"{where}: {query['may_be_empty']}")
        else:
            empty.append(where)
    detail = f"{answered} of {len(queries)} queries returned data"
    if excused:
        detail += f"; {len(excused)} may be empty ({'; '.join(excused)})"
    if empty:
        detail += f"; empty without a reason: {'; '.join(empty)}"
    return [Check("every dashboard query returns data", bool(queries) and not empty, detail)]
