"""Which stage each version of a model is in, and which trials run, by its deployments. Pure functions of these.

A trial is a canary or a shadow beside a production version. Both arms are counted from the moment at which both
were deployed, so they answer the same traffic and are compared at equal age; another production version, or a new
canary, starts anew.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec


class Entry(msgspec.Struct, frozen=True):
    """One deployment event of a model."""

    ts: float
    version: str
    stage: str
    commit: str | None = None
    training_data: str | None = None
    baseline: str | None = None


def kept_entries(entries: list[Entry], most: int, counted: set[str]) -> list[Entry]:
    """Return the newest ``most`` entries in order of time, and the last one of each counted version.

    A version that has long been in production must not lose its stage, and with it its alerts, because
    many others have been tried since.
    """
    ordered = sorted(entries, key=lambda e: (e.ts, e.version))
    last = {e.version: at for at, e in enumerate(ordered) if e.version in counted}
    always = set(last.values())
    return [e for at, e in enumerate(ordered) if at >= len(ordered) - most or at in always]


def stage_of(entries: list[Entry], version: str) -> Entry:
    """Return a version's present stage.

    Without any deployment of the model, a version that has a baseline counts as production. A version
    that another one followed into production is retired from that moment.
    """
    if not entries:
        return Entry(0.0, version, "production")
    own = [e for e in entries if e.version == version]
    if not own:
        return Entry(0.0, version, "shadow")
    latest = max(own, key=lambda e: e.ts)
    if latest.stage == "production":
        followers = [e.ts for e in entries if e.version != version and e.stage == "production" and e.ts > latest.ts]
        if followers:
            return Entry(min(followers), version, "retired", latest.commit, latest.training_data, latest.baseline)
    return latest


def named_baselines(entries: list[Entry]) -> dict[str, str]:
    """Return, by version, the sha256 of the baseline that the last of its deployments to name one has named."""
    named = [(e.ts, e.baseline, e.version) for e in entries if e.baseline is not None]
    return {version: digest for _, digest, version in sorted(named)}


def rollback_target(entries: list[Entry], version: str) -> str | None:
    """Return the version that was in production before this one last entered it."""
    entered = [e.ts for e in entries if e.version == version and e.stage == "production"]
    if not entered:
        return None
    before = [e for e in entries if e.version != version and e.stage == "production" and e.ts < max(entered)]
    return max(before, key=lambda e: e.ts).version if before else None


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
