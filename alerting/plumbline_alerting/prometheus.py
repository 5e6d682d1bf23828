"""Prometheus's configuration: whom to scrape, which rules to run, where alerts go.

Written to ``prometheus/prometheus.yml``. Paths of rules are relative to that file and the same in the
repository and in the containers, where ``prometheus/`` and ``alerting/`` lie beside each other.
"""

from __future__ import annotations

from typing import Any

from plumbline.catalogue.model import Catalogue
from plumbline.units import format_duration, parse_duration
from plumbline_alerting.scene import JOB_ALERTMANAGER, JOB_EXPORTER, JOB_PROMETHEUS

_LONGEST_TIMEOUT = 10.0


def configuration(catalogue: Catalogue) -> dict[str, Any]:
    """Return the whole configuration.

    The exporter answers OpenMetrics when asked; exemplars are kept with
    ``--enable-feature=exemplar-storage``. A scrape above the series budget is refused as a whole, and
    ``up`` turns 0: a budget overrun is seen and never fills the disk.
    """
    evaluation, targets = catalogue.evaluation, catalogue.targets
    interval = parse_duration(evaluation.scrape_interval)

    def job(name: str, hosts: tuple[str, ...], **more: object) -> dict[str, Any]:
        return {"job_name": name, **more, "static_configs": [{"targets": list(hosts)}]}

    return {
        "global": {
            "scrape_interval": evaluation.scrape_interval,
            "scrape_timeout": format_duration(min(interval, _LONGEST_TIMEOUT)),
            "evaluation_interval": evaluation.rule_interval,
        },
        "rule_files": ["rules/*.yml", "../alerting/rules/*.yml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": list(targets.alertmanagers)}]}]},
        "scrape_configs": [
            job(JOB_EXPORTER, targets.exporters, sample_limit=catalogue.series_budget.total),
            job(JOB_PROMETHEUS, targets.prometheus),
            job(JOB_ALERTMANAGER, targets.alertmanagers),
        ],
    }
