"""``plumbline.yaml`` of a guess: valid as it is, with the reason of each guess in a comment."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from plumbline.init.guess import Guess, feature
from plumbline.init.profile import Column
from plumbline.units import format_duration

_MATURITIES = (60, 300, 900, 3600, 6 * 3600, 86_400, 2 * 86_400, 7 * 86_400, 14 * 86_400, 30 * 86_400)
_HEAD = """version: 1

owners:
  me: # the team that is paged (critical) and gets tickets (warning)
    team: Me
    page: [{webhook: "http://localhost:9099/page"}]
    ticket: [{webhook: "http://localhost:9099/ticket"}]
platform_owner: me # who is told when the monitoring itself fails

models:"""


def catalogue_text(found: Guess, table: Path, model: str) -> str:
    """Return the catalogue of one model.

    Args:
        found: what the table seems to be.
        table: named in the comments.
        model: the model's name.
    """
    rows = found.columns[0].rows
    head = [f"# The catalogue, guessed from {rows:,} rows of {_line(table.name)}. Review it: every guess says why."]
    head += [f"# Check this: {_line(remark)}." for remark in found.remarks]
    return "\n".join([*head, _HEAD, f"  {_yaml(model)}:", *_model(found), *_objectives(found)]) + "\n"


def _model(found: Guess) -> Iterator[str]:
    actual = found.roles["actual"].name
    values = f"{len(found.classes)} different values" if found.classes else "many different numbers"
    yield f"    task: {found.task} # {actual!r} holds {values}"
    yield from (f"    # {role}: {column.name!r}" for role, column in found.roles.items())
    yield "    owner: me"
    if found.classes:
        yield f"    classes: {_yaml(list(found.classes))} # the values of {actual!r}, the most frequent first"
    if found.task == "binary":
        yield f"    positive_class: {_yaml(found.positive_class)} # the class whose probability the score is"
    yield "    features:"
    yield from (f"      {_yaml(column.name)}: {_yaml(feature(column))}{_about(column)}" for column in found.features)
    yield from (f"      # {_line(name)}: left out, since {why}" for name, why in found.left_out.items())
    if found.slices:
        yield "    slices: # groups to compare with the rest of the model"
        yield from (f"      {_yaml(name)}: {_yaml(values)}" for name, values in found.slices.items())
    yield "    outcome:"
    if found.delay is None:
        yield "      maturity: 1d # when nearly all outcomes are known; the table does not say: correct it"
        return
    longest = next((seconds for seconds in _MATURITIES if seconds >= found.delay), _MATURITIES[-1])
    known = found.roles["outcome_time"].name
    yield f"      maturity: {format_duration(longest)} # 99 % of {known!r} come within {found.delay / 3600:.3g} h"


def _objectives(found: Guess) -> Iterator[str]:
    least = 0.01  # of accuracy, or 5 % of an error: less does not matter to people
    if found.quality:
        yield f"    # {found.metric} of this table: {found.quality:.4g}; over blocks of its rows it varies by"
        least = 0.05 * found.quality if found.task == "regression" else least
        floor = f"; taken as {least:.2g}" if found.spread < least else ""
        yield f"    # {found.spread:.2g} (standard deviation{floor}). A ticket at 3 of these, a page at 5:"
    elif found.task == "regression":
        yield "    # objectives: [{metric: mae, max_drop: 1.5, severity: warning}] # in the unit of the outcome"
        return
    else:
        yield "    # largest losses of accuracy against the baseline: guesses, since the table has no answers"
    yield "    objectives:"
    for severity, spreads in (("warning", 3), ("critical", 5)):
        loss = float(f"{spreads * max(found.spread, least):.2g}")
        yield f"      - {{metric: {found.metric}, max_drop: {loss}, severity: {severity}}}"


def _about(column: Column) -> str:
    missing = 1 - column.present / column.rows
    if missing >= 0.005:
        return f" # {missing:.0%} missing"
    if column.kind == "number" and column.values is not None and 1 < len(column.values) <= 12:
        return f" # {len(column.values)} different numbers: categorical, if they are codes"
    return ""


def _line(text: str) -> str:
    """Return a text for a comment: a name of the table must not begin a line of its own."""
    return " ".join(text.split())


def _yaml(value: object) -> str:
    """Return a value in YAML's flow form: a plain word where it is one, else JSON, which YAML contains."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_yaml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, str) and value.isidentifier() and value.lower() not in _WORDS_OF_YAML:
        return value
    return json.dumps(value, ensure_ascii=False)


_WORDS_OF_YAML = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
