"""Recording rules over history: read from rule files, ordered by dependency, evaluated level by level.

Reads Prometheus rule files (YAML; alerting rules in them are skipped) and the blocks of a TSDB, writes
blocks of the recorded series into the same TSDB. promtool's own ``create-blocks-from rules`` evaluates a
rule without seeing what another has just recorded and makes a block per rule and two hours; so here each
level of rules is asked of a temporary Prometheus as range queries, written, and only then the next.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import requests
import yaml

from plumbline.backfill.openmetrics import series_text
from plumbline.backfill.tsdb import PieceWriter, piece_seconds, step_times
from plumbline.errors import ToolError, UsageError
from plumbline.progress import Advance
from plumbline.servers import LOOPBACK, Server, find_program, free_port

_STRING = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|`[^`]*`")
_IDENTIFIER = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*")
# A year of many models takes as long as it takes: the server gives up after two minutes unless told.
_QUERY_TIMEOUT = 3600.0

# Blocks may overlap and old ones must stay; compaction would only be in the way of the next level.
TSDB_FLAGS = (
    "--storage.tsdb.retention.time=100y",
    "--storage.tsdb.min-block-duration=2h",
    "--storage.tsdb.max-block-duration=2h",
)


def identifiers(expr: str) -> frozenset[str]:
    """Return every identifier of an expression, text in quotes apart."""
    return frozenset(_IDENTIFIER.findall(_STRING.sub('""', expr)))


@dataclass(frozen=True, slots=True)
class RecordingRule:
    """One recording rule.

    Attributes:
        record: name of the recorded series.
        expr: its PromQL.
        labels: labels that the rule sets.
    """

    record: str
    expr: str
    labels: tuple[tuple[str, str], ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """Every identifier of the expression."""
        return identifiers(self.expr)


class RangeSeries(msgspec.Struct):
    """One series of a range query's answer: its labels and (epoch seconds, value as text) pairs."""

    metric: dict[str, str]
    values: list[tuple[float, str]]


class _Matrix(msgspec.Struct):
    result: list[RangeSeries]


class _Answer(msgspec.Struct):
    status: str
    data: _Matrix | None = None
    error: str = ""


def read_rules(paths: Sequence[Path]) -> list[RecordingRule]:
    """Return the recording rules of Prometheus rule files, in their order.

    Raises:
        UsageError: naming the file, if it cannot be read or is not a rule file, or holds no recording
            rule at all.
    """
    rules = read_recording(paths)
    if paths and not rules:
        raise UsageError(f"no recording rule in {', '.join(str(path) for path in paths)}")
    return rules


def read_recording(paths: Sequence[Path]) -> list[RecordingRule]:
    """Return the recording rules of Prometheus rule files, in their order; there may be none.

    Raises:
        UsageError: naming the file, if it cannot be read or is not a rule file.
    """
    rules: list[RecordingRule] = []
    for path in paths:
        try:
            document: Any = yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
            for group in document["groups"]:
                for rule in group["rules"]:
                    if "record" in rule:
                        labels = tuple((str(k), str(v)) for k, v in (rule.get("labels") or {}).items())
                        rules.append(RecordingRule(str(rule["record"]), str(rule["expr"]), labels))
        except OSError as error:
            raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
        except (yaml.YAMLError, KeyError, TypeError) as error:
            raise UsageError(f"{path}: not a Prometheus rule file: {error}") from error
    return rules


def in_levels(rules: Sequence[RecordingRule]) -> list[list[RecordingRule]]:
    """Return the rules in levels: each reads only names recorded in levels before its own.

    Raises:
        UsageError: if rules read each other in a circle.
    """
    waiting = list(rules)
    levels: list[list[RecordingRule]] = []
    while waiting:
        open_names = {rule.record for rule in waiting}
        ready = [rule for rule in waiting if not rule.names & open_names]
        if not ready:
            raise UsageError(f"recording rules read each other in a circle: {', '.join(sorted(open_names))}")
        levels.append(ready)
        done = {id(rule) for rule in ready}
        waiting = [rule for rule in waiting if id(rule) not in done]
    return levels


