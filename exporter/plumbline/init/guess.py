"""What the columns of a table are for: reads the facts of ``profile``, returns roles, a task, features, objectives.

Every guess carries its reason, which ``write`` puts beside it: a person decides.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from plumbline.baseline.arrow import arrow_batches
from plumbline.baseline.table import Request, read_batches
from plumbline.errors import UsageError
from plumbline.init.profile import MOST_VALUES, Column, text_of

Role = Literal["actual", "prediction", "score", "time", "outcome_time", "request"]
Task = Literal["binary", "multiclass", "regression"]

# How people name the columns, in lower case and without what is no letter or digit; the usual names come first.
NAMES: dict[Role, tuple[str, ...]] = {
    "prediction": ("prediction", "predicted", "predictedlabel", "predictedclass", "ypred", "yhat", "pred", "answer"),
    "score": ("score", "probability", "proba", "prob", "yscore", "yproba", "yprob", "confidence"),
    "actual": (
        *("actual", "label", "target", "y", "ytrue", "truth", "groundtruth", "outcome", "response", "class"),
        *("species", "survived", "churn", "churned", "income", "default", "defaulted", "fraud", "isfraud", "converted"),
        *("clicked", "diagnosis", "price", "medv", "quality", "salary"),
    ),
    "time": ("ts", "timestamp", "time", "datetime", "eventtime", "predictedat", "createdat", "date"),
    "outcome_time": ("labelts", "outcomets", "actualts", "labeltime", "outcometime", "knownat", "resolvedat"),
    "request": ("requestid", "id", "uuid", "key", "rowid", "index"),
}
_NO_FEATURE = ("modelversion", "version", "chunk", "era", "split", "fold", "unnamed0")
_GROUPS = ("sex", "gender", "race", "ethnicity", "agegroup", "region", "country", "segment", "plan", "tier", "origin")
_BLOCKS = 20
_LARGEST_SLICE = 8


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
        metric: of the objective.
        quality: its value over all rows; None without predictions and outcomes.
        spread: standard deviation of its value over blocks of rows.
        delay: seconds by which 99 % of the outcomes are known; None if the table does not say.
        remarks: guesses about the whole that somebody should look at.
    """

    columns: Sequence[Column]
    roles: dict[Role, Column] = field(default_factory=dict)
    task: Task = "regression"
    classes: tuple[str, ...] = ()
    features: list[Column] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    slices: dict[str, tuple[str, ...]] = field(default_factory=dict)
    metric: str = "accuracy"
    quality: float | None = None
    spread: float = 0.0
    delay: float | None = None
    remarks: list[str] = field(default_factory=list)


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
        free = [column for column in found.columns if column not in found.roles.values()]
        match = next((c for name in usual for c in free if _plain(c.name) == name and _can_be(role, c)), None)
        if role not in found.roles and match is not None:
            found.roles[role] = match
    if "actual" not in found.roles:
        free = [c for c in found.columns if c not in found.roles.values() and c.kind != "time" and c.present]
        if not free:
            raise UsageError("no column can hold the outcome: name it with --actual-column")
        found.roles["actual"] = free[-1]
        found.remarks.append(
            f"no column has a usual name of an outcome (actual, label, target, ...), so the last one, "
            f"{free[-1].name!r}, is taken for it: name another with --actual-column"
        )


def _can_be(role: Role, column: Column) -> bool:
    if role == "score":
        return column.kind == "number"
    if role in ("time", "outcome_time"):
        return column.kind in ("time", "number") and column.missing < column.rows
    if role == "request":
        return column.distinct
    return column.present > 0


def _find_task(found: Guess) -> None:
    answer = found.roles["actual"]
    values = answer.values
    few = values is not None and len(values) <= (2 if not answer.whole and answer.kind == "number" else _most(answer))
    if answer.kind == "number" and not few:
        found.task, found.metric = "regression", "mae"
        return
    if values is None:
        raise UsageError(
            f"column {answer.name!r} has more than {MOST_VALUES} different texts, too many for classes: name the "
            "outcome with --actual-column"
        )
    prediction = found.roles.get("prediction")
    if prediction is not None and prediction.values is not None:
        values = values + prediction.values
    found.classes = tuple(sorted(values, key=lambda value: (-values[value], value)))
    found.task = "binary" if len(found.classes) <= 2 else "multiclass"


