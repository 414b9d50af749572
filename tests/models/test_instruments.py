"""Faults of instruments are told by their names, and apart from the machine's."""

from dataclasses import replace

import numpy as np
import pytest

from models import anomaly, features, instruments, instruments_drift, instruments_rough
from models.anomaly import Whitening
from models.features_fit import fit as fit_features
from models.instruments import FAULTS, InstrumentSpec, Judged, examine
from models.instruments_fit import fit, longest_run, usual
from models.windows import WindowArrays
from stream.core import readings
from tests.models.plant import (
    BASELINE,
    BEARING,
    IMPELLER,
    ROWS,
    SENSORS,
    WINDOW,
    broken,
    joined,
    learned,
    life,
    sound,
    windows,
)

START = 200
HEAT, OIL, NOISE, FLOW, POWER, LEVEL = range(1, 7)
MACHINES = 20
# A row of the plant stands for 10 minutes.
MONTH = 30 * 144


def judged(given: WindowArrays) -> Judged:
    return examine(learned().health, learned().spec, given)[1]


def healthy_life(seed: int) -> np.ndarray:
    return life(np.random.default_rng([seed, 5]), 0 * BEARING)


def one(seed: int = 0, at: int = 300) -> WindowArrays:
    """One full window of a healthy machine."""
    return windows(healthy_life(seed)).take(np.array([at]))


def told(given: WindowArrays) -> dict[str, str]:
    """The faults in the first window."""
    codes = judged(given).faults[0]
    return {SENSORS[s]: FAULTS[code] for s, code in enumerate(codes) if code}


def changed(given: WindowArrays, values: np.ndarray) -> WindowArrays:
    return replace(given, values=values.astype(np.float32))


def test_faults_have_the_positions_that_the_pipeline_gives_them() -> None:
    assert FAULTS == readings.FAULTS


@pytest.mark.parametrize("kind", FAULTS[1:])
def test_each_fault_is_named_and_no_other_sensor_is(kind: str) -> None:
    named, wrong = 0, 0
    for seed in range(MACHINES):
        sensor = (HEAT, OIL, NOISE, FLOW, POWER)[seed % 5]
        if kind == "drifting":
            sensor = (OIL, FLOW, POWER, LEVEL)[seed % 4]
        found = judged(broken(kind, healthy_life(seed), sensor, START, seed)).faults
        during = found[START:]
        named += bool((during[:, sensor] == FAULTS.index(kind)).any())
        others = np.arange(len(SENSORS)) != sensor
        wrong += bool((during[:, others] > 0).any())
        assert (found[START - 20 : START] == 0).all()
    assert named >= 0.9 * MACHINES
    assert wrong <= 1


def test_sound_instruments_of_healthy_machines_are_left_alone() -> None:
    machines = 60
    wrong = 0
    for seed in range(100, 100 + machines):
        wrong += bool((judged(windows(healthy_life(seed))).faults > 0).any())
    assert wrong < machines * ROWS / MONTH / 2


@pytest.mark.parametrize("wear", [BEARING, IMPELLER], ids=["bearing", "impeller"])
def test_wear_is_no_fault_of_an_instrument(wear: np.ndarray) -> None:
    found = [
        judged(windows(life(np.random.default_rng([seed, 6]), wear))).faults
        for seed in range(20)
    ]
    assert sum(bool((faults > 0).any()) for faults in found) <= 1


def test_a_machine_fault_that_nobody_has_seen_is_no_drift() -> None:
    strange = np.array([0.0, 20.0, 0.0, 0.0, -35.0, 0.0])
    found = [
        judged(windows(life(np.random.default_rng([seed, 7]), strange))).faults
        for seed in range(20)
    ]
    assert sum(bool((faults > 0).any()) for faults in found) <= 1


