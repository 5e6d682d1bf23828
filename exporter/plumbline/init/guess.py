"""What the columns of a table are for: reads the facts of ``profile``, returns roles, a task, features, quality.

Every guess carries its reason, which ``write`` puts beside it: a person decides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import TypeAdapter, ValidationError

from plumbline.baseline.arrow import table_files
from plumbline.baseline.heldout import measure_heldout
from plumbline.baseline.rows import ROLES, open_source
from plumbline.baseline.table import Request, read_batches
from plumbline.catalogue.model import LabelName, Model
from plumbline.errors import TableError, UsageError
from plumbline.init.profile import MOST_VALUES, Column
from plumbline.units import Clock

Role = Literal["prediction", "score", "actual", "time", "outcome_time", "request"]

# How people name the columns, in lower case and without what is no letter or digit; the usual names come first.
NAMES: dict[Role, str] = {
    "prediction": "prediction predicted predictedlabel predictedclass ypred yhat pred answer",
    "score": "score probability proba prob yscore yproba yprob confidence",
    "actual": "actual label target y ytrue truth groundtruth outcome response class species survived churn churned "
    "income default defaulted fraud isfraud converted clicked diagnosis price medv quality salary",
    "time": "ts timestamp time datetime eventtime predictedat createdat date",
    "outcome_time": "labelts outcomets actualts labeltime outcometime knownat resolvedat",
    "request": "requestid id uuid key rowid index",
}
_NO_FEATURE = ["modelversion", "version", "chunk", "era", "split", "fold", "unnamed0"]
_GROUPS = ["sex", "gender", "race", "ethnicity", "agegroup", "region", "country", "segment", "plan", "tier", "origin"]
_POSITIVE = ("1", "true", "yes", "Yes", "y", "Y", "positive")
_label = TypeAdapter(LabelName)
_LARGEST_SLICE = 8
_FEW_NUMBERS = 10  # whole numbers of more values are counts, not classes


@dataclass(slots=True)
class Guess:
    """What a table seems to be.

    Attributes:
        columns: the table's.
        roles: column of each role that was found.
        task: of the model.
        classes: its classes, the most frequent first; empty for a regression.
        features: columns that are inputs.
        left_out: column -> why it is no input.
        slices: feature -> its values, of features that divide the rows into a few groups.
        quality: accuracy, or mean absolute error, of the table; None without predictions and outcomes.
        spread: its standard deviation over blocks of rows.
        delay: seconds within which 99 % of the outcomes are known; None if the table does not say.
        remarks: guesses about the whole that somebody should look at.
    """

    columns: Sequence[Column]
    roles: dict[Role, Column] = field(default_factory=dict)
    task: str = "regression"
    classes: tuple[str, ...] = ()
    features: list[Column] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    slices: dict[str, list[str]] = field(default_factory=dict)
    quality: float | None = None
    spread: float = 0.0
    delay: float | None = None
    remarks: list[str] = field(default_factory=list)

    @property
    def metric(self) -> str:
        """The metric of the objectives."""
        return "mae" if self.task == "regression" else "accuracy"

    @property
    def positive_class(self) -> str:
        """The class that is probably the positive one: by its name, else the rarer."""
        return next((name for name in _POSITIVE if name in self.classes), self.classes[-1])

    def declared(self) -> dict[str, Any]:
        """Return what the catalogue says of the model's features and classes."""
        found: dict[str, Any] = {"task": self.task, "features": {c.name: feature(c) for c in self.features}}
        if self.classes:
            found["classes"] = list(self.classes)
        return found | ({"positive_class": self.positive_class} if self.task == "binary" else {})


def feature(column: Column) -> dict[str, Any]:
    """Return the catalogue's entry of a feature."""
    if column.kind in ("number", "boolean"):
        return {"type": "numeric" if column.kind == "number" else "boolean"}
    few = column.values is not None and len(column.values) <= 12
    return {"type": "categorical"} | ({"categories": sorted(column.values or ())} if few else {})


