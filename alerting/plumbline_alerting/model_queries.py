"""The PromQL of the other alerts about a model: serving, its inputs, its versions."""

from __future__ import annotations

from plumbline import names
from plumbline.baseline.peaks import FEWEST_ROWS
from plumbline.significance import page_sigmas
from plumbline.units import parse_duration
from plumbline_alerting.promql import FEATURE, MV
from plumbline_alerting.query_parts import (
    DECLARED_OWNER,
    ERRORS_MINIMUM,
    INFO,
    OWNER,
    SCRAPED_RATIO,
    beyond,
    increased,
    objective,
    owned,
    settled,
)
from plumbline_alerting.scene import Scene

LATENCY_QUANTILE = 0.99
BROKEN_SAMPLES = FEWEST_ROWS
UNKNOWN_RATIO = 0.01  # share of a model's predictions that came from versions nobody announced
UNKNOWN_SAMPLES = 30


def model_error_rate_critical(scene: Scene) -> str:
    """More errors than the objective allows, by more than chance at this n, and still so now."""
    bound = objective(names.OBJECTIVE_ERRORS)
    n = f"max by ({MV}) ({increased(names.PREDICTIONS, scene.fast)} > 0)"
    ratio = f"max by ({MV}) ({names.R_ERRORS.over(scene.fast)})"
    now = f"max by ({MV}) ({names.R_ERRORS.over(scene.short)})"
    errors = f"max by ({MV}) ({increased(names.PREDICTION_ERRORS, scene.fast)})"
    return owned(
        f"{ratio} > on ({MV}) {bound}\n"
        f"and on ({MV}) {beyond(ratio, n, bound, page_sigmas(scene.fast))}\n"
        f"and on ({MV}) {now} > on ({MV}) {bound}\n"
        f"and on ({MV}) {errors} >= {ERRORS_MINIMUM}"
    )


def timed(window: str, matchers: str = "") -> str:
    """How many predictions came with a latency, which is optional: the n of a p99."""
    return f'sum by ({MV}) ({names.R_LATENCY_INCREASE.over(window)}{{{matchers}le="+Inf"}})'


def model_latency_critical(scene: Scene) -> str:
    """p99 above the objective over the fast window, by more than chance at this n, and still so now.

    Of a p99 there is no standard error; but it is above the objective where more than 1 % of the predictions
    are, and of a share chance is known.
    """
    bound = objective(names.OBJECTIVE_LATENCY)
    p99 = f"max by ({MV}) ({names.R_LATENCY_P99.over(scene.fast)})"
    now = f"max by ({MV}) ({names.R_LATENCY_P99.over(scene.short)})"
    n = timed(scene.fast)
    slow = f"max by ({MV}) ({names.R_LATENCY_SLOW.over(scene.fast)})"
    allowed = f"({bound} * 0 + {1 - LATENCY_QUANTILE:g})"
    return owned(
        f"{p99} > on ({MV}) {bound}\n"
        f"and on ({MV}) {beyond(slow, n, allowed, page_sigmas(scene.fast))}\n"
        f"and on ({MV}) {now} > on ({MV}) {bound}\n"
        f"and on ({MV}) {n} >= {names.ALERT_LATENCY_SAMPLES}"
    )


def model_traffic_lost(scene: Scene) -> str:
    """Less than the declared quietest traffic, all production versions together.

    Just after a start or a gap in the scrape the range is half empty and the rate too small: then
    there is no statement.
    """
    traffic = f"sum by (model) ({names.R_TRAFFIC.over(scene.short)} and on ({MV}) {OWNER})"
    enough = SCRAPED_RATIO * scene.scrapes(scene.short)
    scraped = f"max by (model) (count_over_time({names.PREDICTIONS.name}[{scene.short}]))"
    return (
        f"(\n{traffic} < on (model) {objective(names.OBJECTIVE_TRAFFIC, 'model')}\n"
        f"and on (model) {scraped} >= {enough:g}\n)\n* on (model) group_right () {OWNER}"
    )


def feature_broken(scene: Scene) -> str:
    """The share of missing or invalid values is above what the baseline, at its worst, explains.

    Looked for over the tile, so that a page is prompt. A feature of which the baseline had whole tiles
    without a value cannot be told from a broken one so soon; it is looked at over the ticket's window.
    """
    by = f"{FEATURE}, problem"
    parts = []
    for window in dict.fromkeys((scene.tile, scene.drift)):
        problems = 'problem=~"missing|unseen|wrong_type"'
        ratio = f"max by ({by}) ({names.R_PROBLEMS.over(window)}{{{problems}}})"
        bound = f"max by ({by}) ({names.R_PROBLEMS_THRESHOLD.over(window)})"
        n = f"max by ({FEATURE}) ({names.R_FEATURE_INCREASE.over(window)})"
        parts.append(f"{ratio} > on ({by}) {bound}\nand on ({FEATURE}) {n} >= {BROKEN_SAMPLES}")
    if len(parts) > 1:
        blind = f"max by ({by}) ({names.R_PROBLEMS_THRESHOLD.over(scene.tile)}) >= 1"
        parts[1] = f"{parts[1]}\nand on ({by}) {blind}"
    return owned("\nor\n".join(parts))


def drift(scene: Scene, pseudo: bool) -> str:
    """PSI above its threshold; of the inputs, or of score, prediction and target (pseudo)."""
    names_of = "|".join(names.PSEUDO_FEATURES)
    matcher = f'feature{"=~" if pseudo else "!~"}"{names_of}"'
    psi = f"max by ({FEATURE}) ({names.R_PSI.over(scene.drift)}{{{matcher}}})"
    bound = f"max by ({FEATURE}) ({names.R_PSI_THRESHOLD.over(scene.drift)})"
    return owned(f"{psi} > on ({FEATURE}) {bound}\n{settled(scene.drift)}")


def baseline_missing(scene: Scene) -> str:
    """A production version, or one that nobody announced, that cannot be compared with anything.

    Predictions of versions that no deployment and no baseline names are counted together.
    """
    counts = increased(names.PREDICTIONS, scene.slow)
    unknown = f'sum by ({MV}) ({counts}{{model!="{names.UNKNOWN}", version="{names.UNKNOWN}"}})'
    enough = f"clamp_min({UNKNOWN_RATIO} * sum by (model) ({counts}), {UNKNOWN_SAMPLES})"
    return (
        f"({OWNER}\nunless on ({MV}) {names.BASELINE_INFO.name})\nor\n"
        f"({unknown} > on (model) group_left () {enough}) * on (model) group_left (owner) {DECLARED_OWNER}"
    )


def model_silent(scene: Scene) -> str:
    """No prediction for the longest quality window, nor ever since the model is known; the seconds.

    Models whose every version is retired are meant to be silent.
    """
    last = f"max by (model) ({names.PREDICTION_LAST.name} > 0)"
    known = f"min by (model) ({names.MODEL_DECLARED.name} > 0)"
    retired = f'{INFO}{{stage="retired"}} unless on (model) {INFO}{{stage!="retired"}}'
    return (
        f"(\n  time() - ({last} or {known}) > {parse_duration(scene.longest):g}\n"
        f"  unless on (model) ({retired})\n)\n"
        f"* on (model) group_left (owner) {DECLARED_OWNER}"
    )


def model_rollout(scene: Scene) -> str:
    """A version entered production within the fast window; the value is its age in seconds."""
    age = f"time() - max by ({MV}) ({names.MODEL_DEPLOYED.name} > 0)"
    return owned(f"{age} < {parse_duration(scene.fast):g}")
