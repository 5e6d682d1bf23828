"""Which series a query reads, and which the exporter exposes."""

from __future__ import annotations

import re

from plumbline import names

WORDS = {
    "by",
    "on",
    "group_left",
    "group_right",
    "and",
    "or",
    "unless",
    "bool",
    "sum",
    "max",
    "min",
    "count",
    "offset",
    "topk",
}


def series_in(expr: str) -> set[str]:
    """Names of the series a query reads: words that are no function, keyword, label or number."""
    bare = re.sub(r'"[^"]*"', '""', expr)
    bare = re.sub(r"\b(by|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ", bare)
    bare = re.sub(r"\{[^}]*\}", " ", bare)
    bare = re.sub(r"\[[^\]]*\]", " ", bare)
    found = re.findall(r"(?<![\w.:])([A-Za-z_][\w:]*)(?!\w*\s*\()", bare)
    return {name for name in found if name not in WORDS and not re.fullmatch(r"e\d+", name)}


def exposed() -> set[str]:
    found = set()
    for metric in names.METRICS.values():
        found.add(metric.name)
        if metric.kind == "histogram":
            found |= {f"{metric.name}_{end}" for end in ("bucket", "sum", "count")}
    return found
