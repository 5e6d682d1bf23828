"""The pages of a request and of a data batch."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote, urlencode

from plumbline.names import DASHBOARD_UIDS
from plumbline.trace.html import batch_link, e, facts, outside_link, page, request_link, table, when
from plumbline.trace.model import Batch, Moment, Trace, UsedPage
from plumbline.trace.pieces import alerts_of, lineage_of, log_of, run_of
from plumbline.trace.records import FeatureRecord, PredictionRecord, Value
from plumbline.trace.show import (
    as_tree,
    show_count,
    show_json,
    show_offset,
    show_sampling,
    show_seconds,
    show_share,
    show_value,
)
from plumbline.units import parse_time

_AROUND = 3 * 3600.0  # seconds


def trace_page(trace: Trace, grafana: str = "") -> str:
    """Return the page of a request, with links to the dashboards of a Grafana, if there is one."""
    heading = f"Request <code>{e(trace.request_id)}</code>"
    return page(f"Request {trace.request_id}", heading, _trace(trace, grafana))


def batch_page(batch: Batch, used: UsedPage) -> str:
    """Return the page of a data batch with the first of its predictions."""
    heading = f"Data batch <code>{e(batch.data_batch_id)}</code>"
    return page(f"Data batch {batch.data_batch_id}", heading, _batch(batch, used))


def used_page(used: UsedPage) -> str:
    """Return a further page of the predictions that used a batch."""
    heading = f"Predictions made with {batch_link(used.data_batch_id)}"
    return page(f"Predictions made with {used.data_batch_id}", heading, [_used(used)], json=False)


def missing_page(what: str, identifier: str) -> str:
    """Return the page that says that nothing is known of an id."""
    text = (
        f"<p>The store holds nothing of this {e(what)}: it was never sent, was rejected when it came, or its "
        "retention has ended.</p>"
    )
    return page(f"Unknown {what}", f"Unknown {e(what)} <code>{e(identifier)}</code>", [text], json=False)


def _trace(trace: Trace, grafana: str) -> Iterable[str]:
    if not trace.predictions:
        yield '<p class="bad">No prediction with this id is stored; what follows is all there is.</p>'
    yield '<div class="cards">' + "".join(_cards(trace)) + "</div>"
    if trace.predictions:
        yield "<h2>Alerts that fired at the time</h2>"
        yield from alerts_of(trace.alerts, trace.alerts_truncated)
    yield "<h2>Timeline</h2>"
    yield _timeline(trace.timeline)
    if trace.logs_truncated:
        yield "<p>There are more log lines than are shown.</p>"
    for prediction in trace.predictions:
        yield from _prediction(prediction, grafana)
    if trace.batches:
        yield "<h2>Data</h2>"
        yield from (lineage_of(batch) for batch in as_tree(trace.batches))
        if trace.batches_truncated:
            yield "<p>There are more batches upstream than are shown.</p>"


def _cards(trace: Trace) -> Iterable[str]:
    for p in trace.predictions:
        answer = '<b class="bad">error</b>' if p.status == "error" else f"<b>{_v(p.prediction)}</b>"
        score = "" if p.score is None else f"score {_v(p.score)}<br>"
        stage = p.version_info.stage
        who = f"{e(p.model)} {e(p.version)}" + ("" if stage in (None, "production") else f" ({e(stage)})")
        odd = [name for name, place in (p.against_baseline or {}).items() if place.note]
        marks = f'<br><span class="bad">odd: {e(", ".join(odd))}</span>' if odd else ""
        body = f"{answer}{score}{when(p.ts)}{marks}"
        yield f'<div class="card"><small>{who} predicted</small>{body}</div>'
    standing = [outcome for outcome in trace.outcomes if outcome.standing]
    for outcome in standing:
        later = "" if outcome.delay is None else f"known {e(show_seconds(outcome.delay))} later"
        waits = "" if outcome.counts_from is None else f", counts from {when(outcome.counts_from)}"
        others = [one for one in trace.outcomes if not one.standing]
        if outcome.correction and others:
            later += f", corrected from {', '.join(_v(one.actual) for one in others)}"
        elif others:
            later += f", though {', '.join(_v(one.actual) for one in others)} was said too"
        yield f'<div class="card"><small>turned out</small><b>{_v(outcome.actual)}</b>{later}{waits}</div>'
    if trace.predictions and not standing:
        yield '<div class="card"><small>turned out</small><b class="dim">not known yet</b></div>'


def _v(value: Value) -> str:
    return e(show_value(value))


def _timeline(moments: Iterable[Moment]) -> str:
    lines = []
    for m in moments:
        marks = f"{m.kind}{' problem' if m.problem else ''}{' now' if m.kind == 'prediction' else ''}"
        lines.append(
            f'<li class="{marks}"><time datetime="{e(m.ts)}" title="{e(m.ts)}">'
            f"{e(show_offset(m.offset))}</time>"
            f'<span class="who">{e(m.who)}</span><span class="text">{e(m.text, lines=True)}</span></li>'
        )
    return f'<ol class="timeline">{"".join(lines)}</ol>'


def _dashboards(p: PredictionRecord, grafana: str) -> str | None:
    """Return links to the version's dashboards, three hours to either side of the prediction."""
    if not grafana:
        return None
    at = parse_time(p.ts)
    chosen = {
        "var-model": p.model,
        "var-version": p.version,
        "from": round((at - _AROUND) * 1000),
        "to": round((at + _AROUND) * 1000),
    }
    asked = urlencode(chosen, quote_via=quote)
    return " &middot; ".join(
        outside_link(f"{grafana.rstrip('/')}/d/{DASHBOARD_UIDS[name]}?{asked}", name) for name in ("quality", "drift")
    )


