"""Recording rules of trials: a canary against the production version beside it, by an always-valid test.

Reads ``ml_trial_*`` as they are: the exporter starts them with the trial. Writes ``names.R_TRIAL_*``.

The test is the mixture sequential probability ratio test (Robbins 1970; Johari, Koomen, Pekelis and Walsh,
"Always Valid Inference", 2022). d is the difference of the arms' mean losses, V its variance, and
m = 1 / (1/n_c + 1/n_p). A normal prior over the true difference, of ``MIXTURE`` standard deviations of a
single loss, gives with t = MIXTURE^2 m

    ln L = t / (1 + t) * d^2 / (2 V) - ln(1 + t) / 2

and P(ln L ever exceeds ln(1/a)) <= a where the arms do not differ, however often one looks. V is the larger
of the pooled variance (right where the arms are alike) and the separate ones (right where they spread
differently). The confidence sequence turns the same inequality round.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from plumbline import names
from plumbline_alerting.model import Rule
from plumbline_alerting.promql import MV

MIXTURE = 0.1  # differences worth finding lie about here, in standard deviations of one loss
SEQUENCE_LEVEL = 0.95

_ARM = f"{MV}, loss, arm"


def net_total(metric: names.Metric, labels: str, matchers: str = "") -> str:
    """A sum over exporters, less what later outcomes took back; a catalogue may want no corrections."""
    chosen = f"{{{matchers}}}" if matchers else ""
    whole = f"sum by ({labels}) ({metric.name}{chosen})"
    back = names.RETRACTED.get(metric.name)
    if back is None:
        return whole
    return f"({whole} - (sum by ({labels}) ({back.name}{chosen}) or {whole} * 0))"


def rules() -> Iterable[Rule]:
    """Return the rules; they look at the whole trial, so they belong to the life group."""

    def record(recorded: names.Recorded, expr: str) -> Rule:
        return Rule(record=recorded.over("life"), expr=expr)

    count, mean = names.R_TRIAL_COUNT.over("life"), names.R_TRIAL_MEAN.over("life")
    difference, stderr = names.R_TRIAL_DIFFERENCE.over("life"), names.R_TRIAL_STDERR.over("life")
    rows = names.R_TRIAL_ROWS.over("life")

    def total(metric: names.Metric, labels: str = _ARM) -> str:
        return net_total(metric, labels)

    def arm(series: str, which: str) -> str:
        return f'{series}{{arm="{which}"}}'

    yield record(names.R_TRIAL_COUNT, f"{total(names.TRIAL_SAMPLES)} > 0")
    yield record(names.R_TRIAL_MEAN, f"{total(names.TRIAL_LOSS)} / {count}")
    yield record(names.R_TRIAL_DIFFERENCE, f"{arm(mean, 'candidate')} - ignoring (arm) {arm(mean, 'production')}")
    yield record(
        names.R_TRIAL_ROWS, f"1 / (1 / {arm(count, 'candidate')} + ignoring (arm) 1 / {arm(count, 'production')})"
    )
    by = f"{MV}, loss"
    both = f"sum by ({by}) ({count})"
    separate = f"sum by ({by}) (({total(names.TRIAL_SQUARED_LOSS)} / {count} - {mean} ^ 2) / {count})"
    pooled = f"({total(names.TRIAL_SQUARED_LOSS, by)} / {both} - ({total(names.TRIAL_LOSS, by)} / {both}) ^ 2) / {rows}"
    yield record(
        names.R_TRIAL_STDERR,
        f"""
        sqrt(clamp_min(
          ({separate}) > ({pooled})
          or
          {pooled}
        , 0)) > 0
        and {rows}
        """,
    )
    t = f"({MIXTURE**2:g} * {rows})"
    yield record(names.R_TRIAL_EVIDENCE, f"{t} / (1 + {t}) * ({difference} / {stderr}) ^ 2 / 2 - ln(1 + {t}) / 2")
    line = f"{2 * math.log(1 / (1 - SEQUENCE_LEVEL)):.12g}"
    width = f"{stderr} * sqrt((1 + {t}) / {t} * ({line} + ln(1 + {t})))"
    yield record(names.R_TRIAL_LOWER, f"{difference} - {width}")
    yield record(names.R_TRIAL_UPPER, f"{difference} + {width}")
    yield from _shadows()


def _shadows() -> Iterable[Rule]:
    """Pairs of a shadow and production: agreement, and McNemar's test made always valid.

    Of n pairs in which one was better, S is the shadow's minus production's. Were neither better, each pair
    would add +1 or -1 like a fair coin, and E exp(l X - l^2 / 2) <= 1 for such a step; the normal mixture
    over l makes the likelihood ratio above of z = S / sqrt(n) and m = n, a supermartingale at every n.
    """

    def of(metric: names.Metric, matchers: str = "") -> str:
        return net_total(metric, MV, matchers)

    pairs, better = names.SHADOW_PAIRS, names.SHADOW_OUTCOMES
    lead = f"""({of(better, 'better="shadow"')} - {of(better, 'better="production"')})"""
    decided = f"""({of(better, 'better!="neither"')} > 0)"""
    t = f"({MIXTURE**2:g} * {decided})"
    for recorded, expr in (
        (names.R_SHADOW_AGREEMENT, f"""{of(pairs, 'agreement="agree"')} / ({of(pairs)} > 0)"""),
        (names.R_SHADOW_COUNT, f"{of(better)} > 0"),
        (names.R_SHADOW_LEAD, f"{lead} / ({of(better)} > 0)"),
        (names.R_SHADOW_EVIDENCE, f"{t} / (1 + {t}) * {lead} ^ 2 / {decided} / 2 - ln(1 + {t}) / 2"),
    ):
        yield Rule(record=recorded.over("life"), expr=expr)
