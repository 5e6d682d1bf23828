"""`plumbline ingest --follow` as a user starts it, before an exporter whose faults the test controls."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families

from plumbline import names
from plumbline.cli.ingest import ingest
from plumbline.errors import PlumblineError, UsageError
from plumbline.follow.checkpoint import Checkpoint
from plumbline.follow.run import is_event
from plumbline.servers import free_port
from support.exporter_stand_in import StandIn
from support.servers import wait_for


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    found = StandIn()
    yield found
    found.stop()


class Follow:
    """The command, as a process."""

    def __init__(self, url: str, checkpoint: Path, *files: object) -> None:
        arguments = [
            "--follow",
            *map(str, files),
            "--checkpoint",
            str(checkpoint),
            "--url",
            url,
            "--rotate-wait",
            "100ms",
        ]
        self.command = [sys.executable, "-m", "plumbline.cli.main", "ingest", "--json", *arguments]
        self.process: subprocess.Popen[str] | None = None

    def start(self, *more: str) -> Follow:
        self.process = subprocess.Popen(
            [*self.command, *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        return self

    def end(self, number: int = signal.SIGTERM) -> tuple[dict[str, Any], str]:
        """Return the printed counts, if it could print, and what it told."""
        assert self.process is not None
        self.process.send_signal(number)
        printed, told = self.process.communicate(timeout=60)
        assert self.process.returncode == (-number if number == signal.SIGKILL else 0), told
        return (json.loads(printed) if printed else {}), told


@pytest.fixture
def follow(stand_in: StandIn, tmp_path: Path) -> Iterator[Callable[..., Follow]]:
    started: list[Follow] = []

    def start(*files: object, url: str = "", more: tuple[str, ...] = ()) -> Follow:
        started.append(Follow(url or stand_in.url, tmp_path / "checkpoint", *files))
        return started[-1].start(*more)

    yield start
    stand_in.release.set()
    for one in started:
        if one.process is not None and one.process.poll() is None:
            one.process.kill()
            one.process.communicate()


def event(name: str) -> bytes:
    return json.dumps({"type": "outcome", "request_id": name, "actual": 1}).encode() + b"\n"


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def test_lines_are_sent_as_they_are_written_and_others_never_stop_it(
    stand_in: StandIn, follow: Callable[..., Follow], tmp_path: Path
) -> None:
    log, second = tmp_path / "app.log", tmp_path / "second.log"
    stand_in.reject = lambda event: event.get("request_id") == "refused"
    append(log, b"\xef\xbb\xbf" + event("a") + b"Traceback (most recent call last):\n\x1b[31mred\n\n" + event("b"))
    running = follow(log, second)
    wait_for(lambda: stand_in.ids() == ["a", "b"])
    append(second, b'{"msg": "some other JSON"}\n' + event("refused") + event("c"))
    line = {
        "Timestamp": "2026-11-25T10:00:00.5Z",
        "SeverityText": "WARNING",
        "Body": "slow",
        "Attributes": {"request_id": "a"},
    }
    append(second, json.dumps(line).encode() + b"\n" + event("d")[:10])
    wait_for(lambda: stand_in.ids() == ["a", "b", "c"] or len(stand_in.lines) == 4)
    append(second, event("d")[10:])
    wait_for(lambda: len(stand_in.lines) == 5)
    counts, told = running.end()
    assert counts == {"accepted": 5, "rejected": 1, "unparsable": 3, "gaps": 0}
    assert told.count("is no event and no JSON log line") == 2  # one for each file
    assert "\x1b" not in told
    assert "bad_field: planted" in told


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_in_order(
    stand_in: StandIn, follow: Callable[..., Follow], tmp_path: Path, number: int
) -> None:
    log = tmp_path / "app.log"
    append(log, event("a"))
    running = follow(log)
    wait_for(lambda: stand_in.ids() == ["a"])
    assert running.end(number)[0]["accepted"] == 1


def test_rotations_and_kill_9_at_random_points_lose_nothing(
    stand_in: StandIn, follow: Callable[..., Follow], tmp_path: Path
) -> None:
    """What a log shipper lives through: renames, copies that are cut, its own death, an exporter that is out."""
    seed = time.time_ns() % 10**6
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    rng = random.Random(seed)
    log = tmp_path / "app.log"
    written: list[str] = []

    def write() -> None:
        for _ in range(rng.randint(1, 40)):
            written.append(f"r{len(written)}")
            append(log, event(written[-1]))

    def rename() -> None:
        log.rename(tmp_path / f"app.log.{time.time_ns()}")
        log.touch()

    def copytruncate() -> None:
        (tmp_path / f"app.log.{time.time_ns()}").write_bytes(log.read_bytes())
        os.truncate(log, 0)

    write()
    running = follow(log)
    wait_for(stand_in.ids, name="the first lines arrived")  # what was rotated before it ever ran is not its
    for _ in range(12):
        stand_in.down = rng.choice([None, None, (503, {}), (429, {"Retry-After": "0"})])
        write()
        rng.choice([rename, copytruncate, write])()
        write()
        if rng.random() < 0.4:
            running.end(signal.SIGKILL)
            if rng.random() < 0.5:
                rename()
                write()
            running.start()
            time.sleep(rng.choice([0.0, 1.0]))
        time.sleep(rng.uniform(0, 0.4))
    stand_in.down = None
    wait_for(lambda: set(stand_in.ids()) == set(written), name="every line arrived", seconds=60)
    assert stand_in.first_ids() == written  # in their order, too
    stand_in.assert_resends_are_identical()


def test_after_a_stop_it_goes_on_where_it_was_without_sending_again(
    stand_in: StandIn, follow: Callable[..., Follow], tmp_path: Path
) -> None:
    log = tmp_path / "app.log"
    append(log, event("a"))
    running = follow(log)
    for sent, name in enumerate(("b", "c"), 1):
        wait_for(lambda sent=sent: len(stand_in.ids()) == sent)
        running.end()
        append(log, event(name))
        running.start()
    wait_for(lambda: stand_in.ids() == ["a", "b", "c"])


def test_an_exporter_that_is_out_is_waited_for_as_long_as_it_asks(
    stand_in: StandIn, follow: Callable[..., Follow], tmp_path: Path
) -> None:
    stand_in.faults = [(429, {"Retry-After": "1"}), (503, {"Retry-After": "1"}), "cut"]
    log = tmp_path / "app.log"
    append(log, event("a"))
    running = follow(log)
    wait_for(lambda: len(stand_in.requests) == 4 and stand_in.ids()[-1:] == ["a"])
    times = [at for at, _ in stand_in.requests]
    assert times[1] - times[0] >= 1
    assert times[2] - times[1] >= 1
    counts, told = running.end()
    assert counts["accepted"] == 1
    assert told.count("waiting, nothing is lost") == 1
    assert "answers again after 3 attempts" in told


def test_a_batch_that_is_too_large_is_split_and_a_line_that_is_alone_too_large_is_left_out(
    stand_in: StandIn, follow: Callable[..., Follow], tmp_path: Path
) -> None:
    stand_in.max_lines = 3
    log = tmp_path / "app.log"
    append(log, b"".join(event(f"r{n}") for n in range(20)))
    running = follow(log)
    wait_for(lambda: len(stand_in.ids()) == 20)
    stand_in.max_lines = 0
    append(log, event("alone"))
    wait_for(lambda: len(stand_in.requests) > 1 and "alone" not in stand_in.ids())
    time.sleep(0.5)
    stand_in.max_lines = 3
    append(log, event("next"))
    wait_for(lambda: stand_in.ids()[-1] == "next")
    counts, _ = running.end()
    assert (counts["accepted"], counts["rejected"]) == (21, 1)


def test_what_was_done_is_exposed(stand_in: StandIn, follow: Callable[..., Follow], tmp_path: Path) -> None:
    log, port = tmp_path / "app.log", free_port()
    append(log, event("a") + b"x\n")
    follow(log, more=("--metrics-listen", f"127.0.0.1:{port}"))

    def samples() -> dict[str, float]:
        try:
            text = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=5).text
        except requests.ConnectionError:
            return {}
        families = list(text_string_to_metric_families(text))
        assert {f.name for f in families} == {m.family for m in names.METRICS.values() if m.group == "Follower"}
        return {s.name + "".join(s.labels.values()): s.value for f in families for s in f.samples}

    wait_for(lambda: samples().get("plumbline_follow_lines_totalaccepted") == 1)
    found = samples()
    assert found["plumbline_follow_lines_totalunparsable"] == 1
    assert found["plumbline_follow_behind_bytes"] == 0
    assert abs(found["plumbline_follow_acknowledged_timestamp_seconds"] - time.time()) < 60


def test_a_pipe_is_sent_as_it_comes_not_when_it_ends(stand_in: StandIn) -> None:
    command = [sys.executable, "-m", "plumbline.cli.main", "ingest", "-", "--json", "--url"]
    read, write = socket.socketpair()
    process = subprocess.Popen([*command, plain(stand_in)], stdin=read, stdout=subprocess.PIPE)
    read.close()
    try:
        write.sendall(event("a"))
        wait_for(lambda: stand_in.ids() == ["a"])
        write.sendall(event("b")[:5])
        write.sendall(event("b")[5:] + event("c").rstrip())
        write.close()
        printed, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert json.loads(printed)["accepted"] == 3
    assert stand_in.ids() == ["a", "b", "c"]


def plain(stand_in: StandIn) -> str:
    """The stand-in reads no gzip, which ``ingest`` sends: unpack it on the way."""
    import gzip

    real = stand_in.answer
    handle = stand_in.handle

    def unpacking(handler: Any) -> None:
        import io

        body = gzip.decompress(handler.rfile.read(int(handler.headers["Content-Length"])))
        body = body.rstrip(b"\n")
        handler.rfile = io.BytesIO(body)
        handler.headers.replace_header("Content-Length", str(len(body)))
        handler.close_connection = True
        handle(handler)

    stand_in.handle = unpacking  # type: ignore[method-assign]
    stand_in.answer = real  # type: ignore[method-assign]
    return stand_in.url


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--follow", "a.log"), "needs --checkpoint"),
        (("--follow", "-", "--checkpoint", "c"), "standard input"),
        (("--follow", "a.log.gz", "--checkpoint", "c"), "name the file that is written"),
        (("a.log", "--checkpoint", "c"), "belong to --follow"),
        (("--follow", "a.log", "--checkpoint", "c", "--metrics-listen", "9878"), "HOST:PORT"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    arguments: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(ingest, arguments)
    assert isinstance(done.exception, UsageError)
    assert said in str(done.exception)


def test_two_followers_do_not_share_a_checkpoint_and_a_damaged_one_is_told(tmp_path: Path) -> None:
    first = Checkpoint(tmp_path)
    with pytest.raises(PlumblineError, match="another process follows"):
        Checkpoint(tmp_path)
    first.close()
    (tmp_path / "positions.json").write_text('{"a": {"offset"')
    with pytest.raises(PlumblineError, match="remove it to send all files from their beginning"):
        Checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("line", "is_one"),
    [
        (b'{"type":"outcome"}', True),
        (b'{"Body":"x","SeverityText":"INFO"}', True),
        (b'{"msg":"x"}', False),
        (b"[1]", False),
        (b"5", False),
        (b"plain", False),
        (b'{"a":', False),
        (b"[" * 100_000, False),
        (b"\xff", False),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_only_events_and_log_lines_are_the_exporters_business(line: bytes, is_one: bool) -> None:
    assert is_event(line) is is_one
