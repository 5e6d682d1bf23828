"""The second act: history, loaded at event time as ``plumbline backfill`` does."""

from __future__ import annotations

from typing import Any

import yaml

from examples.demo import configuration
from examples.demo.screen import Screen
from examples.demo.settings import Prepared, Settings
from plumbline.backfill.run import backfill
from plumbline.catalogue.model import Catalogue
from plumbline.errors import StoreError, UsageError
from plumbline.ingest.engine import open_engine


def load_history(settings: Settings, prepared: Prepared, screen: Screen) -> None:
    """Count the history at event time and load its series into Prometheus's folder."""
    work = settings.work
    document = configuration.read_document(settings.catalogue)
    plan = prepared.plan
    screen.step(
        f"Loading history from {plan.history_from:%d %B} to {plan.live_from:%d %B} at event time (plumbline backfill)"
    )
    rules = configuration.recording_rule_files(document, work / "history-rules")
    engine = open_engine(Catalogue.model_validate(document), work / "baselines", work / "data")
    try:
        with screen.progress("history") as advance:
            report = backfill(
                prepared.history,
                engine,
                work / "tsdb",
                step=settings.history_step,
                rules=rules,
                rule_step=settings.rule_step,
                labels=_scrape_labels(prepared),
                progress=advance,
            )
    finally:
        engine.close()
    if report.rejected_total:
        place, why = report.rejected[0]
        raise StoreError(f"{place}: {why} ({report.rejected_total} lines refused)")
    screen.say(
        f"{report.accepted:,} events, {report.samples:,} samples and {report.recorded_samples:,} recorded "
        f"ones in {report.seconds:.0f} s"
    )


def _scrape_labels(prepared: Prepared) -> dict[str, str]:
    """Return the labels that the generated scrape configuration gives to the exporter's series."""
    target = prepared.catalogue.targets.exporters[0]
    path = prepared.live.parent.parent / "generated" / "prometheus" / "prometheus.yml"
    config: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    for job in config["scrape_configs"]:
        if any(target in group["targets"] for group in job["static_configs"]):
            return {"job": job["job_name"], "instance": target}
    raise UsageError(f"{path} does not scrape the exporter at {target}")