def test_a_verdict_does_not_depend_on_the_windows_beside_it() -> None:
    parts = [
        sound(broken(kind, healthy_life(k), 1 + k, START, k)).take(
            np.arange(150, ROWS, 3)
        )
        for k, kind in enumerate(FAULTS[1:])
    ]
    every = joined(parts)
    health, spec = learned().health, learned().spec
    whole = examine(health, spec, every)
    assert len(np.unique(whole[1].faults)) >= 5
    rng = np.random.default_rng(3)
    for size in (1, 2, 7, 300):
        some = rng.integers(0, len(every), size)
        inputs, found = examine(health, spec, every.take(some))
        assert inputs.sequence.tobytes() == whole[0].sequence[some].tobytes()
        for name in ("faults", "deviation", "hidden"):
            left, right = getattr(found, name), getattr(whole[1], name)[some]
            assert left.tobytes() == right.tobytes(), name


def test_what_was_learned_comes_back_from_json() -> None:
    health, spec = learned().health, learned().spec
    again = InstrumentSpec.from_json(health.to_json(), spec)
    assert again.to_json() == health.to_json()
    given = windows(healthy_life(4))
    first, second = judged(given), examine(again, spec, given)[1]
    assert first.deviation.tobytes() == second.deviation.tobytes()


def test_nothing_learned_judges_nothing() -> None:
    given = broken("no_data", healthy_life(0), HEAT, START, 0)
    inputs, found = examine(None, learned().spec, given)
    assert (found.faults == 0).all()
    assert np.isnan(found.deviation).all()
    assert not found.hidden.any()
    plain = features.transform(learned().spec, given)
    assert inputs.sequence.tobytes() == plain.sequence.tobytes()


def test_windows_are_not_altered() -> None:
    given = broken("spiking", healthy_life(0), HEAT, START, 0)
    before = given.values.tobytes(), given.baseline.tobytes()
    judged(given)
    assert before == (given.values.tobytes(), given.baseline.tobytes())


# Silence.


@pytest.mark.parametrize(("rows", "fault"), [(2, None), (3, "no_data")])
def test_silence_counts_from_three_rows(rows: int, fault: str | None) -> None:
    given = one()
    values = given.values.copy()
    values[0, -rows:, OIL] = np.nan
    assert told(changed(given, values)).get("oil") == fault


def test_silence_of_all_is_no_instrument_s_fault() -> None:
    given = one()
    values = given.values.copy()
    values[0, -5:] = np.nan
    assert told(changed(given, values)) == {}


def test_silence_because_of_the_range_says_so_even_for_settings() -> None:
    given = one()
    values = given.values.copy()
    values[0, -3:, 0] = np.nan
    outside = np.zeros((1, len(SENSORS)), np.bool_)
    outside[0, 0] = True
    where = replace(changed(given, values), outside=outside)
    assert told(where) == {"load": "out_of_range"}
    assert told(sound(where)) == {"load": "no_data"}


def test_a_value_out_of_range_long_ago_is_forgiven() -> None:
    given = replace(one(), outside=np.ones((1, len(SENSORS)), np.bool_))
    assert told(given) == {}


def test_gaps_that_are_usual_are_no_silence() -> None:
    values = healthy_life(1)
    rare = np.arange(ROWS) % 6 != 0
    values[rare, OIL] = np.nan
    given = windows(values)
    gap = instruments.trailing_gap(given.values, given.filled)
    assert gap[:, OIL].max() == 5
    spec = learned().spec
    health = fit(spec, given, np.zeros(ROWS, np.int32), np.ones(ROWS, np.bool_))
    assert health.gap.tolist() == [3, 3, 11, 3, 3, 3, 3, 3]
    found = examine(health, spec, given)[1]
    assert (found.faults[:, OIL] != FAULTS.index("no_data")).all()


# Stuck.


def test_runs_are_learned_so_that_steps_and_constants_are_not_stuck() -> None:
    run = learned().health.run
    assert run[HEAT] == 6
    assert run[LEVEL] > 6
    assert run[SENSORS.index("serial")] == 0


