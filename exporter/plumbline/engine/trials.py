"""Trials: which canary or shadow runs beside which production version, and since when.

Reads a model's deployments. Both arms are counted from the moment at which both were deployed, so they answer
the same traffic and are compared at equal age; another production version, or a new canary, starts anew.
"""

from __future__ import annotations

from dataclasses import dataclass

from plumbline.engine.versions import Entry, stage_of


@dataclass(frozen=True, slots=True)
class Trial:
    """A canary or a shadow beside the production version.

    Attributes:
        candidate: the version of the canary, or of the shadow.
        production: the version in production.
        start: epoch seconds from which predictions of both count.
        shadow: whether the candidate answers the same requests as production, to no effect.
    """

    candidate: str
    production: str
    start: float
    shadow: bool = False

    def arm(self, version: str) -> str | None:
        """Return a version's part in the trial."""
        return {self.candidate: "candidate", self.production: "production"}.get(version)


def trials_of(entries: list[Entry]) -> tuple[Trial, ...]:
    """Return the trials that run after these deployments; none without a production version."""
    standing = {version: stage_of(entries, version) for version in dict.fromkeys(e.version for e in entries)}
    serving = [e for e in standing.values() if e.stage == "production"]
    if not serving:
        return ()
    production = max(serving, key=lambda e: (e.ts, e.version))
    return tuple(
        Trial(version, production.version, max(entry.ts, production.ts), entry.stage == "shadow")
        for version, entry in standing.items()
        if entry.stage in ("canary", "shadow")
    )
