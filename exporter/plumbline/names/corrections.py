"""Counters of what later outcomes take back of another counter.

A counter must not fall, so what is taken back is counted beside it; the recorded increases are net of it
(docs/adr/0020).
"""

from __future__ import annotations

from plumbline.names.metric import Family, Metric
from plumbline.names.quality import (
    ABSOLUTE_ERROR,
    ACTUAL,
    ACTUAL_SQUARED,
    CLASS_OUTCOMES,
    CONFUSION,
    LOG_LOSS,
    OUTCOMES,
    OVERPREDICTION,
    SCORE_BINS,
    SCORE_NEGATIVES_ABOVE,
    SCORE_POSITIVES_ABOVE,
    SQUARED_ERROR,
    SQUARED_SCORE_ERROR,
    UNDERPREDICTION,
    YOUNG_ABSOLUTE_ERROR,
    YOUNG_CORRECT,
)
from plumbline.names.trials import SHADOW_OUTCOMES, TRIAL_LOSS, TRIAL_SAMPLES, TRIAL_SQUARED_LOSS

_CORRECTIONS = Family("Corrections")


def _retracted(m: Metric) -> Metric:
    """Return the counter of what is taken back of another one."""
    name = m.name.replace("_total", "_retracted_total")
    text = f"What later outcomes took back of {m.name}: subtract it."
    return _CORRECTIONS.counter(name, text, m.labels, m.above_100)


RETRACTED: dict[str, Metric] = {
    m.name: _retracted(m)
    for m in (
        OUTCOMES,
        CONFUSION,
        CLASS_OUTCOMES,
        SCORE_BINS,
        SCORE_POSITIVES_ABOVE,
        SCORE_NEGATIVES_ABOVE,
        SQUARED_SCORE_ERROR,
        LOG_LOSS,
        ABSOLUTE_ERROR,
        SQUARED_ERROR,
        OVERPREDICTION,
        UNDERPREDICTION,
        ACTUAL,
        ACTUAL_SQUARED,
        YOUNG_CORRECT,
        YOUNG_ABSOLUTE_ERROR,
        TRIAL_SAMPLES,
        TRIAL_LOSS,
        TRIAL_SQUARED_LOSS,
        SHADOW_OUTCOMES,
    )
}
