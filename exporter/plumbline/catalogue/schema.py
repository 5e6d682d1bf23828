"""The catalogue's JSON Schema, for editors: completion and errors while typing ``plumbline.yaml``."""

from __future__ import annotations

import json
from collections.abc import Iterable

from plumbline.catalogue.model import Catalogue
from plumbline.generated import GeneratedFile

PATH = "docs/plumbline.schema.json"


def generate(catalogue: Catalogue) -> Iterable[GeneratedFile]:
    """Return the schema's file. It depends on this version of Plumbline only, not on the catalogue."""
    del catalogue
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Catalogue.model_json_schema(),
        "title": "Plumbline catalogue (plumbline.yaml)",
    }
    return [GeneratedFile(PATH, json.dumps(schema, indent=2, sort_keys=True) + "\n")]
