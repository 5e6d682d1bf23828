"""Recording rules asked between two points in time, exactly: counters at the end minus at the start.

``increase()`` extrapolates to the edges of its range, so it is right on average but not to the event.
``x - x offset d`` is exact where both ends are sampling times. The expressions are the generated ones;
only the leaf, the increase of a counter, is replaced.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from plumbline import names
from plumbline.catalogue.model import Catalogue
from plumbline.retraction import net
from plumbline_alerting import drift, quality, serving
from plumbline_alerting.model import Rule
from plumbline_alerting.promql import BIN, WHOLE
from plumbline_alerting.windows import Window

_WINDOW = Window("between", 1.0, "1m")


class Between:
    """Expressions of all rules over one stretch of time.

    Args:
        catalogue: decides which tasks have rules.
        seconds: length of the stretch; it ends at the query's time.
        bins: most ordered bins of a feature; inlined down to the counters, each costs a whole expression.
        feature: regular expression of the features asked for.
    """

    def __init__(
        self, catalogue: Catalogue, seconds: float, bins: int = drift.MOST_ORDERED_BINS, feature: str = ".+"
    ) -> None:
        rules: Sequence[Rule] = (
            *drift.group(_WINDOW, bins).rules,
            *serving.increases(_WINDOW),
            *serving.rules(_WINDOW),
            *quality.rules(_WINDOW, catalogue),
        )
        self._feature = feature
        self._offset = f"{round(seconds)}s"
        self._leaves: dict[str, tuple[str, tuple[str, ...]]] = {
            recorded.over(_WINDOW.name): (names.METRICS[metric].name, recorded.labels)
            for metric, recorded in names.R_INCREASES.items()
        }
        self._leaves[names.R_ERROR_MAGNITUDE_INCREASE.over(_WINDOW.name)] = (
            f"{names.ERROR_MAGNITUDE.name}_bucket",
            names.R_ERROR_MAGNITUDE_INCREASE.labels,
        )
        self._leaves[names.R_BIN_INCREASE.over(_WINDOW.name)] = (names.FEATURE_VALUES.name, names.R_BIN_INCREASE.labels)
        self._rules: dict[str, list[Rule]] = {}
        for rule in rules:
            self._rules.setdefault(rule.record, []).append(rule)
        known = sorted({*self._leaves, *self._rules}, key=len, reverse=True)
        self._name = re.compile("(" + "|".join(map(re.escape, known)) + r")(\{[^}]*\})?")

    def of(self, recorded: names.Recorded, metric: str | None = None) -> str:
        """The expression of a recorded series, down to the raw counters."""
        name = recorded.over(_WINDOW.name)
        if name in self._leaves:
            return self._leaf(name, "")
        (rule,) = [r for r in self._rules[name] if metric is None or r.labels.get("metric") == metric]
        return self._inline(rule.expr)

    def _inline(self, expr: str) -> str:
        def replace(match: re.Match[str]) -> str:
            name, matchers = match[1], match[2] or ""
            if name in self._leaves:
                return f"({self._leaf(name, matchers)})"
            metric = re.search(r'metric="(\w+)"', matchers)
            rules = [r for r in self._rules[name] if metric is None or r.labels.get("metric") == metric[1]]
            (rule,) = rules
            whole = self._inline(rule.expr)
            if matchers and metric is None:  # only a counter can be selected from
                if name == names.R_OVERDRAWN.over(_WINDOW.name):
                    assert matchers == f"{{{WHOLE}}}"
                    whole += f' and on (slice) label_replace(vector(1), "slice", "{names.ALL}", "", "")'
                else:  # a share's bins are the baseline's
                    assert name == names.R_SHARE.over(_WINDOW.name)
                    whole += f" and on ({BIN}) {names.BASELINE_FEATURE_SHARE.name}{matchers}"
            return f"({whole})"

        return self._name.sub(replace, expr)

    def _leaf(self, name: str, matchers: str) -> str:
        counter, labels = self._leaves[name]
        by = ", ".join(labels)
        if "feature" in labels:
            matchers = f'{{feature=~"{self._feature}"' + (f", {matchers[1:-1]}}}" if matchers else "}")
        retracted = names.RETRACTED.get(counter)

        def total(offset: str) -> str:
            back = "" if retracted is None else f"{retracted.name}{matchers}{offset}"
            return f"sum by ({by}) ({net(f'{counter}{matchers}{offset}', back)})"

        return f"{total('')} - {total(f' offset {self._offset}')}"
