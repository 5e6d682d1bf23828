"""Checks of windows and intervals."""

from __future__ import annotations

from collections.abc import Iterator

from plumbline.catalogue.checks.base import Found, check
from plumbline.catalogue.model import Catalogue
from plumbline.catalogue.source import Location
from plumbline.units import parse_duration

_SCRAPES = 4
_LOOK_BACK = 300.0


@check("catalogue/zero-duration")
def positive_durations(catalogue: Catalogue) -> Found:
    """Windows, intervals and cadences are longer than nothing."""
    evaluation = catalogue.evaluation
    uses: list[tuple[Location, str]] = [
        (("evaluation", key), getattr(evaluation, key))
        for key in ("scrape_interval", "rule_interval", "fast", "slow", "drift_alert")
    ]
    uses += _windows(catalogue)
    uses += [(("pipelines", name, "cadence"), pipe.cadence) for name, pipe in catalogue.pipelines.items()]
    for name, model in catalogue.models.items():
        if model.serving.latency_p99 is not None:
            uses.append((("models", name, "serving", "latency_p99"), model.serving.latency_p99))
    for location, text in uses:
        if parse_duration(text) <= 0.0:
            yield location, f"{text!r} is not a time at all: write a duration such as 30s or 1h"


@check("catalogue/drift-chain")
def drift_chain(catalogue: Catalogue) -> Found:
    """Each drift window is a larger multiple of the one before: it is summed from its tiles."""
    windows = catalogue.evaluation.drift
    for i in range(1, len(windows)):
        shorter, longer = parse_duration(windows[i - 1]), parse_duration(windows[i])
        if shorter <= 0.0:
            continue
        if longer <= shorter or round(longer * 1000) % round(shorter * 1000):
            message = (
                f"window {windows[i]} is no larger multiple of {windows[i - 1]}: longer windows are summed "
                "from shorter ones"
            )
            yield ("evaluation", "drift", i), message
    quality = catalogue.evaluation.quality
    for i, window in enumerate(quality):
        if window in quality[:i]:
            yield ("evaluation", "quality", i), f"window {window} is listed twice: keep one"


@check("catalogue/unknown-window")
def known_windows(catalogue: Catalogue) -> Found:
    """The windows that alerts look at are recorded."""
    evaluation = catalogue.evaluation
    for key, family in (("fast", "quality"), ("slow", "quality"), ("drift_alert", "drift")):
        window, windows = getattr(evaluation, key), getattr(evaluation, family)
        if window not in windows:
            message = f"{key} {window} is not among evaluation.{family} ({', '.join(windows)}): add it there"
            yield ("evaluation", key), message


@check("catalogue/fast-slow")
def fast_before_slow(catalogue: Catalogue) -> Found:
    """The fast window is shorter than the slow one."""
    evaluation = catalogue.evaluation
    if parse_duration(evaluation.fast) >= parse_duration(evaluation.slow):
        message = f"fast {evaluation.fast} is not shorter than slow {evaluation.slow}"
        yield ("evaluation", "fast"), message


@check("catalogue/early-horizon")
def early_before_maturity(catalogue: Catalogue) -> Found:
    """What is called early is known before it is mature."""
    for name, model in catalogue.models.items():
        outcome = model.outcome
        if outcome.early is not None and outcome.early_seconds >= max(outcome.maturity_seconds, 1e-9):
            message = (
                f"early {outcome.early} is not shorter than maturity {outcome.maturity}: outcomes are mature "
                "by then; shorten it, or leave it out"
            )
            yield ("models", name, "outcome", "early"), message


@check("catalogue/short-window")
def scrapes_per_window(catalogue: Catalogue) -> Found:
    """A window spans at least four scrapes, and rules run within Prometheus's look-back."""
    evaluation = catalogue.evaluation
    scrape = parse_duration(evaluation.scrape_interval)
    for location, window in _windows(catalogue):
        if 0.0 < parse_duration(window) < _SCRAPES * scrape:
            message = (
                f"window {window} spans fewer than {_SCRAPES} scrapes of {evaluation.scrape_interval}: "
                "lengthen it, or scrape more often"
            )
            yield location, message
    for key in ("scrape_interval", "rule_interval"):
        if parse_duration(getattr(evaluation, key)) >= _LOOK_BACK:
            message = f"{getattr(evaluation, key)} reaches Prometheus's look-back of 5m: series would have gaps"
            yield ("evaluation", key), message


def _windows(catalogue: Catalogue) -> Iterator[tuple[Location, str]]:
    evaluation = catalogue.evaluation
    for i, window in enumerate(evaluation.drift):
        yield ("evaluation", "drift", i), window
    for i, window in enumerate(evaluation.quality):
        yield ("evaluation", "quality", i), window
