"""The two questions: what is known of this request, and what is known of this data batch?

Reads a store and the baselines; writes the documents of ``plumbline.trace.model``. Ids are compared, not
only their hashes. Bounded: a request with a million log lines gets the first ones and is told so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import msgspec

from plumbline.baseline.folder import BaselineFolder
from plumbline.events.kinds import Outcome
from plumbline.keys import made_key, model_alert_key, pipeline_alert_key, request_key, run_key
from plumbline.sampling import sampling_of
from plumbline.store.base import Reader, StoredEvent
from plumbline.trace.decode import decode_outcome, decode_prediction, events_of, kpi_record, prediction_extra
from plumbline.trace.features import against
from plumbline.trace.incidents import alerts_between
from plumbline.trace.lineage import MAX_BATCHES, downstream, inputs_of, runs_of, upstream
from plumbline.trace.logs import MAX_LOGS, batch_logs, not_among, request_logs, run_logs
from plumbline.trace.model import Batch, Downstream, Trace, UsedPage
from plumbline.trace.outcomes import outcome_records
from plumbline.trace.records import AlertRecord, BatchRecord, KpiRecord, PredictionRecord, RunRecord, VersionInfo
from plumbline.trace.timeline import BAD_LEVELS, timeline
from plumbline.trace.uses import PAGE, count, used_page, uses
from plumbline.trace.versions import version_info
from plumbline.units import format_time, parse_time

MAX_EVENTS = 1000
# A rule looks over hours, and waits before it fires: its alert comes after the run that caused it.
ALERT_AFTER_RUN = 6 * 3600.0


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
        logs, truncated = request_logs(self.reader, request_id, trace_ids)
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
        warnings, warnings_cut = run_logs(self.reader, known_runs)
        logs += not_among([log for log in warnings if log.level.lower() in BAD_LEVELS], logs)
        found = Trace(
            request_id=request_id,
            trace_ids=list(trace_ids),
            predictions=records,
            outcomes=outcome_records(self.reader, outcomes, [event for event, _ in predictions]),
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
        used_by = uses(self.reader, data_batch_id)
        logs = batch_logs(self.reader, data_batch_id)
        if not (runs or made or used_by or logs):
            return None
        of_runs, of_runs_cut = run_logs(self.reader, runs)
        logs += not_among(of_runs, logs)
        alerts, alerts_cut = self._run_alerts(runs)
        above, cut_above = upstream(self.reader, [data_batch_id], "data")
        below = [Downstream(one, depth, via, count(self.reader, one)) for one, depth, via in made]
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
        return used_page(self.reader, data_batch_id, after, limit)

    def close(self) -> None:
        """Release the store."""
        self.reader.close()

    # --- parts of a trace ---

    def _prediction(self, event: StoredEvent) -> PredictionRecord:
        made = decode_prediction(event.raw)
        info, baseline = version_info(self.reader, self.baselines, made.model, made.version, event.ts)
        sampling = sampling_of(event.raw)
        odd = None if baseline is None else against(made.features, baseline)
        extra = prediction_extra(event.raw)
        if sampling is not None:
            extra.pop("sampling")
            odd = odd if sampling.kept else None  # features that are not stored were not missing
        return PredictionRecord(
            format_time(event.ts),
            made.request_id,
            made.model,
            made.version,
            made.status,
            made.prediction,
            made.score,
            made.scores,
            made.features,
            made.slices,
            made.latency,
            made.data_batch_id,
            made.trace_id,
            extra,
            info,
            odd,
            sampling,
        )

    def version(self, model: str, version: str, at: float) -> VersionInfo:
        """Return what the deployments told by then say of a version, completed from its baseline."""
        return version_info(self.reader, self.baselines, model, version, at)[0]

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


class _Ids(msgspec.Struct, gc=False):
    request_id: str | None = None
    trace_id: str | None = None


_decode_ids = msgspec.json.Decoder(_Ids).decode
