"""What the queries of the alerts have in common: owners, declared bounds, settled windows.

The PromQL of each alert is in ``quality_queries``, ``model_queries``, ``pipeline_queries``,
``monitoring_queries`` or ``comparison_queries``; its texts are in a module ``*_alerts``.

Thresholds and owners come from series (``ml_objective``, ``ml_model_info``, ``ml_pipeline_info``), so a
query serves every model. Common to all: a sample-size gate beside every ratio, replicas merged with
``max by`` or ``sum by``, and no result (rather than a false one) where data are missing.
"""

from __future__ import annotations

from textwrap import indent

from plumbline import names
from plumbline.units import format_duration, parse_duration
from plumbline_alerting.promql import MV

SIGMAS = names.SIGMAS
SETTLED_PARTS, SETTLED_RATIO = 12, 0.75  # of a window, to have been observed before a ticket
ERRORS_MINIMUM = 5
_TINY = "1e-300"  # in place of 0 under a logarithm that is multiplied by 0
SCRAPED_RATIO = 0.8  # of the scrapes a range should hold; fewer = a gap or a start, no statement

INFO = names.MODEL_INFO.name
PRODUCTION = f'{INFO}{{stage="production"}}'


def owner_of(series: str, by: str = MV) -> str:
    """One owner of each thing described, with the value 1, to join on.

    One, should two exporters not agree yet on who it is, as in a rolling deployment: two would make the match
    ambiguous, and that fails the whole rule, of every model. Ties go to the same one each time, the order in
    which Prometheus holds the series.
    """
    return f"topk by ({by}) (1, max by ({by}, owner) ({series}))"


DECLARED_OWNER = owner_of(f"{names.MODEL_DECLARED.name} > bool 0", "model")
OWNER = owner_of(PRODUCTION)


def owned(expr: str) -> str:
    """Keep production versions and add their owner."""
    return f"(\n{indent(expr, '  ')}\n)\n* on ({MV}) group_left (owner) {OWNER}"


def pipeline_owned(expr: str) -> str:
    """Add the pipeline's owner."""
    owner = owner_of(names.PIPELINE_INFO.name, "pipeline")
    return f"(\n{indent(expr, '  ')}\n)\n* on (pipeline) group_left (owner) {owner}"


def objective(metric: str, by: str = MV) -> str:
    """The declared bound that is no quality metric."""
    return f'max by ({by}) ({names.OBJECTIVE.name}{{metric="{metric}"}})'


def beyond(share: str, n: str, bound: str, z: float) -> str:
    """Where a share of n differs from a bound by more than z standard deviations of chance.

    Root of the binomial's likelihood ratio, which keeps its level where few are expected. The normal
    approximation does not: of 100 with a bound of 1 %, 6 are 5 standard errors off, and come once in 1,900.

    Args:
        share: vector by model and version; filtered to the side that matters.
        n: vector of the same.
        bound: vector of the same, between 0 and 1.
        z: standard deviations.
    """

    def part(p: str, q: str) -> str:
        return f"{p} * ln(clamp_min({p}, {_TINY}) / on ({MV}) {q})"

    rest, rest_bound = f"(1 - {share})", f"(1 - {bound})"
    return f"2 * {n} * on ({MV}) ({part(share, bound)} + {part(rest, rest_bound)}) > {z**2:.6g}"


def increased(metric: names.Metric, window: str) -> str:
    """The recorded increase of a counter over a window."""
    return names.R_INCREASES[metric.name].over(window)


def settled(window: str) -> str:
    """The version was there before the window began, and was observed for most of it.

    The baseline's spread is that of whole blocks. A window that a new version, or an outage, leaves half
    empty strays further: five days know no weekend. Tickets wait; pages about quality do not.
    """
    step = max(1.0, parse_duration(window) // SETTLED_PARTS)
    present = f"(max by ({MV}) ({INFO}))"
    seen = f"count_over_time({present}[{window}:{format_duration(step)}])"
    part = f"{format_duration(step)}:{format_duration(max(1.0, step // 4))}"
    before = f"count_over_time({present}[{part}] offset {window})"
    return f"and on ({MV}) {seen} >= {SETTLED_RATIO * SETTLED_PARTS:g}\nand on ({MV}) {before} > 0"
