"""``plumbline init`` on tables as people have them: what it guesses, and that what it writes is a sound catalogue."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner, Result
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression

from plumbline.baseline.artefact import Baseline, load_baseline
from plumbline.catalogue.load import load_catalogue
from plumbline.catalogue.model import Model
from plumbline.cli.main import cli
from plumbline.errors import UsageError


def init(table: Path, *options: str) -> tuple[Model, str]:
    """Run the command beside the table; return the model of the catalogue and the file's text."""
    catalogue = table.parent / "plumbline.yaml"
    result = run("init", str(table), "--model", "m", "--catalogue", str(catalogue), *options)
    assert result.exit_code == 0, result.output
    return load_catalogue(catalogue).models["m"], catalogue.read_text()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


def load_baselines_of(folder: Path) -> list[Baseline]:
    return [load_baseline(path) for path in sorted((folder / "baselines").glob("*.json"))]


def titanic(rows: int = 400) -> pd.DataFrame:
    """A table of the columns and types that seaborn's titanic has."""
    rng = random.Random(1)

    def row(number: int) -> dict[str, Any]:
        return {
            "survived": rng.randint(0, 1),
            "pclass": rng.randint(1, 3),
            "sex": rng.choice(["male", "female"]),
            "age": rng.choice([None, 22.0, 38.5]),
            "fare": rng.random() * 50,
            "embarked": rng.choice(["S", "C", "Q", None]),
            "adult_male": rng.choice([True, False]),
            "deck": rng.choice([*"ABCDEFG", None]),
            "alone": rng.choice([True, False]),
            "name": f"Passenger {number}",
        }

    return pd.DataFrame([row(number) for number in range(rows)])


def adult(rows: int = 400) -> pd.DataFrame:
    """A table of the columns and values that UCI's adult has: spaces before the texts, names with dashes."""
    rng = random.Random(2)
    return pd.DataFrame(
        {
            "age": [rng.randint(17, 90) for _ in range(rows)],
            "workclass": [rng.choice([" Private", " State-gov", " ?"]) for _ in range(rows)],
            "education-num": [rng.randint(1, 16) for _ in range(rows)],
            "sex": [rng.choice([" Male", " Female"]) for _ in range(rows)],
            "hours-per-week": [rng.randint(1, 99) for _ in range(rows)],
            "income": [rng.choice([" <=50K", " <=50K", " >50K"]) for _ in range(rows)],
        }
    )


def test_a_frame_of_scikit_learn_with_its_own_column_names(tmp_path: Path) -> None:
    data = load_iris(as_frame=True)
    frame = data.data.assign(species=[str(data.target_names[at]) for at in data.target])
    frame["prediction"] = LogisticRegression(max_iter=500).fit(data.data, frame.species).predict(data.data)
    frame.to_csv(tmp_path / "iris.csv", index=False)
    model, text = init(tmp_path / "iris.csv", "--start")
    assert model.task == "multiclass"
    assert set(model.classes or ()) == {"setosa", "versicolor", "virginica"}
    assert list(model.features) == list(data.feature_names)
    assert {feature.type for feature in model.features.values()} == {"numeric"}
    accuracy = (frame.prediction == frame.species).mean()
    assert f"accuracy of this table: {accuracy:.4g}" in text


def test_a_binary_table_with_scores(tmp_path: Path) -> None:
    data = load_breast_cancer(as_frame=True)
    fitted = LogisticRegression(max_iter=5000).fit(data.data, data.target)
    frame = data.frame.assign(y_pred=fitted.predict(data.data), y_score=fitted.predict_proba(data.data)[:, 1])
    frame.to_parquet(tmp_path / "cancer.parquet")
    model, _ = init(tmp_path / "cancer.parquet", "--start")
    assert (model.task, model.positive_class) == ("binary", "1")
    assert list(model.features) == list(data.feature_names)
    assert [(o.metric, o.severity) for o in model.objectives] == [("accuracy", "warning"), ("accuracy", "critical")]


def test_a_regression_table(tmp_path: Path) -> None:
    data = load_diabetes(as_frame=True)
    frame = data.frame.assign(prediction=LinearRegression().fit(data.data, data.target).predict(data.data))
    frame.to_csv(tmp_path / "diabetes.csv", index=False)
    model, text = init(tmp_path / "diabetes.csv", "--start")
    assert model.task == "regression"
    error = (frame.prediction - frame.target).abs()
    assert f"mae of this table: {error.mean():.4g}" in text
    assert [o.metric for o in model.objectives] == ["mae", "mae"]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_table_of_passengers_without_predictions(tmp_path: Path, form: str) -> None:
    table = tmp_path / f"titanic.{form}"
    titanic().to_csv(table, index=False) if form == "csv" else titanic().to_parquet(table)
    model, text = init(table)
    assert (model.task, set(model.classes or ()), model.positive_class) == ("binary", {"0", "1"}, "1")
    types = {name: feature.type for name, feature in model.features.items()}
    assert types == {
        "pclass": "numeric",
        "sex": "categorical",
        "age": "numeric",
        "fare": "numeric",
        "embarked": "categorical",
        "adult_male": "boolean",
        "deck": "categorical",
        "alone": "boolean",
    }
    assert model.features["embarked"].categories == ("C", "Q", "S")
    assert model.slices == {"sex": ("female", "male")}
    assert "# name: left out, since nearly every row has a text of its own" in text
    assert "no column holds the model's answers" in text


