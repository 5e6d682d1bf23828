"""Families of recorded series; which rule makes one: ``plumbline_alerting``."""

from __future__ import annotations

from plumbline.names import business, quality, serving
from plumbline.names.metric import MV, Recorded

_FEATURE = (*MV, "feature")
_METRIC = (*MV, "slice", "value", "metric")

R_BIN_INCREASE = Recorded("feature_bin:ml_feature_values:increase", "values per bin", (*_FEATURE, "bin"))
R_FEATURE_INCREASE = Recorded("feature:ml_feature_values:increase", "values per feature (n)", _FEATURE)
R_SHARE = Recorded("feature_bin:ml_feature_share:ratio", "smoothed share per bin", (*_FEATURE, "bin"))
R_PSI = Recorded("feature:ml_feature_psi:sum", "population stability index against the baseline", _FEATURE)
R_PSI_THRESHOLD = Recorded(
    "feature:ml_feature_psi_threshold:max", "max(0.1, the feature's noise, (1/n + 1/m) chi2)", _FEATURE
)
R_JS = Recorded("feature:ml_feature_js:distance", "Jensen-Shannon distance (base 2) against the baseline", _FEATURE)
R_KS = Recorded(
    "feature:ml_feature_ks:max",
    "Kolmogorov-Smirnov distance at the bin edges, of the values that are there; numeric features",
    _FEATURE,
)
R_WASSERSTEIN = Recorded(
    "feature:ml_feature_wasserstein:stddevs",
    "Wasserstein distance in the baseline's standard deviations, from bins; numeric features",
    _FEATURE,
)
R_DRIFT_IMPACT = Recorded(
    "feature:ml_feature_drift_impact:product", "PSI x declared importance: where drift may matter", _FEATURE
)
R_PROBLEMS = Recorded("feature:ml_feature_problems:ratio", "share of values with a problem", (*_FEATURE, "problem"))
R_PROBLEMS_THRESHOLD = Recorded(
    "feature:ml_feature_problems_threshold:max",
    "share above which a feature is broken: max(baseline + 0.2, the baseline's worst window, sampling)",
    (*_FEATURE, "problem"),
)
R_SKEW_ROWS = Recorded(
    "feature:ml_feature_skew_rows:increase", "served values compared with recomputed ones (n)", _FEATURE
)
R_SKEW_MISMATCHES = Recorded(
    "feature:ml_feature_skew_mismatches:increase", "served values that differ from recomputed ones", _FEATURE
)
R_SKEW = Recorded("feature:ml_feature_skew:ratio", "share of served values that differ from recomputed ones", _FEATURE)
R_QUALITY = Recorded("slice:ml_quality:value", "quality of mature outcomes by metric", _METRIC)
R_OVERDRAWN = Recorded(
    "slice:ml_quality_overdrawn:group",
    "1 where corrections of older outcomes took back more than the window had counted: it has no quality",
    (*MV, "slice", "value"),
)
R_QUALITY_REST = Recorded(
    "slice:ml_quality_rest:value",
    "Brier, log-loss, RMSE and R2 of all rows of the model but those of the slice value",
    _METRIC,
)
R_QUALITY_SAMPLES = Recorded("slice:ml_quality:count", "mature outcomes behind the quality", (*MV, "slice", "value"))
R_QUALITY_WINDOW = Recorded(
    "model:ml_quality_window:seconds", "length of the window that was taken as fast, or as slow", MV
)
R_QUALITY_STDERR = Recorded("slice:ml_quality:stderr", "standard error of the quality at this n", _METRIC)
R_AUC_BOUND = Recorded("model:ml_roc_auc:error_bound", "largest error of the binned ROC-AUC", MV)
R_AP_BOUND = Recorded("model:ml_average_precision:error_bound", "largest error of the binned average precision", MV)
R_ERROR_QUANTILE_BOUND = Recorded(
    "model:ml_error_quantile:error_bound",
    "largest error of a quantile of the absolute error: the width of its bucket",
    (*MV, "metric"),
)
R_CLASS_QUALITY = Recorded(
    "class:ml_quality:value", "precision, recall and F1 of each class", (*MV, "slice", "value", "class", "metric")
)
R_ECE = Recorded("model:ml_ece:ratio", "expected calibration error over the score bins; biased upward at small n", MV)
R_ECE_CHANCE = Recorded(
    "model:ml_ece_by_chance:ratio", "calibration error that a perfectly calibrated model shows at this n", MV
)
R_QUALITY_ESTIMATE = Recorded(
    "model:ml_quality_estimate:value",
    "quality expected without outcomes (CBPE from score bins): an estimate",
    (*MV, "metric"),
)
R_ESTIMATE_ERROR = Recorded(
    "model:ml_quality_estimate:error",
    "estimate minus measured quality, of predictions of the same time",
    (*MV, "metric"),
)
R_EARLY_QUALITY = Recorded(
    "model:ml_early_quality:value",
    "quality over the outcomes known within the early horizon: it flatters, and is only shown",
    (*MV, "metric"),
)
R_YOUNG_QUALITY = Recorded(
    "model:ml_young_quality:value",
    "quality over the predictions of the version's first `age`: compares versions at equal age",
    (*MV, "age", "metric"),
)
R_YOUNG_SAMPLES = Recorded(
    "model:ml_young_quality:count", "mature outcomes behind the quality at that age", (*MV, "age")
)
R_EARLY_SHARE = Recorded(
    "model:ml_early_outcomes:ratio", "early outcomes / predictions: how little the early view rests on", MV
)
R_COVERAGE = Recorded("model:ml_outcome_coverage:ratio", "mature outcomes / mature predictions", MV)
R_TRAFFIC = Recorded("model:ml_predictions:rate", "predictions per second", MV)
R_ERRORS = Recorded("model:ml_prediction_errors:ratio", "share of predictions in error", MV)
R_LATENCY_SLOW = Recorded(
    "model:ml_prediction_latency_slow:ratio",
    "share of predictions slower than the objective of the p99, interpolated as the p99 is",
    MV,
)
R_LATENCY_P99 = Recorded("model:ml_prediction_latency_seconds:p99", "99th percentile of the latency", MV)
R_PROBLEM_INCREASE = Recorded("feature:ml_feature_problems:increase", "values with a problem", (*_FEATURE, "problem"))
R_QUALITY_NOISE = Recorded(
    "slice:ml_quality:noise",
    "by how much the quality over such a window varies anyway: the baseline's spread and sampling",
    _METRIC,
)
R_QUALITY_LOSS = Recorded(
    "slice:ml_quality_loss:sigmas", "loss against the baseline (positive = worse) in units of its noise", _METRIC
)
R_CALIBRATION_GAP = Recorded(
    "model:ml_calibration_gap:ratio", "(positives - positives the baseline expects at these scores) / n", MV
)
R_CALIBRATION_STDERR = Recorded("model:ml_calibration_gap:stderr", "standard error of the gap", MV)
R_CALIBRATION_NOISE = Recorded(
    "model:ml_calibration_gap:noise", "the larger of its standard error and the baseline's own spread", MV
)

