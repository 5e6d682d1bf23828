r"""Many replays of one model at once: how often alerts cry wolf, and how surely they see what is planted.

    python benchmarks/replays.py --catalogue benchmarks/streams/elec2.yaml --reference reference.csv.gz \\
        --where era=reference --actual-column label --replays 100
    python benchmarks/replays.py --synthetic binary --replays 100
    python benchmarks/replays.py --synthetic binary --plant quality=0.12 --plant-day 14

Each replay is a model of its own in one catalogue, fed through the real engine, the generated recording
rules and the generated alerts, in one TSDB:

- from a reference table by the seasonal block bootstrap: blocks of ``--block`` days, drawn with replacement
  among those that begin on the right weekday, so that nothing drifts and weeks stay weeks;
- or ``--synthetic``: fresh rows of one stationary process (hours of the day, good and bad days, gaps), never
  those that the baseline was built from.

Without ``--plant`` every alarm is false. With it, from ``--plant-day`` on: ``missing=SHARE`` of the first
feature's values are gone, ``shift=SD`` moves it, ``quality=SHARE`` of the outcomes turn round (binary) or the
error grows by that many of its standard deviations (regression). Only what the alerts read is recorded.
"""

from __future__ import annotations

import argparse
import csv
import heapq
import json
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import yaml
from replayed_rows import DAY, START, SYNTHETIC_DAYS, Plan, Row, planted, read_reference, resampled, synthetic

from plumbline import names
from plumbline.backfill.rules import RecordingRule, read_rules
from plumbline.backfill.run import backfill
from plumbline.baseline.artefact import Baseline, save_baseline
from plumbline.baseline.build import BuildSettings, build_baseline
from plumbline.baseline.table import Filter
from plumbline.catalogue.load import load_catalogue
from plumbline.catalogue.model import Catalogue
from plumbline.evaluate.alerts import AlertRule, choose, read_alerts
from plumbline.evaluate.ask import History, grid, history_range, opened
from plumbline.evaluate.incidents import Incident
from plumbline.evaluate.report import as_data
from plumbline.evaluate.run import Evaluation, evaluate_alerts
from plumbline.expose.block import Block
from plumbline.generated import run_generators, write_files
from plumbline.ingest.engine import Engine, open_engine
from plumbline.terminal import show
from plumbline.units import parse_duration


def write_events(path: Path, replays: Iterable[tuple[str, Iterable[Row]]], maturity: float) -> int:
    """Write the events of all replays in order of time; return how many."""

    def events(name: str, rows: Iterable[Row]) -> Iterator[tuple[float, str]]:
        delay, waiting = 0.9 * maturity, []
        for number, row in enumerate(rows):
            at = START + row.day * DAY + row.second
            while waiting and waiting[0][0] <= at:
                yield heapq.heappop(waiting)
            event = {
                "type": "prediction",
                "ts": at,
                "request_id": f"{name}-{number}",
                "model": name,
                "version": "1",
                "features": row.features,
                "prediction": row.prediction,
            }
            if row.score is not None:
                event["score"] = row.score
            yield at, json.dumps(event)
            if row.actual is not None:
                known = {"request_id": f"{name}-{number}", "actual": row.actual}
                outcome = json.dumps({"type": "outcome", "ts": at + delay, **known})
                heapq.heappush(waiting, (at + delay, outcome))
        yield from sorted(waiting)

    written = 0
    with path.open("w") as out:
        for _, line in heapq.merge(*(events(name, rows) for name, rows in replays), key=lambda pair: pair[0]):
            out.write(line + "\n")
            written += 1
    return written


def needed(alerts: Sequence[AlertRule], recording: Sequence[RecordingRule]) -> list[RecordingRule]:
    """Return the recording rules that the alerts read, directly or through others."""
    names_of = [RecordingRule(rule.name, rule.expr).names for rule in alerts]
    wanted = set().union(*names_of)
    while True:
        found = [rule for rule in recording if rule.record in wanted]
        more = set().union(*(rule.names for rule in found)) - wanted
        if not more:
            return found
        wanted |= more


class Needed:
    """An engine of whose series only those are sampled that the rules read."""

    def __init__(self, engine: Engine, wanted: frozenset[str]) -> None:
        self._engine, self._wanted = engine, wanted

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def blocks(self) -> Iterable[Block]:
        """Return the series as they are now."""
        return [block for block in self._engine.blocks() if block.metric.name in self._wanted]


