from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, log_loss, mean_absolute_error, r2_score

from plumbline.events.parse import parse
from plumbline.ingest.engine import Engine
from support.samples import OWNER, body, outcome, prediction, values

Opener = Callable[..., Engine]


def feed(engine: Engine, *events: dict) -> dict[tuple[str, ...], float]:
    engine.commit([parse(body(*events), 1e5)], 1e5)
    return values(engine.blocks())


def models(**clf: object) -> dict[str, object]:
    features = {"x": {"type": "numeric"}, "c": {"type": "categorical"}}
    base = {"task": "binary", "owner": "team", "features": features, "classes": ["0", "1"], "positive_class": "1"}
    return {
        "clf": {**base, **clf},
        "reg": {"task": "regression", "owner": "team", "features": features, "slices": {"c": ["a", "b"]}},
    }


def test_a_slice_is_counted_beside_the_whole(opened: Opener) -> None:
    engine = opened(models=models(slices={"c": ["a", "b"], "region": ["north"]}))
    v = feed(
        engine,
        prediction("r1", slices={"region": "north"}),
        outcome("r1", "1"),
        prediction("r2", features={"x": 1, "c": "b"}, slices={"region": "east"}),
        outcome("r2", "0"),
        prediction("r3", features={"x": 1, "c": "zzz"}),
        outcome("r3", "1"),
    )

    def count(slice_: str, value: str) -> float:
        return sum(v["ml_confusion_total", "clf", "1", slice_, value, a, p] for a in "01" for p in "01")

    assert count("all", "all") == 3
    assert count("c", "a") == count("c", "b") == count("c", "other") == 1  # by the feature of that name
    assert count("region", "north") == count("region", "other") == 1  # r3 says no region: in no region's slice
    assert v["ml_confusion_total", "clf", "1", "c", "b", "0", "1"] == 1


def test_a_slice_value_of_the_sender_wins_over_the_feature(opened: Opener) -> None:
    engine = opened(models=models(slices={"c": ["a", "b"]}))
    v = feed(engine, prediction("r1", slices={"c": "b"}), outcome("r1", "1"))
    assert v["ml_confusion_total", "clf", "1", "c", "b", "1", "1"] == 1


def test_regression_sums_per_slice_equal_numpy(opened: Opener) -> None:
    engine = opened(models=models())
    rng = np.random.default_rng(8)
    actual, answer, c = rng.normal(5, 3, 300), rng.normal(5, 3, 300), rng.choice(["a", "b", "q"], 300)
    events = []
    for i in range(300):
        p = prediction(f"r{i}", model="reg", prediction=float(answer[i]), features={"x": 0, "c": str(c[i])})
        events += [p, outcome(f"r{i}", float(actual[i]))]
    v = feed(engine, *events)
    for value, mask in (("a", c == "a"), ("b", c == "b"), ("other", c == "q")):
        key = ("reg", "1", "c", value)
        n = v["ml_regression_total", *key]
        assert n == mask.sum()
        assert v["ml_absolute_error_total", *key] / n == pytest.approx(mean_absolute_error(actual[mask], answer[mask]))
        first = v["ml_actual_total", *key, "positive"] - v["ml_actual_total", *key, "negative"]
        spread = v["ml_actual_squared_total", *key] - first**2 / n
        assert 1 - v["ml_squared_error_total", *key] / spread == pytest.approx(r2_score(actual[mask], answer[mask]))


