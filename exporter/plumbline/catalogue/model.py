"""The catalogue's shape: what ``plumbline.yaml`` may say, field by field.

pydantic checks each field; ``plumbline.catalogue.load`` adds line numbers and the checks that span
fields (an owner that does not exist, a window that is no multiple of another).
"""

from __future__ import annotations

import itertools
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from plumbline.names import CONTROLS
from plumbline.units import parse_duration


def _duration(text: str) -> str:
    parse_duration(text)
    return text


Duration = Annotated[
    str,
    AfterValidator(_duration),
    Field(
        description="a Prometheus duration: 30s, 1h30m, 7d",
        json_schema_extra={"pattern": r"^(0|([0-9]+(ms|[smhdwy]))+)$"},  # for editors; _duration decides
    ),
]
Name = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}$"),
    Field(description="letters, digits and _ . : - ; starts with a letter or digit"),
]
LabelName = Annotated[
    str,
    StringConstraints(pattern=rf"^[^_{CONTROLS}][^{CONTROLS}]{{0,127}}$"),
    Field(description="1 to 128 characters, as in the data; no control character, and no _ at the beginning"),
]
ClassName = Annotated[str, StringConstraints(pattern=rf"^[^{CONTROLS}]{{0,128}}$")]
Severity = Literal["critical", "warning"]
INTERSECTION = " & "  # between the names, and the values, of an intersection; no slice has it in its name


class _Strict(BaseModel):
    """Unknown keys are mistakes, and a loaded catalogue never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Receiver(_Strict):
    """One way to reach an owner. Secrets only by file; exactly one of the kinds is given."""

    webhook: str | None = Field(None, description="URL that receives Alertmanager's webhook")
    pagerduty_routing_key_file: str | None = None
    opsgenie_api_key_file: str | None = None
    slack_channel: str | None = Field(None, description="needs slack_api_url_file beside it")
    slack_api_url_file: str | None = None
    email: str | None = Field(None, description="needs the top-level smtp section")


class Owner(_Strict):
    """A team: how it is paged (critical) and how it gets tickets (warning)."""

    team: str = Field(description="the team's name as people say it")
    page: tuple[Receiver, ...] = Field(min_length=1)
    ticket: tuple[Receiver, ...] = Field(min_length=1)
    ticket_hours: Name | None = Field(None, description="a name of time_intervals; absent = at any hour")


class Feature(_Strict):
    """A model input. Categories, where given, are the closed list used as bin names."""

    type: Literal["numeric", "categorical", "boolean"]
    importance: float | None = Field(None, ge=0)
    categories: tuple[str, ...] | None = None


class Outcome(_Strict):
    """When outcomes count, and how many must be known before quality may alert."""

    maturity: Duration = "0"
    early: Duration | None = Field(
        None, description="outcomes known this soon make the early view; default: a twelfth of the maturity"
    )
    corrections: bool = Field(
        True,
        description="whether a correction after maturity changes quality; false saves the series that take "
        "back what it replaces",
    )
    minimum_coverage: float = Field(0.8, gt=0, le=1)
    minimum_samples: int = Field(100, ge=1)

    @property
    def maturity_seconds(self) -> float:
        """Maturity in seconds."""
        return parse_duration(self.maturity)

    @property
    def early_seconds(self) -> float:
        """Horizon of the early view in seconds."""
        return self.maturity_seconds / 12 if self.early is None else parse_duration(self.early)


class Objective(_Strict):
    """A quality objective: an absolute bound, or a largest loss against the baseline."""

    metric: str
    floor: float | None = Field(None, description="smallest acceptable value (where larger is better)")
    ceiling: float | None = Field(None, description="largest acceptable value (where smaller is better)")
    max_drop: float | None = Field(None, gt=0, description="largest acceptable loss against the baseline")
    severity: Severity


class Serving(_Strict):
    """Objectives of the serving system."""

    latency_p99: Duration | None = None
    error_ratio: float | None = Field(None, gt=0, lt=1)
    predictions_per_second: float | None = Field(None, gt=0, description="expected traffic at its quietest")
    predictions_per_day: float | None = Field(
        None, gt=0, description="expected traffic of a usual day; check refuses alerts that it could never set off"
    )


class Storage(_Strict):
    """How much of a model's predictions is stored; all of them are counted."""

    sample: float = Field(
        1.0,
        gt=0,
        le=1,
        description="share of the requests whose features are stored; the rest keep all but the features",
    )