def test_a_gauge_in_steps_may_stay_longer() -> None:
    limit = int(learned().health.run[LEVEL])
    given = one()
    values = given.values.copy()
    values[0, -limit:, LEVEL] = values[0, -limit, LEVEL]
    values[0, -limit - 1, LEVEL] += 2
    assert told(changed(given, values)) == {"level": "stuck"}
    values[0, -limit, LEVEL] += 2
    assert told(changed(given, values)) == {}


def test_runs_count_rows_with_a_value_that_are_real() -> None:
    nan = np.nan
    rows = np.array(
        [
            [5, 1, 2, nan, 2, 2],
            [2, 2, 2, 2, 2, 2],
            [2, 2, 2, 2, 2, 2],
            [1, 2, nan, 2, nan, nan],
            [nan] * 6,
        ],
        np.float32,
    )
    filled = np.array([6, 6, 3, 6, 6], np.int32)
    count, first = instruments.trailing_run(rows, filled)
    assert count.tolist() == [3, 6, 3, 2, 0]
    assert first.tolist() == [2, 0, 0, 1, 6]
    longest = longest_run(rows[:, :, None], filled)
    assert longest[:, 0].tolist() == [3, 6, 3, 2, 0]


# Spikes and noise.


def spiked(rows: list[int], sensors: list[int], size: float = 30.0) -> WindowArrays:
    given = one()
    values = given.values.copy()
    values[np.ix_([0], rows, sensors)] += size
    return changed(given, values)


@pytest.mark.parametrize(
    ("rows", "fault"), [([10], {}), ([6, 20], {}), ([6, 14, 22], {"oil": "spiking"})]
)
def test_three_spikes_make_a_sensor_spike_and_fewer_are_taken_out(
    rows: list[int], fault: dict[str, str]
) -> None:
    given = spiked(rows, [OIL])
    assert told(given) == fault
    health, spec = learned().health, learned().spec
    inputs, found = examine(health, spec, given)
    clean = features.transform(spec, one()).sequence
    at = list(spec.columns).index(OIL)
    apart = np.flatnonzero(inputs.sequence[0, :, at] != clean[0, :, at])
    assert apart.tolist() == rows
    # The value before stands in place of a spike.
    assert inputs.sequence[0, rows, at] == pytest.approx(
        clean[0, np.array(rows) - 1, at]
    )
    assert not found.hidden.any()
    assert np.abs(found.deviation[0, OIL]) < 4


def test_what_several_sensors_do_at_once_is_the_machine() -> None:
    given = spiked([6, 14, 22], [OIL, FLOW])
    assert told(given) == {}
    found = examine(learned().health, learned().spec, given)[0]
    plain = features.transform(learned().spec, given)
    assert found.sequence.tobytes() == plain.sequence.tobytes()


def test_a_level_that_moves_and_stays_is_no_spike() -> None:
    given = one()
    values = given.values.copy()
    values[0, 12:, OIL] += 30
    assert "spiking" not in told(changed(given, values)).values()


def test_a_change_of_load_is_no_spike() -> None:
    values = healthy_life(3)
    count = np.abs(np.diff(values[:, 0])) > 30
    assert count.sum() > 5
    assert (judged(windows(values)).faults == 0).all()


def test_a_jump_in_the_newest_rows_waits_until_it_stays() -> None:
    health, spec = learned().health, learned().spec
    at = list(spec.columns).index(OIL)
    given = one()
    for rows in (1, 2, 3):
        values = given.values.copy()
        values[0, -rows:, OIL] += 25
        left = features.prepare(spec, changed(given, values))
        instruments_rough.find(health.rough, left, given.filled)
        gone = np.flatnonzero(np.isnan(left.scores[0, :, at]))
        assert gone.tolist() == [[29], [28, 29], []][rows - 1]


def test_noise_of_several_sensors_is_the_machine() -> None:
    given = one()
    rng = np.random.default_rng(0)
    values = given.values.copy()
    values[0, :, OIL] += rng.normal(0, 10, WINDOW)
    assert told(changed(given, values)) == {"oil": "noisy"}
    values[0, :, FLOW] += rng.normal(0, 10, WINDOW)
    assert told(changed(given, values)) == {}