def write_rules(path: Path, rules: Sequence[RecordingRule]) -> None:
    """Write recording rules as a rule file."""
    made = [{"record": rule.record, "expr": rule.expr, "labels": dict(rule.labels)} for rule in rules]
    path.write_text(yaml.safe_dump({"groups": [{"name": "needed", "rules": made}]}))


def many_models(catalogue: Catalogue, replays: int) -> Catalogue:
    """Return a catalogue with one model per replay, each like the first model of the given one."""
    model = next(iter(catalogue.models.values()))
    budget = catalogue.series_budget.model_copy(update={"total": 10_000_000, "versions_per_model": 1})
    return catalogue.model_copy(
        update={"models": {f"r{i:03d}": model for i in range(replays)}, "series_budget": budget}
    )


def replay(
    catalogue: Catalogue, baseline: Baseline, rows: Iterable[tuple[str, Iterable[Row]]], plan: Plan, work: Path
) -> Evaluation:
    """Feed all replays, record what the alerts read, judge the alerts."""
    shortest = min(parse_duration(window) for window in catalogue.evaluation.quality)
    if plan.step > shortest:
        # Longer windows are summed from this one, and a range without two samples has no increase: every
        # quality alert would be silent, and seem well behaved.
        raise SystemExit(f"--step must be at most the shortest quality window, {shortest:.0f}s")
    every = many_models(catalogue, plan.replays)
    (model, *_) = every.models.values()
    for name in every.models:
        save_baseline(msgspec.structs.replace(baseline, model=name), work / "baselines")
    write_files(run_generators(every), work / "out")
    alerts, left = choose(read_alerts([work / "out/alerting/rules/models.yml"]), ())
    recording = needed(alerts, read_rules(sorted((work / "out/prometheus/rules").glob("*.yml"))))
    raw = frozenset({names.PREDICTIONS.name, names.OUTCOMES_MATURED.name})
    raw = raw.union(*(r.names for r in recording), *(RecordingRule("", a.expr).names for a in alerts))
    written = write_events(work / "events.ndjson", rows, model.outcome.maturity_seconds)
    print(f"{written:,} events of {plan.replays} replays", file=sys.stderr, flush=True)
    write_rules(work / "needed.yml", recording)
    engine = open_engine(every, work / "baselines", work / "data")
    try:
        sampled: Any = Needed(engine, raw)
        report = backfill(work / "events.ndjson", sampled, work / "tsdb", step=plan.step, rules=[work / "needed.yml"])
    finally:
        engine.close()
    print(
        f"{report.samples:,} samples and {report.recorded_samples:,} of {len(recording)} recording rules "
        f"in {report.seconds:.0f} s",
        file=sys.stderr,
        flush=True,
    )
    over = grid(*history_range(work / "tsdb"), plan.step)
    incidents = []
    if plan.plant is not None:
        begin = START + plan.plant_day * DAY
        incidents = [Incident(begin, over.end, name, "", True) for name in every.models]
    grace = parse_duration(every.evaluation.slow)
    with opened(work / "tsdb", max(300.0, plan.step)) as url, History(url, over) as history:
        return evaluate_alerts(alerts, incidents, history, grace=grace, flap=DAY, left=left)


def synthetic_catalogue(task: str) -> Catalogue:
    """Return the catalogue of the synthetic process."""
    receiver = [{"webhook": "http://localhost:9099/x"}]
    features: dict[str, Any] = {name: {"type": "numeric"} for name in ("x", "y", "z")}
    features["c"] = {"type": "categorical"}
    kind = {"task": "regression"}
    objectives = [("mae", 0.1, "warning"), ("mae", 0.3, "critical")]
    if task == "binary":
        kind = {"task": "binary", "classes": ["0", "1"], "positive_class": "1"}
        objectives = [("accuracy", 0.05, "warning"), ("accuracy", 0.1, "critical")]
    return Catalogue.model_validate(
        {
            "version": 1,
            "platform_owner": "t",
            "owners": {"t": {"team": "T", "page": receiver, "ticket": receiver}},
            "evaluation": {
                "drift": ["1d", "7d"],
                "quality": ["1d", "7d"],
                "fast": "1d",
                "slow": "7d",
                "drift_alert": "7d",
            },
            "models": {
                "s": {
                    **kind,
                    "owner": "t",
                    "features": features,
                    "outcome": {"maturity": "6h", "minimum_samples": 100},
                    "objectives": [{"metric": m, "max_drop": d, "severity": s} for m, d, s in objectives],
                }
            },
        }
    )


