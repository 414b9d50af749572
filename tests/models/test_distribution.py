"""Risk and quantiles are read from one distribution, calibrated or not."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import calibrate, distribution
from models.calibrate import PitMap
from models.distribution import LifeAxis

AXIS = LifeAxis(cap=120.0, horizon=31.0, bins=24)


def some_cdf(seed: int, count: int = 50) -> npt.NDArray[np.float64]:
    """F of softmax outputs, from sharp to flat, with flat stretches."""
    rng = np.random.default_rng(seed)
    scale = rng.choice([0.1, 1.0, 5.0, 30.0], (count, 1))
    logits = rng.normal(size=(count, AXIS.classes)) * scale
    mass = np.exp(logits - logits.max(axis=1, keepdims=True))
    mass /= mass.sum(axis=1, keepdims=True)
    return distribution.clean(np.cumsum(mass, axis=1)[:, :-1].astype(np.float32))


def some_map(seed: int) -> PitMap:
    rng = np.random.default_rng(seed)
    inner = np.sort(rng.random((3, 7)), axis=1)
    values = np.concatenate([np.zeros((3, 1)), inner, np.ones((3, 1))], axis=1)
    return PitMap(np.array([0.0, 50.0, 120.0]), np.linspace(0, 1, 9), values)


@given(st.integers(0, 2**31), st.booleans())
def test_risk_and_quantiles_never_disagree(seed: int, calibrated: bool) -> None:
    cdf = some_cdf(seed)
    if calibrated:
        cdf = some_map(seed).apply(cdf, AXIS)
    risk = distribution.at(cdf, AXIS, AXIS.horizon)
    rul = distribution.quantiles(cdf, AXIS)
    assert (np.diff(rul, axis=1) >= 0).all()
    assert ((rul >= 0) & (rul <= AXIS.cap)).all()
    assert ((risk >= 0) & (risk <= 1)).all()
    for column, level in enumerate(distribution.LEVELS):
        reached = rul[:, column] <= AXIS.horizon
        clear = np.abs(risk - level) > 1e-9
        assert ((risk >= level) == reached)[clear].all()


@given(st.integers(0, 2**31), st.floats(0.01, 0.99))
def test_quantile_inverts_f(seed: int, level: float) -> None:
    cdf = some_cdf(seed)
    life = distribution.quantile(cdf, AXIS, level)
    inside = (life > 0) & (life < AXIS.cap)
    back = distribution.at_each(cdf, AXIS, life)
    assert back[inside] == pytest.approx(level, abs=1e-9)
    assert (back[life == 0] >= level - 1e-12).all()
    assert (back[life == AXIS.cap] <= level + 1e-9).all()


def test_known_values() -> None:
    axis = LifeAxis(cap=10.0, horizon=5.0, bins=2)
    cdf = np.array([[0.0, 0.4, 0.8], [0.6, 0.7, 0.7], [0.0, 0.0, 0.04]])
    assert distribution.at(cdf, axis, 2.5).tolist() == pytest.approx([0.2, 0.65, 0.0])
    wanted = [[0.625, 6.25, 10.0], [0.0, 0.0, 10.0], [10.0, 10.0, 10.0]]
    assert distribution.quantiles(cdf, axis) == pytest.approx(np.array(wanted))


@pytest.mark.parametrize(
    ("cap", "horizon", "bins"), [(10, 11, 4), (0, 0, 4), (10, 0, 4), (10, 5, 1)]
)
def test_an_impossible_axis_is_refused(cap: float, horizon: float, bins: int) -> None:
    with pytest.raises(ValueError, match="life axis"):
        LifeAxis(cap=cap, horizon=horizon, bins=bins)


def _logistic(place: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return 1 / (1 + np.exp(-place))


def _overconfident(count: int, seed: int) -> tuple[npt.NDArray[np.float64], ...]:
    """F of a model that claims half the spread there truly is."""
    rng = np.random.default_rng(seed)
    centre = rng.uniform(40, 80, count)
    life = np.clip(rng.logistic(centre, 6.0), 1, 119)
    return _logistic((AXIS.edges - centre[:, None]) / 3.0), life


def _coverage(cdf: npt.NDArray[np.float64], life: npt.NDArray[np.float64]) -> float:
    rul = distribution.quantiles(cdf, AXIS)
    return float(((rul[:, 0] <= life) & (life <= rul[:, 2])).mean())


def test_calibration_mends_an_overconfident_model_on_new_machines() -> None:
    cdf, life = _overconfident(4000, seed=1)
    machine = np.repeat(np.arange(400), 10).astype(np.int32)
    none = np.zeros(4000, bool)
    found = calibrate.fit(cdf, life, none, machine, AXIS)
    new, truth = _overconfident(4000, seed=2)
    assert _coverage(new, truth) < 0.75
    assert _coverage(found.apply(new, AXIS), truth) == pytest.approx(0.9, abs=0.04)


def test_calibration_leaves_a_perfect_model_nearly_alone() -> None:
    rng = np.random.default_rng(3)
    centre = rng.uniform(30, 90, 5000)
    life = centre + rng.uniform(-20, 20, 5000)
    cdf = np.clip((AXIS.edges - centre[:, None] + 20) / 40, 0, 1)
    machine = np.repeat(np.arange(500), 10).astype(np.int32)
    found = calibrate.fit(cdf, life, np.zeros(5000, bool), machine, AXIS)
    rul = distribution.quantiles(found.apply(cdf, AXIS), AXIS)
    assert np.abs(rul - distribution.quantiles(cdf, AXIS)).max() < 4.0


def test_censored_and_capped_lives_are_a_stretch_not_a_point() -> None:
    cdf = np.tile(np.linspace(0.1, 0.9, AXIS.bins + 1), (4, 1))
    life = np.array([60.0, 60.0, 500.0, 0.0])
    censored = np.array([False, True, False, False])
    low, high = calibrate.pit_interval(cdf, life, censored, AXIS)
    assert low.tolist() == pytest.approx([0.5, 0.5, 0.9, 0.0])
    assert high.tolist() == pytest.approx([0.5, 1.0, 1.0, 0.1])


def test_a_map_survives_json_and_a_falling_one_is_refused() -> None:
    found = some_map(4)
    again = PitMap.from_json(found.to_json())
    cdf = some_cdf(4)
    assert again.apply(cdf, AXIS).tobytes() == found.apply(cdf, AXIS).tobytes()
    data = found.to_json()
    data["values"][0][3], data["values"][0][4] = 0.9, 0.1
    with pytest.raises(ValueError, match="monotone"):
        PitMap.from_json(data)


def test_the_identity_changes_nothing() -> None:
    cdf = some_cdf(9)
    assert PitMap.identity().apply(cdf, AXIS) == pytest.approx(cdf)
