from __future__ import annotations

import random
from collections.abc import Callable

import msgspec
import pytest

from plumbline.trace import lineage, logs, uses
from plumbline.trace import lookup as lookup_module
from plumbline.trace.lookup import Lookup
from plumbline.trace.model import Batch, Trace, to_json
from plumbline.trace.records import VersionInfo
from plumbline.units import format_time
from support.samples import baseline, outcome, prediction
from support.trace_scene import CHAIN, TRACE_ID, log, pipeline


@pytest.fixture
def trace(send: Callable[..., None], lookup: Lookup) -> Trace:
    send(*CHAIN)
    found = lookup.trace("q/1")
    assert found is not None
    return found


def test_a_trace_shows_the_prediction_as_it_was_sent(trace: Trace) -> None:
    first, second = trace.predictions
    assert (first.model, first.version, first.prediction, first.score) == ("clf", "1", "1", 0.9)
    assert first.features == {"x": 0.5, "c": "a"}
    assert first.extra == {"tenant": "acme"}
    assert first.ts == "1970-01-01T00:16:40.000Z"
    assert (second.version, second.prediction) == ("2", "0")


def test_the_version_is_shown_as_deployed_at_the_time_of_the_prediction(trace: Trace) -> None:
    info = trace.predictions[0].version_info
    assert (info.stage, info.deployed) == ("production", "1970-01-01T00:10:00.000Z")
    # The commit was told when the canary began, and nothing of it since; what came later is not shown.
    assert (info.commit, info.training_data, info.config) == ("c0ffee42", "train-1", {"depth": 3})
    assert info.baseline == baseline().digest
    assert (info.training_source, info.training_rows) == ("t.csv", 100)


def test_without_a_deployment_the_baseline_tells_commit_and_training_data(
    send: Callable[..., None], lookup: Lookup
) -> None:
    send(prediction("q"))
    found = lookup.trace("q")
    assert found is not None
    info = found.predictions[0].version_info
    assert (info.stage, info.commit, info.training_data) == (None, "c0ffee", "sha256:ab")


def test_a_version_of_which_nothing_is_known_has_no_facts(trace: Trace) -> None:
    assert trace.predictions[1].version_info == VersionInfo()


def test_data_is_followed_to_the_raw_batch_and_the_training_batch(trace: Trace) -> None:
    assert [(b.data_batch_id, b.role, b.depth, b.inputs) for b in trace.batches] == [
        ("b/1", "data", 0, ["raw/1"]),
        ("raw/1", "data", 1, []),
        ("train-1", "training", 0, []),
    ]
    [run] = trace.batches[0].runs
    assert (run.pipeline, run.run_id, run.status) == ("feed", "r-b", "succeeded")
    assert [stage.status for stage in run.stages] == ["started", "succeeded"]
    assert not run.stages[1].checks[0].passed
    assert not trace.batches_truncated


def test_a_correction_is_the_truth_that_stands(trace: Trace) -> None:
    assert [(o.actual, o.correction, o.standing, o.delay) for o in trace.outcomes] == [
        ("0", False, False, 1000.0),
        ("1", True, True, 1500.0),
    ]


def test_of_two_different_outcomes_the_one_known_first_stands_whatever_came_first(
    send: Callable[..., None], lookup: Lookup
) -> None:
    send(prediction("q"), outcome("q", "1", ts=3000.0))
    send(outcome("q", "0", ts=2000.0))
    found = lookup.trace("q")
    assert found is not None
    assert [(o.actual, o.standing) for o in found.outcomes] == [("0", True), ("1", False)]


def test_an_outcome_that_waits_says_when_it_counts(send: Callable[..., None], lookup: Lookup) -> None:
    send(prediction("q"), outcome("q"), now=2000.0)
    found = lookup.trace("q")
    assert found is not None
    assert found.outcomes[0].counts_from == "1970-01-01T01:16:40.000Z"  # 1000 s + the maturity of 1 h


def test_log_lines_come_by_request_and_by_trace_and_only_those(trace: Trace) -> None:
    assert [(line.message, line.service, line.logger) for line in trace.logs] == [
        ("accepted", "gateway", None),
        ("slow", None, "features"),
    ]
    assert trace.trace_ids == [TRACE_ID]


def test_a_trace_named_only_by_a_log_line_is_followed(send: Callable[..., None], lookup: Lookup) -> None:
    send(prediction("q"), log("in", request_id="q", trace_id=TRACE_ID), log("deep", trace_id=TRACE_ID))
    found = lookup.trace("q")
    assert found is not None
    assert [line.message for line in found.logs] == ["in", "deep"]


def test_the_timeline_is_in_order_and_relative_to_the_first_prediction(trace: Trace) -> None:
    offsets = [moment.offset for moment in trace.timeline]
    assert offsets == sorted(offsets)
    kinds = [(m.kind, m.offset) for m in trace.timeline if m.offset >= -1]
    assert kinds == [
        ("log", -1.0),
        ("log", -0.5),
        ("prediction", 0.0),
        ("prediction", 0.5),
        ("kpi", 600.0),
        ("outcome", 1000.0),
        ("outcome", 1500.0),
    ]
    problems = {m.who for m in trace.timeline if m.problem}
    assert problems == {"feed/load", "features"}  # a failed check, an error line


def test_an_unknown_request_is_none(send: Callable[..., None], lookup: Lookup) -> None:
    send(*CHAIN)
    assert lookup.trace("nobody") is None
    assert lookup.batch("nothing") is None


