"""The two questions: what is known of this request, and what is known of this data batch?

Reads a store and the baselines; writes the records of ``plumbline.trace.model``. Ids are compared, not
only their hashes. Bounded: a request with a million log lines gets the first ones and is told so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import msgspec

from plumbline.baseline.artefact import Baseline
from plumbline.baseline.folder import BaselineFolder
from plumbline.events.kinds import ClassOrNumber, Deployment, Outcome
from plumbline.keys import (
    batch_key,
    batch_log_key,
    made_key,
    model_alert_key,
    model_key,
    pipeline_alert_key,
    request_key,
    request_log_key,
    run_key,
    run_log_key,
    trace_log_key,
)
from plumbline.sampling import sampling_of
from plumbline.standing import Said
from plumbline.store.base import Reader, StoredEvent
from plumbline.trace.decode import (
    decode_outcome,
    decode_prediction,
    events_of,
    kpi_record,
    log_record,
    pages_of,
    prediction_extra,
)
from plumbline.trace.features import against
from plumbline.trace.incidents import alerts_between
from plumbline.trace.lineage import MAX_BATCHES, downstream, inputs_of, runs_of, upstream
from plumbline.trace.model import (
    AlertRecord,
    Batch,
    BatchRecord,
    Downstream,
    KpiRecord,
    LogRecord,
    OutcomeRecord,
    PredictionRecord,
    RunRecord,
    Trace,
    Use,
    Used,
    UsedPage,
    VersionInfo,
)
from plumbline.trace.timeline import BAD_LEVELS, timeline
from plumbline.units import format_time, parse_time

MAX_EVENTS = 1000
MAX_LOGS = 1000
MAX_RUN_LOGS = 200
MAX_TRACE_IDS = 20
MAX_DEPLOYMENTS = 10_000
# A rule looks over hours, and waits before it fires: its alert comes after the run that caused it.
ALERT_AFTER_RUN = 6 * 3600.0
PAGE = 100
MAX_PAGE = 10_000

_decode_deployment = msgspec.json.Decoder(Deployment).decode


class _Use(msgspec.Struct, gc=False):
    """The fields of a prediction that a count by version needs; the rest is not decoded."""

    model: str
    version: str
    data_batch_id: str | None = None


@dataclass(frozen=True, slots=True)
class Lookup:
    """Answers from one store.

    Attributes:
        reader: of the store.
        baselines: where baselines are found.
        last_seq: tells the store's newest sequence number; needed by ``/requests`` only.
    """

    reader: Reader
    baselines: BaselineFolder
    last_seq: Callable[[], int] = lambda: 0

    def trace(self, request_id: str) -> Trace | None:
        """Return what is known of a request; None if the store holds nothing of it.

        Raises:
            StoreError: the store could not be read.
        """
        predictions: list[tuple[StoredEvent, PredictionRecord]] = []
        outcomes: list[tuple[StoredEvent, Outcome]] = []
        kpis: list[KpiRecord] = []
        trace_ids: dict[str, None] = {}
        for event in events_of(self.reader, request_key(request_id), MAX_EVENTS):
            envelope = _decode_ids(event.raw)
            if envelope.request_id != request_id:
                continue
            if envelope.trace_id is not None:
                trace_ids.setdefault(envelope.trace_id)
            if event.kind == "prediction":
                predictions.append((event, self._prediction(event)))
            elif event.kind == "outcome":
                outcomes.append((event, decode_outcome(event.raw)))
            elif event.kind == "kpi":
                kpis.append(kpi_record(event))
        predictions.sort(key=lambda pair: (pair[0].ts, pair[0].seq))
        logs, truncated = self._logs(request_id, trace_ids)
        if not (predictions or outcomes or kpis or logs):
            return None
        records = [record for _, record in predictions]
        used = [record.data_batch_id for record in records if record.data_batch_id is not None]
        batches, cut = upstream(self.reader, used, "data")
        trained = [
            info.training_data
            for info in (record.version_info for record in records)
            if info.training_data is not None and self.reader.find_after(made_key(info.training_data), 0, 1)
        ]
        if trained and len(batches) < MAX_BATCHES:
            training, cut_too = upstream(self.reader, trained, "training", MAX_BATCHES - len(batches))
            known = {batch.data_batch_id for batch in batches}
            batches += [batch for batch in training if batch.data_batch_id not in known]
            cut = cut or cut_too
        alerts, alerts_cut = self._alerts([event for event, _ in predictions], records, batches)
        known_runs = [run for batch in batches if batch.role == "data" for run in batch.runs]
        warnings, warnings_cut = self._run_logs(known_runs)
        told = {(log.ts, log.message, log.run_id) for log in logs}
        logs += [
            log
            for log in warnings
            if log.level.lower() in BAD_LEVELS and (log.ts, log.message, log.run_id) not in told
        ]
        found = Trace(
            request_id=request_id,
            trace_ids=list(trace_ids),
            predictions=records,
            outcomes=self._outcomes(outcomes, [event for event, _ in predictions]),
            kpis=sorted(kpis, key=lambda kpi: kpi.ts),
            logs=sorted(logs, key=lambda log: log.ts),
            logs_truncated=truncated or warnings_cut,
            batches=batches,
            batches_truncated=cut,
            alerts=alerts,
            alerts_truncated=alerts_cut,
        )
        return replace(found, timeline=timeline(found))

    def batch(self, data_batch_id: str) -> Batch | None:
        """Return what is known of a data batch; None if nothing in the store names it.

        Reads every prediction that used it, in parts.

        Raises:
            StoreError: the store could not be read.
        """
        runs = runs_of(self.reader, data_batch_id)
        made, cut_below = downstream(self.reader, data_batch_id)
        used_by = self._uses(data_batch_id)
        logs = [
            log
            for log in map(log_record, events_of(self.reader, batch_log_key(data_batch_id), MAX_LOGS + 1))
            if log.data_batch_id == data_batch_id
        ]
        if not (runs or made or used_by or logs):
            return None
        of_runs, of_runs_cut = self._run_logs(runs)
        told = {(log.ts, log.message, log.run_id) for log in logs}
        logs += [log for log in of_runs if (log.ts, log.message, log.run_id) not in told]
        alerts, alerts_cut = self._run_alerts(runs)
        above, cut_above = upstream(self.reader, [data_batch_id], "data")
        below = [Downstream(one, depth, via, self._count(one)) for one, depth, via in made]
        return Batch(
            data_batch_id=data_batch_id,
            runs=runs,
            inputs=inputs_of(runs, data_batch_id),
            upstream=[one for one in above if one.data_batch_id != data_batch_id],
            downstream=below,
            lineage_truncated=cut_above or cut_below,
            predictions=sum(use.predictions for use in used_by),
            used_by=used_by,
            predictions_downstream=sum(one.predictions for one in below),
            logs=sorted(logs[:MAX_LOGS], key=lambda log: log.ts),
            logs_truncated=len(logs) > MAX_LOGS or of_runs_cut,
            alerts=alerts,
            alerts_truncated=alerts_cut,
        )

    def used(self, data_batch_id: str, after: int = 0, limit: int = PAGE) -> UsedPage:
        """Return a part of the predictions that used a batch, oldest stored first."""
        limit = max(1, min(limit, MAX_PAGE))
        seqs = self.reader.find_after(batch_key(data_batch_id), after, limit + 1)
        more = len(seqs) > limit
        stored = self.reader.read(seqs[:limit])
        found = []
        for event in (stored[seq] for seq in seqs[:limit] if seq in stored):
            made = decode_prediction(event.raw)
            if made.data_batch_id == data_batch_id:
                ts = format_time(event.ts)
                found.append(
                    Used(ts, made.request_id, made.model, made.version, made.status, made.prediction)
                )
        return UsedPage(data_batch_id, found, seqs[limit - 1] if more else None)

    def close(self) -> None:
        """Release the store."""
        self.reader.close()

    # --- parts of a trace ---

    def _prediction(self, event: StoredEvent) -> PredictionRecord:
        made = decode_prediction(event.raw)
        info, baseline = self._version(made.model, made.version, event.ts)
        sampling = sampling_of(event.raw)
        odd = None if baseline is None else against(made.features, baseline)
        extra = prediction_extra(event.raw)
        if sampling is not None:
            extra.pop("sampling")
            odd = odd if sampling.kept else None  # features that are not stored were not missing
        return PredictionRecord(
            format_time(event.ts), made.request_id, made.model, made.version, made.status, made.prediction,
            made.score, made.scores, made.features, made.slices, made.latency, made.data_batch_id,
            made.trace_id, extra, info, odd, sampling,
        )  # fmt: skip

    def version(self, model: str, version: str, at: float) -> VersionInfo:
        """Return what the deployments told by then say of a version, completed from its baseline."""
        return self._version(model, version, at)[0]

    def _version(self, model: str, version: str, at: float) -> tuple[VersionInfo, Baseline | None]:
        entries = []
        for event in events_of(self.reader, model_key(model), MAX_DEPLOYMENTS):
            entry = _decode_deployment(event.raw)
            if (entry.model, entry.version) == (model, version) and event.ts <= at:
                entries.append((event.ts, event.seq, entry))
        entries.sort(key=lambda one: one[:2])

        def newest(field: str) -> object:
            told = (getattr(entry, field) for *_, entry in reversed(entries))
            return next((value for value in told if value is not None), None)

        named = newest("baseline")
        baseline = self._baseline(model, version, named if isinstance(named, str) else None)
        info = VersionInfo(
            stage=entries[-1][2].stage if entries else None,
            deployed=format_time(entries[-1][0]) if entries else None,
            **{field: newest(field) for field in ("commit", "training_data", "config", "baseline")},  # type: ignore[arg-type]
        )
        if baseline is None:
            return info, None
        lineage = baseline.lineage
        info = replace(
            info,
            commit=info.commit or lineage.commit,
            training_data=info.training_data or lineage.training_data,
            config=lineage.config if info.config is None else info.config,
            baseline=baseline.digest,
            reference_data=lineage.training_data,
            baseline_quality={name: told.value for name, told in baseline.quality.items()},
            training_source=lineage.source,
            training_rows=lineage.rows,
            training_start=lineage.start,
            training_end=lineage.end,
        )
        return info, baseline

    def _baseline(self, model: str, version: str, digest: str | None) -> Baseline | None:
        if digest is not None:
            return self.baselines.get(digest)
        return self.baselines.find(model, version)

    def _outcomes(
        self, outcomes: list[tuple[StoredEvent, Outcome]], predictions: list[StoredEvent]
    ) -> list[OutcomeRecord]:
        standing = standing_outcome(outcomes)
        waits = self.reader.waiting([event.seq for event in predictions])
        due = format_time(min(waits.values())) if waits else None
        start = predictions[0].ts if predictions else None
        return [
            OutcomeRecord(
                ts=format_time(event.ts),
                actual=outcome.actual,
                correction=outcome.correction,
                standing=event.seq == standing,
                delay=None if start is None else event.ts - start,
                counts_from=due if event.seq == standing else None,
            )
            for event, outcome in sorted(outcomes, key=lambda pair: (pair[0].ts, pair[0].seq))
        ]

    def _logs(self, request_id: str, trace_ids: dict[str, None]) -> tuple[list[LogRecord], bool]:
        """Return the log lines of a request and of its traces; ids of traces found on the way are added."""
        found: dict[int, LogRecord] = {}
        truncated = False
        for event in events_of(self.reader, request_log_key(request_id), MAX_LOGS + 1):
            record = log_record(event)
            if record.request_id == request_id:
                found[event.seq] = record
                if record.trace_id is not None:
                    trace_ids.setdefault(record.trace_id)
        for trace_id in list(trace_ids)[:MAX_TRACE_IDS]:
            for event in events_of(self.reader, trace_log_key(trace_id), MAX_LOGS + 1):
                record = log_record(event)
                if record.trace_id == trace_id:
                    found[event.seq] = record
        truncated = len(found) > MAX_LOGS or len(trace_ids) > MAX_TRACE_IDS
        kept = [found[seq] for seq in sorted(found)[:MAX_LOGS]]
        return sorted(kept, key=lambda log: log.ts), truncated

    def _alerts(
        self, events: list[StoredEvent], made: list[PredictionRecord], batches: list[BatchRecord]
    ) -> tuple[list[AlertRecord], bool]:
        """Return the alerts that fired while the request was answered."""
        if not events:
            return [], False
        pipelines = {run.pipeline for batch in batches if batch.role == "data" for run in batch.runs}
        keys = [model_alert_key(one.model) for one in made]
        keys += [pipeline_alert_key(pipeline) for pipeline in sorted(pipelines)]
        return alerts_between(self.reader, keys, events[0].ts, events[-1].ts, events[-1].seq)

    def _run_logs(self, runs: list[RunRecord]) -> tuple[list[LogRecord], bool]:
        """Return the first log lines of some pipeline runs, and whether there are more."""
        found: list[LogRecord] = []
        truncated = False
        for run_id in {run.run_id: None for run in runs}:
            events = events_of(self.reader, run_log_key(run_id), MAX_RUN_LOGS + 1)
            truncated |= len(events) > MAX_RUN_LOGS
            found += [log for log in map(log_record, events[:MAX_RUN_LOGS]) if log.run_id == run_id]
        return found, truncated

    # --- parts of a batch ---

    def _run_alerts(self, runs: list[RunRecord]) -> tuple[list[AlertRecord], bool]:
        """Return the alerts about the pipelines of some runs, until a while after their end."""
        if not runs:
            return [], False
        keys = [pipeline_alert_key(pipeline) for pipeline in {run.pipeline: None for run in runs}]
        start = min(parse_time(run.started) for run in runs)
        end = max(parse_time(run.ended or run.started) for run in runs) + ALERT_AFTER_RUN
        # Where the newest run's first event lies in the store.
        seqs = self.reader.find_after(run_key(runs[-1].run_id), 0, 1)
        return alerts_between(self.reader, keys, start, end, seqs[0] if seqs else 0)

    def _uses(self, data_batch_id: str) -> list[Use]:
        counts: dict[tuple[str, str], tuple[int, float, float]] = {}
        for page in pages_of(self.reader, batch_key(data_batch_id)):
            for event in page:
                use = _decode_use(event.raw)
                if use.data_batch_id != data_batch_id:
                    continue
                key = (use.model, use.version)
                count, first, last = counts.get(key, (0, event.ts, event.ts))
                counts[key] = (count + 1, min(first, event.ts), max(last, event.ts))
        return [
            Use(model, version, count, format_time(first), format_time(last))
            for (model, version), (count, first, last) in sorted(counts.items())
        ]

    def _count(self, data_batch_id: str) -> int:
        """Return how many predictions used a batch, from the index alone."""
        key, count, after = batch_key(data_batch_id), 0, 0
        while seqs := self.reader.find_after(key, after, MAX_PAGE):
            count += len(seqs)
            after = seqs[-1]
        return count


class _Ids(msgspec.Struct, gc=False):
    request_id: str | None = None
    trace_id: str | None = None


_decode_ids = msgspec.json.Decoder(_Ids).decode
_decode_use = msgspec.json.Decoder(_Use).decode


def standing_outcome(
    outcomes: list[tuple[StoredEvent, Outcome]],
    comparable: Callable[[ClassOrNumber], bool] = lambda actual: True,
) -> int | None:
    """Return the sequence number of the outcome that is the truth by now (``plumbline.standing``)."""
    ranked = (
        (Said(outcome.correction, event.ts, outcome.actual).rank(comparable(outcome.actual)), -event.seq)
        for event, outcome in outcomes
    )
    best = max(ranked, default=None)
    return None if best is None else -best[1]
