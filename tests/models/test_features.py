"""Windows to network inputs: the same bits in any company, always finite."""

import json

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import features, features_fit, regimes
from models.features import FeatureSpec
from models.options import Examples
from models.windows import WindowArrays
from tests.models.fleet import LAYOUT, SENSORS, WINDOW, fleet, rows, windows

EXAMPLES = fleet(6, seed=3)


def learn(examples: Examples = EXAMPLES) -> FeatureSpec:
    given_windows, last = examples.windows, examples.last()
    return features_fit.fit(
        given_windows.values[:, -1],
        given_windows.baseline[last],
        given_windows.n_base[last],
        given_windows.age,
        sensors=SENSORS,
        settings=LAYOUT.settings,
        window=WINDOW,
    )


SPEC = learn()


def test_finds_regimes_and_the_sensors_that_vary() -> None:
    assert SPEC.names == ("heat", "noise", "flow")
    assert len(SPEC.regimes.low) == 2
    assert sorted(SPEC.mean[:, 0].round(-1).tolist()) == [10.0, 50.0]


def test_scores_of_training_rows_have_mean_0_and_deviation_1_in_each_regime() -> None:
    newest = EXAMPLES.windows.values[:, -1]
    scores, code = features.normalise(SPEC, newest)
    assert set(code.tolist()) == {0, 1}
    for regime in (0, 1):
        part = scores[code == regime]
        assert np.abs(part.mean(axis=0)).max() < 1e-4
        assert np.abs(part.std(axis=0) - 1).max() < 1e-3


