"""From the catalogue to Grafana: eight dashboards, their provisioning, and the list of their queries.

Reads a ``Catalogue``; returns files, writes none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from grafana_foundation_sdk.models.dashboard import Dashboard

from plumbline.catalogue.model import Catalogue
from plumbline.generated import GeneratedFile
from plumbline_dashboards.drift import drift
from plumbline_dashboards.exporter import exporter
from plumbline_dashboards.fleet import fleet
from plumbline_dashboards.infrastructure import infrastructure
from plumbline_dashboards.listing import query_listing
from plumbline_dashboards.page import to_json
from plumbline_dashboards.pipelines import pipelines
from plumbline_dashboards.provisioning import provisioning
from plumbline_dashboards.quality.page import quality
from plumbline_dashboards.slices import slices
from plumbline_dashboards.store import batch, predictions, trace
from plumbline_dashboards.trials import trials

FOLDER = "dashboards/generated"
# Apart from the dashboards: Grafana takes every JSON file in their folder for one.
LISTING = "dashboards/queries.json"
PAGES: tuple[Callable[[Catalogue], Dashboard], ...] = (
    fleet,
    quality,
    slices,
    trials,
    drift,
    pipelines,
    infrastructure,
    exporter,
    trace,
    predictions,
    batch,
)


def generate(catalogue: Catalogue) -> Iterable[GeneratedFile]:
    """Return the dashboards, the provisioning files and ``queries.json``."""
    made = [page(catalogue) for page in PAGES]
    texts = {dashboard.uid: to_json(dashboard) for dashboard in made}
    yield from (GeneratedFile(f"{FOLDER}/{uid}.json", text) for uid, text in texts.items())
    listing = query_listing([json.loads(text) for text in texts.values()], catalogue.evaluation)
    yield GeneratedFile(LISTING, listing)
    yield from provisioning(catalogue)