def evaluate(
    rules: Sequence[RecordingRule],
    tsdb: Path,
    work: Path,
    first: float,
    last: float,
    step: float,
    progress: Advance | None = None,
    announce: Callable[[str], None] = lambda name: None,
) -> int:
    """Evaluate the rules at every multiple of ``step`` in [first, last] and add blocks of the results.

    No other Prometheus may have ``tsdb`` open meanwhile.

    Args:
        rules: recording rules in any order.
        tsdb: folder of blocks, read and extended.
        work: folder for pieces and logs.
        first: epoch seconds.
        last: epoch seconds.
        step: seconds between evaluations.
        progress: called with (queries done, queries in all, recorded name).
        announce: told the name of each block just before it appears in ``tsdb``.

    Returns:
        The number of recorded samples.

    Raises:
        ToolError: if Prometheus or promtool fails or refuses a rule; with the rule's name.
    """
    levels = in_levels(rules)
    work.mkdir(parents=True, exist_ok=True)
    start, end = step_times(first, last, step)
    pieces = list(_pieces(start, end, step))
    total, done, samples = len(rules) * len(pieces), 0, 0
    for number, level in enumerate(levels):
        # A Prometheus per level: a running one looks for new blocks once a minute only.
        with (
            temporary_prometheus(tsdb, work / f"prometheus-{number}.log") as server,
            requests.Session() as session,
            PieceWriter(tsdb, work / f"level-{number}", step, announce=announce) as writer,
        ):
            for begin, stop in pieces:
                out = writer.at(begin)
                for rule in level:
                    answer = query_range(
                        session, server.url, f"recording rule {rule.record}", rule.expr, begin, stop, step
                    )
                    for prefix, values in _as_recorded(rule, answer).items():
                        out.write("".join([f"{prefix} {value} {at:.3f}\n" for at, value in values]))
                        samples += len(values)
                    done += 1
                    if progress is not None:
                        progress(done, total, rule.record)
    return samples


def _as_recorded(rule: RecordingRule, answer: Sequence[RangeSeries]) -> dict[str, list[tuple[float, str]]]:
    """Return the samples by the series they are recorded as, in order of time.

    Parts of an ``or`` may keep different names, so that a range query tells one recorded series as several.
    """
    found: dict[str, list[tuple[float, str]]] = {}
    for series in answer:
        labels = {k: v for k, v in series.metric.items() if k != "__name__"}
        prefix = series_text(rule.record, {**labels, **dict(rule.labels)})
        if prefix in found:
            found[prefix] = sorted(found[prefix] + series.values)
        else:
            found[prefix] = series.values
    return found


def temporary_prometheus(tsdb: Path, log: Path, flags: Sequence[str] = ()) -> Server:
    """Start a Prometheus that only answers queries over ``tsdb`` and return it once it is ready."""
    port = free_port()
    with tempfile.NamedTemporaryFile("w", suffix=".yml", prefix="plumbline-", delete=False) as config:
        config.write("global: {}\n")
    try:
        server = Server(
            "prometheus",
            [
                find_program("prometheus"),
                f"--config.file={config.name}",
                f"--storage.tsdb.path={tsdb}",
                f"--web.listen-address={LOOPBACK}:{port}",
                *TSDB_FLAGS,
                *flags,
                f"--query.timeout={_QUERY_TIMEOUT:g}s",
                "--log.level=warn",
            ],
            f"http://{LOOPBACK}:{port}",
            log,
        )
        try:
            server.wait_ready()
        except BaseException:  # Ctrl-C, too
            server.stop()
            raise
    finally:
        Path(config.name).unlink()
    return server


def _pieces(start: float, end: float, step: float) -> Iterator[tuple[float, float]]:
    """Cut [start, end] at the borders of blocks; every part begins and ends on a multiple of step."""
    begin, length = start, piece_seconds(step)
    while begin <= end:
        border = (begin // length + 1) * length
        stop, following = begin, begin + step
        while following < border and following <= end:
            stop, following = following, following + step
        yield begin, stop
        begin = following


def query_range(
    session: requests.Session, url: str, what: str, expr: str, start: float, end: float, step: float
) -> list[RangeSeries]:
    """Ask a Prometheus for a range of at most 11,000 points.

    Args:
        session: for the connection.
        url: of the Prometheus.
        what: what the expression is, for messages.
        expr: the PromQL.
        start: epoch seconds.
        end: epoch seconds.
        step: seconds.

    Raises:
        ToolError: naming ``what``, if there is no answer or the query is refused.
    """
    try:
        response = session.post(
            f"{url}/api/v1/query_range",
            data={"query": expr, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:g}"},
            timeout=_QUERY_TIMEOUT + 60,
        )
        answer = msgspec.json.decode(response.content, type=_Answer)
    except (requests.RequestException, msgspec.MsgspecError) as error:
        raise ToolError(f"{what}: prometheus gave no answer: {error}") from error
    if answer.status != "success" or answer.data is None:
        raise ToolError(f"{what}: prometheus refused it: {answer.error}")
    return answer.data.result
