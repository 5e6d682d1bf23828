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

from examples.demo.receiver import Notice
from plumbline import names
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
        numbers: per model with numeric predictions, those of the joined rows and the actual values.
        classes: per model with classes, those of the joined rows and the actual ones.
    """

    predictions: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    numbers: dict[str, tuple[list[Any], list[Any]]] = field(default_factory=lambda: defaultdict(_rows))
    classes: dict[str, tuple[list[Any], list[Any]]] = field(default_factory=lambda: defaultdict(_rows))


def _rows() -> tuple[list[Any], list[Any]]:
    return [], []


class _Line(msgspec.Struct):
    type: str
    request_id: str = ""
    model: str = ""
    prediction: str | float | None = None
    actual: str | float | None = None


def tally(paths: Iterable[Path]) -> Tally:
    """Read event files without the engine: count predictions and outcomes, join the rows of both."""
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
                    for rows, wanted in ((result.numbers, float), (result.classes, str)):
                        if isinstance(predicted, wanted):
                            rows[model][0].append(predicted)
                            rows[model][1].append(line.actual)
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

    def compare(name: str, expr: str, wanted: dict[str, float]) -> Check:
        shown = asker.by_model(expr)
        agree = all(
            math.isclose(shown.get(model, math.nan), value, rel_tol=_TOLERANCE) for model, value in wanted.items()
        ) and bool(wanted)
        numbers = ", ".join(
            f"{model}: {shown.get(model, math.nan):,.10g} shown, {value:,.10g} expected"
            for model, value in sorted(wanted.items())
        )
        return Check(name, agree, numbers)

    def total(metric: Metric, selector: str = "") -> str:
        return f"sum by (model) ({metric.name}{selector}) > 0"

    outcomes = {model: float(n) for model, n in expected.outcomes.items()}
    matched = '{state=~"matched|late"}'
    return [
        compare(
            "predictions in Prometheus = predictions sent",
            total(names.PREDICTIONS),
            {model: float(n) for model, n in expected.predictions.items()},
        ),
        compare("outcomes joined = outcomes sent", total(names.OUTCOMES, matched), outcomes),
        compare("outcomes counted after maturity = outcomes sent", total(names.OUTCOMES_MATURED), outcomes),
        compare("MAE from PromQL = scikit-learn's", _mean_absolute_error(), _scikit_learn_mae(expected)),
        compare("accuracy from PromQL = scikit-learn's", _accuracy(), _scikit_learn_accuracy(expected)),
    ]


_ALL_ROWS = f'{{slice="{names.ALL}",value="{names.ALL}"}}'


def _mean_absolute_error() -> str:
    """PromQL over the counters' whole life: no window, so no edge and nothing extrapolated."""
    errors = f"sum by (model) ({names.ABSOLUTE_ERROR.name}{_ALL_ROWS})"
    return f"{errors} / (sum by (model) ({names.REGRESSION.name}{_ALL_ROWS}) > 0)"


def _accuracy() -> str:
    """PromQL over the counters' whole life."""
    cells = f"{names.CONFUSION.name}{_ALL_ROWS}"
    # The cells on the diagonal: those whose predicted class is a copy of the actual one.
    diagonal = f'label_replace(sum by (model, actual) ({cells}), "predicted", "$1", "actual", "(.*)")'
    correct = f"sum by (model, actual, predicted) ({cells}) and on (model, actual, predicted) {diagonal}"
    return f"sum by (model) ({correct}) / (sum by (model) ({cells}) > 0)"


def _scikit_learn_mae(expected: Tally) -> dict[str, float]:
    from sklearn.metrics import mean_absolute_error

    return {
        model: float(mean_absolute_error(actual, predicted)) for model, (predicted, actual) in expected.numbers.items()
    }


def _scikit_learn_accuracy(expected: Tally) -> dict[str, float]:
    from sklearn.metrics import accuracy_score

    return {model: float(accuracy_score(actual, predicted)) for model, (predicted, actual) in expected.classes.items()}


def series_exist(asker: Asker, windows: Sequence[str], history: Sequence[str], days: int) -> list[Check]:
    """Check that drift and quality are recorded, live and over the history."""
    checks = []
    for stem, what in ((names.R_PSI, "drift"), (names.R_QUALITY, "quality")):
        # Recorded at any time of the replay: when it is judged, the traffic has ended and a short
        # window is rightly empty again.
        live = {w: asker.number(f"count(last_over_time({stem.over(w)}[15m]))") for w in windows}
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
    answered, empty = 0, []
    excused: dict[str, list[str]] = {}  # by reason, which many panels of a page may share
    for query in queries:
        where = f"{query['dashboard']} / {query['panel']} / {query['ref']}"
        if asker.samples(query["expr"], start, end, max(1.0, (end - start) / 60)):
            answered += 1
        elif query["may_be_empty"]:
            excused.setdefault(query["may_be_empty"], []).append(where)
        else:
            empty.append(where)
    detail = f"{answered} of {len(queries)} queries returned data"
    if excused:
        told = [
            f"{places[0] if len(places) == 1 else f'{len(places)} on {_pages(places)}'}: {reason}"
            for reason, places in excused.items()
        ]
        detail += f"; {sum(map(len, excused.values()))} may be empty ({'; '.join(told)})"
    if empty:
        detail += f"; empty without a reason: {'; '.join(empty)}"
    return [Check("every dashboard query returns data", bool(queries) and not empty, detail)]


def _pages(places: list[str]) -> str:
    return ", ".join(dict.fromkeys(place.split(" / ")[0] for place in places))
