"""The defaults every alert shares: waits by severity, links, and the verdict of pages about a model."""

from __future__ import annotations

from collections.abc import Iterable

from plumbline import names
from plumbline.catalogue.model import Catalogue
from plumbline_alerting.model import Rule
from plumbline_alerting.scene import Scene
from plumbline_alerting.templates import dashboard_url, requests_url, rollback_version, runbook_url, verdict

VALUE = '{{ $value | printf "%.4g" }}'


class Maker:
    """Builds alerts of one catalogue with the defaults every alert shares."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.scene = Scene(catalogue)

    def alert(
        self,
        name: str,
        expr: str,
        *,
        summary: str,
        description: str,
        dashboard: str,
        variables: tuple[str, ...] = (),
        hold: str | None = None,
        keep: str = "",
        owner: str = "",
    ) -> Iterable[Rule]:
        """Yield the alert; none where the catalogue gives its query nothing to watch."""
        if not expr:
            return
        severity = names.ALERT_SEVERITY[name]
        evaluation = self.catalogue.evaluation
        waits = {"critical": evaluation.alert_for, "warning": evaluation.ticket_for, "info": ""}
        annotations = {
            "summary": summary,
            "description": description,
            "runbook_url": runbook_url(self.catalogue, name, by_model="version" in variables),
            "dashboard_url": dashboard_url(self.catalogue, dashboard, *variables),
        }
        if "version" in variables:
            annotations["requests_url"] = requests_url(self.catalogue)
        if severity == "critical" and "version" in variables:
            annotations["verdict"] = verdict()
            annotations[names.ROLLBACK_ANNOTATION] = rollback_version()
        labels = {"severity": severity, **({"owner": owner} if owner else {})}
        yield Rule(
            alert=name,
            expr=expr,
            hold=waits[severity] if hold is None else hold,
            keep=keep,
            labels=labels,
            annotations=annotations,
        )
