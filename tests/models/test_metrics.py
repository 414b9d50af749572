"""Figures of merit against values worked out by hand, and against scikit-learn."""

import doctest
import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from models import metrics
from models.metrics import Judged

HAND = Judged(
    truth=np.array([10.0, 40.0, 200.0, 25.0]),
    point=np.array([13.0, 30.0, 125.0, 60.0]),
    risk=np.array([0.9, 0.6, 0.0, 0.2]),
    low=np.array([5.0, 20.0, 110.0, 30.0]),
    high=np.array([20.0, 50.0, 125.0, 90.0]),
    cap=125.0,
    horizon=30.0,
)


def test_rul_figures() -> None:
    found = metrics.judge(HAND)["rul"]
    assert found["rmse_capped"] == pytest.approx(math.sqrt((9 + 100 + 0 + 1225) / 4))
    uncapped = math.sqrt((9 + 100 + 75**2 + 1225) / 4)
    assert found["rmse_uncapped"] == pytest.approx(uncapped)
    late = math.exp(0.3) - 1 + math.exp(3.5) - 1
    early = math.exp(10 / 13) - 1
    assert found["nasa_score"] == pytest.approx(late + early)
    wanted = late + early + math.exp(75 / 13) - 1
    assert found["nasa_score_uncapped"] == pytest.approx(wanted)


def test_failure_figures() -> None:
    found = metrics.judge(HAND)["failure"]
    assert found == pytest.approx(
        {
            "f1": 0.5,
            "precision": 0.5,
            "recall": 0.5,
            "accuracy": 0.5,
            "pr_auc": 0.5 * 1.0 + 0.5 * (2 / 3),
        }
    )


def test_interval_figures_are_judged_on_capped_labels() -> None:
    found = metrics.judge(HAND)["interval"]
    assert found == pytest.approx({"coverage": 0.75, "mean_width": 120 / 4})


def test_a_method_without_risk_or_interval() -> None:
    plain = Judged(HAND.truth, HAND.point, None, None, None, 125.0, 30.0)
    found = metrics.judge(plain)
    assert found["interval"] == {"coverage": None, "mean_width": None}
    assert found["failure"]["f1"] == pytest.approx(0.5)
    assert found["failure"]["pr_auc"] == pytest.approx(0.5 + 0.5 * (2 / 3))


def test_nothing_to_find_and_nothing_said() -> None:
    quiet = Judged(
        np.array([90.0]), np.array([80.0]), np.zeros(1), None, None, 125.0, 30.0
    )
    found = metrics.judge(quiet)["failure"]
    assert found["accuracy"] == 1.0
    assert [found[k] for k in ("f1", "precision", "recall", "pr_auc")] == [None] * 4


@pytest.mark.parametrize("seed", range(5))
def test_average_precision_is_scikit_learns(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.random(200) < 0.3
    score = np.asarray(np.round(rng.random(200) + truth * 0.3, 1), np.float64)
    wanted = average_precision_score(truth, score)
    assert metrics.average_precision(truth, score) == pytest.approx(wanted)


def test_bootstrap_brackets_the_figure_and_repeats() -> None:
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 150, 80)
    point = np.clip(truth + rng.normal(0, 10, 80), 0, 125)
    judged = Judged(truth, point, None, None, None, 125.0, 30.0)
    found = metrics.bootstrap(judged, draws=200, seed=4)
    low, high = found["rul"]["rmse_capped"]
    assert low < metrics.judge(judged)["rul"]["rmse_capped"] < high
    assert found["interval"]["coverage"] is None
    assert metrics.bootstrap(judged, draws=200, seed=4) == found


def test_flat_names() -> None:
    tree = {"rul": {"a": 1, "b": {"c": None}}, "d": 2}
    assert metrics.flat(tree) == {"rul.a": 1, "rul.b.c": None, "d": 2}


def test_examples_in_docstrings_run() -> None:
    assert doctest.testmod(metrics).failed == 0
