"""The landing page: what the exporter serves, its models, and an example for the first of them."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

from plumbline import __version__
from plumbline.catalogue.model import Catalogue
from plumbline.pages import render, rooted

_SHOWN_FEATURES = 3
_VALUES = {"numeric": 1.5, "categorical": "a", "boolean": True}


def landing_page(catalogue: Catalogue, problem: str | None, url: str = "") -> str:
    """Return the page.

    Args:
        catalogue: whose models are listed.
        problem: why the exporter is not ready, or None.
        url: where the outside world reaches the exporter.
    """
    name, model = next(iter(catalogue.models.items()))
    value = 12.5 if model.task == "regression" else (model.classes or ("1",))[-1]
    # A value of the right type each; what is left out counts as missing.
    features = {key: _VALUES[feature.type] for key, feature in list(model.features.items())[:_SHOWN_FEATURES]}
    answer = {"model": name, "version": "1", "features": features, "prediction": value}
    lines = [
        json.dumps({"type": "prediction", "request_id": "r-1", **answer}),
        json.dumps({"type": "outcome", "request_id": "r-1", "actual": value}),
    ]
    shown = {"catalogue": catalogue, "problem": problem, "version": __version__, "example": lines}
    page = render("landing.html.j2", url=(url or catalogue.links.exporter).rstrip("/"), **shown)
    return rooted(page, urlsplit(url).path.rstrip("/"))
