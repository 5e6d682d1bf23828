"""Trials: a canary beside the production version, tested so that one may look at any time."""

from __future__ import annotations

import math

from grafana_foundation_sdk.builders import table, timeseries
from grafana_foundation_sdk.models.dashboard import Dashboard

from plumbline import names
from plumbline.catalogue.model import Catalogue
from plumbline_dashboards import queries as q
from plumbline_dashboards import variables
from plumbline_dashboards.page import Row, page
from plumbline_dashboards.panels import BLUE, RED, Column, band, graph, grid, line, query, result, sized

NO_TRIAL = "No canary or shadow has run beside this model's production version"
_LIFE = "life"
_LINE = math.log(1 / 0.05)
_LOSS = ("version", "loss")


def trials(catalogue: Catalogue) -> Dashboard:
    """Return the dashboard."""
    return page(
        "trials",
        "Trials",
        "Is the canary worse, or better, than the version it shall replace? Since both were deployed.",
        [
            variables.one("model", "Model", names.MODEL_INFO.name, "Model to show."),
            variables.several(
                "version",
                "Candidate",
                names.R_TRIAL_COUNT.over(_LIFE) + '{model="$model"}',
                "Canaries and shadows to show.",
            ),
        ],
        [
            Row("Verdict", [verdict()]),
            Row("Since the trial began", [differences(), evidence()]),
            Row("Shadows, answer by answer", [shadows()]),
        ],
        catalogue,
        models='model="$model"',
        since="now-7d",
    )


def _figure(recorded: names.Recorded, arm: str = "") -> str:
    selector = 'model="$model", version=~"$version"' + (f', arm="{arm}"' if arm else "")
    return q.by("max", _LOSS, q.pick(recorded, selector, _LIFE))


def verdict() -> table.Panel:
    """One row per canary and loss."""
    panel = grid(
        "Canary or shadow beside production",
        "Loss: share of failed answers, share of wrong answers, or mean absolute error. Difference: canary "
        "minus production, with a 95 % confidence sequence: it holds at all times together, so look as often "
        "as you like. Positive and away from 0 = the canary is worse.",
        "short",
        [
            Column("version", "Candidate"),
            Column("loss", "Loss"),
            result(_figure(names.R_TRIAL_MEAN, "candidate"), "Canary's", "short"),
            result(_figure(names.R_TRIAL_MEAN, "production"), "Production's", "short"),
            result(_figure(names.R_TRIAL_DIFFERENCE), "Difference", "short"),
            result(_figure(names.R_TRIAL_LOWER), "Lower end", "short", bad_from=0),
            result(_figure(names.R_TRIAL_UPPER), "Upper end", "short"),
            result(_figure(names.R_TRIAL_COUNT, "candidate"), "Canary's n", "short"),
            result(_figure(names.R_TRIAL_COUNT, "production"), "Production's n", "short"),
        ],
    )
    return sized(panel.no_value(NO_TRIAL), 24, 7)


def shadows() -> table.Panel:
    """One row per shadow."""

    def of(recorded: names.Recorded) -> str:
        return q.by("max", ("version",), q.pick(recorded, 'model="$model", version=~"$version"', _LIFE))

    panel = grid(
        "Shadow beside production, pair by pair",
        "Of the requests that both answered. Lead: share of pairs in which the shadow was better (right "
        "where production was wrong, or closer) minus the share in which production was. Evidence above 3 = "
        "one is better, with an error of 5 % however often one looks.",
        "short",
        [
            Column("version", "Shadow"),
            result(of(names.R_SHADOW_AGREEMENT), "Same answer", "percentunit"),
            result(of(names.R_SHADOW_LEAD), "Lead", "percentunit"),
            result(of(names.R_SHADOW_EVIDENCE), "Evidence", "short"),
            result(of(names.R_SHADOW_COUNT), "Pairs (n)", "short"),
        ],
    )
    return sized(panel.no_value(NO_TRIAL), 24, 6)


def differences() -> timeseries.Panel:
    """The difference with its confidence sequence."""
    panel = (
        graph(
            "Canary minus production",
            "Mean loss of the canary minus production's, with its 95 % confidence sequence.",
            "short",
        )
        .no_value(NO_TRIAL)
        .with_target(query(_figure(names.R_TRIAL_DIFFERENCE), "{{version}} {{loss}}", "A"))
        .with_target(query(_figure(names.R_TRIAL_UPPER), "upper end", "B"))
        .with_target(query(_figure(names.R_TRIAL_LOWER), "lower end", "C"))
    )
    return sized(band(panel, "B", "C", "lower end", BLUE), 12, 9)


def evidence() -> timeseries.Panel:
    """The likelihood ratio of the mSPRT."""
    panel = graph(
        "Evidence that the two differ",
        "Natural log of the mSPRT's likelihood ratio. Above the dashed line: they differ, with an error of "
        "5 % over the whole trial, in either direction.",
        "short",
    )
    panel = panel.no_value(NO_TRIAL).with_target(query(_figure(names.R_TRIAL_EVIDENCE), "{{version}} {{loss}}", "A"))
    panel = panel.with_target(query(f"vector({_LINE:.4g})", "error of 5 %", "B"))
    return sized(line(panel, "B", RED), 12, 9)