def test_the_median_of_five_is_that() -> None:
    rng = np.random.default_rng(0)
    held = rng.normal(size=(50, 9, 3)).astype(np.float32)
    view = np.lib.stride_tricks.sliding_window_view(held, 5, axis=1)
    middle = np.median(view, axis=3)
    wanted = np.abs(held - middle[:, [0, 0, 0, 1, 2, 3, 4, 4, 4]])
    assert instruments_rough.from_median(held) == pytest.approx(wanted)
    assert (instruments_rough.from_median(held[:, :4]) == 0).all()


# Drift, deviation.


def test_deviation_is_in_sigma_with_its_sign() -> None:
    given = one()
    values = given.values.copy()
    values[0, :, FLOW] += 10
    values[0, :, POWER] -= 10
    up = judged(changed(given, values)).deviation[0] - judged(given).deviation[0]
    assert up[FLOW] > 5
    assert up[POWER] < -5
    assert np.abs(up[[HEAT, OIL, NOISE]]).max() == 0
    plain = judged(windows(healthy_life(9))).deviation[100:, HEAT:LEVEL]
    assert 0.5 < plain.std() < 1.6
    assert np.array_equal(plain, np.round(plain, 2))


def test_deviation_is_unknown_of_settings_constants_and_the_mute() -> None:
    given = one()
    values = given.values.copy()
    values[0, -20:, OIL] = np.nan
    values[0, -20:, HEAT] = values[0, 0, HEAT]
    found = judged(changed(given, values)).deviation[0]
    unknown = [SENSORS[s] for s in np.flatnonzero(np.isnan(found))]
    assert unknown == ["load", "heat", "oil", "serial"]


def test_a_drift_is_hidden_before_it_is_told_and_looks_normal() -> None:
    given = broken("drifting", healthy_life(2), FLOW, START, 2)
    health, spec = learned().health, learned().spec
    inputs, found = examine(health, spec, given)
    at = list(spec.columns).index(FLOW)
    first_told = np.argmax(found.faults[:, FLOW] == FAULTS.index("drifting"))
    first_hidden = np.argmax(found.hidden[:, at])
    assert START < first_hidden <= first_told
    own = inputs.static[first_told, at]
    assert (inputs.sequence[first_told, :, at] == own).all()


def test_before_the_own_normal_is_known_nothing_drifts() -> None:
    values = healthy_life(2)
    values[5:, FLOW] += 40
    found = judged(windows(values)).faults[: BASELINE - 1, FLOW]
    assert (found != FAULTS.index("drifting")).all()


def test_leaving_sensors_out_is_as_if_they_had_never_been() -> None:
    rng = np.random.default_rng(0)
    mixed = rng.normal(size=(6, 6))
    covariance = mixed @ mixed.T + np.eye(6)
    gone = np.array([False, True, False, False, True, False])
    precision = np.asarray(np.linalg.inv(covariance), np.float64)
    left = instruments_drift.without(precision, gone)
    direct = np.linalg.inv(covariance[np.ix_(~gone, ~gone)])
    assert left[np.ix_(~gone, ~gone)] == pytest.approx(direct)
    assert (left[gone] == 0).all()


