"""The reference of all metrics: reads ``names``, writes ``docs/metrics.md`` (by ``plumbline generate``)."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from plumbline import names
from plumbline.catalogue.model import Catalogue
from plumbline.generated import GeneratedFile

PATH = "docs/metrics.md"
_HEAD = """# Metrics

Generated from `plumbline.names` by `plumbline generate`; do not edit.

`model` and `version` are `_unknown` for names that the catalogue does not declare. A family may exceed 100
series only where the last column says what caps it. Formulas, sources, queries and when not to trust a
number: [family by family](metrics/README.md).
"""
# Heading of a group -> pages that explain it.
_PAGES: dict[str, tuple[str, ...]] = {
    "Serving": ("serving",),
    "Drift": ("drift",),
    "Quality": (
        "outcomes-and-maturity",
        "classification",
        "scores-and-calibration",
        "regression",
        "estimated",
        "slices-and-fairness",
    ),
    "Early view": ("outcomes-and-maturity",),
    "Equal age": ("outcomes-and-maturity",),
    "Corrections": ("outcomes-and-maturity",),
    "Baseline and intent": ("baseline",),
    "Trials": ("trials",),
    "Pipelines": ("pipelines",),
    "Business": ("kpi",),
}


def generate(catalogue: Catalogue) -> Iterable[GeneratedFile]:
    """Return the reference; it is the same for every catalogue."""
    parts = [_HEAD]
    for group, metrics in groupby(names.METRICS.values(), key=lambda m: m.group):
        parts.append(f"\n## {group}\n\n")
        if group in _PAGES:
            links = ", ".join(f"[{page.replace('-', ' ')}](metrics/{page}.md)" for page in _PAGES[group])
            parts.append(f"Explained in {links}.\n\n")
        parts.append(_row("Metric", "Type", "Labels", "Meaning", "Above 100 series"))
        parts.append(_row(*["---"] * 5))
        for m in metrics:
            parts.append(_row(f"`{m.name}`", m.kind, ", ".join(m.labels) or "-", m.help, m.above_100 or "-"))
    parts.append("\n## Recorded series\n\nEach ends in its window, such as `_1h`.\n\n")
    parts += [_row("Series", "Labels", "Meaning"), _row(*["---"] * 3)]
    parts += [_row(f"`{r.stem}`", ", ".join(r.labels), r.help) for r in names.RECORDED]
    return [GeneratedFile(PATH, "".join(parts))]


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"
