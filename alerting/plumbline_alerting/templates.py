"""Text of annotations: numbers asked of Prometheus when the alert fires, the verdict, and links."""

from __future__ import annotations

from plumbline import names
from plumbline.catalogue.model import Catalogue
from plumbline_alerting.promql import quoted

MODEL = ("model", "version")


COUNT = "humanize"  # unit of what is counted


def ask(expr: str, *labels: str, unit: str = 'printf "%.4g"', missing: str = "unknown") -> str:
    """Return a template that prints the first value of a query.

    Args:
        expr: PromQL with one ``%q`` per label.
        labels: labels of the alert that fill the ``%q``.
        unit: template function that formats the number. Counts are rounded first: increase() extrapolates,
            and nobody has seen 380.2 outcomes.
        missing: what it says where the query has no result.
    """
    values = " ".join(f"$labels.{label}" for label in labels)
    if unit == COUNT:
        expr = f"round({expr})"
    return (
        f"{{{{ with printf `{expr}` {values} | query }}}}{{{{ . | first | value | {unit} }}}}"
        f"{{{{ else }}}}{missing}{{{{ end }}}}"
    )


_BROKEN = (
    f"max by (pipeline) ({names.PIPELINE_MODEL_INFO.name}{{model=%q}}) and on (pipeline) "
    'ALERTS{alertname=~"PipelineFailed|PipelineStale", alertstate="firing"}'
)
_BACK = f"max by (rollback_version) ({names.ROLLBACK_INFO.name}{{model=%q, version=%q}})"


# When the other version was as old as this one is now. Its deployment is asked for just before this one's,
# because since then it is shown as retired.
_DEPLOYED = f"min({names.MODEL_DEPLOYED.name}{{model=%q, version=%q}}) - 1"
_AGE = f"max({names.MODEL_DEPLOYED.name}{{model=%q, version=%q}} @ %.3f) + (time() - %.3f) - 1"
_LIFE = names.R_QUALITY.over("life")
_WHOLE, _SLICES = f'slice="{names.ALL}"', f'slice!="{names.ALL}"'


def _asked(query: str, *arguments: str) -> str:
    return f"printf `{query}` {' '.join(arguments)} | query"


def _quality(at: str) -> str:
    """Quality since deployment of one version, of the metrics that this version has an objective for."""
    series = f"max by (metric) ({_LIFE}{{model=%q, version=%q, {_WHOLE}, metric=~%q}}{at})"
    return f"{series} and on (metric) {names.OBJECTIVE.name}{{model=%q, version=%q}}"


def _worse() -> str:
    """In how many slices the other version was worse at that age."""
    parts = []
    for larger_is_better, sign in ((True, "<"), (False, ">")):
        metrics = "|".join(m for m, larger in names.QUALITY_METRICS.items() if larger is larger_is_better)
        of = f'{{model=%q, version=%q, {_SLICES}, metric=~"{metrics}"}}'
        by = "max by (slice, value, metric)"
        parts.append(f"{by} ({_LIFE}{of} @ %.3f) {sign} {by} ({_LIFE}{of})")
    return f"count(count by (slice, value) ({' or '.join(parts)})) or vector(0)"


def _compared() -> str:
    """The other version's quality at this one's age, this one's, and the slices in which it was worse."""
    this = ("$labels.model", "$labels.version")
    other = ("$labels.model", "$back")
    then = _asked(_quality(" @ %.3f"), *other, "$metric", "$at", *this)
    now = _asked(_quality(""), *this, "(. | label `metric`)", *this)
    slices = _asked(f"count(count by (slice, value) ({_LIFE}{{model=%q, version=%q, {_SLICES}}}))", *this)
    worse = _asked(_worse(), *other, "$at", *this, *other, "$at", *this)
    return (
        "{{ $metric := `.+` }}{{ with $labels.metric }}{{ $metric = . }}{{ end }}"
        f"{{{{ range $i, $one := {then} }}}}"
        "{{ if $i }}; its{{ else }}: at the same age its{{ end }} {{ . | label `metric` }} was "
        "{{ . | value | printf `%.4g` }}, this version has "
        f"{{{{ with {now} }}}}{{{{ . | first | value | printf `%.4g` }}}}{{{{ else }}}}none{{{{ end }}}}"
        "{{ end }}"
        f"{{{{ with {slices} }}}}{{{{ $slices := . | first | value }}}}{{{{ with {worse} }}}}"
        "; in {{ . | first | value }} of {{ $slices }} slices it was worse{{ end }}{{ end }}"
    )


def verdict() -> str:
    """Roll back to version X, and how good X was; or do not: an input is broken. For pages about a model."""
    return (
        f"{{{{ with printf `{_BROKEN}` $labels.model | query }}}}"
        'Do not roll back: pipeline {{ . | first | label "pipeline" }} is broken, '
        "so every version sees the same bad data."
        f"{{{{ else }}}}{{{{ with printf `{_BACK}` $labels.model $labels.version | query }}}}"
        '{{ $back := . | first | label "rollback_version" }}Roll back to version {{ $back }}'
        f"{{{{ with printf `{_DEPLOYED}` $labels.model $labels.version | query }}}}"
        "{{ $since := . | first | value }}"
        f"{{{{ with printf `{_AGE}` $labels.model $back $since $since | query }}}}"
        f"{{{{ $at := . | first | value }}}}{_compared()}{{{{ end }}}}{{{{ end }}}}."
        "{{ else }}No pipeline of this model is broken, and no earlier version is known to roll back to."
        "{{ end }}{{ end }}"
    )


def rollback_version() -> str:
    """The same verdict for the rollback hook: the version to roll back to, or nothing."""
    return (
        f"{{{{ with printf `{_BROKEN}` $labels.model | query }}}}{{{{ else }}}}"
        f"{{{{ with printf `{_BACK}` $labels.model $labels.version | query }}}}"
        '{{ . | first | label "rollback_version" }}{{ end }}{{ end }}'
    )


def dashboard_url(catalogue: Catalogue, dashboard: str, *variables: str) -> str:
    """Return a Grafana link with the alert's labels as the dashboard's variables."""
    base = f"{catalogue.links.grafana.rstrip('/')}/d/{names.DASHBOARD_UIDS[dashboard]}"
    query = "&".join(f"var-{v}={{{{ $labels.{v} | urlquery }}}}" for v in variables)
    return f"{base}?{query}" if query else base


def requests_url(catalogue: Catalogue) -> str:
    """Return a link to sample requests of the alert's model version, each a link to its trace."""
    asked = "&".join(f"{label}={{{{ $labels.{label} | urlquery }}}}" for label in MODEL)
    return f"{catalogue.links.exporter.rstrip('/')}/requests?{asked}"


def runbook_url(catalogue: Catalogue, alert: str, *, by_model: bool) -> str:
    """Return the link to the alert's runbook; a model may have runbooks of its own."""
    text = f"{catalogue.links.runbooks.rstrip('/')}/{alert}.md"
    if not by_model:
        return text
    own = [(name, m.runbook_url) for name, m in sorted(catalogue.models.items()) if m.runbook_url]
    for name, base in reversed(own):
        text = (
            f"{{{{ if eq $labels.model {quoted(name)} }}}}{(base or '').rstrip('/')}/{alert}.md"
            f"{{{{ else }}}}{text}{{{{ end }}}}"
        )
    return text
