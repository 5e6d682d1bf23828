"""Baselines as pictures for the terminal: one bar per bin. Reads artefacts, returns rich tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from plumbline.baseline.artefact import Baseline, FeatureBins
from plumbline.baseline.compare import Comparison, FeatureChange, QualityChange, levels
from plumbline.trace.show import show_number

_WIDTH = 30
_LABEL = 36
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


def bar(share: float, largest: float, width: int = _WIDTH) -> str:
    """Return a bar of block characters; the largest share fills it, a share above 0 is never invisible."""
    if share <= 0.0 or largest <= 0.0:
        return ""
    eighths = max(round(share / largest * width * 8), 1)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


@dataclass(frozen=True, slots=True)
class _Bar:
    """A bar in proportion on narrow terminals too: cut off, all the larger shares would look alike."""

    share: float
    largest: float

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        yield Text(bar(self.share, self.largest, options.max_width))

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(1, _WIDTH)


def _quality(baseline: Baseline) -> Table:
    table = Table(title=f"Quality on {baseline.lineage.quality_rows} held-out rows", title_justify="left")
    table.add_column("metric")
    table.add_column("value", justify="right")
    table.add_column("stddev over time", justify="right")
    for metric, quality in baseline.quality.items():
        table.add_row(metric, show_number(quality.value), show_number(quality.stddev))
    return table


def _feature(bins: FeatureBins) -> Table:
    table = Table(show_header=False, box=None)
    table.add_column("bin", no_wrap=True, max_width=_LABEL)
    table.add_column("share", justify="right", no_wrap=True)
    table.add_column("bar")
    found = levels(bins)
    largest = max(share for _, share in found)
    for label, share in found:
        table.add_row(Text(label), f"{share:7.2%}", _Bar(share, largest))
    return table


def difference(comparison: Comparison, drawn: int) -> Iterator[Table | Text]:
    """Yield the parts to print of a comparison, in order: lineage, quality, ranking, bins side by side.

    Args:
        comparison: two baselines.
        drawn: how many features to draw bin by bin, the furthest first.
    """
    table = Table(title="Where they come from", title_justify="left")
    for column in ("", "older", "newer"):
        table.add_column(column)
    for what, old, new in comparison.lineage:
        table.add_row(what, Text(old), Text(new, style="" if old == new else "bold"))
    yield table
    if comparison.quality:
        yield _qualities(comparison.quality)
    yield _ranking(comparison)
    for side, lacking in (("older", comparison.only_old), ("newer", comparison.only_new)):
        if lacking:
            yield Text(f"only in the {side}, or of another kind there: {', '.join(lacking)}")
    for change in comparison.features[:drawn]:
        title = Text(f"{change.name}  (PSI {change.psi:.3g}, threshold {change.threshold:.3g})", style="bold")
        if not change.exact:
            title.append("  newer rows interpolated into the older bins", style="default")
        yield title
        yield _side_by_side(change)


def _qualities(changes: tuple[QualityChange, ...]) -> Table:
    table = Table(title="Quality on held-out rows", title_justify="left")
    table.add_column("metric")
    for column in ("older", "newer", "change", "older's stddev over time"):
        table.add_column(column, justify="right")
    for change in changes:
        both = change.old is not None and change.new is not None
        moved = f"{change.new - change.old:+.4g}" if both else ""  # type: ignore[operator]
        style = {True: "green", False: "red", None: ""}[change.better]
        old, new, spread = map(show_number, (change.old, change.new, change.stddev))
        table.add_row(change.metric, old, new, Text(moved, style=style), spread)
    return table


def _ranking(comparison: Comparison) -> Table:
    count = sum(change.drifted for change in comparison.features)
    table = Table(title=f"Features: {count} of {len(comparison.features)} drifted", title_justify="left")
    table.add_column("feature")
    for column in ("PSI", "threshold", "PSI / threshold"):
        table.add_column(column, justify="right")
    for change in comparison.features:
        ratio = Text(f"{change.psi / change.threshold:.2f}", style="red" if change.drifted else "")
        about = "" if change.exact else "~"
        table.add_row(Text(change.name), f"{about}{change.psi:.3g}", f"{change.threshold:.3g}", ratio)
    return table


def _side_by_side(change: FeatureChange) -> Table:
    table = Table(show_header=True, box=None, header_style="default")
    table.add_column("bin", no_wrap=True, max_width=_LABEL)
    for side in ("older", "newer"):
        table.add_column(side, justify="right", no_wrap=True)
        table.add_column("")
    largest = max(*change.old, *change.new)
    for label, old, new in change.levels:
        table.add_row(Text(label), f"{old:7.2%}", _Bar(old, largest), f"{new:7.2%}", _Bar(new, largest))
    return table