class Hooks(_Strict):
    """What alerts of the model set off, at most once per incident (docs/alerts-and-hooks.md)."""

    rollback: str | None = Field(None, description="URL called when a page's verdict is to roll back")
    retrain: str | None = Field(None, description="URL called when the model has decayed")
    freeze: bool = Field(False, description="keep the evidence of every critical alert in the data folder")
    rollback_on: tuple[str, ...] = Field(
        ("ModelQualityCritical", "ModelErrorRateCritical", "ModelLatencyCritical"),
        description="critical alerts that may call rollback",
    )
    retrain_on: tuple[str, ...] = Field(
        ("ModelQualityDecay", "CalibrationDrift"), description="alerts that call retrain"
    )
    dry_run: bool = Field(True, description="only record what would be called; false really calls")
    cooldown: Duration = Field("1h", description="between two calls of one hook of this model")
    timeout: Duration = Field("10s", description="for the connection, and for the answer")
    retrain_period: Duration = Field("90d", description="how much history the retrain hook hands over")
    retrain_file: bool = Field(
        True, description="write that history to the data folder's exports/MODEL.parquet before the call"
    )
    authorization_file: str | None = Field(
        None, description="file that holds the calls' Authorization header, such as: Bearer ..."
    )


class KpiObjective(_Strict):
    """When a KPI of a model has dropped: below a floor, or against its own past."""

    floor: float | None = Field(None, description="smallest acceptable mean")
    max_drop: float | None = Field(
        None, gt=0, lt=1, description="largest acceptable drop against the period before, as a share: 0.1"
    )
    per: Literal["event", "prediction"] = Field(
        "event", description="mean over KPI events, or over all predictions (no event counts 0)"
    )


class Model(_Strict):
    """A deployed model."""

    description: str = ""
    task: Literal["binary", "multiclass", "regression"]
    owner: Name
    features: dict[LabelName, Feature] = Field(min_length=1)
    classes: tuple[ClassName, ...] | None = None
    positive_class: str | None = None
    slices: dict[LabelName, tuple[str, ...]] = Field(default_factory=dict)
    intersections: tuple[tuple[LabelName, ...], ...] = Field(
        (), description="slices to look at together, such as [[sex, age]]: every combination of their values"
    )
    disparities: dict[str, Annotated[float, Field(gt=0)]] | None = Field(
        None,
        description="largest acceptable difference of a slice value from the rest of the model, by figure; "
        "absent = the defaults (docs/slices.md), {} = no tickets",
    )
    outcome: Outcome = Outcome()
    objectives: tuple[Objective, ...] = ()
    serving: Serving = Serving()
    kpis: tuple[LabelName, ...] = ()
    kpi_objectives: dict[LabelName, KpiObjective] = Field(
        default_factory=dict, description="bounds of declared KPIs; their drop opens a ticket"
    )
    retention: Name = "standard"
    store: Storage = Storage()
    hooks: Hooks = Hooks()
    runbook_url: str | None = Field(None, description="base URL; the alert's name is appended")

    @property
    def every_slice(self) -> dict[str, tuple[str, ...]]:
        """Declared slices and intersections with their closed value lists, "other" left out."""
        found: dict[str, tuple[str, ...]] = dict(self.slices)
        for members in self.intersections:
            values = itertools.product(*(self.slices.get(member, ()) for member in members))
            found[INTERSECTION.join(members)] = tuple(INTERSECTION.join(one) for one in values)
        return found

    def with_intersections(self, given: dict[str, str]) -> dict[str, str]:
        """Add the intersections of which every slice is given."""
        found = dict(given)
        for members in self.intersections:
            if all(member in given for member in members):
                found[INTERSECTION.join(members)] = INTERSECTION.join(given[member] for member in members)
        return found


class Rows(_Strict):
    """Plausible rows out per run."""

    min: int | None = Field(None, ge=0)
    max: int | None = Field(None, ge=1)


