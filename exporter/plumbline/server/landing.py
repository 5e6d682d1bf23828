"""The landing page: plain HTML, no script, nothing from elsewhere."""

from __future__ import annotations

import json
from html import escape
from urllib.parse import quote

from plumbline import __version__
from plumbline.catalogue.model import Catalogue, Model

_SHOWN_FEATURES = 3

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Plumbline exporter</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }}
h1 {{ margin-bottom: 0; }} h2 {{ margin-top: 2rem; }}
table {{ border-collapse: collapse; width: 100%; }}
li, code, td {{ overflow-wrap: anywhere; }}
th, td {{ text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #8884; }}
td {{ vertical-align: top; }} th {{ vertical-align: bottom; }}
pre {{ background: #8882; padding: .8rem; border-radius: 4px; white-space: pre-wrap; }}
.state {{ font-weight: 600; }} .ok {{ color: #1a7f37; }} .bad {{ color: #cf222e; }}
</style>
</head>
<body>
<h1>Plumbline exporter</h1>
<p>Version {version} &middot; <span class="state {state_class}">{state}</span></p>
<ul>
<li><a href="/metrics">/metrics</a>: what Prometheus scrapes</li>
<li><code>POST /v1/events</code>: predictions, outcomes, pipeline runs, deployments, KPIs, logs</li>
<li><code>POST /v1/logs</code>: the same and log lines, as OpenTelemetry sends them (OTLP/HTTP)</li>
<li><code>POST /v1/alerts</code>: what Alertmanager sends: stored, and handed to the catalogue's hooks</li>
<li><code>/trace/REQUEST_ID</code>: a prediction, its outcome, logs, model version and data</li>
<li><code>/batch/DATA_BATCH_ID</code>: where a data batch came from, and every prediction that used it</li>
<li><a href="/requests">/requests</a>: the newest requests of a model, the worst first</li>
<li><a href="/-/healthy">/-/healthy</a>, <a href="/-/ready">/-/ready</a>: for the orchestrator</li>
</ul>
<h2>Models</h2>
<table>
<tr><th>Model</th><th>Task</th><th>Owner</th><th>Outcomes after</th></tr>
{models}
</table>
<h2>First steps</h2>
<p>Send one prediction and its outcome, one JSON object per line:</p>
<pre>{example}</pre>
<p>The answer says how many lines were accepted, and for each one that was not, why.
Files go by <code>plumbline ingest FILE</code>.</p>
</body>
</html>
"""

_EXAMPLE = (
    "curl -H 'Content-Type: application/x-ndjson' --data-binary @- {url}/v1/events <<'END'\n"
    '{{"type": "prediction", "request_id": "r-1", "model": "{model}", "version": "1", '
    '"features": {features}, "prediction": {value}}}\n'
    '{{"type": "outcome", "request_id": "r-1", "actual": {value}}}\n'
    "END"
)


def landing_page(catalogue: Catalogue, problem: str | None) -> str:
    """Return the page.

    Args:
        catalogue: whose models are listed.
        problem: why the exporter is not ready, or None.
    """
    teams = {name: owner.team for name, owner in catalogue.owners.items()}
    rows = [
        f"<tr><td>{_titled(name, model.description)}</td><td>{escape(model.task)}</td>"
        f"<td>{escape(teams.get(model.owner, model.owner))}</td>"
        f"<td>{'arrival' if model.outcome.maturity == '0' else escape(model.outcome.maturity)}</td></tr>"
        for name, model in catalogue.models.items()
    ]
    name, model = next(iter(catalogue.models.items()))
    value = "12.5" if model.task == "regression" else '"' + (model.classes or ("1",))[-1] + '"'
    example = _EXAMPLE.format(url=catalogue.links.exporter, model=name, value=value, features=_features(model))
    return _PAGE.format(
        version=escape(__version__),
        state="ready" if problem is None else f"not ready: {escape(problem)}",
        state_class="ok" if problem is None else "bad",
        models="\n".join(rows),
        example=escape(example),
    )


def _titled(name: str, description: str) -> str:
    shown = f'<a href="/requests?model={quote(name, safe="")}">{escape(name)}</a>'
    return f"{shown}<br><small>{escape(description)}</small>" if description else shown


def _features(model: Model) -> str:
    """Return some of the features with a value of the right type each: what is left out counts as missing."""
    values = {"numeric": 1.5, "categorical": "a", "boolean": True}
    shown = list(model.features.items())[:_SHOWN_FEATURES]
    return json.dumps({name: values[feature.type] for name, feature in shown})
