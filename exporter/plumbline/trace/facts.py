"""A prediction and its model version as names and plain text, for the terminal and the page."""

from __future__ import annotations

from plumbline.trace.records import PredictionRecord
from plumbline.trace.show import show_count, show_json, show_sampling, show_seconds, show_time, show_value


def facts(p: PredictionRecord) -> dict[str, str]:
    """Return what is known of a prediction beyond its values; what is not known is left out."""
    info = p.version_info
    training, baseline = info.training_data, info.baseline
    if info.training_source is not None:
        source = f"{info.training_source}, {show_count(info.training_rows or 0, 'row')}"
        if training is not None and info.reference_data == training:
            training += f" ({source})"
        elif baseline is not None:
            baseline += f" (from {source}: {info.reference_data})"
    period = info.training_start and f"{show_time(info.training_start)} to {show_time(info.training_end or '')}"
    quality = ", ".join(f"{name}={show_value(value)}" for name, value in (info.baseline_quality or {}).items())
    found = {
        "latency": None if p.latency is None else show_seconds(p.latency),
        "stage": info.stage and f"{info.stage} since {show_time(info.deployed or '')}",
        "commit": info.commit,
        "training data": training,
        "trained on": period,
        "config": None if info.config is None else show_json(info.config),
        "baseline": baseline,
        "baseline quality": quality,
        "data batch": p.data_batch_id,
        "trace id": p.trace_id,
        "sampling": None if p.sampling is None else show_sampling(p.sampling),
    }
    return {name: text for name, text in found.items() if text}
