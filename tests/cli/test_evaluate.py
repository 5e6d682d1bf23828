"""A synthetic history with two known incidents, judged by the command over the real Prometheus."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from plumbline.backfill.tsdb import PieceWriter
from plumbline.cli.main import run
from support.servers import plumbline, wait_for

HOUR = 3600.0
DAYS = 40
RULES = """
groups:
- name: g
  interval: 1m
  rules:
  - {alert: Page, expr: 'bad{metric="mae"} > 0', for: 2h, keep_firing_for: 3h, labels: {severity: critical}}
  - {alert: Ticket, expr: 'noise > 0', labels: {severity: warning}}
  - {alert: Mute, expr: 'ALERTS{alertname="Page"}', labels: {severity: critical}}
"""


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    folder = tmp_path_factory.mktemp("history")
    start = (time.time() - (DAYS + 2) * 24 * HOUR) // HOUR * HOUR
    with PieceWriter(folder / "tsdb", folder / "work", HOUR) as writer:
        for hour in range(DAYS * 24):
            at = start + hour * HOUR
            bad = 100 <= hour < 150 or 400 <= hour < 401  # the second is too short for `for`
            rows = {
                'ml_predictions_total{model="m",version="1"}': hour * 5,
                'ml_outcomes_matured_total{model="m",version="1"}': hour * 5,
                'bad{model="m",metric="mae"}': int(bad),
                'noise{model="m"}': int(hour % 240 == 0),  # four alarms
            }
            writer.at(at).write("".join(f"{key} {value} {at:.3f}\n" for key, value in rows.items()))
    (folder / "rules.yml").write_text(RULES)
    when = [time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(start + h * HOUR)) for h in (100, 150, 399, 402)]
    (folder / "incidents.csv").write_text(
        f"metric,start,end,sustained\nmae,{when[0]},{when[1]},1\nmae,{when[2]},{when[3]},0\n"
    )
    return folder, start


def command(folder: Path, *more: str) -> int:
    return run(["evaluate", str(folder / "rules.yml"), "--tsdb", str(folder / "tsdb"), *more])


@pytest.mark.e2e
def test_alarms_are_judged_against_the_known_incidents(history: tuple[Path, float], capsys: pytest.CaptureFixture[str]):
    folder, start = history
    picture = folder / "timeline.svg"
    code = command(
        folder,
        "--incidents",
        str(folder / "incidents.csv"),
        "--json",
        "--picture",
        str(picture),
        "--budget",
        "pages-per-quarter=0,tickets-per-month=1",
    )
    found = json.loads(capsys.readouterr().out)
    page, ticket = found["alerts"]
    assert (page["alarms"], page["precision"], page["incidents_found"], page["recall"]) == (1, 1.0, 1, 0.5)
    assert (page["sustained_found"], page["sustained"]) == (1, 1)
    assert page["delay_seconds_median"] == 2 * HOUR
    assert page["delay_outcomes_median"] == 10.0
    # 150 was the first evaluation without it, and keep_firing_for holds it for three hours from there
    (alarm,) = page["alarm_list"]
    assert alarm["end"] == time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(start + 153 * HOUR))
    assert ticket["alarms"] == 4
    assert "ALERTS" in found["not_judged"]["Mute"]
    assert found["model_months"] == pytest.approx(DAYS / 30.4375, rel=0.01)
    assert code == 1
    assert len(found["exceeded"]) == 1
    assert "tickets-per-month" in found["exceeded"][0]
    svg = picture.read_text()
    told = re.findall(r'aria-label="([^"]*)" role="graphics-symbol" aria-roledescription="(?:bar|rect mark)"', svg)
    days = [time.strftime("%Y-%m-%d", time.gmtime(start + h * HOUR)) for h in (100, 150, 102, 153)]
    assert len(told) == 2 + 1 + 4
    assert f"mae {days[0]} to {days[1]}" in told
    assert f"m mae {days[2]} to {days[3]}" in told
    assert all(name in svg for name in (">Page<", ">Ticket<", ">not sustained<"))


@pytest.mark.e2e
def test_the_table_names_each_alert_and_no_budget_means_exit_0(
    history: tuple[Path, float], capsys: pytest.CaptureFixture[str]
):
    folder, _ = history
    assert command(folder, "--incidents", str(folder / "incidents.csv")) == 0
    shown = capsys.readouterr().out
    assert "Page" in shown
    assert "all tickets" in shown
    assert "Not judged: Mute" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give either --tsdb FOLDER or --prometheus URL"),
        (("--prometheus", "http://127.0.0.1:1"), "--prometheus needs --start and --end"),
        (("--tsdb", "nowhere"), "no TSDB blocks"),
        (("--tsdb", "x", "--prometheus", "y"), "give either"),
        (("--tsdb", "x", "--budget", "pages=1"), "pages-per-quarter=NUMBER"),
        (("--tsdb", "x", "--picture", "x.gif"), "--picture x.gif: give the file a name that ends in .svg or .png"),
    ],
)
def test_wrong_use_is_one_message_and_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
):
    (tmp_path / "rules.yml").write_text(RULES)
    assert run(["evaluate", str(tmp_path / "rules.yml"), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_without_the_drawing_library_the_message_names_the_extra(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "rules.yml").write_text(RULES)
    monkeypatch.setitem(sys.modules, "altair", None)
    assert run(["evaluate", str(tmp_path / "rules.yml"), "--tsdb", "x", "--picture", "x.svg"]) == 2
    assert "--picture needs a drawing library: pip install 'plumbline[report]'" in capsys.readouterr().err


def servers_of(tsdb: Path) -> list[int]:
    """Process ids of the Prometheus servers on a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue  # it has just ended
        if f"--storage.tsdb.path={tsdb}".encode() in words:
            found.append(int(path.parent.name))
    return found


@pytest.mark.e2e
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL])
def test_its_prometheus_ends_with_it_whatever_signal_ends_it(history: tuple[Path, float], number: int) -> None:
    folder, _ = history
    words = ["evaluate", str(folder / "rules.yml"), "--tsdb", str(folder / "tsdb"), "--step", "20m"]
    process = subprocess.Popen(plumbline(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: servers_of(folder / "tsdb"), name="its Prometheus", every=0.02)
        process.send_signal(number)
        out, told = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == (-number if number == signal.SIGKILL else 128 + number), told
    assert out == ""
    assert "Traceback" not in told
    try:
        wait_for(lambda: not servers_of(folder / "tsdb"), name="the end of its Prometheus")
    finally:
        for one in servers_of(folder / "tsdb"):
            os.kill(one, signal.SIGTERM)