def write_table(path: Path, rows: Iterable[Row]) -> None:
    """Write rows as a reference table."""
    with path.open("w", newline="") as file:
        out = None
        for row in rows:
            line = {
                "ts": START + row.day * DAY + row.second,
                **row.features,
                "prediction": row.prediction,
                "actual": row.actual,
            }
            if row.score is not None:
                line["score"] = row.score
            if out is None:
                out = csv.DictWriter(file, list(line))
                out.writeheader()
            out.writerow(line)


def run_synthetic(task: str, per_day: int, plan: Plan, work: Path) -> Evaluation:
    """Replay fresh rows of the synthetic process."""
    catalogue = synthetic_catalogue(task)
    (model,) = catalogue.models.values()
    reference = work / "reference.csv"
    write_table(reference, synthetic(task, SYNTHETIC_DAYS, per_day, np.random.default_rng([plan.seed, 0])))
    baseline = _build(catalogue, reference, None, "actual")

    def rows(i: int) -> Iterator[Row]:
        random = np.random.default_rng([plan.seed, 1, i])
        return planted(synthetic(task, plan.days, per_day, random), plan, model, random)

    return replay(catalogue, baseline, [(f"r{i:03d}", rows(i)) for i in range(plan.replays)], plan, work)


def run_resampled(
    catalogue: Catalogue, reference: Path, where: str | None, actual: str, plan: Plan, work: Path
) -> Evaluation:
    """Replay blocks of a reference table, against a baseline of the same rows."""
    (model, *_) = catalogue.models.values()
    baseline = _build(catalogue, reference, where, actual)
    table_rows = read_reference(reference, model, where, actual)

    def rows(i: int) -> Iterator[Row]:
        random = np.random.default_rng([plan.seed, 2, i])
        return planted(resampled(table_rows, plan, random), plan, model, random)

    return replay(catalogue, baseline, [(f"r{i:03d}", rows(i)) for i in range(plan.replays)], plan, work)


def _build(catalogue: Catalogue, reference: Path, where: str | None, actual: str) -> Baseline:
    (name, model), *_ = catalogue.models.items()
    chosen = Filter.parse(where, "--where") if where else None
    settings = BuildSettings(
        tables=(reference,),
        where=chosen,
        quality_where=chosen,
        columns={"actual": actual},
        block_seconds=parse_duration(catalogue.evaluation.drift_alert),
        quality_windows={w: parse_duration(w) for w in catalogue.evaluation.quality},
        peak_windows={w: parse_duration(w) for w in catalogue.evaluation.drift},
    )
    return build_baseline(name, "1", model, settings).baseline


def main() -> None:
    """Run one set of replays and print what the alerts did."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--synthetic", choices=("binary", "regression"))
    parser.add_argument("--catalogue", type=Path)
    parser.add_argument("--reference", type=Path)
    parser.add_argument("--where")
    parser.add_argument("--actual-column", default="actual")
    parser.add_argument("--replays", type=int, default=100)
    parser.add_argument("--days", type=int, default=37, help="per replay; the longest window fills first")
    parser.add_argument("--block", type=int, default=7, help="days per resampled block")
    parser.add_argument("--per-day", type=int, default=200, help="synthetic predictions a day")
    parser.add_argument("--step", default="6h", help="between samples and evaluations")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plant", help="missing=SHARE, shift=SD or quality=SHARE")
    parser.add_argument("--plant-day", type=int, default=14)
    parser.add_argument("--work", type=Path, help="kept; default: a temporary folder")
    parser.add_argument("--json", type=Path, help="write the evaluation to this file")
    given = parser.parse_args()
    kind, _, size = (given.plant or "").partition("=")
    plan = Plan(
        given.replays,
        given.days,
        given.block,
        parse_duration(given.step),
        given.seed,
        (kind, float(size)) if given.plant else None,
        given.plant_day,
    )
    work = given.work or Path(tempfile.mkdtemp(prefix="plumbline-replays-"))
    work.mkdir(parents=True, exist_ok=True)
    try:
        if given.synthetic:
            result = run_synthetic(given.synthetic, given.per_day, plan, work)
        else:
            catalogue = load_catalogue(given.catalogue)
            result = run_resampled(catalogue, given.reference, given.where, given.actual_column, plan, work)
    finally:
        if given.work is None:
            shutil.rmtree(work)
    data = as_data(result)
    show("evaluation.txt.j2", **data)
    if given.json:
        given.json.write_text(json.dumps(data, indent=2))


if __name__ == "__main__":
    main()