class Pipeline(_Strict):
    """A data pipeline and the models that depend on it."""

    description: str = ""
    owner: Name
    stages: tuple[LabelName, ...] = Field(min_length=1)
    cadence: Duration
    freshness: Duration = Field(description="largest acceptable age of the newest data")
    rows: Rows = Rows()
    checks: tuple[LabelName, ...] = ()
    models: tuple[LabelName, ...] = ()


class Retention(_Strict):
    """How long events of a class are to be kept. It is checked only: nothing deletes events yet."""

    minimum: Duration
    maximum: Duration


class SeriesBudget(_Strict):
    """Largest number of series."""

    total: int = Field(300_000, ge=1)
    per_model: int = Field(120_000, ge=1)
    versions_per_model: int = Field(5, ge=1, description="live versions per model the budget assumes")


class Evaluation(_Strict):
    """How Prometheus scrapes and over which windows the rules look.

    ``drift`` windows form a chain: each is a multiple of the one before; the first is the tile.
    """

    scrape_interval: Duration = "15s"
    rule_interval: Duration = "1m"
    drift: tuple[Duration, ...] = Field(("1h", "6h", "1d", "7d"), min_length=1)
    quality: tuple[Duration, ...] = Field(("5m", "1h", "6h", "1d", "7d"), min_length=1)
    fast: Duration = Field("1h", description="fast window of the quality pages; one of quality")
    slow: Duration = Field("1d", description="slow window of the quality pages; one of quality")
    drift_alert: Duration = Field("1d", description="window of the drift tickets; one of drift")
    alert_for: Duration = Field("5m", description="how long a page's condition must hold")
    ticket_for: Duration = Field("1h", description="how long a ticket's condition must hold")


class AlertBudget(_Strict):
    """What the alerts must have been shown to cost people at most, or ``plumbline check`` fails."""

    evaluation: str = Field(description="JSON of plumbline evaluate, relative to the catalogue")
    pages_per_quarter: float = Field(1.0, ge=0, description="false pages per model-quarter")
    tickets_per_month: float = Field(1.0, ge=0, description="false tickets per model-month")


class Links(_Strict):
    """Where people look; used in annotations."""

    grafana: str = "http://localhost:3000"
    prometheus: str = "http://localhost:9090"
    alertmanager: str = "http://localhost:9093"
    exporter: str = "http://localhost:9877"
    runbooks: str = "https://github.com/plumbline-ml/plumbline/blob/main/alerting/runbooks"
    dead_man_switch: str | None = Field(None, description="URL that expects the Watchdog every minute")


class ScrapeTargets(_Strict):
    """Targets of the generated prometheus.yml."""

    exporters: tuple[str, ...] = ("localhost:9877",)
    prometheus: tuple[str, ...] = ("localhost:9090",)
    alertmanagers: tuple[str, ...] = ("localhost:9093",)


class Smtp(_Strict):
    """Mail server for e-mail receivers."""

    smarthost: str
    sender: str
    username: str | None = None
    password_file: str | None = None
    require_tls: bool = Field(True, description="false only where the mail server is on the same machine")


class Processes(_Strict):
    """A group of serving processes to watch: those whose command line contains the text."""

    command_contains: str = Field(min_length=3)


class Catalogue(_Strict):
    """The whole of ``plumbline.yaml``."""

    version: Literal[1]
    owners: dict[Name, Owner] = Field(min_length=1)
    platform_owner: Name = Field(description="owner of the alerts about the monitoring itself")
    models: dict[LabelName, Model] = Field(min_length=1)
    pipelines: dict[LabelName, Pipeline] = Field(default_factory=dict)
    retention: dict[Name, Retention] = Field(
        default_factory=lambda: {"standard": Retention(minimum="180d", maximum="730d")}
    )
    time_intervals: dict[Name, tuple[dict[str, Any], ...]] = Field(
        default_factory=dict, description="Alertmanager time intervals by name"
    )
    series_budget: SeriesBudget = SeriesBudget()
    evaluation: Evaluation = Evaluation()
    alert_budget: AlertBudget | None = Field(None, description="absent = alerts ship unjudged")
    links: Links = Links()
    targets: ScrapeTargets = ScrapeTargets()
    smtp: Smtp | None = None
    processes: dict[Name, Processes] = Field(default_factory=dict)
    host_metrics: bool = Field(True, description="false where node_exporter already runs")
