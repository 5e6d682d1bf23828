"""The JSON Schema for editors."""

from __future__ import annotations

import json
from pathlib import Path

from plumbline.catalogue.load import load_catalogue
from plumbline.catalogue.schema import PATH, generate

ROOT = Path(__file__).parents[2]


def test_the_committed_schema_is_up_to_date():
    (file,) = generate(load_catalogue(ROOT / "plumbline.yaml"))
    assert (ROOT / PATH).read_text(encoding="utf-8") == file.content


def test_the_schema_refuses_unknown_keys_and_describes_sections():
    schema = json.loads((ROOT / PATH).read_text(encoding="utf-8"))
    assert schema["additionalProperties"] is False
    assert set(schema["required"]) == {"version", "owners", "platform_owner", "models"}
    assert schema["$defs"]["Owner"]["description"]
