"""Firing times against incidents: what was caught, how late, and how often nothing was the matter.

Definitions:

- An *alarm* is one uninterrupted time in which an alert fired for one model (and metric, if the alert
  carries that label): what Alertmanager, grouping by alert and model, sends as one page or opens as one
  ticket, however many features fire in it.
- An alarm is *true* if it fired at some moment between an incident's start and its end plus ``grace``
  (windows look back, so an alert may rightly stand some time after the end), else *false*. Models must
  agree, and metrics where both have one.
- *Precision*: true alarms / alarms. *Recall*: incidents with a true alarm / incidents.
- *Delay*: from an incident's start to the first moment of firing in it; 0 if the alert fired before, in
  time, and in outcomes that became known meanwhile. Medians over the incidents that were found.
- *Flap*: an alarm that begins less than ``flap`` after the previous one of the same alert and model ended.
- *False alarms per model-month* (quarter): false alarms / time for which models were observed.
- *Base rate*: the share of the observed time that lies in incidents: the precision of pointing anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from plumbline.evaluate.ask import Floats, Grid
from plumbline.evaluate.chance import Chance, by_chance
from plumbline.evaluate.incidents import Incident
from plumbline.evaluate.states import Firing
from plumbline.units import MONTH_SECONDS


@dataclass(frozen=True, slots=True)
class Alarm:
    """One page or ticket.

    Attributes:
        start: when it began to fire; epoch seconds.
        end: when it ended.
        model: label ``model``; empty = the alert has none.
        metric: label ``metric``; empty = the alert has none.
        alert: name of the alert.
    """

    start: float
    end: float
    model: str
    metric: str
    alert: str

    def meets(self, incident: Incident, grace: float) -> bool:
        """Whether it fired in the incident, of the same model and metric as far as both say so."""
        return (
            self.start <= incident.end + grace
            and self.end > incident.start
            and (not self.model or not incident.model or self.model == incident.model)
            and (not self.metric or not incident.metric or self.metric == incident.metric)
        )


@dataclass(frozen=True, slots=True)
class Found:
    """What an alert made of one incident.

    Attributes:
        incident: the incident.
        fired: first moment of firing in it; None = missed.
        delay: seconds from its start; None = missed.
        outcomes: outcomes that became known in that time; None = missed, or the history has none.
        already: whether the alert fired before the incident began.
    """

    incident: Incident
    fired: float | None = None
    delay: float | None = None
    outcomes: float | None = None
    already: bool = False


@dataclass(frozen=True, slots=True)
class Judged:
    """One alert, or a group of alerts taken together, judged.

    Attributes:
        name: of the alert or the group.
        severity: critical, warning or both.
        alarms: every alarm in order of time.
        false: those outside incidents.
        found: one per incident.
        flaps: see the module.
        firing: share of the observed time in which it fired, per model on average.
        base_rate: share of the observed time in incidents.
        months: model-months observed.
        chance: the same alarms at random times.
    """

    name: str
    severity: str
    alarms: tuple[Alarm, ...]
    false: tuple[Alarm, ...]
    found: tuple[Found, ...]
    flaps: int
    firing: float
    base_rate: float
    months: float
    chance: Chance

    @property
    def precision(self) -> float | None:
        """True alarms / alarms; None without alarms."""
        return 1.0 - len(self.false) / len(self.alarms) if self.alarms else None

    def recall(self, sustained: bool = False) -> tuple[int, int]:
        """Return (incidents found, incidents), of all or of those said to be sustained."""
        asked = [f for f in self.found if not sustained or f.incident.sustained]
        return sum(f.fired is not None for f in asked), len(asked)

    def delay(self, sustained: bool = False) -> float | None:
        """Median delay in seconds over the incidents found."""
        delays = [f.delay for f in self.found if f.delay is not None and _asked(f, sustained)]
        return median(delays) if delays else None

    def delay_outcomes(self, sustained: bool = False) -> float | None:
        """Median delay in outcomes over the incidents found."""
        delays = [f.outcomes for f in self.found if f.outcomes is not None and _asked(f, sustained)]
        return median(delays) if delays else None

    @property
    def false_per_month(self) -> float:
        """False alarms per model-month."""
        return len(self.false) / self.months

    @property
    def false_per_quarter(self) -> float:
        """False alarms per model-quarter."""
        return 3 * self.false_per_month

    @property
    def alarms_per_quarter(self) -> float:
        """Alarms per model-quarter, true ones included."""
        return 3 * len(self.alarms) / self.months


def _asked(found: Found, sustained: bool) -> bool:
    return not sustained or bool(found.incident.sustained)


@dataclass(frozen=True, slots=True)
class Scene:
    """What alarms are judged against.

    Attributes:
        grid: the evaluations.
        incidents: what happened, inside the range.
        exposure: seconds for which each model was observed; never empty.
        outcomes: running number of mature outcomes per model at each evaluation.
        grace: seconds after an incident in which an alarm is still true.
        flap: seconds; see the module.
    """

    grid: Grid
    incidents: tuple[Incident, ...]
    exposure: Mapping[str, float]
    outcomes: Mapping[str, Floats] = field(default_factory=dict)
    grace: float = 0.0
    flap: float = 86400.0

    @property
    def months(self) -> float:
        """Model-months observed."""
        return sum(self.exposure.values()) / MONTH_SECONDS

    @property
    def base_rate(self) -> float:
        """Share of the observed model-time that lies in incidents, none counted twice."""
        span = self.grid.end - self.grid.start
        if not span:
            return 0.0
        weighed = 0.0
        for model, seconds in self.exposure.items():
            mine = [(i.start, i.end) for i in self.incidents if not i.model or i.model == model]
            weighed += seconds * _length(mine, self.grid) / span
        return weighed / sum(self.exposure.values())


def alarms_of(alert: str, fired: Sequence[tuple[Mapping[str, str], Sequence[Firing]]]) -> list[Alarm]:
    """Return the alarms of an alert: its firing times, united per model and metric."""
    groups: dict[tuple[str, str], list[Firing]] = {}
    for labels, when in fired:
        groups.setdefault((labels.get("model", ""), labels.get("metric", "")), []).extend(when)
    found: list[Alarm] = []
    for (model, metric), firing in groups.items():
        united: list[tuple[float, float]] = []
        for one in sorted(firing, key=lambda f: f.start):
            if united and one.start <= united[-1][1]:
                united[-1] = (united[-1][0], max(united[-1][1], one.end))
            else:
                united.append((one.start, one.end))
        found += [Alarm(start, end, model, metric, alert) for start, end in united]
    return sorted(found, key=lambda alarm: (alarm.start, alarm.model, alarm.metric))


def judge(name: str, severity: str, alarms: Sequence[Alarm], scene: Scene) -> Judged:
    """Compare alarms, of one alert or of several, with what happened."""
    false = [a for a in alarms if not any(a.meets(i, scene.grace) for i in scene.incidents)]
    per_model = [
        _length([(a.start, a.end) for a in alarms if not a.model or a.model == model], scene.grid)
        for model in scene.exposure
    ]
    return Judged(
        name,
        severity,
        tuple(alarms),
        tuple(false),
        tuple(_found(incident, alarms, scene) for incident in scene.incidents),
        _flaps(alarms, scene.flap),
        sum(per_model) / max(sum(scene.exposure.values()), 1.0),
        scene.base_rate,
        scene.months,
        by_chance(alarms, scene.incidents, (scene.grid.start, scene.grid.end), scene.grace),
    )


def _found(incident: Incident, alarms: Sequence[Alarm], scene: Scene) -> Found:
    met = [alarm for alarm in alarms if alarm.meets(incident, scene.grace)]
    if not met:
        return Found(incident)
    first = min(met, key=lambda alarm: alarm.start)
    fired = max(first.start, incident.start)
    return Found(
        incident, fired, fired - incident.start, _outcomes(incident, first, fired, scene), first.start < incident.start
    )


def _outcomes(incident: Incident, alarm: Alarm, fired: float, scene: Scene) -> float | None:
    model = alarm.model or incident.model
    if model not in scene.outcomes:
        return None
    begin = max(0, scene.grid.index(incident.start))
    total = scene.outcomes[model]
    return float(total[scene.grid.index(fired)] - total[begin])


def _flaps(alarms: Sequence[Alarm], within: float) -> int:
    ended: dict[tuple[str, str, str], float] = {}
    flaps = 0
    for alarm in sorted(alarms, key=lambda a: a.start):
        key = (alarm.alert, alarm.model, alarm.metric)
        if key in ended and alarm.start - ended[key] < within:
            flaps += 1
        ended[key] = alarm.end
    return flaps


def _length(spans: Sequence[tuple[float, float]], grid: Grid) -> float:
    """Seconds of the grid's range that the spans cover together."""
    total, reached = 0.0, grid.start
    for start, end in sorted(spans):
        begin, stop = max(start, reached), min(end, grid.end)
        if stop > begin:
            total += stop - begin
            reached = stop
    return total
