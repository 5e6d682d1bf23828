"""Drift: which inputs no longer look like the baseline, by how much, and in which bins?"""

from __future__ import annotations

from grafana_foundation_sdk.builders import barchart, bargauge, stat, table, timeseries
from grafana_foundation_sdk.models.dashboard import Dashboard

from plumbline import names
from plumbline.catalogue.model import Catalogue
from plumbline_dashboards import queries as q
from plumbline_dashboards import variables
from plumbline_dashboards.page import Row, page
from plumbline_dashboards.panels import (
    RED,
    Column,
    bars,
    graph,
    grid,
    instant,
    line,
    number,
    query,
    ranking,
    result,
    sized,
    stacked,
)

PSEUDO = f'feature=~"{"|".join(names.PSEUDO_FEATURES)}"'


def drift(catalogue: Catalogue) -> Dashboard:
    """Return the dashboard."""
    return page(
        "drift",
        "Drift",
        "Distance of each feature, of the score and of the prediction from the baseline, "
        "against a threshold that "
        "knows the sample size and the feature's own noise.",
        [
            *variables.model_version(),
            variables.window("drift_window", catalogue.evaluation.drift, catalogue.evaluation.drift_alert),
            variables.one(
                "feature",
                "Feature",
                f"{names.BASELINE_FEATURE_SHARE.name}{{{q.VERSION}}}",
                "Feature to look into; _score and _prediction are the model's own output, _actual what came true.",
            ),
        ],
        [
            Row("Now", [drifted(), worst(), values_seen(), problems_now()]),
            Row("Ranking", [by_ratio(), details(), by_impact(), wasserstein_of_all()]),
            Row("All features over time", [psi_of_all(), psi_of_output()]),
            Row("Feature: $feature", [bins_now(), psi_against_threshold(), bins_over_time(), problems_of_feature()]),
            Row("Problems of the values", [problems_of_all()]),
            Row("Training-serving skew", [skew_of_all(), skew_rows()]),
        ],
        catalogue,
        models='model="$model"',
        since="now-7d",
    )


def drifted() -> stat.Panel:
    """Number above threshold."""
    panel = number("Drifted features", "Features whose PSI exceeds their threshold within the window.", "short", 1)
    return sized(panel.with_target(instant(q.drifted_features(q.DRIFT_WINDOW, q.VERSION), "{{version}}")), 6, 4)


def worst() -> stat.Panel:
    """The largest ratio and whose it is."""
    panel = number(
        "Furthest from the baseline", "Largest PSI over its own threshold; 1 and more is drift.", "short", 1, named=True
    )
    return sized(panel.decimals(2).with_target(instant(f"topk(1, {q.psi_ratio()})", "{{feature}}")), 6, 4)


def values_seen() -> stat.Panel:
    """Sample size."""
    panel = number("Predictions (n)", "Predictions behind the drift of the chosen feature within the window.", "short")
    return sized(panel.with_target(instant(q.drifting(names.R_FEATURE_INCREASE, q.FEATURE), "{{version}}")), 6, 4)


def problems_now() -> stat.Panel:
    """Worst feature by problems."""
    panel = number(
        "Values with a problem",
        "Largest share of missing, wrong, unseen or out-of-range values.",
        "percentunit",
        0.05,
        named=True,
    )
    return sized(panel.with_target(instant(f"topk(1, {q.problem_ratio()})", "{{feature}}")), 6, 4)


def by_ratio() -> bargauge.Panel:
    """PSI over threshold, largest first."""
    panel = ranking(
        "PSI over threshold",
        "The twenty features furthest from the baseline, each measured by its own threshold; red = drifted.",
        "short",
        1,
    )
    expr = f"sort_desc(topk(20, {q.psi_ratio()}))"
    return sized(panel.decimals(2).with_target(instant(expr, "{{feature}}")), 10, 10)


def details() -> table.Panel:
    """The numbers behind the ranking."""
    panel = grid(
        "Features",
        "Threshold: the largest of 0.1, the feature's noise inside the baseline, and the "
        "chi-squared quantile at this n. KS and Wasserstein (in the baseline's standard deviations) are of "
        "the values that are there, and of numeric features only.",
        "short",
        [
            Column("feature", "Feature"),
            result(q.psi_ratio(), "PSI / threshold", "short", bad_from=1),
            result(q.drifting(names.R_PSI), "PSI", "short"),
            result(q.drifting(names.R_PSI_THRESHOLD), "Threshold", "short"),
            result(q.largest(names.BASELINE_FEATURE_NOISE, q.VERSION), "Noise", "short"),
            result(q.drifting(names.R_FEATURE_INCREASE), "n", "short"),
            result(q.problem_ratio(), "Problems", "percentunit"),
            result(q.drifting(names.R_KS), "KS", "short"),
            result(q.drifting(names.R_WASSERSTEIN), "Wasserstein (SD)", "short"),
            result(q.drifting(names.R_DRIFT_IMPACT), "PSI x importance", "short"),
        ],
        drop=["model", "version"],
    )
    return sized(panel.decimals(3), 14, 10)