# Slices against the rest of the model (docs/adr/0029); part is one of FAIRNESS_PARTS.
_PART = (*_METRIC, "part")
_BY_SLICE = (*MV, "slice", "metric")
R_FAIRNESS_COUNT = Recorded(
    "slice:ml_fairness:count", "mature outcomes behind a slice value's figure, and of the rest", _PART
)
R_FAIRNESS_SUM = Recorded("slice:ml_fairness:sum", "numerator of a slice value's figure", _PART)
R_FAIRNESS_SQUARES = Recorded("slice:ml_fairness:squares", "sum of squares behind a slice value's MAE and bias", _PART)
R_FAIRNESS = Recorded(
    "slice:ml_fairness:value",
    "selection rate, TPR, FPR and accuracy, or MAE and bias, of a slice value and of the rest of the model",
    _PART,
)
R_FAIRNESS_STDERR = Recorded("slice:ml_fairness:stderr", "standard error of the MAE and the bias", _PART)
R_FAIRNESS_LOWER = Recorded(
    "slice:ml_fairness:lower", "lower end of its interval, 95 % for all of a model together", _PART
)
R_FAIRNESS_UPPER = Recorded("slice:ml_fairness:upper", "upper end of the same interval", _PART)
R_DISPARITY = Recorded("slice:ml_disparity:difference", "slice value minus the rest of the model", _METRIC)
R_DISPARITY_LOWER = Recorded("slice:ml_disparity:lower", "lower end of the difference's interval", _METRIC)
R_DISPARITY_UPPER = Recorded("slice:ml_disparity:upper", "upper end of the difference's interval", _METRIC)
R_DISPARITY_SIGMAS = Recorded(
    "slice:ml_disparity:sigmas", "the difference in standard deviations of pure chance", _METRIC
)
R_GAP = Recorded("slice:ml_fairness_gap:value", "largest minus smallest figure among a slice's values", _BY_SLICE)
R_GAP_LOWER = Recorded("slice:ml_fairness_gap:lower", "lower end of the gap's interval", _BY_SLICE)
R_GAP_UPPER = Recorded("slice:ml_fairness_gap:upper", "upper end of the gap's interval", _BY_SLICE)

