"""``plumbline.yaml`` of a guess: valid as it is, with the reason of each guess in a comment."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from plumbline.init.guess import Guess, positive_class, tolerated_loss
from plumbline.init.profile import Column
from plumbline.units import format_duration

_MATURITIES = (60, 300, 900, 3600, 6 * 3600, 86_400, 2 * 86_400, 7 * 86_400, 14 * 86_400, 30 * 86_400)
_FEW = 12  # categories that are listed


def catalogue_text(found: Guess, table: Path, model: str) -> str:
    """Return the catalogue of one model.

    Args:
        found: what the table seems to be.
        table: named in the comments.
        model: the model's name.
    """
    return "\n".join([*_head(found, table), *_model(found, model)]) + "\n"


def _head(found: Guess, table: Path) -> Iterator[str]:
    rows = found.columns[0].rows
    yield f"# The catalogue, guessed from {rows:,} rows of {table.name}. Read it once: every guess says why."
    for remark in found.remarks:
        yield f"# Look at this: {remark}."
    yield "version: 1"
    yield ""
    yield "owners:"
    yield "  me: # the team that is paged (critical) and gets tickets (warning)"
    yield "    team: Me"
    yield '    page: [{webhook: "http://localhost:9099/page"}]'
    yield '    ticket: [{webhook: "http://localhost:9099/ticket"}]'
    yield "platform_owner: me # who is told when the monitoring itself fails"


def _model(found: Guess, model: str) -> Iterator[str]:
    actual = found.roles["actual"]
    yield ""
    yield "models:"
    yield f"  {_yaml(model)}:"
    yield f"    task: {found.task} # {_why_task(found, actual)}"
    yield "    owner: me"
    if found.classes:
        yield f"    classes: {_yaml(list(found.classes))} # the values of {actual.name!r}, the most frequent first"
    if found.task == "binary":
        chosen = positive_class(found.classes)
        yield f"    positive_class: {_yaml(chosen)} # the class whose probability the score is"
    yield "    features:"
    for column in found.features:
        yield f"      {_yaml(column.name)}: {_feature(column)}"
    for name, why in found.left_out.items():
        yield f"      # {name}: left out, since {why}"
    if found.slices:
        yield "    slices: # groups to compare with the rest of the model"
        for name, values in found.slices.items():
            yield f"      {_yaml(name)}: {_yaml(list(values))}"
    yield "    outcome:"
    yield f"      {_maturity(found)}"
    yield from _objectives(found)


def _objectives(found: Guess) -> Iterator[str]:
    if found.quality is not None:
        yield f"    # {found.metric} of this table: {found.quality:.4g}; over blocks of its rows it varies by"
        yield f"    # {found.spread:.2g} (standard deviation). A ticket at 3 of these, a page at 5:"
    elif found.task == "regression":
        yield "    # objectives: [{metric: mae, max_drop: 1.5, severity: warning}] # in the unit of the outcome"
        return
    else:
        yield "    # largest losses of accuracy against the baseline: guesses, since the table has no answers"
    yield "    objectives:"
    for severity, spreads in (("warning", 3), ("critical", 5)):
        loss = tolerated_loss(found, spreads)
        yield f"      - {{metric: {found.metric}, max_drop: {loss}, severity: {severity}}}"


def _yaml(value: object) -> str:
    """Return a value as YAML: plain where a word is, else as JSON, which YAML contains."""
    if isinstance(value, str) and value.isidentifier() and value.lower() not in _WORDS_OF_YAML:
        return value
    return json.dumps(value, ensure_ascii=False)


_WORDS_OF_YAML = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


def _why_task(found: Guess, actual: Column) -> str:
    if found.task == "regression":
        return f"{actual.name!r} holds many different numbers"
    return f"{actual.name!r} holds {len(found.classes)} different values"


def _feature(column: Column) -> str:
    share = column.missing / column.rows
    missing = f" # {share:.0%} missing" if share >= 0.005 else ""
    if column.kind == "number":
        if column.values is not None and 1 < len(column.values) <= _FEW and not missing:
            return f"{{type: numeric}} # {len(column.values)} different numbers: categorical, if they are codes"
        return f"{{type: numeric}}{missing}"
    if column.kind == "boolean":
        return f"{{type: boolean}}{missing}"
    if column.values is None or len(column.values) > _FEW:
        return f"{{type: categorical}}{missing}"
    return f"{{type: categorical, categories: {_yaml(sorted(column.values))}}}{missing}"


def _maturity(found: Guess) -> str:
    if found.delay is None:
        return "maturity: 1d # the time by which nearly all outcomes are known; the table does not say: correct it"
    longest = next((seconds for seconds in _MATURITIES if seconds >= found.delay), _MATURITIES[-1])
    known = found.roles["outcome_time"].name
    return f"maturity: {format_duration(longest)} # 99 % of {known!r} come within {found.delay / 3600:.3g} h"