def guess(path: Path, columns: Sequence[Column], given: dict[Role, str]) -> Guess:
    """Return what a table seems to be.

    Args:
        path: the table; its predictions and outcomes are read once more.
        columns: the facts about it.
        given: columns that somebody named.

    Raises:
        UsageError: a named column does not exist, or no column can be the outcome.
    """
    found = Guess(columns)
    _find_roles(found, given)
    _find_task(found)
    _find_features(found)
    _measure(found, path)
    return found


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _find_roles(found: Guess, given: dict[Role, str]) -> None:
    by_name = {column.name: column for column in found.columns}
    for role, name in given.items():
        if name not in by_name:
            raise UsageError(f"the table has no column {name!r}; its columns are: {', '.join(by_name)}")
        found.roles[role] = by_name[name]
    for role, usual in NAMES.items():
        free = [c for c in found.columns if c not in found.roles.values() and _can_be(role, c)]
        named = [column for name in usual.split() for column in free if _plain(column.name) == name]
        if named:
            found.roles.setdefault(role, named[0])
    if "actual" not in found.roles:
        free = [c for c in found.columns if c not in found.roles.values() and c.kind not in ("time", "other", None)]
        if not free:
            raise UsageError("no column can hold the outcome: name it with --actual-column")
        found.roles["actual"] = free[-1]
        found.remarks.append(
            "no column has a usual name of an outcome (actual, label, target, ...), so the last one, "
            f"{free[-1].name!r}, is taken for it: name another with --actual-column"
        )


def _can_be(role: Role, column: Column) -> bool:
    if role == "score":
        return column.kind == "number"
    if role in ("time", "outcome_time"):  # epoch seconds of this century; other numbers are none
        return column.kind == "time" or (column.kind == "number" and column.least > 946_684_800)
    return column.kind not in (None, "other") and (role != "request" or column.distinct)


def _find_task(found: Guess) -> None:
    actual = found.roles["actual"]
    most = MOST_VALUES if actual.kind != "number" else _FEW_NUMBERS if actual.whole else 2
    if actual.values is None or len(actual.values) > most:
        if actual.kind == "number":
            return
        raise UsageError(
            f"column {actual.name!r} has more than {MOST_VALUES} different texts, too many for classes: name the "
            "outcome with --actual-column"
        )
    prediction = found.roles.get("prediction")
    values = actual.values + ((prediction and prediction.values) or Counter())
    found.classes = tuple(sorted(values, key=lambda value: (-values[value], value)))
    if len(found.classes) < 2:
        raise UsageError(
            f"column {actual.name!r} has one value only: a model needs two classes, or name another outcome"
        )
    found.task = "binary" if len(found.classes) == 2 else "multiclass"


def _find_features(found: Guess) -> None:
    if found.task != "binary" and "score" in found.roles:
        found.left_out[found.roles.pop("score").name] = "only a binary model has one score"
    taken = {column.name for column in found.roles.values()} | found.left_out.keys()
    for column in found.columns:
        if column.name in taken:
            continue
        why = _why_not(column)
        if why is not None:
            found.left_out[column.name] = why
            continue
        found.features.append(column)
        values = column.values or Counter[str]()
        if column.kind == "text" and 2 <= len(values) <= _LARGEST_SLICE and _plain(column.name) in _GROUPS:
            found.slices[column.name] = sorted(values)


def _why_not(column: Column) -> str | None:
    if column.kind is None:
        return "it has no value"
    if column.kind == "time":
        return "it holds times"
    if column.kind == "other":
        return "no event can carry values of its type"
    try:
        _label.validate_python(column.name)
    except ValidationError:
        return "its name cannot be a feature's: it is empty, begins with _ or holds control characters"
    if _plain(column.name) in _NO_FEATURE:
        return "its name is that of a version or of a part of the data"
    if column.kind == "text" and column.distinct and column.rows > MOST_VALUES:
        return "nearly every row has a text of its own"
    return None


def _measure(found: Guess, path: Path) -> None:
    """Measure how late outcomes are, and the quality and its spread over blocks of rows."""
    named = {role: column.name for role, column in found.roles.items()}
    utc = Clock(UTC)
    try:
        if "time" in named and "outcome_time" in named:
            wanted = {
                "asked": Request(named["time"], "time", utc),
                "known": Request(named["outcome_time"], "optional_time", utc),
            }
            batches = [batch.numbers for file in table_files([path]) for batch in read_batches(file, wanted)]
            delays = [numbers["known"] - numbers["asked"] for numbers in batches]
            found.delay = max(0.0, float(np.nanquantile(np.concatenate(delays), 0.99)))
        if "prediction" not in named:
            found.remarks.append(
                "no column holds the model's answers: add one before `plumbline baseline build`, or name it with "
                "--prediction-column"
            )
            return
        model = Model.model_validate({**found.declared(), "owner": "me"})
        given = {"_ts": "", "_score": "", **{f"_{role}": named[role] for role in ROLES if role in named}}
        source = open_source(table_files([path]), model, given, utc, None, heldout=True)
        held_out = measure_heldout(source, model, 0, {}, lambda what, rows: None)
        measured = held_out.metrics[found.metric]
        found.quality, found.spread = measured.value, measured.stddev or 0.0
    except (TableError, ValidationError) as error:
        found.remarks.append(f"the quality could not be measured: {error}")
