"""Alert expressions asked of a Prometheus over the whole history; firing times out.

Reads a running Prometheus, or starts one on the blocks of a TSDB folder. Each expression is asked as
range queries of at most 11,000 points, so every step is one evaluation of the rule, at a multiple of the
step.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np
import numpy.typing as npt
import requests

from plumbline import names
from plumbline.backfill.rules import query_range, temporary_prometheus
from plumbline.errors import ToolError, UsageError
from plumbline.evaluate.alerts import AlertRule
from plumbline.evaluate.states import Firing, firings

POINTS = 11_000  # Prometheus refuses longer range queries

# Predictions of models that the catalogue does not declare are no model of their own.
_KNOWN = f'{{model!="{names.UNKNOWN}"}}'

Floats = npt.NDArray[np.float64]


class _Meta(msgspec.Struct):
    minTime: int  # noqa: N815  Prometheus's own spelling
    maxTime: int  # noqa: N815


@dataclass(frozen=True, slots=True)
class Grid:
    """The evaluations: every ``step`` seconds from ``start`` to ``end``, at multiples of ``step``."""

    start: float
    end: float
    step: float

    @property
    def times(self) -> list[float]:
        """Every evaluation's time."""
        return [self.start + i * self.step for i in range(self.count)]

    @property
    def count(self) -> int:
        """Number of evaluations."""
        return round((self.end - self.start) / self.step) + 1

    def index(self, at: float) -> int:
        """Return the number of the evaluation at a time."""
        return round((at - self.start) / self.step)


def grid(start: float, end: float, step: float) -> Grid:
    """Return the multiples of ``step`` in [start, end].

    Raises:
        UsageError: if there is none.
    """
    first, last = -(-start // step) * step, end // step * step
    if last < first:
        raise UsageError(f"no multiple of {step:g} s between the start and the end of the evaluation")
    return Grid(first, last, step)


def history_range(tsdb: Path) -> tuple[float, float]:
    """Return the first and the last time of a TSDB's blocks, from their descriptions.

    Raises:
        UsageError: if the folder holds no block.
    """
    found = []
    for path in sorted(tsdb.glob("*/meta.json")):
        try:
            found.append(msgspec.json.decode(path.read_bytes(), type=_Meta))
        except (OSError, msgspec.MsgspecError) as error:
            raise UsageError(f"{path}: not the description of a TSDB block: {error}") from error
    if not found:
        raise UsageError(f"{tsdb}: no TSDB blocks; make them with plumbline backfill")
    # The end of a block is exclusive.
    return min(m.minTime for m in found) / 1000.0, (max(m.maxTime for m in found) - 1) / 1000.0


@contextmanager
def opened(tsdb: Path, lookback: float) -> Iterator[str]:
    """Serve a TSDB folder by a Prometheus of our own for a while, and give its URL.

    Args:
        tsdb: folder that no other Prometheus has open.
        lookback: seconds for which a sample counts as the present one; slightly less is taken, so that
            one exactly this old has gone, as in Prometheus 3.
    """
    flag = f"--query.lookback-delta={max(1, round(lookback * 1000) - 1)}ms"
    with (
        TemporaryDirectory(prefix="plumbline-evaluate-") as logs,
        temporary_prometheus(tsdb, Path(logs) / "prometheus.log", [flag]) as server,
    ):
        yield server.url


class History:
    """A Prometheus that holds the history, and the evaluations that are made of it.

    Args:
        url: of the Prometheus.
        over: the evaluations.
    """

    def __init__(self, url: str, over: Grid) -> None:
        self._url = url.rstrip("/")
        self._session = requests.Session()
        self.grid = over

    def __enter__(self) -> History:
        return self

    def __exit__(self, *error: object) -> None:
        self._session.close()

    def query(self, what: str, expr: str) -> dict[tuple[tuple[str, str], ...], Floats]:
        """Return the series of an expression by their sorted labels; NaN stands for no sample.

        A sample whose value is NaN is a sample to an alert, so it is returned as infinity.
        """
        found: dict[tuple[tuple[str, str], ...], Floats] = {}
        over = self.grid
        for first in range(0, over.count, POINTS):
            last = min(first + POINTS, over.count) - 1
            begin, stop = over.start + first * over.step, over.start + last * over.step
            for series in query_range(self._session, self._url, what, expr, begin, stop, over.step):
                key = tuple(sorted(series.metric.items()))
                values = found.setdefault(key, np.full(over.count, np.nan))
                for at, text in series.values:
                    value = float(text)
                    values[over.index(at)] = np.inf if np.isnan(value) else value
        return found

    def firings(self, rule: AlertRule) -> list[tuple[dict[str, str], list[Firing]]]:
        """Return the labels of each alert that fired, and when it did.

        Raises:
            ToolError: if Prometheus refuses the expression, or two of its series would be one alert.
        """
        what = f"alert {rule.name}"
        times = self.grid.times
        seen: dict[tuple[tuple[str, str], ...], npt.NDArray[np.bool_]] = {}
        for key, values in self.query(what, rule.expr).items():
            labels = tuple(sorted(rule.labelled(dict(key)).items()))
            present = ~np.isnan(values)
            if labels in seen and bool((seen[labels] & present).any()):
                raise ToolError(f"{what}: two series become one alert {dict(labels)}; Prometheus fails")
            seen[labels] = seen[labels] | present if labels in seen else present
        fired = [
            (dict(labels), firings(times, present.tolist(), rule.hold, rule.keep)) for labels, present in seen.items()
        ]
        return [(labels, when) for labels, when in fired if when]

    def exposure(self) -> dict[str, float]:
        """Return for how many seconds each model was there.

        Raises:
            UsageError: if the history holds no predictions.
        """
        present = self.query("models", f"count by (model) ({names.PREDICTIONS.name}{_KNOWN})")
        if not present:
            raise UsageError(
                f"the history holds no {names.PREDICTIONS.name} in this range: check --start, --end and "
                "--step (samples must not be further apart than --lookback)"
            )
        return {
            dict(key).get("model", ""): float(np.count_nonzero(~np.isnan(values))) * self.grid.step
            for key, values in present.items()
        }

    def outcomes(self) -> dict[str, Floats]:
        """Return the running number of mature outcomes per model at each evaluation."""
        expr = f"sum by (model) ({names.OUTCOMES_MATURED.name}{_KNOWN})"
        found = {}
        for key, values in self.query("outcomes", expr).items():
            known = np.flatnonzero(~np.isnan(values))
            counts = values[known]
            rises = np.diff(counts)
            rises = np.where(rises < 0.0, counts[1:], rises)  # a counter that fell began again at 0
            total = np.zeros(self.grid.count)
            total[known[1:]] = rises
            found[dict(key).get("model", "")] = np.cumsum(total)
        return found
