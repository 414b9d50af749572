"""Scores of residuals mean expected false alarms, and only ever fall."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import anomaly
from models.anomaly import Exceedance


def test_whitening_gives_unit_variance_and_keeps_the_sensors_order() -> None:
    rng = np.random.default_rng(1)
    common = rng.normal(size=(4000, 1))
    values = (common + rng.normal(size=(4000, 3)) * [0.3, 0.3, 2.0]).astype(np.float32)
    found = anomaly.fit_whitening(values)
    white = (values - found.mean) @ found.matrix
    assert white.mean(axis=0) == pytest.approx(0.0, abs=1e-3)
    assert white.var(axis=0) == pytest.approx(1.0, abs=0.25)
    for sensor in range(3):
        odd = found.mean.copy()
        odd[sensor] += 10
        _, shares = anomaly.total(
            ((odd[None] - found.mean) @ found.matrix).astype(np.float32)
        )
        assert shares[0].argmax() == sensor


def test_a_score_is_the_mean_square_and_shares_sum_to_1() -> None:
    score, shares = anomaly.total(np.array([[1, 2, 2], [0, 0, 0]], np.float32))
    assert score.tolist() == [3.0, 0.0]
    assert shares[0].tolist() == pytest.approx([1 / 9, 4 / 9, 4 / 9])
    assert shares[1].tolist() == pytest.approx([1 / 3] * 3)


@given(st.integers(0, 2**31), st.integers(1, 30))
def test_a_score_does_not_depend_on_its_neighbours(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    white = rng.normal(size=(count, 17)).astype(np.float32)
    score, shares = anomaly.total(white)
    for i in range(count):
        alone, share = anomaly.total(white[i : i + 1])
        assert alone.tobytes() == score[i : i + 1].tobytes()
        assert share.tobytes() == shares[i : i + 1].tobytes()


def test_the_rate_is_what_fresh_healthy_machines_show() -> None:
    rng = np.random.default_rng(2)
    machine = np.repeat(np.arange(20), 500).astype(np.int32)
    curve = anomaly.fit_exceedance(
        rng.exponential(size=10_000), machine, step_s=3600.0, window=1
    )
    fresh = rng.exponential(size=200_000)
    months = 200_000 / 720
    for limit in (1.0, 3.0, 6.0, 8.0):
        seen = (fresh > limit).sum() / months
        assert curve.rate(np.array([limit]))[0] == pytest.approx(seen, rel=0.35)


def test_a_higher_score_is_never_less_strange() -> None:
    rng = np.random.default_rng(3)
    curve = anomaly.fit_exceedance(
        rng.gamma(2.0, size=500), np.zeros(500, np.int32), step_s=60.0, window=5
    )
    rates = curve.rate(np.linspace(0, 200, 5000))
    assert (np.diff(rates) <= 0).all()
    assert rates[0] > rates[-1] > 0
    assert rates[-1] == pytest.approx(anomaly.SMALLEST, rel=1e-6)


def test_exceedances_that_overlap_are_one_alarm() -> None:
    above = np.zeros(100, bool)
    above[[10, 11, 12, 40, 41, 90]] = True
    machine = np.zeros(100, np.int32)
    assert anomaly.extremal_index(above, machine, 5) == pytest.approx(3 / 6)
    machine[12:] = 1
    assert anomaly.extremal_index(above, machine, 5) == pytest.approx(4 / 6)
    assert anomaly.extremal_index(np.zeros(5, bool), machine[:5], 5) == 1.0


@pytest.mark.parametrize("scores", [np.full(50, 2.0), np.arange(20.0)])
def test_few_or_equal_scores_still_give_a_curve(scores: np.ndarray) -> None:
    machine = np.zeros(len(scores), np.int32)
    curve = anomaly.fit_exceedance(scores, machine, step_s=3600.0, window=1)
    again = Exceedance.from_json(curve.to_json())
    assert again.rate(scores).tobytes() == curve.rate(scores).tobytes()


def test_a_rising_curve_is_refused() -> None:
    with pytest.raises(ValueError, match="falling"):
        Exceedance.from_json({"scores": [1.0, 2.0], "rates": [1.0, 3.0]})


def test_health_is_half_at_the_alarm_limit_and_needs_no_risk() -> None:
    risk = np.array([0.0, 0.9, np.nan, np.nan])
    rate = np.array([1e9, 1e9, 2.0, 1e-9])
    found = anomaly.health(risk, rate, alarm_rate=2.0)
    assert found == pytest.approx([100.0, 10.0, 50.0, 0.0], abs=1e-4)