def test_distances_are_those_of_a_regression_on_the_other_sensors() -> None:
    rng = np.random.default_rng(1)
    mixed = rng.normal(size=(4, 4))
    covariance = mixed @ mixed.T + np.eye(4)
    size = np.sqrt(np.diag(covariance))
    correlation = covariance / size / size[:, None]
    spec = replace(
        learned().health.drift,
        center=np.zeros(4),
        spread=size,
        precision=np.asarray(np.linalg.inv(correlation), np.float64),
    )
    z = rng.normal(size=(3, 4)) * 5
    far, second = instruments_drift.distances(spec, z, np.ones((3, 4), np.bool_))

    def expected(row: np.ndarray, j: int, others: list[int]) -> float:
        given = np.linalg.solve(covariance[np.ix_(others, others)], row[others])
        across = covariance[j, others]
        weight = np.linalg.solve(covariance[np.ix_(others, others)], across)
        spare = covariance[j, j] - across @ weight
        return float(abs(row[j] - across @ given) / np.sqrt(spare))

    for i, row in enumerate(z):
        alone = [expected(row, j, [k for k in range(4) if k != j]) for j in range(4)]
        assert far[i] == pytest.approx(alone)
        rest = [k for k in range(4) if k != int(np.argmax(alone))]
        others = [expected(row, j, [k for k in rest if k != j]) for j in rest]
        assert second[i] == pytest.approx(max(others))


# Learning.


def test_usual_leaves_out_the_most_extreme_machines_of_many() -> None:
    machine = np.repeat(np.arange(40), 3).astype(np.int32)
    values = np.ones((120, 1))
    values[5] = 100
    assert usual(values, machine).tolist() == [1.0]
    assert usual(values[:30], machine[:30]).tolist() == [100.0]


def test_few_windows_teach_no_drift() -> None:
    given = windows(healthy_life(0)).take(np.arange(30, 90))
    machine = np.zeros(60, np.int32)
    found = fit(learned().spec, given, machine, np.ones(60, np.bool_))
    assert (found.drift.limit == 0).all()
    drifted = broken("drifting", healthy_life(2), FLOW, START, 2)
    faults = examine(found, learned().spec, drifted)[1].faults
    assert (faults != FAULTS.index("drifting")).all()


def test_a_window_shorter_than_five_rows_is_judged_too() -> None:
    short = windows(healthy_life(0))
    short = replace(short, values=short.values[:, -4:])
    short = replace(short, filled=np.minimum(short.filled, 4))
    spec = fit_features(
        short.values[:, -1],
        short.baseline[:1],
        np.array([BASELINE], np.int32),
        short.age,
        sensors=SENSORS,
        settings=("load",),
        window=4,
    )
    health = fit(spec, short, np.zeros(ROWS, np.int32), np.ones(ROWS, np.bool_))
    assert (examine(health, spec, short)[1].faults == 0).all()


# The anomaly without what a faulty instrument says.


def test_a_hidden_sensor_does_not_count_in_the_anomaly() -> None:
    rng = np.random.default_rng(2)
    mixed = rng.normal(size=(4, 4))
    covariance = mixed @ mixed.T + np.eye(4)
    size, axes = np.linalg.eigh(covariance)
    matrix = ((axes / np.sqrt(size)) @ axes.T).astype(np.float32).astype(np.float64)
    whitening = Whitening(np.zeros(4), matrix)
    residual = rng.normal(size=(5, 4))
    hidden = np.zeros((5, 4), np.bool_)
    hidden[1, 2] = hidden[2, [0, 3]] = hidden[3] = True
    other = residual.copy()
    other[hidden] = 50.0
    score, shares = anomaly.total_of_sound(
        whitening, (residual @ matrix).astype(np.float32), hidden
    )
    again, _ = anomaly.total_of_sound(
        whitening, (other @ matrix).astype(np.float32), hidden
    )
    assert again == pytest.approx(score, rel=1e-3)
    for i in range(5):
        there = ~hidden[i]
        block = covariance[np.ix_(there, there)]
        left = residual[i, there]
        distance = left @ np.linalg.solve(block, left) if there.any() else 0.0
        assert score[i] == pytest.approx((distance + hidden[i].sum()) / 4, rel=1e-3)
    assert (shares[hidden] == 0).all()
    assert shares[:3].sum(axis=1) == pytest.approx(1.0)
    assert (shares[3] == 0).all()
    plain, usual_shares = anomaly.total((residual @ matrix).astype(np.float32))
    assert score[0] == plain[0]
    assert shares[0].tolist() == usual_shares[0].tolist()