def test_an_outcome_alone_is_shown(send: Callable[..., None], lookup: Lookup) -> None:
    send(outcome("lost"))
    found = lookup.trace("lost")
    assert found is not None
    assert found.predictions == []
    assert found.outcomes[0].delay is None


def test_json_is_read_back_as_the_same_record(trace: Trace, lookup: Lookup) -> None:
    assert msgspec.json.decode(to_json(trace), type=Trace) == trace
    batch = lookup.batch("b/1")
    assert batch is not None
    assert msgspec.json.decode(to_json(batch), type=Batch) == batch


def test_a_batch_counts_exactly_the_predictions_made_with_it(send: Callable[..., None], lookup: Lookup) -> None:
    rng = random.Random(5)
    wanted: dict[str, list[float]] = {}
    for at in range(3000):
        version, batch = rng.choice("123"), rng.choice(["b/1", "b/2", None])
        made = prediction(f"p{at}", version=version, ts=2000.0 + rng.randrange(500))
        if batch is not None:
            made["data_batch_id"] = batch
        if batch == "b/1":
            wanted.setdefault(version, []).append(made["ts"])
        send(made, *([made] if at % 100 == 0 else []))  # a resend is not another prediction
    found = lookup.batch("b/1")
    assert found is not None
    counted = {u.version: (u.predictions, u.first, u.last) for u in found.used_by}
    stamp = format_time
    assert counted == {v: (len(ts), stamp(min(ts)), stamp(max(ts))) for v, ts in wanted.items()}
    assert found.predictions == sum(map(len, wanted.values()))


def test_the_predictions_of_a_batch_are_listed_by_parts(send: Callable[..., None], lookup: Lookup) -> None:
    send(*[prediction(f"p{n}", data_batch_id="b") for n in range(25)], log("x", data_batch_id="b"))
    listed: list[str] = []
    after: int | None = 0
    while after is not None:
        page = lookup.used("b", after, 10)
        listed += [one.request_id for one in page.predictions]
        after = page.next
    assert listed == [f"p{n}" for n in range(25)]
    assert lookup.used("none").predictions == []


def test_a_batch_shows_what_it_was_made_from_and_what_was_made_from_it(
    send: Callable[..., None], lookup: Lookup
) -> None:
    send(*CHAIN, log("988 rows dropped", data_batch_id="raw/1", run_id="r-raw"))
    found = lookup.batch("raw/1")
    assert found is not None
    assert [(d.data_batch_id, d.depth, d.pipelines, d.predictions) for d in found.downstream] == [
        ("b/1", 1, ["feed"], 2)
    ]
    assert (found.predictions, found.predictions_downstream) == (0, 2)
    assert [line.message for line in found.logs] == ["988 rows dropped"]
    below = lookup.batch("b/1")
    assert below is not None
    assert (below.inputs, [b.data_batch_id for b in below.upstream]) == (["raw/1"], ["raw/1"])


def test_batches_that_name_each_other_in_circles_end(send: Callable[..., None], lookup: Lookup) -> None:
    send(
        pipeline("r1", "a", ("b", "a")),
        pipeline("r2", "b", ("c",)),
        pipeline("r3", "c", ("a",)),
        prediction("q", data_batch_id="a"),
    )
    found, batch = lookup.trace("q"), lookup.batch("a")
    assert found is not None
    assert batch is not None
    assert [b.data_batch_id for b in found.batches] == ["a", "b", "c"]
    assert [b.data_batch_id for b in batch.upstream] == ["b", "c"]
    assert [d.data_batch_id for d in batch.downstream] == ["c", "b"]
    assert not batch.lineage_truncated


def test_a_huge_lineage_is_cut_off_and_says_so(send: Callable[..., None], lookup: Lookup) -> None:
    inputs = [f"i{n}" for n in range(300)]
    send(pipeline("r", "wide", tuple(inputs)), *(pipeline(f"o{n}", f"o{n}", ("wide",)) for n in range(150)))
    found = lookup.batch("wide")
    assert found is not None
    assert found.lineage_truncated
    assert len(found.upstream) < lineage.MAX_BATCHES
    assert len(found.downstream) == lineage.MAX_BATCHES


def test_a_long_chain_is_cut_off_and_says_so(send: Callable[..., None], lookup: Lookup) -> None:
    send(*(pipeline(f"r{n}", f"b{n}", (f"b{n + 1}",)) for n in range(40)), prediction("q", data_batch_id="b0"))
    found = lookup.trace("q")
    assert found is not None
    assert found.batches_truncated
    assert len(found.batches) == lineage.MAX_DEPTH + 1


def test_a_flood_of_log_lines_is_cut_off_and_says_so(send: Callable[..., None], lookup: Lookup) -> None:
    send(prediction("q"), *(log(f"line {n}", request_id="q") for n in range(logs.MAX_LOGS + 50)))
    found = lookup.trace("q")
    assert found is not None
    assert found.logs_truncated
    assert len(found.logs) == logs.MAX_LOGS


def test_two_ids_with_one_hash_are_kept_apart(
    send: Callable[..., None], lookup: Lookup, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(prediction("q", data_batch_id="b"), log("of q", request_id="q"))
    for module, name in (
        (lookup_module, "request_key"),
        (logs, "request_log_key"),
        (uses, "batch_key"),
        (lookup_module, "made_key"),
        (logs, "batch_log_key"),
    ):
        real = getattr(module, name)
        given = {"other": "q", "elsewhere": "b"}
        monkeypatch.setattr(module, name, lambda i, real=real, given=given: real(given.get(i, i)))
    assert lookup.trace("other") is None
    assert lookup.batch("elsewhere") is None
    assert lookup.used("elsewhere").predictions == []