def test_texts_with_spaces_around_them_and_names_with_dashes(tmp_path: Path) -> None:
    adult().to_csv(tmp_path / "adult.csv", index=False)
    model, _ = init(tmp_path / "adult.csv")
    assert model.classes == ("<=50K", ">50K")
    assert model.features["education-num"].type == "numeric"
    assert model.slices == {"sex": ("Female", "Male")}


@pytest.mark.parametrize(("make", "outcome"), [(titanic, "survived"), (adult, "income")])
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_such_tables_with_predictions_have_a_baseline_by_one_command(
    tmp_path: Path, make: Callable[[], pd.DataFrame], outcome: str, form: str
) -> None:
    frame = make()
    frame["predicted"] = frame[outcome].sample(frac=1, random_state=3).to_numpy()
    table = tmp_path / f"table.{form}"
    frame.to_csv(table, index=False) if form == "csv" else frame.to_parquet(table)
    model, _ = init(table, "--start", "--actual-column", outcome)
    [made] = load_baselines_of(tmp_path)
    assert set(model.features) <= made.features.keys()
    assert made.quality["accuracy"].value == pytest.approx((frame.predicted == frame[outcome]).mean())


def test_the_maturity_covers_the_delays_of_the_outcomes(tmp_path: Path) -> None:
    start = pd.Timestamp("2026-01-01", tz="UTC")
    times = [start + pd.Timedelta(minutes=at) for at in range(200)]
    known = [at + pd.Timedelta(hours=5) for at in times]
    frame = pd.DataFrame({"ts": times, "x": range(200), "label": [at % 2 for at in range(200)], "label_ts": known})
    frame.to_parquet(tmp_path / "late.parquet")
    model, text = init(tmp_path / "late.parquet")
    assert model.outcome.maturity == "6h"
    assert "99 % of 'label_ts' come within 5 h" in text
    assert list(model.features) == ["x"]


def test_an_outcome_without_a_usual_name_is_a_guess_to_be_looked_at(tmp_path: Path) -> None:
    pd.DataFrame({"x": range(60), "won": [at % 2 for at in range(60)]}).to_csv(tmp_path / "t.csv", index=False)
    _, text = init(tmp_path / "t.csv")
    assert "# Check this: no column has a usual name of an outcome" in text
    (tmp_path / "plumbline.yaml").unlink()
    model, text = init(tmp_path / "t.csv", "--actual-column", "x")
    assert model.task == "regression"
    assert "usual name" not in text


def test_columns_that_no_feature_can_have_are_left_out_with_their_reason(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "x": range(60),
            "embedding": [[0.1, 0.2]] * 60,
            "raw": [b"a"] * 60,
            "_c0": range(60),
            "new\nowners: {evil: 1}": range(60),
            "label": [at % 2 for at in range(60)],
            "prediction": [at % 2 for at in range(60)],
        }
    )
    frame.to_parquet(tmp_path / "t.parquet")
    model, text = init(tmp_path / "t.parquet")
    assert list(model.features) == ["x"]
    assert "# embedding: left out, since no event can carry values of its type" in text
    assert "# _c0: left out, since its name cannot be a feature's" in text
    assert "\nowners: {evil" not in text


def test_the_index_that_pandas_writes_without_a_name_is_left_out(tmp_path: Path) -> None:
    answers = [at % 2 for at in range(60)]
    pd.DataFrame({"x": range(60), "label": answers, "prediction": answers}).to_csv(tmp_path / "t.csv")
    model, text = init(tmp_path / "t.csv", "--start")
    assert list(model.features) == ["x"]
    assert "# actual: 'label'" in text


def test_seconds_since_the_first_row_are_no_time(tmp_path: Path) -> None:
    frame = pd.DataFrame({"Time": range(60), "V1": range(60), "Class": [at % 2 for at in range(60)]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    model, _ = init(tmp_path / "t.csv")
    assert list(model.features) == ["Time", "V1"]


def test_exact_predictions_give_no_objective_that_nothing_can_meet(tmp_path: Path) -> None:
    exact = [at * 1.5 for at in range(60)]
    pd.DataFrame({"x": range(60), "price": exact, "prediction": exact}).to_csv(tmp_path / "t.csv", index=False)
    model, _ = init(tmp_path / "t.csv")
    assert model.objectives == ()


def test_a_folder_of_part_files_is_one_table(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    for part in range(2):
        titanic(60).to_parquet(tmp_path / "parts" / f"part-{part}.parquet")
    (tmp_path / "parts" / "_SUCCESS").touch()
    _, text = init(tmp_path / "parts")
    assert "guessed from 120 rows of parts" in text


def test_an_outcome_of_one_value_is_refused(tmp_path: Path) -> None:
    pd.DataFrame({"x": range(60), "label": [1] * 60}).to_csv(tmp_path / "t.csv", index=False)
    result = run("init", str(tmp_path / "t.csv"), "--catalogue", str(tmp_path / "plumbline.yaml"))
    assert isinstance(result.exception, UsageError)
    assert "column 'label' has one value only" in str(result.exception)


def test_a_file_that_exists_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "plumbline.yaml").write_text("mine")
    result = run("init", "table.csv", "--catalogue", str(tmp_path / "plumbline.yaml"))
    assert isinstance(result.exception, UsageError)
    assert "exists already" in str(result.exception)
    assert (tmp_path / "plumbline.yaml").read_text() == "mine"


def test_a_named_column_that_does_not_exist_is_told_with_those_that_do(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    catalogue = str(tmp_path / "plumbline.yaml")
    result = run("init", str(tmp_path / "t.csv"), "--catalogue", catalogue, "--score-column", "p")
    assert isinstance(result.exception, UsageError)
    assert str(result.exception) == "the table has no column 'p'; its columns are: a, b"
