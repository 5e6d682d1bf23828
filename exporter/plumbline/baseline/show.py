"""A baseline as a picture for the terminal: one bar per bin. Reads an artefact, returns rich tables."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from plumbline.baseline.artefact import Baseline, FeatureBins

_WIDTH = 30
_EIGHTHS = " ▏▎▍▌▋▊▉"


def picture(baseline: Baseline) -> Iterator[Table | Text]:
    """Yield the parts to print, in order: lineage, quality, one table per feature."""
    lineage = baseline.lineage
    head = Text(f"{baseline.model} {baseline.version}", style="bold")
    head.append(f"  {baseline.task}, sha256 {baseline.digest[:12]}\n", style="default")
    head.append(f"{lineage.rows} reference rows from {lineage.source}", style="default")
    if lineage.start and lineage.end:
        head.append(f", {lineage.start} to {lineage.end}", style="default")
    for name, value in (("commit", lineage.commit), ("config", lineage.config)):
        if value:
            head.append(f"\n{name} {value}", style="default")
    yield head
    if baseline.quality:
        yield _quality(baseline)
    for name, bins in baseline.features.items():
        yield Text(f"{name}  ({bins.kind}, noise {bins.noise:.3g}, chi2 {bins.chi2:.4g})", style="bold")
        yield _feature(bins)


def bar(share: float, largest: float) -> str:
    """Return a bar of block characters; the largest share fills it, a share above 0 is never invisible."""
    if share <= 0.0 or largest <= 0.0:
        return ""
    eighths = max(round(share / largest * _WIDTH * 8), 1)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def _quality(baseline: Baseline) -> Table:
    table = Table(title=f"Quality on {baseline.lineage.quality_rows} held-out rows", title_justify="left")
    table.add_column("metric")
    table.add_column("value", justify="right")
    table.add_column("stddev over time", justify="right")
    for metric, quality in baseline.quality.items():
        spread = "" if quality.stddev is None else f"{quality.stddev:.4g}"
        table.add_row(metric, f"{quality.value:.4g}", spread)
    return table


def _feature(bins: FeatureBins) -> Table:
    rows = sum(bins.counts)
    table = Table(show_header=False, box=None)
    table.add_column("bin")
    table.add_column("share", justify="right")
    table.add_column("bar", min_width=_WIDTH)
    shares = [count / rows if rows else 0.0 for count in bins.counts]
    largest = max(shares, default=0.0)
    names = bins.labels
    if bins.kind == "categorical":
        # Levels that only the data knows are no Prometheus labels, but a person may read them here.
        levels = [*bins.categories, "", ""]
        names = [
            label if level and label.endswith(level) else f"{label} {level}".strip()
            for label, level in zip(bins.labels, levels, strict=True)
        ]
    for label, share in zip(names, shares, strict=True):
        table.add_row(Text(label), f"{share:7.2%}", bar(share, largest))
    return table
