"""The demo's two models: the arrival delay in minutes, and whether it exceeds 15 minutes.

Reads prepared flights (``flights``), writes the reference table that ``plumbline baseline build`` reads.
Trained on January to mid-March; the rest of March is held out and is the quality baseline.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from examples.demo.flights import CATEGORICAL, FEATURES, LATE_MINUTES, NUMERIC

if TYPE_CHECKING:
    import pandas as pd

TRAIN_UNTIL = "2013-03-15"  # local dates; the train era ends before this day
REFERENCE_UNTIL = "2013-04-01"
VERSION = "2013q1"
DELAY, LATE = "flight_delay", "flight_late"
THRESHOLD = 0.5

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FlightModels:
    """Both trained models and the category codes they were trained with.

    Attributes:
        levels: the categories of each categorical feature, in code order.
        delay: regressor of the arrival delay in minutes.
        late: classifier of "more than 15 minutes late".
    """

    levels: dict[str, tuple[str, ...]]
    delay: Any
    late: Any

    def matrix(self, rows: pd.DataFrame) -> Floats:
        """Return the model inputs; an unknown category counts as missing."""
        numeric = rows[list(NUMERIC)].to_numpy(dtype=np.float64)
        coded = [_codes(rows[name].tolist(), self.levels[name]) for name in CATEGORICAL]
        return np.column_stack([numeric, *coded])

    def predict_delay(self, inputs: Floats) -> Floats:
        """Return the predicted arrival delay in minutes, to a thousandth."""
        values: Floats = np.round(self.delay.predict(inputs), 3)
        return values

    def predict_late(self, inputs: Floats) -> Floats:
        """Return the probability of arriving more than 15 minutes late, to a millionth."""
        values: Floats = np.round(self.late.predict_proba(inputs)[:, 1], 6)
        return values


def _codes(values: Sequence[Any], levels: tuple[str, ...]) -> Floats:
    known = {level: float(code) for code, level in enumerate(levels)}
    return np.array([known.get(value, np.nan) for value in values], dtype=np.float64)


def train(flights: pd.DataFrame, seed: int = 0) -> FlightModels:
    """Train both models on the flights before ``TRAIN_UNTIL`` whose arrival is known.

    Args:
        flights: prepared flights of at least the train era.
        seed: of scikit-learn; the same seed gives the same models.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    rows = flights[(flights["day"] < TRAIN_UNTIL) & flights["arr_delay"].notna()]
    levels = {name: tuple(sorted(rows[name].dropna().unique().tolist())) for name in CATEGORICAL}
    settings: dict[str, Any] = {
        "max_iter": 80,
        "learning_rate": 0.1,
        "max_leaf_nodes": 31,
        "min_samples_leaf": 50,
        "l2_regularization": 1.0,
        "early_stopping": False,
        "categorical_features": list(range(len(NUMERIC), len(FEATURES))),
        "random_state": seed,
    }
    models = FlightModels(levels, HistGradientBoostingRegressor(**settings), HistGradientBoostingClassifier(**settings))
    inputs = models.matrix(rows)
    actual = rows["arr_delay"].to_numpy()
    with one_thread():
        models.delay.fit(inputs, actual)
        models.late.fit(inputs, (actual > LATE_MINUTES).astype(int))
    return models


def one_thread() -> AbstractContextManager[object]:
    """Keep scikit-learn to one thread while a block runs.

    On these few rows more threads gain little, and on a busy machine they wait for one another: a
    prediction of milliseconds then takes hundreds.
    """
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[object] = threadpool_limits(limits=1)
    return limits


def write_reference(flights: pd.DataFrame, models: FlightModels, folder: Path) -> dict[str, Path]:
    """Write one reference table (Parquet) per model and return their paths by model.

    Columns: ``ts`` (epoch seconds), ``era`` (train, reference), the features, ``prediction``, ``score``
    (the binary model only), ``actual`` (missing where the arrival was never known).
    """
    rows = flights[flights["day"] < REFERENCE_UNTIL].copy()
    rows["era"] = np.where(rows["day"] < TRAIN_UNTIL, "train", "reference")
    inputs = models.matrix(rows)
    known = rows["arr_delay"].notna()
    base = rows[["ts", "era", *FEATURES]]
    score = models.predict_late(inputs)
    delay = base.assign(prediction=models.predict_delay(inputs), actual=rows["arr_delay"])
    late = base.assign(
        prediction=np.where(score >= THRESHOLD, "1", "0"),
        score=score,
        actual=np.where(rows["arr_delay"] > LATE_MINUTES, "1", "0"),
    )
    late["actual"] = late["actual"].where(known)
    folder.mkdir(parents=True, exist_ok=True)
    paths = {DELAY: folder / f"{DELAY}.parquet", LATE: folder / f"{LATE}.parquet"}
    delay.to_parquet(paths[DELAY], index=False)
    late.to_parquet(paths[LATE], index=False)
    return paths
