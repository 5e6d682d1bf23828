"""Baselines as a page: one HTML file that needs nothing else, neither script nor network.

Reads an artefact or a comparison, returns HTML. Bars are rectangles: that needs no plotting library.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from plumbline.baseline.artefact import Baseline
from plumbline.baseline.compare import Comparison, FeatureChange, QualityChange, level_names
from plumbline.trace.html import STYLE, e, facts, table

_OLD, _NEW = "#8a93a0", "#2f6fde"
_LABELS, _BARS, _ROW, _END = 260, 280, 30, 60
_LABEL_LETTERS = 36  # what fits into _LABELS pixels
_FIGURES = """
body { max-width: 72rem; }
.figures { display: grid; gap: 1rem 2rem;
  grid-template-columns: repeat(auto-fill, minmax(min(34rem, 100%), 1fr)); }
figure { margin: 0; } figcaption { font-weight: 600; } svg { width: 100%; max-width: 40rem; height: auto; }
svg text { fill: currentColor; font: 11px system-ui, sans-serif; }
.key { display: inline-block; width: .8em; height: .8em; margin-right: .3em; }
"""


def baseline_page(baseline: Baseline) -> str:
    """Return the page of one baseline."""
    line = baseline.lineage
    period = f"{line.start} to {line.end}" if line.start and line.end else None
    said = (
        ("task", baseline.task),
        ("sha256", baseline.digest),
        ("reference rows", f"{line.rows:,}"),
        ("source", line.source),
        ("period", period),
        ("training data", line.training_data),
        ("commit", line.commit),
        ("config", line.config),
    )
    parts = [facts((name, None if value is None else e(value)) for name, value in said)]
    if baseline.quality:
        rows = [
            (e(metric), f"{q.value:.4g}", "" if q.stddev is None else f"{q.stddev:.4g}", f"{q.rows:,}")
            for metric, q in baseline.quality.items()
        ]
        head = ("metric", "value", "stddev over time", "rows")
        parts += ["<h2>Quality on held-out rows</h2>", table(head, rows, head[1:])]
    figures = []
    for name, bins in baseline.features.items():
        rows_ = max(sum(bins.counts), 1)
        caption = f"{e(name)} <small>{bins.kind}, noise {bins.noise:.3g}, chi2 {bins.chi2:.4g}</small>"
        shares = [count / rows_ for count in bins.counts]
        figures.append(_figure(caption, level_names(bins), [(_NEW, shares)]))
    parts += ["<h2>Distributions</h2>", f'<div class="figures">{"".join(figures)}</div>']
    return _page(f"Baseline of {baseline.model} {baseline.version}", parts)


def difference_page(comparison: Comparison) -> str:
    """Return the page of two baselines against each other."""
    old, new = comparison.old, comparison.new
    rows = [(e(what), e(a), e(b) if a == b else f"<b>{e(b)}</b>") for what, a, b in comparison.lineage]
    parts = ["<h2>Where they come from</h2>", table(("", "older", "newer"), rows)]
    if comparison.quality:
        head = ("metric", "older", "newer", "change", "older's stddev over time")
        parts += ["<h2>Quality on held-out rows</h2>", table(head, map(_quality, comparison.quality), head[1:])]
    drifted = sum(change.drifted for change in comparison.features)
    columns = ("feature", "PSI", "threshold", "PSI / threshold")
    parts += [
        f"<h2>Features: {drifted} of {len(comparison.features)} drifted</h2>",
        table(columns, map(_ranked, comparison.features), columns[1:]),
    ]
    for side, lacking in (("older", comparison.only_old), ("newer", comparison.only_new)):
        if lacking:
            parts.append(f"<p>Only in the {side}, or of another kind there: {e(', '.join(lacking))}</p>")
    if any(not change.exact for change in comparison.features):
        parts.append("<p><small>~ the newer rows are interpolated into the older bins</small></p>")
    key = "".join(
        f'<span class="key" style="background:{colour}"></span>{name} &nbsp; '
        for colour, name in ((_OLD, "older"), (_NEW, "newer"))
    )
    figures = "".join(
        _figure(_caption(change), change.labels, [(_OLD, change.old), (_NEW, change.new)])
        for change in comparison.features
    )
    parts += ["<h2>Distributions</h2>", f"<p>{key}</p>", f'<div class="figures">{figures}</div>']
    return _page(f"{old.model} {old.version} against {new.model} {new.version}", parts)


def _caption(change: FeatureChange) -> str:
    mark = "bad" if change.drifted else "dim"
    about = "" if change.exact else "~"
    return (
        f'{e(change.name)} <small class="{mark}">PSI {about}{change.psi:.3g}, threshold {change.threshold:.3g}</small>'
    )


def _ranked(change: FeatureChange) -> Sequence[str]:
    mark = "bad" if change.drifted else ""
    ratio = f'<span class="{mark}">{change.psi / change.threshold:.2f}</span>'
    return e(change.name), f"{'' if change.exact else '~'}{change.psi:.3g}", f"{change.threshold:.3g}", ratio


def _quality(change: QualityChange) -> Sequence[str]:
    old, new, spread = ("" if v is None else f"{v:.4g}" for v in (change.old, change.new, change.stddev))
    moved = ""
    if change.old is not None and change.new is not None:
        mark = {True: "good", False: "bad", None: ""}[change.better]
        moved = f'<span class="{mark}">{change.new - change.old:+.4g}</span>'
    return e(change.metric), old, new, moved, spread


def _figure(caption: str, labels: Sequence[str], series: Sequence[tuple[str, Sequence[float]]]) -> str:
    """Return bars per bin, one below the other for each series."""
    largest = max((share for _, shares in series for share in shares), default=0.0) or 1.0
    thick = (_ROW - 8) / len(series)
    height = _ROW * len(labels)
    parts = [f'<svg viewBox="0 0 {_LABELS + _BARS + _END} {height}" role="img">']
    for row, label in enumerate(labels):
        middle = row * _ROW + _ROW / 2
        shown = label if len(label) <= _LABEL_LETTERS else f"{label[: _LABEL_LETTERS - 1]}…"
        parts.append(
            f'<text x="{_LABELS - 8}" y="{middle + 4:.0f}" text-anchor="end">{e(shown)}<title>{e(label)}</title></text>'
        )
        for number, (colour, shares) in enumerate(series):
            wide = _BARS * shares[row] / largest
            y = row * _ROW + 4 + number * thick
            parts.append(
                f'<rect x="{_LABELS}" y="{y:.1f}" width="{max(wide, 0.5 if shares[row] else 0):.1f}" '
                f'height="{thick - 1:.1f}" fill="{colour}"><title>{shares[row]:.2%}</title></rect>'
                f'<text x="{_LABELS + wide + 5:.1f}" y="{y + thick / 2 + 3.5:.1f}" '
                f'style="font-size:10px">{shares[row]:.1%}</text>'
            )
    parts.append("</svg>")
    return f"<figure><figcaption>{caption}</figcaption>{''.join(parts)}</figure>"


def _page(title: str, parts: Iterable[str]) -> str:
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{e(title)}</title>\n<style>{STYLE}{_FIGURES}</style>\n</head>\n<body>\n<h1>{e(title)}</h1>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )
