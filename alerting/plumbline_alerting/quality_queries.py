"""The PromQL of alerts about quality, calibration and outcomes."""

from __future__ import annotations

from textwrap import indent

from plumbline import names
from plumbline.significance import sigmas
from plumbline.units import format_duration, parse_duration
from plumbline_alerting.promql import MV, matching, one_of, quoted
from plumbline_alerting.query_parts import SIGMAS, beyond, increased, objective, owned, settled
from plumbline_alerting.scene import Scene
from plumbline_alerting.sized import FAST, SLOW

RECOVERED_SIGMAS = 2  # by which the fast window must beat the objective to end a page
STILL_SIGMAS = 1  # by which the slow window must be better than where a page begins, to end one
PAST_PARTS = 24  # of the slow window, at which a page's beginning is looked for
CALIBRATION_FLOOR = 0.05
FALSE_PER_MONTH_OF_COVERAGE = 0.05  # for each of its two windows: together a tenth of what people bear

_BY_METRIC = f"{MV}, metric"


def _covered(role: str) -> str:
    """Not only the early, flattering outcomes; that there are enough is in the role's window."""
    coverage = f"max by ({MV}) ({names.R_COVERAGE.over(role)})"
    return f"and on ({MV}) {coverage} >= on ({MV}) {objective(names.OBJECTIVE_COVERAGE)}"


def _directions() -> tuple[str, str]:
    """Matchers of the metrics of which more is better, and of those of which less is."""
    up, down = (
        quoted(one_of(m for m, better in names.QUALITY_METRICS.items() if better is wanted)) for wanted in (True, False)
    )
    return up, down


def _noise(role: str) -> str:
    return f"max by ({_BY_METRIC}) ({names.R_QUALITY_NOISE.over(role)})"


def quality_worse(severity: str, z: float, slack: float = 0.0) -> str:
    """Worse than the objective, and than the baseline by more than noise, over the slow window.

    Args:
        severity: of the objective.
        z: how many times the noise.
        slack: by how many times the noise it may be better than that, and still count as worse.
    """
    value = f"max by ({_BY_METRIC}) ({names.R_QUALITY.over(SLOW)}{{metric=~%s}})"
    bound = f'max by ({_BY_METRIC}) ({names.OBJECTIVE.name}{{severity="{severity}"}})'
    loss = f"max by ({_BY_METRIC}) ({names.R_QUALITY_LOSS.over(SLOW)})"
    up, down = _directions()
    floor = ceiling = bound
    if slack:
        noise = f"on ({_BY_METRIC}) {slack:g} * {_noise(SLOW)}"
        floor, ceiling = f"({bound} + {noise})", f"({bound} - {noise})"
    return (
        f"(\n  {value % up} < on ({_BY_METRIC}) {floor}\n"
        f"  or\n  {value % down} > on ({_BY_METRIC}) {ceiling}\n)\n"
        f"and on ({_BY_METRIC}) {loss} > {z - slack:g}\n" + _covered(SLOW)
    )


def _recovered(severity: str) -> str:
    """The fast window proves that the objective is met again.

    Proof, not appearance, and by the noise of windows as short as this: of 48 outcomes a share strays by 7%
    in either direction by sampling alone, and one easy day is no recovery.
    """
    value = f"max by ({_BY_METRIC}) ({names.R_QUALITY.over(FAST)}{{metric=~%s}})"
    bound = f'max by ({_BY_METRIC}) ({names.OBJECTIVE.name}{{severity="{severity}"}})'
    up, down = _directions()
    noise = f"on ({_BY_METRIC}) {RECOVERED_SIGMAS} * {_noise(FAST)}"
    return (
        f"({value % up} - {noise}) > on ({_BY_METRIC}) {bound}\n"
        f"or\n({value % down} + {noise}) < on ({_BY_METRIC}) {bound}"
    )


def model_quality_critical(scene: Scene) -> str:
    """Proven over the slow window, now or within its length, and neither window shows that it is over.

    A moving average that stands at a threshold crosses it in clumps (Aldous 1989), so what ends a page must
    differ from what begins one: the slow window is better than that by its noise, or the fast one proves that
    the objective is met again. What was proven a whole slow window ago is no longer in it, and is forgotten.
    """
    begun = indent(quality_worse("critical", SIGMAS), "  ")
    still = "\n".join((quality_worse("critical", SIGMAS, STILL_SIGMAS), _covered(FAST)))
    step = format_duration(max(1.0, parse_duration(scene.slow) // PAST_PARTS))
    recovered = indent(_recovered("critical"), "  ")
    return owned(
        f"{still}\nand on ({_BY_METRIC}) (\n{begun}\n  or\n"
        f"  count_over_time((\n{begun}\n  )[{scene.slow}:{step}])\n)\n"
        f"unless on ({_BY_METRIC}) (\n{recovered}\n)"
    )


def model_quality_decay(scene: Scene) -> str:
    """Past the warning objective over the slow window."""
    worse = quality_worse("warning", sigmas(scene.slow, sides=1))
    return owned(f"{worse}\n{settled(scene.slow)}")


def calibration_drift(scene: Scene) -> str:
    """Scores no longer mean what they meant in the baseline, by more than the baseline's blocks vary."""
    gap = f"max by ({MV}) ({names.R_CALIBRATION_GAP.over(SLOW)})"
    noise = f"max by ({MV}) ({names.R_CALIBRATION_NOISE.over(SLOW)})"
    z = sigmas(scene.slow, sides=2)
    moved = f"(abs({gap}) > on ({MV}) clamp_min({z:g} * {noise}, {CALIBRATION_FLOOR}))"
    return owned(f"{moved}\n{_covered(SLOW)}\n{settled(scene.slow)}")


def outcomes_late(scene: Scene) -> str:
    """More outcomes than coverage can spare arrive after the declared maturity.

    Models that declare no maturity cannot be late.
    """
    models = [name for name, m in scene.catalogue.models.items() if m.outcome.maturity_seconds > 0]
    if not models:
        return ""
    known = f"{increased(names.OUTCOMES, scene.slow)}{{{matching('model', models)}, "
    late = f"sum by ({MV}) ({known}state=~{quoted('late')}}})"
    both = f"sum by ({MV}) ({known}state=~{quoted('late|matched')}}})"
    return owned(
        f"{late} / ({both} > 0) > on ({MV}) (1 - {objective(names.OBJECTIVE_COVERAGE)})\n"
        f"and on ({MV}) {both} >= on ({MV}) {objective(names.OBJECTIVE_SAMPLES)}"
    )


def outcome_coverage_low(scene: Scene) -> str:
    """Too few mature predictions have an outcome, by more than chance at this n.

    Over the slow window, or the longest one: a coverage that is a little too small for long silences the
    quality alerts as well, and takes more predictions to be told from chance.
    """
    minimum = objective(names.OBJECTIVE_COVERAGE)
    parts = []
    for window in dict.fromkeys((scene.slow, scene.longest)):
        coverage = f"max by ({MV}) ({names.R_COVERAGE.over(window)})"
        n = f"max by ({MV}) ({increased(names.PREDICTIONS_MATURED, window)})"
        parts.append(
            f"{coverage} < on ({MV}) {minimum}\n"
            f"and on ({MV}) {beyond(coverage, n, minimum, sigmas(window, 1, FALSE_PER_MONTH_OF_COVERAGE))}\n"
            f"and on ({MV}) {n} >= on ({MV}) {objective(names.OBJECTIVE_SAMPLES)}"
        )
    return owned("\nor\n".join(parts))