# KPIs of a model, all its versions together (docs/adr/0031); per is one of KPI_PER.
_KPI = ("model", "kpi", "per")
R_KPI_COUNT = Recorded("kpi:ml_kpi:count", "KPI events or predictions behind a KPI's mean", _KPI)
R_KPI_MEAN = Recorded("kpi:ml_kpi:mean", "mean of a KPI per event and per prediction", _KPI)
R_KPI_STDERR = Recorded("kpi:ml_kpi:stderr", "standard error of that mean", _KPI)

# A canary against production (docs/adr/0030), since the trial began: recorded as ``life`` only.
_LOSS = (*MV, "loss")
R_TRIAL_COUNT = Recorded("model:ml_trial:count", "predictions or mature outcomes of an arm", (*_LOSS, "arm"))
R_TRIAL_MEAN = Recorded("model:ml_trial_loss:mean", "mean loss of an arm", (*_LOSS, "arm"))
R_TRIAL_DIFFERENCE = Recorded("model:ml_trial_difference:value", "mean loss of the canary minus production's", _LOSS)
R_TRIAL_STDERR = Recorded("model:ml_trial_difference:stderr", "standard error of the difference", _LOSS)
R_TRIAL_ROWS = Recorded("model:ml_trial:effective_rows", "1 / (1 / canary's n + 1 / production's n)", _LOSS)
R_TRIAL_LOWER = Recorded(
    "model:ml_trial_difference:lower", "lower end of the difference's 95 % confidence sequence", _LOSS
)
R_TRIAL_UPPER = Recorded("model:ml_trial_difference:upper", "upper end of the same sequence", _LOSS)
R_SHADOW_AGREEMENT = Recorded(
    "model:ml_shadow_agreement:ratio", "share of requests that a shadow answered as production did", MV
)
R_SHADOW_COUNT = Recorded("model:ml_shadow:count", "pairs of answers whose outcome is mature", MV)
R_SHADOW_LEAD = Recorded(
    "model:ml_shadow_lead:ratio", "share of pairs in which the shadow was better minus that of production", MV
)
R_SHADOW_EVIDENCE = Recorded(
    "model:ml_shadow:log_likelihood_ratio",
    "natural log of the always-valid McNemar test's likelihood ratio: one is better, at error rate a, above ln(1 / a)",
    MV,
)
R_TRIAL_EVIDENCE = Recorded(
    "model:ml_trial:log_likelihood_ratio",
    "natural log of the mSPRT's likelihood ratio: the arms differ at error rate a once it exceeds ln(1 / a)",
    _LOSS,
)

# Increases of counters per window, one family per counter: every ratio below is made from these, and
# long windows are summed from short ones.
R_INCREASES: dict[str, Recorded] = {
    m.name: Recorded(
        f"{'slice' if 'slice' in m.labels else 'bin' if 'bin' in m.labels else 'model'}"
        f":{m.name.removesuffix('_total')}:increase",
        f"increase of {m.name}",
        m.labels,
    )
    for m in (
        quality.CONFUSION,
        quality.CLASS_OUTCOMES,
        quality.SCORE_BINS,
        quality.SCORE_BIN_SUM,
        quality.SCORE_POSITIVES_ABOVE,
        quality.SCORE_NEGATIVES_ABOVE,
        quality.SCORED,
        quality.SQUARED_SCORE_ERROR,
        quality.LOG_LOSS,
        quality.REGRESSION,
        quality.ABSOLUTE_ERROR,
        quality.SQUARED_ERROR,
        quality.OVERPREDICTION,
        quality.UNDERPREDICTION,
        quality.ACTUAL,
        quality.ACTUAL_SQUARED,
        quality.ESTIMATED_CONFUSION,
        quality.PREDICTIONS_MATURED,
        quality.OUTCOMES_MATURED,
        quality.OUTCOMES,
        serving.PREDICTIONS,
        serving.PREDICTION_ERRORS,
        business.KPI,
        business.KPI_EVENTS,
        business.KPI_SQUARED,
        quality.EARLY_OUTCOMES,
        quality.EARLY_CORRECT,
        quality.EARLY_ABSOLUTE_ERROR,
        quality.EARLY_SQUARED_ERROR,
        quality.EARLY_OVERPREDICTION,
        quality.EARLY_UNDERPREDICTION,
    )
}
R_LATENCY_INCREASE = Recorded(
    "model:ml_prediction_latency_seconds_bucket:increase", "predictions by latency bucket", (*MV, "le")
)
R_ERROR_MAGNITUDE_INCREASE = Recorded(
    "model:ml_error_magnitude_bucket:increase", "mature outcomes by size of the error", (*MV, "le")
)