def _most(answer: Column) -> int:
    """Return how many different values classes may have: whole numbers soon look like counts."""
    return 10 if answer.kind == "number" else MOST_VALUES


def positive_class(classes: Sequence[str]) -> str:
    """Return the class that is probably the positive one: by its name, else the rarer."""
    for name in ("1", "true", "True", "yes", "Yes", "y", "Y", "positive"):
        if name in classes:
            return name
    return classes[-1]


def _find_features(found: Guess) -> None:
    taken = {column.name for column in found.roles.values()}
    score = found.roles.get("score")
    if score is not None and found.task != "binary":
        found.left_out[score.name] = "only a binary model has one score"
        del found.roles["score"]
    for column in found.columns:
        if column.name in taken:
            continue
        why = _why_not(column)
        if why is None:
            found.features.append(column)
        else:
            found.left_out[column.name] = why
    for column in found.features:
        values = column.values
        if column.kind == "number" or values is None or not 2 <= len(values) <= _LARGEST_SLICE:
            continue
        if _plain(column.name) in _GROUPS and min(values.values()) >= 0.02 * column.rows:
            found.slices[column.name] = tuple(sorted(values))


def _why_not(column: Column) -> str | None:
    if not column.present:
        return "it has no value"
    if column.kind == "time":
        return "it holds times"
    if _plain(column.name) in _NO_FEATURE:
        return "its name is that of a version or of a part of the data"
    if column.kind == "text" and column.distinct and column.rows > MOST_VALUES:
        return "nearly every row has a text of its own"
    return None


def _measure(found: Guess, path: Path) -> None:
    """Measure how late outcomes are, and the quality and its spread over blocks of rows."""
    time, known = found.roles.get("time"), found.roles.get("outcome_time")
    if time is not None and known is not None:
        wanted = {"time": Request(time.name, "time"), "known": Request(known.name, "optional_time")}
        delays = [batch.numbers["known"] - batch.numbers["time"] for batch in read_batches(path, wanted)]
        found.delay = max(0.0, float(np.nanquantile(np.concatenate(delays), 0.99)))
    prediction, actual = found.roles.get("prediction"), found.roles["actual"]
    if prediction is None:
        found.remarks.append(
            "no column holds the model's answers: add one before `plumbline baseline build`, or name it with "
            "--prediction-column"
        )
        return
    errors = []
    for batch in arrow_batches(path, [prediction.name, actual.name]):
        pairs = zip(batch.column(prediction.name).to_pylist(), batch.column(actual.name).to_pylist(), strict=True)
        errors.append(_errors(pairs, found.task == "regression"))
    losses = np.concatenate(errors) if errors else np.zeros(0)
    if losses.size < _BLOCKS:
        return
    sign = 1.0 if found.task == "regression" else -1.0
    found.quality = float(losses.mean()) if sign > 0 else 1.0 - float(losses.mean())
    found.spread = float(np.std([block.mean() for block in np.array_split(losses, _BLOCKS)], ddof=1))


def _errors(pairs: Iterable[tuple[object, object]], regression: bool) -> npt.NDArray[np.float64]:
    """Return the absolute error, or 1 for a wrong class and 0 for a right one, of each pair that has both."""
    if not regression:
        known = [(text_of(p), text_of(a)) for p, a in pairs if p is not None and a not in (None, "")]
        return np.array([float(p != a) for p, a in known])
    found = []
    for predicted, actual in pairs:
        try:
            error = abs(float(predicted) - float(actual))  # type: ignore[arg-type]
        except (TypeError, ValueError):
            continue
        if math.isfinite(error):
            found.append(error)
    return np.array(found)


def tolerated_loss(found: Guess, spreads: int) -> float:
    """Return a largest acceptable loss of quality, in two digits: so many standard deviations over blocks of rows.

    At least what matters to people: for each of them 1 % of accuracy, or 5 % of an error.
    """
    least = 0.01 if found.metric == "accuracy" else 0.05 * (found.quality or 0.0)
    return float(f"{spreads * max(found.spread, least):.2g}")
