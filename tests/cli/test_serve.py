from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from plumbline.baseline.artefact import save_baseline
from support.samples import baseline, catalogue

START = [sys.executable, "-c", "import sys; from plumbline.cli.serve import serve; serve(sys.argv[1:])"]
HOSTILE = [
    b'{"type":"outcome","request_id":"a\\r\\nb\\u0000\\u2028","actual":"\\n"}',
    b'{"type":"prediction","request_id":"q","model":"x\\"}\\n# EOF","version":"\\u2028","features":{"a\\nb":"c\\\\"}}',
    b'{"type":"prediction","request_id":"e\\"\\n\\\\","model":"clf","version":"\\u2028\\"","features":{},"prediction":"\\n","latency":0.01}',
    b'{"type":"log","level":"\\u001b[31m","message":"\\ud800"}',
    b"[" * 100_000,
    b'{"type":"outcome","request_id":"r","actual":NaN}',
    b"\x00\xff\xfe",
]


class Served:
    """A real exporter process on a free port."""

    def __init__(self, folder: Path, *options: str) -> None:
        path = folder / "plumbline.yaml"
        path.write_text(yaml.safe_dump(catalogue().model_dump(mode="json", exclude_unset=True)))
        save_baseline(baseline(), folder / "baselines")
        command = [*START, "--catalogue", str(path), "--baselines", str(folder / "baselines")]
        command += ["--data", str(folder / "data"), "--listen", "127.0.0.1:0", *options]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "TERM": "dumb"}
        )
        assert self.process.stdout is not None
        found = re.fullmatch(r"plumbline listens on (http://127\.0\.0\.1:\d+)\n", self.process.stdout.readline())
        assert found is not None, self.end(signal.SIGKILL)
        self.url = found.group(1)

    def post(self, body: bytes) -> Any:
        answer = requests.post(
            f"{self.url}/v1/events", data=body, headers={"Content-Type": "application/x-ndjson"}, timeout=30
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    def samples(self) -> dict[str, float]:
        page = requests.get(f"{self.url}/metrics", timeout=30).text
        return {f"{s.name}{sorted(s.labels.values())}": s.value for family in parse_text(page) for s in family.samples}

    def end(self, number: int) -> tuple[int, str]:
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=60)
        return self.process.returncode, errors


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    running: list[Served] = []

    def serve_(*options: str) -> Served:
        running.append(Served(tmp_path, *options))
        return running[-1]

    yield serve_
    for served in running:
        if served.process.poll() is None:
            served.end(signal.SIGKILL)


def predictions(count: int, first: int = 0) -> bytes:
    return b"\n".join(
        json.dumps(
            {
                "type": "prediction",
                "request_id": f"r{n}",
                "model": "clf",
                "version": "1",
                "features": {"x": 0.5, "c": "a"},
                "prediction": "1",
                "score": 0.7,
                "latency": 0.01,
            }
        ).encode()
        for n in range(first, first + count)
    )


@pytest.mark.e2e
def test_what_was_acknowledged_survives_kill_9_and_is_counted_once(serve: Callable[..., Served]) -> None:
    served = serve()
    assert served.post(predictions(50))["accepted"] == 50
    served.post(predictions(10, 45) + b"\nbroken")
    before = served.samples()
    assert served.end(signal.SIGKILL)[0] == -signal.SIGKILL
    served = serve()
    after = served.samples()
    for name in before:
        if name.startswith(("ml_", "plumbline_lines", "plumbline_events")):
            assert after[name] == before[name], name
    assert served.post(predictions(50))["duplicates"] == 50
    found = served.samples()
    assert found["ml_predictions_total['1', 'clf']"] == 55
    assert found["plumbline_lines_total[]"] == 111
    fates = ("plumbline_events_total", "plumbline_events_duplicate_total", "plumbline_events_rejected_total")
    assert found["plumbline_lines_total[]"] == sum(v for name, v in found.items() if name.startswith(fates))


@pytest.mark.e2e
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_in_order(serve: Callable[..., Served], number: int) -> None:
    served = serve()
    served.post(predictions(5))
    code, errors = served.end(number)
    assert code == 0
    assert "Traceback" not in errors


@pytest.mark.e2e
def test_hostile_lines_leave_valid_pages_and_one_log_line_each(serve: Callable[..., Served]) -> None:
    served = serve("--log-format", "json")
    answer = served.post(b"\n".join([*HOSTILE, predictions(1)]))
    assert answer["accepted"] + len(answer["rejected"]) == len(HOSTILE) + 1
    for accept, parse in (("text/plain", parse_text), ("application/openmetrics-text", parse_openmetrics)):
        page = requests.get(f"{served.url}/metrics", headers={"Accept": accept}, timeout=10).text
        assert list(parse(page))
    found = served.samples()
    assert found["plumbline_lines_total[]"] == len(HOSTILE) + 1
    code, errors = served.end(signal.SIGTERM)
    assert code == 0
    for text in errors.splitlines():
        assert json.loads(text)["event"]


def run(tmp_path: Path, *options: str) -> Any:
    path = tmp_path / "plumbline.yaml"
    path.write_text(yaml.safe_dump(catalogue().model_dump(mode="json", exclude_unset=True)))
    code = (
        "import sys\nfrom plumbline.cli.serve import serve\nfrom plumbline.errors import PlumblineError\n"
        "try: serve(sys.argv[1:])\n"
        "except PlumblineError as error: print(error, file=sys.stderr); sys.exit(error.exit_code)"
    )
    command = [sys.executable, "-c", code, "--catalogue", str(path), "--data", str(tmp_path / "data"), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("listen", "says"),
    [
        ("0.0.0.0:0", "--insecure-listen"),
        ("example.org:1", "--insecure-listen"),
        ("9877", "HOST:PORT"),
        ("127.0.0.1:99999", "HOST:PORT"),
    ],
)
def test_an_address_that_cannot_or_should_not_be_used_is_refused(tmp_path: Path, listen: str, says: str) -> None:
    done = run(tmp_path, "--listen", listen)
    assert done.returncode == 2
    assert says in done.stderr
    assert not (tmp_path / "data").exists()


def test_an_external_url_that_is_none_is_refused(tmp_path: Path) -> None:
    done = run(tmp_path, "--web.external-url", "/plumbline")
    assert done.returncode == 2
    assert "such as https://example.org/plumbline" in done.stderr


def test_a_port_in_use_is_said_so_and_the_store_is_not_touched(tmp_path: Path) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        done = run(tmp_path, "--listen", f"127.0.0.1:{sock.getsockname()[1]}")
    assert done.returncode == 1
    assert "another process has it" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "data").exists()