def test_multiclass_counts_equal_scikit_learn_and_undeclared_classes_are_other(opened: Opener) -> None:
    classes = ["cat", "dog", "owl"]
    multiclass = {"task": "multiclass", "owner": "team", "features": {"x": {"type": "numeric"}}, "classes": classes}
    engine = opened(models={"clf": multiclass}, owners={"team": OWNER}, pipelines={})
    rng = np.random.default_rng(2)
    p = rng.dirichlet([1, 1, 1], 400)
    truth = [classes[i] for i in rng.integers(0, 3, 400)]
    answer = [classes[i] for i in p.argmax(axis=1)]
    events = []
    for i in range(400):
        scores = dict(zip(classes, p[i].tolist(), strict=True))
        events += [
            prediction(f"r{i}", prediction=answer[i], scores=scores, score=None, features={"x": 0.0}),
            outcome(f"r{i}", truth[i]),
        ]
    v = feed(engine, *events)
    table = confusion_matrix(truth, answer, labels=classes)
    for i, actual in enumerate(classes):
        for j, predicted in enumerate(classes):
            assert v["ml_confusion_total", "clf", "1", "all", "all", actual, predicted] == table[i, j]
    key = ("clf", "1", "all", "all")
    assert v["ml_log_loss_total", *key] / 400 == pytest.approx(log_loss(truth, p, labels=classes), rel=1e-9)
    onehot = np.array([[c == t for c in classes] for t in truth])
    assert v["ml_squared_score_error_total", *key] == pytest.approx(((p - onehot) ** 2).sum(), rel=1e-9)
    v = feed(engine, prediction("r", prediction="newt", features={"x": 0.0}), outcome("r", "owl"))
    assert v["ml_confusion_total", "clf", "1", "all", "all", "owl", "other"] == 1


def test_two_undeclared_classes_are_a_hit_only_if_they_are_one_class(opened: Opener) -> None:
    multiclass = {
        "task": "multiclass",
        "owner": "team",
        "features": {"x": {"type": "numeric"}},
        "classes": ["a", "b", "c"],
    }
    engine = opened(models={"clf": multiclass}, owners={"team": OWNER}, pipelines={})
    pairs = [("d", "e"), ("d", "d"), (7.0, "7"), ("d", "a"), ("a", "a")]
    events = [
        event
        for i, (answer, actual) in enumerate(pairs)
        for event in (prediction(f"r{i}", prediction=answer, score=None, features={"x": 0.0}), outcome(f"r{i}", actual))
    ]
    v = feed(engine, *events)
    key = ("ml_class_outcomes_total", "clf", "1", "all", "all")
    assert [v[*key, "other", result] for result in ("hit", "false_positive", "false_negative")] == [2, 2, 1]
    assert [v[*key, "a", result] for result in ("hit", "false_positive", "false_negative")] == [1, 0, 1]
    whole = ("clf", "1", "all", "all")
    scores = {"a": 0.1, "d": 0.7, "e": 0.2}
    v = feed(engine, prediction("s", prediction="d", score=None, scores=scores, features={"x": 0.0}), outcome("s", "e"))
    assert v["ml_squared_score_error_total", *whole] == pytest.approx(0.1**2 + 0.7**2 + 0.8**2)
    assert v["ml_log_loss_total", *whole] == pytest.approx(-np.log(0.2))


@pytest.mark.parametrize(
    "spelled", [("0", "1"), (0, 1), (0.0, 1.0), ("0.0", "1.0"), ("0 ", " 1"), (False, True), ("False", "True")]
)
def test_every_spelling_of_a_class_is_that_class(opened: Opener, spelled: tuple[object, object]) -> None:
    engine = opened(models=models(slices={"c": ["1", "2.0"]}))
    no, yes = spelled
    v = feed(
        engine,
        prediction("r1", prediction=yes, features={"x": 1, "c": 2}),
        outcome("r1", "1"),
        prediction("r2", prediction="0", features={"x": 1, "c": "2.0"}),
        outcome("r2", no),
        prediction("r3", prediction="0", features={"x": 1, "c": ""}),
        outcome("r3", yes),
    )
    counts = {(a, p): v["ml_confusion_total", "clf", "1", "all", "all", a, p] for a in "01" for p in "01"}
    assert counts == {("0", "0"): 1, ("1", "1"): 1, ("1", "0"): 1, ("0", "1"): 0}
    of_two = {(a, p): v["ml_confusion_total", "clf", "1", "c", "2.0", a, p] for a in "01" for p in "01"}
    assert of_two == {("0", "0"): 1, ("1", "1"): 1, ("1", "0"): 0, ("0", "1"): 0}