def by_impact() -> bargauge.Panel:
    """PSI times importance, largest first."""
    panel = ranking(
        "PSI x importance",
        "Where drift may matter first: the features of which the catalogue declares an importance, by PSI "
        "times importance. Only the order says something.",
        "short",
        None,
    )
    expr = f"sort_desc(topk(20, {q.drifting(names.R_DRIFT_IMPACT)}))"
    return sized(panel.decimals(3).with_target(instant(expr, "{{feature}}")), 10, 10)


def wasserstein_of_all() -> timeseries.Panel:
    """Wasserstein distance per feature over time."""
    panel = graph(
        "Wasserstein distance",
        "How far the values moved, in the baseline's standard deviations, from bins. Values beyond the "
        "baseline's range count as lying at its end: see the out-of-range share for those.",
        "short",
    )
    panel = panel.min(0).decimals(2).with_target(query(q.drifting(names.R_WASSERSTEIN), "{{feature}}"))
    return sized(panel, 14, 10)


def psi_of_all() -> timeseries.Panel:
    """Ratio per feature over time."""
    panel = graph("PSI over threshold", "Every feature against its own threshold; the line at 1 is drift.", "short")
    panel = panel.min(0).decimals(2).with_target(query(q.psi_ratio(), "{{feature}}"))
    return sized(line(panel.with_target(query("vector(1)", "threshold", "B")), "B", RED), 16, 9)


def psi_of_output() -> timeseries.Panel:
    """Score and prediction."""
    panel = graph(
        "Score, prediction and target",
        "PSI of the model's own output, which moves when enough inputs do; and of what came true (_actual), "
        "each outcome counted when it is mature.",
        "short",
    )
    panel = (
        panel.min(0).decimals(3).with_target(query(q.drifting(names.R_PSI, f"{q.VERSION}, {PSEUDO}"), "{{feature}}"))
    )
    threshold = q.drifting(names.R_PSI_THRESHOLD, f"{q.VERSION}, {PSEUDO}")
    return sized(line(panel.with_target(query(threshold, "threshold {{feature}}", "B")), "B", RED), 8, 9)


def bins_now() -> barchart.Panel:
    """Shares now beside the baseline's."""
    return bars(
        "$feature: shares by bin, now and in the baseline",
        "Bins are frozen in the baseline. Both shares are smoothed by half a row per bin.",
        "percentunit",
        x="bin",
        series={
            "now": q.by("sum", ("bin",), q.drifting(names.R_SHARE, q.FEATURE)),
            "baseline": q.by("max", ("bin",), q.pick(names.BASELINE_FEATURE_SHARE, q.FEATURE)),
        },
    )


def psi_against_threshold() -> timeseries.Panel:
    """PSI with its threshold."""
    panel = graph("$feature: PSI and threshold", "The threshold rises when the window holds few predictions.", "short")
    panel = panel.min(0).decimals(3).with_target(query(q.drifting(names.R_PSI, q.FEATURE), "{{version}}"))
    panel = panel.with_target(query(q.drifting(names.R_PSI_THRESHOLD, q.FEATURE), "threshold", "B"))
    return sized(line(panel, "B", RED), 12, 10)


def bins_over_time() -> timeseries.Panel:
    """Shares over time."""
    panel = stacked(graph("$feature: shares over time", "Smoothed share of each bin within the window.", "percentunit"))
    return panel.min(0).max(1).with_target(query(q.drifting(names.R_SHARE, q.FEATURE), "{{bin}}"))


def problems_of_feature() -> timeseries.Panel:
    """Problems of the chosen feature by kind."""
    panel = graph(
        "$feature: values with a problem",
        "Share of values that were missing, of the wrong type, of an unseen category, or out of the baseline's range.",
        "percentunit",
    )
    return panel.min(0).with_target(query(q.drifting(names.R_PROBLEMS, q.FEATURE), "{{problem}}"))


def problems_of_all() -> timeseries.Panel:
    """Problems of every feature."""
    panel = graph(
        "Values with a problem by feature", "Share of values with any problem within the window.", "percentunit"
    )
    return sized(panel.min(0).with_target(query(q.problem_ratio(), "{{feature}}")), 24, 8)


def skew_of_all() -> timeseries.Panel:
    """Share of mismatches of every feature."""
    panel = graph(
        "Served values that differ from recomputed ones",
        "Share of compared rows in which training code makes another value of the feature for the same "
        "request (plumbline skew). Empty until recomputed features are sent.",
        "percentunit",
    )
    return sized(panel.min(0).with_target(query(q.drifting(names.R_SKEW), "{{feature}}")), 16, 8)


def skew_rows() -> timeseries.Panel:
    """Rows behind the shares."""
    panel = graph("Rows compared (n)", "Served values compared with recomputed ones within the window.", "short")
    return sized(panel.min(0).with_target(query(q.drifting(names.R_SKEW_ROWS), "{{feature}}")), 8, 8)
