"""The page of a request and of a batch, with everything that a record may hold, and with as little as it may."""

from __future__ import annotations

from dataclasses import replace

from plumbline.names import DASHBOARD_UIDS
from plumbline.pages import render
from plumbline.sampling import Sampling
from plumbline.trace.model import Batch, Downstream, Trace, Use, Used, UsedPage
from plumbline.trace.records import (
    ActionRecord,
    AlertRecord,
    BatchRecord,
    CheckRecord,
    FeatureRecord,
    LogRecord,
    OutcomeRecord,
    PredictionRecord,
    RunRecord,
    StageRecord,
    VersionInfo,
)
from plumbline.trace.timeline import timeline
from support.pages import Elements

TS = "2026-11-28T16:48:14.123Z"
INFO = VersionInfo(
    "canary", TS, "c0ffee", "<t>", {"depth": 3}, "<sha>", "<t>", "t.csv", 100, TS, TS, {"accuracy": 0.812345678}
)
PREDICTION = PredictionRecord(
    ts=TS,
    request_id="<q>",
    model="<m>",
    version="1",
    status="ok",
    prediction="yes",
    score=0.91,
    scores={"yes": 0.91, "<no>": 0.09},
    features={"x": 1.5, "X": 2.5, "<f>": None},
    slices={"region": "<EU>"},
    latency=0.02,
    data_batch_id="<b>",
    trace_id="4bf9",
    extra={"tenant": {"a": ["<i>"]}},
    version_info=INFO,
    against_baseline={"x": FeatureRecord("01", 0.123, None), "gone": FeatureRecord("m", 0.004, "missing")},
    sampling=Sampling(0.25, True),
)
BARE = PredictionRecord(TS, "<q>", "<m>", "2", "error", None, *[None] * 2, {"x": 1}, *[None] * 4, {}, VersionInfo())
CHECKS = [CheckRecord("<gaps>", False), CheckRecord("fresh", True)]
STAGE = StageRecord(TS, "load", "failed", "<b>", 12.5, 1_234_567, 0, None, TS, ["raw"], CHECKS)
RUN = RunRecord("feed", "<r>", "failed", TS, TS, [STAGE, replace(STAGE, status="succeeded", checks=CHECKS[1:])])
ALERT = AlertRecord(
    *("<Bad>", "critical", "i", TS, TS, "<m>", "1", None, "o", "<s>", "<d>\n2", "Roll back.", "http://r/"),
    *("javascript:alert(1)", None, None, {}, [ActionRecord(TS, "rollback", "end", "dry_run", "<detail>")]),
)
QUIET = AlertRecord("Quiet", "", "j", TS, None, *[None] * 4, "", "", *[None] * 5, {}, [])
LOG = LogRecord(TS, "info", "two\n<lines>", None, None, "<q>", None, None, None, {})
RAW = BatchRecord("raw", "data", 1, [], [])
BATCHES = [BatchRecord("<b>", "data", 0, [RUN], ["raw"]), RAW, BatchRecord("<t>", "training", 0, [], [])]
OUTCOMES = [OutcomeRecord(TS, "no", False, False, 90.0, None), OutcomeRecord(TS, "yes", True, True, 90.0, TS)]


def page(template: str, **data: object) -> Elements:
    found = Elements(render(template, **data))
    known = (
        "html head meta title style body nav a span h1 h2 h3 code div small b br p ol li time dl dt dd table tr th td"
    )
    assert found.tags <= set(known.split())  # nothing of what stands in the records became a tag
    return found


def trace_page(trace: Trace, grafana: str) -> Elements:
    shown = replace(trace, timeline=timeline(trace))
    return page("trace.html.j2", trace=shown, grafana=grafana, uids=DASHBOARD_UIDS, around=3_600_000)


def test_everything_that_a_trace_holds_has_its_place() -> None:
    predictions, alerts = [PREDICTION, BARE], [ALERT, QUIET]
    trace = Trace("<q>", ["4bf9"], predictions, OUTCOMES, [], [LOG], True, BATCHES, True, alerts, True)
    found = trace_page(trace, "http://g")
    for words in (
        "<m> 1 (canary) predicted",
        "odd: gone",
        "known 1 min 30 s later, corrected from no, counts from 2026-11-28 16:48:14",
        "Roll back.",
        "hook rollback: dry run: <detail>",
        "rows: 1,234,567 in, 0 out, failed checks: <gaps>",
        "canary since 2026-11-28 16:48:14",
        "<t> (t.csv, 100 rows)",
        "accuracy=0.812346",
        "features stored",
        "<no>0.09",
        "X2.5not in the baseline",
        "gonenot sent0.4 % missing",
        "region<EU>",
        'tenant{"a":["<i>"]}',
        "two\n<lines>",
        "1 step upstream",
        "training data",
        "No pipeline run of it is stored.",
        "There are more log lines than are shown.",
        "There may be more alerts than are shown.",
        "There are more batches upstream than are shown.",
    ):
        assert words in found.text, words
    links = {value for name, value in found.attributes if name == "href"}
    assert {"/batch/%3Cb%3E", "http://r/"} <= links
    assert not [link for link in links if "script" in link]
    assert [
        link for link in links if link.startswith("http://g/d/") and "var-model=%3Cm%3E&var-version=1&from=" in link
    ]


def test_a_trace_of_which_little_is_known_is_a_page_too() -> None:
    empty = Trace("<q>", [], [], [], [], [], False, [], False, [], False)
    assert "No prediction with this id is stored" in trace_page(empty, "").text
    found = trace_page(replace(empty, predictions=[BARE]), "")
    assert "not known yet" in found.text
    assert "Alertmanager reported none." in found.text
    assert "dashboards" not in found.text


def test_everything_that_a_batch_holds_has_its_place() -> None:
    use, one = Use("<m>", "1", 1234, TS, TS), Used(TS, "<q>", "<m>", "1", "error", None)
    below = [Downstream("<c>", 1, ["<p>", "p2"], 5678)]
    batch = Batch("<b>", [RUN], ["raw"], [RAW], below, True, 1234, [use], 5678, [LOG], True, [QUIET], True)
    found = page("batch.html.j2", batch=batch, used=UsedPage("<b>", [one, replace(one, status="ok", prediction=1)], 7))
    for words in (
        "1,2341 model version",
        "5,6781 batch",
        "<p>, p25,678",
        "made from raw",
        "1 step upstream",
        "Alerts about its pipeline at the time",
        "two\n<lines>",
        "There are more batches than are shown.",
        "There are more log lines than are shown.",
    ):
        assert words in found.text, words
    assert ("href", "/batch/%3Cb%3E?part=predictions&after=7") in found.attributes
    bare = Batch("<b>", [], [], [], [], False, 0, [], 0, [], False, [], False)
    assert "No pipeline run of it is stored." in page("batch.html.j2", batch=bare, used=UsedPage("<b>", [], None)).text
