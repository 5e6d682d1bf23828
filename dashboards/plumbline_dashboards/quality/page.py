"""Model quality: one version of one model against its baseline and its objectives."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from plumbline import names
from plumbline.catalogue.model import Catalogue
from plumbline_dashboards import queries as q
from plumbline_dashboards import variables
from plumbline_dashboards.page import Row, page
from plumbline_dashboards.quality import binary, business, multiclass, outcomes, regression, serving, standing


def quality(catalogue: Catalogue) -> Dashboard:
    """Return the dashboard, with the rows that the catalogue's tasks need."""
    tasks = {model.task for model in catalogue.models.values()}
    content = [
        Row(
            "Now",
            [
                standing.outcomes_counted(),
                standing.coverage_now(),
                standing.deployed_for(),
                standing.alerts_open(),
                standing.stages(),
                standing.metrics_now(),
            ],
        ),
        Row("Quality with baseline and objectives", [standing.metric_over_time()]),
        Row("Every version of the model", [standing.versions_compared(), standing.at_equal_age()]),
        Row(
            "Outcomes",
            [
                outcomes.outcome_states(),
                outcomes.coverage_over_time(),
                outcomes.outcome_delay(),
                outcomes.outcomes_over_time(),
                outcomes.outcomes_left_out(),
            ],
        ),
    ]
    if any(model.outcome.early_seconds > 0 for model in catalogue.models.values()):
        # Closed and named so that nobody takes it for the quality.
        content.append(Row("Early view: flatters, no alert reads it", outcomes.early_view(), collapsed=True))
    content.append(Row("Serving", [serving.traffic(), serving.errors(), serving.latency()]))
    # Closed, because they are empty for a model of the other task.
    if "binary" in tasks:
        panels = [
            binary.confusion(),
            binary.auc_with_bound(),
            binary.calibration(),
            binary.average_precision_with_bound(),
            binary.calibration_error(),
        ]
        content.append(Row("Binary models: confusion, ROC-AUC, calibration", panels, collapsed=True))
        panels = [binary.estimated(), binary.estimate_error()]
        content.append(Row("Binary models: quality estimated without outcomes", panels, collapsed=True))
    if "multiclass" in tasks:
        panels = [multiclass.classes(), multiclass.class_matrix()]
        content.append(Row("Multiclass models: each class", panels, collapsed=True))
    if "regression" in tasks:
        panels = [
            regression.over_and_under(),
            regression.outcome_shift(),
            regression.error_quantiles(),
            regression.error_quantile_bounds(),
        ]
        content.append(Row("Regression models: direction of the error, shift of the outcome", panels, collapsed=True))
    if any(model.kpis for model in catalogue.models.values()):
        content.append(Row("Business", [business.kpi_means(catalogue), business.kpis()]))
    return page(
        "quality",
        "Model quality",
        "Quality of mature outcomes with its uncertainty, beside what the model could do when it was built.",
        [
            *variables.model_version(),
            variables.window("window", catalogue.evaluation.quality, catalogue.evaluation.slow),
            variables.several(
                "metric", "Metric", names.R_QUALITY.over(q.WINDOW) + '{model="$model"}', "Quality metrics to show."
            ),
        ],
        content,
        catalogue,
        models='model="$model"',
        since="now-7d",
    )
