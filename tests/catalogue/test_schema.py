"""The JSON Schema for editors."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from plumbline.catalogue.load import load_catalogue
from plumbline.catalogue.schema import PATH, generate

ROOT = Path(__file__).parents[2]


def test_the_committed_schema_is_up_to_date():
    (file,) = (f for f in generate(load_catalogue(ROOT / "plumbline.yaml")) if f.path == PATH)
    assert (ROOT / PATH).read_text(encoding="utf-8") == file.content


def test_the_schema_refuses_unknown_keys_and_describes_sections():
    schema = json.loads((ROOT / PATH).read_text(encoding="utf-8"))
    assert schema["additionalProperties"] is False
    assert set(schema["required"]) == {"version", "owners", "platform_owner", "models"}
    assert schema["$defs"]["Owner"]["description"]


def schema() -> jsonschema.Draft202012Validator:
    loaded = json.loads((ROOT / PATH).read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(loaded)
    return jsonschema.Draft202012Validator(loaded)


def catalogue() -> dict:
    return yaml.safe_load((ROOT / "plumbline.yaml").read_text(encoding="utf-8"))


def test_the_schema_accepts_the_repositorys_catalogue():
    assert list(schema().iter_errors(catalogue())) == []


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("foo",), 1),
        (("models", "a b"), {}),
        (("models", "flight_late", "treshold"), 0.5),
        (("models", "flight_late", "task"), "binery"),
        (("models", "flight_late", "outcome", "maturity"), "a day"),
        (("pipelines", "weather_feed", "cadence"), "daily"),
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(place, value):
    data = copy.deepcopy(catalogue())
    section = data
    for step in place[:-1]:
        section = section[step]
    section[place[-1]] = value
    assert list(schema().iter_errors(data))