@given(st.integers(0, 2**31), st.integers(1, 40))
def test_a_window_does_not_depend_on_its_neighbours(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    some = rng.integers(0, len(EXAMPLES.life), count)
    taken = EXAMPLES.windows.take(some)
    gaps = rng.random(taken.values.shape) < 0.1
    holed = WindowArrays(
        np.where(gaps, np.float32("nan"), taken.values),
        taken.filled,
        taken.times_ns,
        taken.baseline,
        taken.n_base,
        taken.age,
    )
    together = features.transform(SPEC, holed)
    for i in range(count):
        alone = features.transform(SPEC, holed.take(np.array([i])))
        assert alone.sequence.tobytes() == together.sequence[i].tobytes()
        assert alone.static.tobytes() == together.static[i].tobytes()
        assert alone.known[0] == together.known[i]


@given(st.integers(0, 2**31), st.floats(0, 1))
def test_inputs_are_finite_whatever_is_absent(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    taken = EXAMPLES.windows.take(rng.integers(0, len(EXAMPLES.life), 5))
    values = taken.values.copy()
    values[rng.random(values.shape) < share] = np.nan
    values[rng.random(values.shape) < 0.05] = 3e38
    baseline = taken.baseline.copy()
    baseline[rng.random(baseline.shape) < share] = np.nan
    age = np.where(rng.random(5) < share, np.nan, taken.age)
    found = features.transform(
        SPEC,
        WindowArrays(values, taken.filled, taken.times_ns, baseline, taken.n_base, age),
    )
    assert np.isfinite(found.sequence).all()
    assert np.isfinite(found.static).all()
    assert np.abs(found.sequence).max() <= features.CLIP


def test_a_gap_holds_the_last_value_and_starts_at_the_own_normal() -> None:
    taken = EXAMPLES.windows.take(np.array([40]))
    values = taken.values.copy()
    values[0, :3, 1] = np.nan
    values[0, 7, 1] = np.nan
    holed = WindowArrays(
        values, taken.filled, taken.times_ns, taken.baseline, taken.n_base, taken.age
    )
    whole = features.transform(SPEC, taken).sequence[0, :, 0]
    inputs = features.transform(SPEC, holed)
    found = inputs.sequence[0, :, 0]
    assert found[:3].tolist() == [inputs.static[0, 0]] * 3
    assert found[7] == whole[6]
    others = [3, 4, 5, 6, 8, 9, 10, 11]
    assert found[others].tolist() == whole[others].tolist()


def test_garbage_beyond_n_base_is_not_read() -> None:
    taken = EXAMPLES.windows.take(np.array([1]))
    assert taken.n_base[0] == 2
    other = taken.baseline.copy()
    other[0, 2:] = -123.0
    changed = WindowArrays(
        taken.values, taken.filled, taken.times_ns, other, taken.n_base, taken.age
    )
    first, second = features.transform(SPEC, taken), features.transform(SPEC, changed)
    assert first.static.tobytes() == second.static.tobytes()


def test_own_baseline_moves_from_the_fleets_to_the_machines() -> None:
    taken = EXAMPLES.windows.take(np.array([30, 30]))
    none = WindowArrays(
        taken.values,
        taken.filled,
        taken.times_ns,
        taken.baseline,
        np.array([0, 5], np.int32),
        taken.age,
    )
    own = features.transform(SPEC, none).static[:, :3]
    scores, _ = features.normalise(SPEC, taken.baseline[:1])
    mean = scores[0].mean(axis=0)
    assert own[0] == pytest.approx(SPEC.fleet, abs=1e-6)
    weight = 5 / (5 + SPEC.shrink)
    assert own[1] == pytest.approx(weight * mean + (1 - weight) * SPEC.fleet, abs=1e-5)


def test_an_unknown_regime_is_told_and_an_unknown_age_is_marked() -> None:
    taken = EXAMPLES.windows.take(np.array([20, 21, 22]))
    values = taken.values.copy()
    values[0, -1, 0] = 50.0
    values[1, -2, 0] = 50.0
    age = np.array([21.0, 22.0, np.nan])
    found = features.transform(
        SPEC,
        WindowArrays(
            values, taken.filled, taken.times_ns, taken.baseline, taken.n_base, age
        ),
    )
    assert found.known.tolist() == [False, True, True]
    assert found.static[:, 5].tolist() == [1.0, 1.0, 0.0]
    assert found.static[2, 4] == 0.0


def test_the_spec_survives_json_to_the_bit() -> None:
    again = FeatureSpec.from_json(json.loads(json.dumps(SPEC.to_json())))
    first = features.transform(SPEC, EXAMPLES.windows)
    second = features.transform(again, EXAMPLES.windows)
    assert first.sequence.tobytes() == second.sequence.tobytes()
    assert first.static.tobytes() == second.static.tobytes()


@pytest.mark.parametrize("name", ["mean", "inverse", "fleet", "shrink"])
def test_a_spec_whose_tables_do_not_fit_is_refused(name: str) -> None:
    data = SPEC.to_json()
    data[name] = [0.0]
    with pytest.raises(ValueError, match=name):
        FeatureSpec.from_json(data)


def test_rows_in_which_nothing_varies_are_refused() -> None:
    flat = np.ones((50, 5), np.float32)
    with pytest.raises(ValueError, match="no sensor varies"):
        features_fit.fit(
            flat,
            np.ones((1, 5, 5), np.float32),
            np.array([5], np.int32),
            np.arange(50.0),
            sensors=SENSORS,
            settings=(),
            window=WINDOW,
        )


def _settings(kind: str) -> npt.NDArray[np.float32]:
    rng = np.random.default_rng(5)
    table = np.concatenate([rows(rng, 300) for _ in range(3)])
    if kind == "ticks":
        table[:, 0] = rng.integers(0, 13, len(table)) * 1e-4
    if kind == "steady":
        table[:, 0] = 100.0
    if kind == "absent":
        table[:, 0] = np.nan
    return table


@pytest.mark.parametrize(
    ("kind", "count"), [("two", 2), ("ticks", 1), ("steady", 1), ("absent", 1)]
)
def test_settings_count_as_regimes_only_where_they_move_the_sensors(
    kind: str, count: int
) -> None:
    table = _settings(kind)
    found = regimes.find(table, [0], [1, 2, 3])
    assert len(found.low) == count
    assert (regimes.assign(found, table) >= 0).all()


def test_a_bundle_of_one_regime_does_not_know_a_far_one() -> None:
    found = regimes.find(_settings("steady"), [0], [1, 2, 3])
    far = np.array([[20.0, 0, 0, 0, 0], [100.2, 0, 0, 0, 0]], np.float32)
    assert regimes.assign(found, far).tolist() == [-1, 0]


def test_no_settings_is_one_regime() -> None:
    table = _settings("two")
    found = regimes.find(table, [], [1, 2, 3])
    assert len(found.low) == 1
    assert (regimes.assign(found, table) == 0).all()


def test_short_machines_are_padded_not_dropped() -> None:
    short = windows(rows(np.random.default_rng(1), 3))
    assert len(features.transform(SPEC, short).static) == 3
