"""The alert rules by file: texts and severities around the queries of the ``*_queries`` modules.

Writes ``alerting/rules/*.yml``. Every alert says in ``summary`` what is wrong in one fixed sentence, in
``description`` the numbers, and links its runbook and dashboard; pages about a model carry ``verdict``.
"""

from __future__ import annotations

from plumbline.catalogue.model import Catalogue
from plumbline_alerting import comparison_alerts, model_alerts, monitoring_alerts, pipeline_alerts
from plumbline_alerting.maker import Maker
from plumbline_alerting.model import Group


def groups(catalogue: Catalogue) -> dict[str, Group]:
    """Return the alert groups by file name (without ending)."""
    make = Maker(catalogue)
    interval = catalogue.evaluation.rule_interval
    rules = {
        "models": (
            *model_alerts.quality(make),
            *model_alerts.serving(make),
            *model_alerts.drift(make),
            *model_alerts.outcomes(make),
            *comparison_alerts.slices(make),
            *comparison_alerts.canaries(make),
            *comparison_alerts.kpis(make),
        ),
        "pipelines": tuple(pipeline_alerts.pipelines(make)),
        "monitoring": tuple(monitoring_alerts.monitoring(make)),
    }
    return {name: Group(f"plumbline-alerts-{name}", interval, tuple(r)) for name, r in rules.items() if r}