def _prediction(p: PredictionRecord, grafana: str) -> Iterable[str]:
    info = p.version_info
    yield f"<h2>{e(p.model)} {e(p.version)}</h2>"
    training = None if info.training_data is None else f"<code>{e(info.training_data)}</code>"
    baseline = None if info.baseline is None else f"<code>{e(info.baseline)}</code>"
    if info.training_source is not None:
        table_ = f"{e(info.training_source)}, {show_count(info.training_rows or 0, 'row')}"
        if training is not None and info.reference_data == info.training_data:
            training += f" ({table_})"
        elif baseline is not None:
            baseline += f" (from {table_}: <code>{e(info.reference_data)}</code>)"
    quality = ", ".join(f"{e(name)} {_v(value)}" for name, value in (info.baseline_quality or {}).items())
    period = None
    if info.training_start is not None:
        period = f"{when(info.training_start)} to {when(info.training_end)}"
    yield facts(
        [
            ("predicted at", when(p.ts)),
            ("latency", None if p.latency is None else e(show_seconds(p.latency))),
            ("stage", None if info.stage is None else f"{e(info.stage)} since {when(info.deployed)}"),
            ("commit", None if info.commit is None else f"<code>{e(info.commit)}</code>"),
            ("training data", training),
            ("trained on", period),
            ("config", None if info.config is None else e(show_json(info.config))),
            ("baseline", baseline),
            ("baseline quality", quality or None),
            ("data batch", None if p.data_batch_id is None else batch_link(p.data_batch_id)),
            ("dashboards", _dashboards(p, grafana)),
            ("trace id", None if p.trace_id is None else f"<code>{e(p.trace_id)}</code>"),
            ("sampling", None if p.sampling is None else e(show_sampling(p.sampling))),
        ]
    )
    if p.scores:
        yield table(("class", "score"), ((e(n), _v(v)) for n, v in p.scores.items()), ("score",))
    if p.features or p.against_baseline:
        yield _features(p)
    for what, values in (("slice", p.slices or {}), ("also sent", p.extra)):
        if values:
            yield table((what, "value"), ((e(name), e(show_json(value))) for name, value in values.items()))


def _features(p: PredictionRecord) -> str:
    """Return the features; beside each, how common its value is among the baseline's rows."""
    if p.against_baseline is None:
        rows = [(e(name), e(show_json(value))) for name, value in p.features.items()]
        return table(("feature", "value"), rows)
    names = dict.fromkeys((*p.features, *p.against_baseline))
    return table(
        ("feature", "value", "rows of the baseline like it"),
        [
            (
                e(name),
                e(show_json(p.features[name])) if name in p.features else '<span class="dim">not sent</span>',
                _place(p.against_baseline.get(name)),
            )
            for name in names
        ],
    )


def _place(place: FeatureRecord | None) -> str:
    if place is None:
        return '<span class="dim">not in the baseline</span>'
    note = "" if place.note is None else f' <span class="bad">{e(place.note)}</span>'
    return f"{e(show_share(place.share))}{note}"


def _batch(batch: Batch, used: UsedPage) -> Iterable[str]:
    below = ""
    if batch.downstream:
        below = (
            '<div class="card"><small>predictions used what was made from it</small>'
            f"<b>{batch.predictions_downstream:,}</b>"
            f"{show_count(len(batch.downstream), 'batch', 'batches')}</div>"
        )
    yield (
        '<div class="cards"><div class="card"><small>predictions used it</small>'
        f"<b>{batch.predictions:,}</b>{show_count(len(batch.used_by), 'model version')}</div>{below}</div>"
    )
    if batch.used_by:
        rows = [
            (e(use.model), e(use.version), f"{use.predictions:,}", when(use.first), when(use.last))
            for use in batch.used_by
        ]
        yield table(("model", "version", "predictions", "first", "last"), rows, ("predictions",))
    yield "<h2>Made by</h2>"
    yield "".join(run_of(run) for run in batch.runs) or '<p class="dim">No pipeline run of it is stored.</p>'
    if batch.runs and (batch.alerts or batch.alerts_truncated):
        yield "<h2>Alerts about its pipeline at the time</h2>"
        yield from alerts_of(batch.alerts, batch.alerts_truncated)
    if batch.inputs:
        yield f"<p>made from {', '.join(batch_link(one) for one in batch.inputs)}</p>"
    if batch.upstream:
        yield "<h2>Upstream</h2>"
        yield from (lineage_of(one) for one in as_tree(batch.upstream))
    if batch.downstream:
        yield "<h2>Made from it</h2>"
        yield table(
            ("batch", "by", "predictions"),
            [
                (batch_link(one.data_batch_id), e(", ".join(one.pipelines)), f"{one.predictions:,}")
                for one in batch.downstream
            ],
            ("predictions",),
        )
    if batch.lineage_truncated:
        yield "<p>There are more batches than are shown.</p>"
    if used.predictions:
        yield "<h2>Predictions</h2>"
        yield _used(used)
    if batch.logs:
        yield "<h2>Log</h2>"
        yield "".join(map(log_of, batch.logs))
        if batch.logs_truncated:
            yield "<p>There are more log lines than are shown.</p>"


def _used(used: UsedPage) -> str:
    rows = [
        (
            when(one.ts),
            request_link(one.request_id),
            e(one.model),
            e(one.version),
            _v(one.prediction) if one.status == "ok" else '<span class="bad">error</span>',
        )
        for one in used.predictions
    ]
    made = table(("time", "request", "model", "version", "prediction"), rows)
    if used.next is None:
        return made
    address = f"/batch/{quote(used.data_batch_id, safe='')}?part=predictions&amp;after={used.next}"
    return f'{made}<p><a href="{address}">next</a></p>'
