"""Text of annotations: numbers asked of Prometheus when the alert fires, the verdict, and links."""

from __future__ import annotations

from plumbline import names
from plumbline.catalogue.model import Catalogue

MODEL = ("model", "version")


def ask(expr: str, *labels: str, unit: str = 'printf "%.4g"') -> str:
    """Return a template that prints the first value of a query, or "unknown".

    Args:
        expr: PromQL with one ``%q`` per label.
        labels: labels of the alert that fill the ``%q``.
        unit: template function that formats the number.
    """
    values = " ".join(f"$labels.{label}" for label in labels)
    return (
        f"{{{{ with printf `{expr}` {values} | query }}}}{{{{ . | first | value | {unit} }}}}"
        "{{ else }}unknown{{ end }}"
    )


_BROKEN = (
    f"max by (pipeline) ({names.PIPELINE_MODEL_INFO.name}{{model=%q}}) and on (pipeline) "
    'ALERTS{alertname=~"PipelineFailed|PipelineStale", alertstate="firing"}'
)
_BACK = f"max by (rollback_version) ({names.ROLLBACK_INFO.name}{{model=%q, version=%q}})"


def verdict() -> str:
    """Roll back to version X, or do not: an input is broken. For pages about a model."""
    return (
        f"{{{{ with printf `{_BROKEN}` $labels.model | query }}}}"
        'Do not roll back: pipeline {{ . | first | label "pipeline" }} is broken, '
        "so every version sees the same bad data."
        f"{{{{ else }}}}{{{{ with printf `{_BACK}` $labels.model $labels.version | query }}}}"
        'Roll back to version {{ . | first | label "rollback_version" }}.'
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


def runbook_url(catalogue: Catalogue, alert: str, *, by_model: bool) -> str:
    """Return the link to the alert's runbook; a model may have runbooks of its own."""
    text = f"{catalogue.links.runbooks.rstrip('/')}/{alert}.md"
    if not by_model:
        return text
    own = [(name, m.runbook_url) for name, m in sorted(catalogue.models.items()) if m.runbook_url]
    for name, base in reversed(own):
        text = (
            f'{{{{ if eq $labels.model "{name}" }}}}{(base or "").rstrip("/")}/{alert}.md'
            f"{{{{ else }}}}{text}{{{{ end }}}}"
        )
    return text
