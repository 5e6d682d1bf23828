"""The demo's catalogue and generated files: production's, with time made to fit the replay.

Reads the repository's ``plumbline.yaml``. Writes a catalogue that differs in windows, waits, maturity,
freshness, ports and receivers, and in nothing else; and, from it, the same generated files as anybody's.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from examples.demo.ports import Ports
from plumbline.catalogue.load import load_catalogue
from plumbline.catalogue.model import Catalogue
from plumbline.errors import UsageError
from plumbline.generated import run_generators, write_files
from plumbline.servers import LOOPBACK
from plumbline.units import format_duration, parse_duration

# The history is recorded over these; the live rules record them too, so one name covers both.
HISTORY_WINDOWS = ("1d", "7d")

EVALUATION: dict[str, Any] = {
    "scrape_interval": "1s",
    "rule_interval": "2s",
    "drift": ["30s", "1m", "2m", *HISTORY_WINDOWS],
    "quality": ["15s", "30s", "1m", "2m", *HISTORY_WINDOWS],
    "fast": "30s",
    "slow": "2m",
    "drift_alert": "1m",
    "alert_for": "5s",
    "ticket_for": "10s",
}
# Over history only the long windows mean something, and its samples are hours apart.
HISTORY_EVALUATION: dict[str, Any] = {
    "drift": list(HISTORY_WINDOWS),
    "quality": list(HISTORY_WINDOWS),
    "fast": "1d",
    "slow": "7d",
    "drift_alert": "1d",
}

_COMMENT = """\
# Written by `make demo`; made anew by every run. It is {source} with these differences:
#   - time runs {speed:.0f} times faster: windows, waits, maturity, cadence and freshness are as much shorter;
#     windows of 1d and 7d stay, for the history
#   - tickets come at any hour (no ticket_hours): nobody watches a demo in working hours only
#   - receivers, links and targets point at this run's ports
"""


def demo_document(source: Mapping[str, Any], ports: Ports, speed: float) -> dict[str, Any]:
    """Return the demo's catalogue as YAML data.

    Args:
        source: production's catalogue as YAML data; left as it is.
        ports: where this run's servers listen.
        speed: seconds of event time per second.
    """
    document: dict[str, Any] = {**source, "evaluation": dict(EVALUATION)}
    document.pop("time_intervals", None)
    owners: dict[str, Any] = {}
    for name, owner in source["owners"].items():
        kept = {key: value for key, value in owner.items() if key != "ticket_hours"}
        for kind in ("page", "ticket"):
            kept[kind] = [{"webhook": f"http://{LOOPBACK}:{ports.receiver}/{name}/{kind}"}]
        owners[name] = kept
    document["owners"] = owners
    document["models"] = {
        name: {**model, "outcome": _faster(model.get("outcome", {}), speed, "maturity")}
        for name, model in source["models"].items()
    }
    document["pipelines"] = {
        name: _faster(pipeline, speed, "cadence", "freshness") for name, pipeline in source.get("pipelines", {}).items()
    }
    document["links"] = {
        **source.get("links", {}),
        "grafana": f"http://{LOOPBACK}:{ports.grafana}",
        "prometheus": f"http://{LOOPBACK}:{ports.prometheus}",
        "alertmanager": f"http://{LOOPBACK}:{ports.alertmanager}",
        "exporter": f"http://{LOOPBACK}:{ports.exporter}",
    }
    document["targets"] = {
        "exporters": [f"{LOOPBACK}:{ports.exporter}"],
        "prometheus": [f"{LOOPBACK}:{ports.prometheus}"],
        "alertmanagers": [f"{LOOPBACK}:{ports.alertmanager}"],
    }
    return document


def event_time_windows(kind: str, speed: float) -> dict[str, float]:
    """Return how much event time each window of the demo spans, in seconds.

    Args:
        kind: drift or quality.
        speed: seconds of event time per second.
    """
    return {
        window: parse_duration(window) * (1.0 if window in HISTORY_WINDOWS else speed) for window in EVALUATION[kind]
    }


def _faster(section: Mapping[str, Any], speed: float, *keys: str) -> dict[str, Any]:
    """Return the section with these durations divided by the speed, and at least a second."""
    shorter = {
        key: format_duration(max(1, round(parse_duration(str(section[key])) / speed))) for key in keys if key in section
    }
    return {**section, **shorter}


def read_document(path: Path) -> dict[str, Any]:
    """Return production's catalogue as YAML data, after it has been checked as a whole.

    Raises:
        CatalogueError: if it cannot be used.
        UsageError: if it is not that of the demo's models.
    """
    catalogue = load_catalogue(path)
    missing = {"flight_delay", "flight_late"} - set(catalogue.models)
    if missing or "weather_feed" not in catalogue.pipelines:
        raise UsageError(f"{path}: not the catalogue of the demo: run it in Plumbline's repository")
    document: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return document


def write_catalogue(document: Mapping[str, Any], source: Path, speed: float, path: Path) -> Catalogue:
    """Write a demo catalogue with a comment that says how it differs; return it, loaded and checked."""
    text = _COMMENT.format(source=source.name, speed=speed)
    text += yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return load_catalogue(path)


def write_generated(catalogue: Catalogue, folder: Path) -> None:
    """Write everything that ``plumbline generate`` makes of a catalogue."""
    write_files(run_generators(catalogue), folder)


def recording_rule_files(document: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write the recording rules for history, with windows that suit it, and return their paths.

    Args:
        document: production's catalogue as YAML data.
        folder: receives the generated files.
    """
    evaluation = {**document.get("evaluation", {}), **HISTORY_EVALUATION}
    files = run_generators(Catalogue.model_validate({**document, "evaluation": evaluation}))
    chosen = [file for file in files if file.path.startswith("prometheus/rules/")]
    write_files(chosen, folder)
    return [folder / file.path for file in chosen]
