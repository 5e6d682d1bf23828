from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from plumbline.alerts import parse_webhook
from plumbline.baseline.artefact import save_baseline
from plumbline.cli import trace as commands
from plumbline.cli.main import run as run_command
from plumbline.events.parse import parse
from plumbline.servers import free_port
from support.alert_samples import alert, webhook
from support.samples import baseline, body, open_sample, prediction
from support.trace_scene import CHAIN, log


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with the chain and a hostile line, and the baseline beside it."""
    engine = open_sample(tmp_path / "data")
    hostile = [
        log("\x1b[2J[bold]markup[/bold]\u202e", request_id="q/1", logger="[red]evil\x07", ts=999.9),
        log("two | columns] :bell: [/]", request_id="q/1", logger="[red", ts=999.91),
        log("of\n\tlines", request_id="q/1", logger="end\\", ts=999.92),
    ]
    many = [prediction(f"p{n}", data_batch_id="many") for n in range(2500)]
    engine.commit([parse(body(*CHAIN, *hostile, *many), time.time())], time.time())
    engine.close()
    save_baseline(baseline(), tmp_path / "baselines")
    return tmp_path


def run(folder: Path, command: str, *arguments: str) -> Result:
    where = ["--data", str(folder / "data"), "--baselines", str(folder / "baselines")]
    return CliRunner().invoke(getattr(commands, command), [*arguments, *where])


def test_a_trace_reads_from_top_to_bottom(folder: Path) -> None:
    out = run(folder, "trace", "q/1").stdout
    facts = [" ".join(line.split()) for line in out.splitlines()]
    # The baseline was built from another table than the one that the deployment names.
    of_baseline = f"baseline {baseline().digest} (from t.csv, 100 rows: sha256:ab)"
    for fact in ("commit c0ffee42", "training data train-1", of_baseline, "baseline quality accuracy=0.8"):
        assert fact in facts
    assert "Outcome: 1, known 25 min later" in out
    order = ["ingest/load", "in production, commit c0ffee42", "predicted 1", "turned out 0", "corrected to 1"]
    places = [out.index(part) for part in order]
    assert places == sorted(places)


def test_in_a_pipe_nothing_is_wrapped_coloured_or_padded(folder: Path) -> None:
    out = run(folder, "trace", "q/1").stdout
    assert "\x1b" not in out
    assert all(line == line.rstrip() for line in out.splitlines())
    assert "features          x=0.5, c=a" in out


def test_what_others_sent_cannot_steer_the_terminal(folder: Path) -> None:
    out = run(folder, "trace", "q/1").stdout
    assert r"\x1b[2J[bold]markup[/bold]\u202e" in out
    assert r"[red]evil\x07" in out
    assert re.search(r" \[red +info: two \| columns\] :bell: \[/\]\n", out)
    found = re.search(r"( +\S+ +\S+ ms +end\\ +)info: of\n( +)lines\n", out)
    assert found
    assert len(found[2]) == len(found[1]) + 8


def test_a_terminal_gets_colours_and_text_that_wraps_in_its_column(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    out = run(folder, "trace", "q/1").stdout
    assert "Request \x1b[1mq/1\x1b[0m" in out
    assert "\x1b[1;31mfeed/load\x1b[0m" in out
    plain = re.sub(r"\x1b\[[\d;]*m", "", out).splitlines()
    assert max(map(len, plain)) <= 100
    place = next(i for i, line in enumerate(plain) if "failed checks" in line)
    assert plain[place + 1].index("no_gaps") == plain[place].index("succeeded")


def test_json_holds_the_whole_record(folder: Path) -> None:
    found = json.loads(run(folder, "trace", "q/1", "--json").stdout)
    assert found["predictions"][0]["version_info"]["baseline"] == baseline().digest
    assert [b["data_batch_id"] for b in found["batches"]] == ["b/1", "raw/1", "train-1"]


def test_a_batch_is_told_with_its_predictions(folder: Path) -> None:
    out = run(folder, "batch", "raw/1").stdout
    assert "Data batch raw/1\n\n0 predictions used it" in out
    assert "Made from it (2 predictions)\n  b/1 by feed: 2 predictions" in out
    found = json.loads(run(folder, "batch", "b/1", "--json").stdout)
    assert (found["predictions"], found["inputs"]) == (2, ["raw/1"])


def test_every_prediction_of_a_batch_can_be_listed(folder: Path) -> None:
    lines = run(folder, "batch", "many", "--list").stdout.splitlines()
    assert [json.loads(line)["request_id"] for line in lines] == [f"p{n}" for n in range(2500)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("trace", "nobody"), "nothing is known of request 'nobody'"),
        (("batch", "none"), "nothing is known of data batch 'none'"),
        (("batch", "raw/1", "--list"), "no stored prediction used data batch 'raw/1'"),
    ],
)
def test_an_unknown_id_is_one_line_and_exit_1(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    assert run_command([*arguments, "--data", str(folder / "data")]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"plumbline: {message}")
    assert captured.err.count("\n") == 1


def test_what_cannot_be_asked_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["trace", "q", "--data", str(tmp_path / "none")]) == 1
    assert "holds no plumbline store: name the folder" in capsys.readouterr().err
    assert run_command(["trace", "q", "--url", f"http://127.0.0.1:{free_port()}"]) == 1
    assert "no exporter answers at http://127.0.0.1" in capsys.readouterr().err
    assert run_command(["trace", "q", "--url", "localhost:1"]) == 2
    assert run_command(["batch", "q", "--url", "http://x", "--data", str(tmp_path)]) == 2


def test_a_running_exporter_may_own_the_folder(folder: Path) -> None:
    engine = open_sample(folder / "data")
    engine.commit([parse(body(prediction("fresh")), time.time())], time.time())
    try:
        assert "Request fresh" in run(folder, "trace", "fresh").stdout
    finally:
        engine.close()


def test_alerts_of_the_time_come_before_the_data_with_their_links(tmp_path: Path) -> None:
    engine = open_sample(tmp_path / "data")
    about = alert(labels={"version": "1"}, startsAt="1970-01-01T00:10:00Z")
    now = time.time()
    try:
        engine.commit([parse(body(*CHAIN), now)], now)
        engine.commit([parse_webhook(webhook(about), now)], now)
        out = run(tmp_path, "trace", "q/1").stdout
    finally:
        engine.close()
    told = out[out.index("Alerts that fired at the time") : out.index("\nData\n")]
    assert "critical ModelQualityCritical clf 1, from 1970-01-01T00:10:00.000Z still firing" in told
    assert "    Roll back to version 1.\n" in told
    assert "    runbook: http://r/ModelQualityCritical.md\n    dashboard: http://g/d/x" in told
