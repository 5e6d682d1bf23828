"""Counters of what later outcomes take back of another counter.

A counter must not fall, so what is taken back is counted beside it; the recorded increases are net of it
(docs/adr/0020).
"""

from __future__ import annotations

from plumbline.names import quality, trials
from plumbline.names.metric import Family, Metric

_CORRECTIONS = Family("Corrections")


def _retracted(m: Metric) -> Metric:
    """Return the counter of what is taken back of another one."""
    name = m.name.replace("_total", "_retracted_total")
    text = f"What later outcomes took back of {m.name}: subtract it."
    return _CORRECTIONS.counter(name, text, m.labels, m.above_100)


RETRACTED: dict[str, Metric] = {
    m.name: _retracted(m)
    for m in (
        quality.OUTCOMES,
        quality.CONFUSION,
        quality.CLASS_OUTCOMES,
        quality.SCORE_BINS,
        quality.SCORE_POSITIVES_ABOVE,
        quality.SCORE_NEGATIVES_ABOVE,
        quality.SQUARED_SCORE_ERROR,
        quality.LOG_LOSS,
        quality.ABSOLUTE_ERROR,
        quality.SQUARED_ERROR,
        quality.OVERPREDICTION,
        quality.UNDERPREDICTION,
        quality.ACTUAL,
        quality.ACTUAL_SQUARED,
        quality.YOUNG_CORRECT,
        quality.YOUNG_ABSOLUTE_ERROR,
        trials.TRIAL_SAMPLES,
        trials.TRIAL_LOSS,
        trials.TRIAL_SQUARED_LOSS,
        trials.SHADOW_OUTCOMES,
    )
}
