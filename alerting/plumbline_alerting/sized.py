"""Recording rules of the fast and the slow window, sized in outcomes: each model's own.

Hours say little: a model with 48 outcomes a day and one with 48 a second need different windows to know
the same. The catalogue's ``fast`` and ``slow`` are the shortest that may be used; a model whose outcomes
do not fill them is judged over the next longer quality window that they do fill: ``minimum_samples`` for
the slow window, at most ``FAST_SAMPLES`` for the fast one.

Reads the recorded quality of every window (``plumbline_alerting.quality``); writes the same series under
the names of the two roles, ``..._fast`` and ``..._slow``, for all rows together (slices: never), and the
length of the window that was taken. A model with too few outcomes in all of them has none of these.
"""

from __future__ import annotations

from collections.abc import Iterable

from plumbline import names
from plumbline.catalogue.model import Catalogue
from plumbline.units import parse_duration
from plumbline_alerting.model import Group, Rule
from plumbline_alerting.promql import MV, WHOLE

FAST, SLOW = "fast", "slow"
FAST_SAMPLES = names.ALERT_FAST_SAMPLES


def samples_needed(role: str) -> str:
    """Return the PromQL of the fewest outcomes that the window of a role must hold, per model version."""
    declared = f'max by ({MV}) ({names.OBJECTIVE.name}{{metric="{names.OBJECTIVE_SAMPLES}"}})'
    return f"clamp_max({declared}, {FAST_SAMPLES})" if role == FAST else declared


def candidates(catalogue: Catalogue, role: str) -> list[str]:
    """Return the quality windows that may take a role, shortest first."""
    evaluation = catalogue.evaluation
    shortest = parse_duration(evaluation.fast if role == FAST else evaluation.slow)
    return sorted((w for w in evaluation.quality if parse_duration(w) >= shortest), key=parse_duration)


def _recorded(catalogue: Catalogue) -> Iterable[tuple[names.Recorded, str]]:
    """Yield the series that alerts need of a window, each with its matchers."""
    whole = f"{{{WHOLE}}}"
    yield from ((r, whole) for r in (names.R_QUALITY, names.R_QUALITY_NOISE, names.R_QUALITY_LOSS))
    yield names.R_QUALITY_SAMPLES, whole
    yield names.R_COVERAGE, ""
    if any(model.task == "binary" for model in catalogue.models.values()):
        yield names.R_CALIBRATION_GAP, ""
        yield names.R_CALIBRATION_NOISE, ""


def rules(catalogue: Catalogue, role: str) -> Iterable[Rule]:
    """Return the rules of one role: of each series, the one of the shortest window with enough outcomes."""
    windows = candidates(catalogue, role)

    def enough(window: str) -> str:
        n = f"max by ({MV}) ({names.R_QUALITY_SAMPLES.over(window)}{{{WHOLE}}})"
        return f"{n} >= on ({MV}) {samples_needed(role)}"

    # A shorter window that suffices is the model's, also for a metric that has no value in it: what nobody
    # was called lately must not be judged by the week before, under the name of the day.
    chosen = [
        f"({enough(w)})" + (f" unless on ({MV}) ({enough(windows[i - 1])})" if i else "") for i, w in enumerate(windows)
    ]
    for recorded, matchers in _recorded(catalogue):
        parts = [
            f"({recorded.over(w)}{matchers} and on ({MV}) ({choice}))"
            for w, choice in zip(windows, chosen, strict=True)
        ]
        yield Rule(record=recorded.over(role), expr="\nor\n".join(parts))
    lengths = [f"(({enough(w)}) * 0 + {parse_duration(w):g})" for w in windows]
    yield Rule(record=names.R_QUALITY_WINDOW.over(role), expr="\nor\n".join(lengths))


def group(catalogue: Catalogue) -> Group:
    """Return the rules of both roles; they are as fresh as the pages must be."""
    made = (rule for role in (FAST, SLOW) for rule in rules(catalogue, role))
    return Group("plumbline-quality-sized", catalogue.evaluation.rule_interval, tuple(made))
