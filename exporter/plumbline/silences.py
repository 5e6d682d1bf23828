"""Silences in Alertmanager for the time of a deployment or of work on a pipeline.

Reads and writes Alertmanager's API (v2). A silence names its model or pipeline and the alerts that such work
sets off by nature; it always ends by itself. Pages that tell a bad deployment are never among them: those are
what one deploys with the pager on for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import requests

from plumbline.catalogue.model import Catalogue
from plumbline.errors import ToolError, UsageError
from plumbline.units import format_time

CREATOR = "plumbline"
LONGEST_SECONDS = 4 * 3600.0
TIMEOUT_SECONDS = 10.0

# What restarting a service sets off, whatever the version is like.
OF_DEPLOYMENT = ("CanaryWorse", "ModelErrorRateCritical", "ModelLatencyCritical", "ModelTrafficLost")
# What stopping a pipeline for a while sets off.
OF_MAINTENANCE = ("PipelineFailed", "PipelineRowsAnomalous", "PipelineStale")

Matchers = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Silence:
    """A silence as Alertmanager has it.

    Attributes:
        id: Alertmanager's.
        matchers: what it mutes.
        starts: RFC 3339.
        ends: RFC 3339.
        comment: why.
    """

    id: str
    matchers: Matchers
    starts: str
    ends: str
    comment: str


def matchers_of(catalogue: Catalogue, name: str) -> Matchers:
    """Return what mutes a deployment of a model, or work on a pipeline.

    Raises:
        UsageError: the catalogue declares neither, or both.
    """
    model, pipeline = name in catalogue.models, name in catalogue.pipelines
    if model == pipeline:
        known = ", ".join(sorted({*catalogue.models, *catalogue.pipelines}))
        what = "both a model and a pipeline" if model else "no model and no pipeline"
        raise UsageError(f"{name!r} is {what} of the catalogue: name one of {known}")
    alerts = OF_DEPLOYMENT if model else OF_MAINTENANCE
    return [
        {"name": "alertname", "value": "|".join(alerts), "isRegex": True, "isEqual": True},
        {"name": "model" if model else "pipeline", "value": name, "isRegex": False, "isEqual": True},
    ]


class Alertmanager:
    """Alertmanager's silences.

    Args:
        url: its address, ``links.alertmanager`` of the catalogue.
    """

    def __init__(self, url: str) -> None:
        self._url = f"{url.rstrip('/')}/api/v2"

    def begin(self, matchers: Matchers, comment: str, now: float, seconds: float) -> Silence:
        """Mute from now on; a silence of ours that mutes the same gets the new end instead of a second one.

        Raises:
            UsageError: longer than ``LONGEST_SECONDS``.
            ToolError: Alertmanager cannot be reached, or refuses.
        """
        if seconds > LONGEST_SECONDS:
            raise UsageError(
                f"a silence may last {LONGEST_SECONDS / 3600:g} h at most: whoever works longer says so again"
            )
        running = self.running(matchers)
        body: dict[str, Any] = {
            "matchers": matchers,
            "startsAt": running[0].starts if running else format_time(now),
            "endsAt": format_time(now + seconds),
            "createdBy": CREATOR,
            "comment": comment,
        }
        if running:
            body["id"] = running[0].id
        answer = self._ask("POST", "/silences", body)
        return Silence(answer["silenceID"], matchers, body["startsAt"], body["endsAt"], comment)

    def end(self, matchers: Matchers) -> list[Silence]:
        """End our silences that mute the same, and return them; none is no error."""
        running = self.running(matchers)
        for silence in running:
            self._ask("DELETE", f"/silence/{silence.id}")
        return running

    def running(self, matchers: Matchers) -> list[Silence]:
        """Return our silences that mute the same and have not ended."""
        wanted = _comparable(matchers)
        return [
            Silence(one["id"], one["matchers"], one["startsAt"], one["endsAt"], one["comment"])
            for one in self._ask("GET", "/silences")
            if one["createdBy"] == CREATOR
            and one["status"]["state"] != "expired"
            and _comparable(one["matchers"]) == wanted
        ]

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        try:
            answer = requests.request(method, f"{self._url}{path}", json=body, timeout=TIMEOUT_SECONDS)
        except requests.RequestException as error:
            raise ToolError(
                f"Alertmanager at {self._url} cannot be reached: {type(error).__name__}; correct "
                "links.alertmanager, or start it"
            ) from error
        if not answer.ok:
            raise ToolError(f"Alertmanager at {self._url} refused: {answer.status_code} {answer.text[:200]}")
        return answer.json() if answer.content else None


def _comparable(matchers: Sequence[dict[str, Any]]) -> set[tuple[str, str, bool, bool]]:
    return {(m["name"], m["value"], m["isRegex"], m.get("isEqual", True)) for m in matchers}
