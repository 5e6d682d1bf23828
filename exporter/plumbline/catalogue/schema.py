"""The catalogue's JSON Schema, for editors: completion and errors while typing ``plumbline.yaml``.

The events' schema, which depends on no catalogue either, is written with it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from plumbline.catalogue.model import Catalogue
from plumbline.events.schema import generated
from plumbline.generated import GeneratedFile

PATH = "docs/plumbline.schema.json"


def generate(catalogue: Catalogue) -> Iterable[GeneratedFile]:
    """Return the schemas' files. They depend on this version of Plumbline only, not on the catalogue."""
    del catalogue
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **_closed(Catalogue.model_json_schema()),
        "title": "Plumbline catalogue (plumbline.yaml)",
    }
    return [GeneratedFile(PATH, json.dumps(schema, indent=2, sort_keys=True) + "\n"), generated()]


def _closed(schema: Any) -> Any:
    """Return the schema with sections of named entries closed: a name of another pattern is a mistake."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    if "patternProperties" in closed:
        closed.setdefault("additionalProperties", False)
    return closed
