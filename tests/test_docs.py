"""The documentation cannot rot: its queries parse and name what exists, its links lead somewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from plumbline import names
from plumbline.catalogue.load import load_catalogue
from plumbline.servers import find_program, run_program
from plumbline_alerting.generate import generate
from support.rulefiles import groups_of
from support.series import exposed, series_in

ROOT = Path(__file__).parents[1]
DOCS = sorted((ROOT / "docs").rglob("*.md"))
FAMILIES = sorted(path for path in (ROOT / "docs" / "metrics").glob("*.md") if path.stem != "README")
FOREIGN = re.compile(r"^(up|ALERTS|prometheus_\w+|alertmanager_\w+)$")


def queries() -> Iterator[tuple[Path, str]]:
    """Every query of a promql block; blank lines part them."""
    for path in DOCS:
        for block in re.findall(r"```promql\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL):
            for query in re.split(r"\n\s*\n", block.strip()):
                yield path, query


def anchors(path: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_there_are_queries_on_every_page_of_a_metric_family() -> None:
    assert {path for path, _ in queries()} >= set(FAMILIES)
    assert len(FAMILIES) >= 10


def test_every_query_parses(tmp_path: Path) -> None:
    rules = [{"record": f"docs:query:{i}", "expr": query} for i, (_, query) in enumerate(queries())]
    path = tmp_path / "docs.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "docs", "rules": rules}]}))
    said = run_program([find_program("promtool"), "check", "rules", path])
    assert f"{len(rules)} rules found" in said


def test_every_query_reads_what_is_exposed_or_recorded() -> None:
    recorded: set[str] = set()
    for group in groups_of(generate(load_catalogue(ROOT / "plumbline.yaml"))):
        recorded |= {rule["record"] for rule in group["rules"] if "record" in rule}
    # Some are recorded for tasks that the repository's own catalogue does not have.
    recorded |= {r.over(window) for r in names.RECORDED for window in ("5m", "1h", "6h", "1d", "7d", "life")}
    for path, query in queries():
        for name in series_in(query):
            assert name in recorded | exposed() or FOREIGN.match(name), f"{path.name}: {name}"


def test_labels_that_queries_select_by_are_labels_of_the_series() -> None:
    labels = {label for m in names.METRICS.values() for label in m.labels} | {"le", "class", "metric", "part"}
    labels |= {label for r in names.RECORDED for label in r.labels}
    for path, query in queries():
        for matchers in re.findall(r"\{([^}]*)\}", query):
            for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", re.sub(r'"[^"]*"', "", matchers)):
                assert label in labels, f"{path.name}: {label} in {query}"


@pytest.mark.parametrize("path", FAMILIES, ids=lambda path: path.stem)
def test_a_family_has_its_formula_source_queries_and_limits_and_is_linked_both_ways(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for heading in ("Formula", "Source", "PromQL", "When not to trust it"):
        assert f"\n## {heading}\n" in text
    assert "(../metrics.md#" in text
    assert f"(metrics/{path.name})" in (ROOT / "docs" / "metrics.md").read_text()
    assert f"({path.name})" in (path.parent / "README.md").read_text()


def test_every_group_of_model_metrics_has_its_page() -> None:
    groups = {metric.group for name, metric in names.METRICS.items() if name.startswith("ml_")}
    text = (ROOT / "docs" / "metrics.md").read_text()
    for group in groups:
        assert re.search(rf"\n## {group}\n\nExplained in \[", text), group


def test_names_in_back_quotes_on_the_pages_exist() -> None:
    stems = {r.stem for r in names.RECORDED}
    for path in FAMILIES:
        for name in re.findall(r"`((?:ml|plumbline)_\w+?)(?:\{[^`]*)?`", path.read_text(encoding="utf-8")):
            assert name in exposed() or any(m.startswith(name) for m in names.METRICS), f"{path.name}: {name}"
        for name in re.findall(r"`(\w+:\w+:\w+)`", path.read_text(encoding="utf-8")):
            assert name in stems, f"{path.name}: {name}"


@pytest.mark.parametrize("path", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)", text):
        there = (path.parent / target).resolve() if target else path
        assert there.exists(), f"{path}: {target}"
        if anchor and there.suffix == ".md":
            assert anchor in anchors(there), f"{path}: {target}#{anchor}"
