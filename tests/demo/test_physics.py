from collections import defaultdict

import numpy as np
import pytest

from stream.demo.fleet import Failure, Fleet
from stream.demo.parameters import SENSORS, Parameters
from stream.demo.physics import ambient, lag, steady, wander

HOUR_NS = 3_600 * 10**9
SPEEDS = np.array([[0.5], [1.0]])
DESIGN = np.zeros((2, 1))


@pytest.mark.parametrize(
    ("quantity", "power"), [("flow", 1), ("head", 2), ("power", 3)]
)
def test_affinity_laws(laws: Parameters, quantity: str, power: int) -> None:
    found = getattr(steady(laws, SPEEDS, DESIGN), quantity)
    assert found[0, 0] / found[1, 0] == pytest.approx(0.5**power)


def test_a_pump_at_rated_speed_does_what_its_plate_says(laws: Parameters) -> None:
    found = steady(laws, np.ones((1, 1)), np.zeros((1, 1)))
    rated = laws.rated
    assert found.head[0, 0] == pytest.approx(rated.head)
    assert found.flow[0, 0] == pytest.approx(rated.flow)
    assert found.motor_rise[0, 0] == pytest.approx(rated.motor_rise)
    assert found.bearing_rise[0, 0] == pytest.approx(rated.bearing_rise)
    assert found.vibration[0, 0] == pytest.approx(rated.vibration)
    assert found.leakage[0, 0] == pytest.approx(rated.leakage)
    amperes = np.hypot(rated.idle_current, rated.torque_current)
    assert found.current[0, 0] == pytest.approx(amperes)


def test_more_flow_costs_head_and_takes_power(laws: Parameters) -> None:
    speed = np.ones((1, 2))
    found = steady(laws, speed, np.array([[-0.1, 0.1]]))
    assert found.flow[0, 0] < found.flow[0, 1]
    assert found.head[0, 0] > found.head[0, 1]
    assert found.power[0, 0] < found.power[0, 1]


def test_a_standing_pump_does_nothing(laws: Parameters) -> None:
    found = steady(laws, np.zeros((1, 1)), np.zeros((1, 1)))
    for name in ("flow", "head", "power", "current", "bearing_rise", "motor_rise"):
        assert getattr(found, name)[0, 0] == 0, name


def test_leakage_goes_with_the_root_of_the_pressure(laws: Parameters) -> None:
    found = steady(laws, SPEEDS, DESIGN)
    ratio = found.head[0, 0] / found.head[1, 0]
    assert found.leakage[0, 0] / found.leakage[1, 0] == pytest.approx(ratio**0.5)


def test_temperatures_lag_behind_their_level() -> None:
    target = np.concatenate([np.zeros((5, 1)), np.ones((200, 1))])
    share = 1 - np.exp(-1 / 20)
    found = lag(target, share)
    assert (found[:5] == 0).all()
    assert found[4 + 20, 0] == pytest.approx(1 - np.exp(-1), abs=1e-9)
    assert found[-1, 0] == pytest.approx(1, abs=1e-3)


def test_what_wanders_has_its_size_and_comes_back() -> None:
    found = wander(np.random.default_rng(0), (20_000, 8), 2.0, 50.0)
    assert found.std() == pytest.approx(2.0, rel=0.1)
    after = np.mean(found[50:] * found[:-50]) / found.var()
    assert after == pytest.approx(np.exp(-1), abs=0.08)


def test_days_are_warmer_than_nights_and_july_than_january(laws: Parameters) -> None:
    hours = (
        np.arange(366 * 24, dtype=np.float64) * 3600 + 1_767_225_600
    )  # from 1 January 2026
    found = ambient(laws, hours, np.random.default_rng(0))
    by_hour = found[: 364 * 24].reshape(-1, 24).mean(axis=0)
    assert np.argmin(by_hour) == 4
    assert np.ptp(by_hour) == pytest.approx(2 * laws.ambient.day, rel=0.1)
    january, july = found[: 31 * 24].mean(), found[181 * 24 : 212 * 24].mean()
    assert july - january == pytest.approx(2 * laws.ambient.season, abs=3)


def test_high_load_looks_like_a_fault(laws: Parameters, lessons: list[Fleet]) -> None:
    fleet = lessons[0]
    rpm = fleet.values[:, 0]
    low, high = (
        fleet.values[fleet.running & (abs(rpm - at) < 10) & (fleet.wear < 0.01)]
        for at in (laws.load.rpm[0], laws.load.rpm[-1])
    )
    for sensor in ("motor_temperature", "bearing_temperature", "vibration", "current"):
        column = SENSORS.index(sensor)
        assert high[:, column].mean() > 1.3 * low[:, column].mean(), sensor


def test_each_mechanism_moves_its_driving_sensor_most_and_others_too(
    laws: Parameters, lessons: list[Fleet]
) -> None:
    moved = defaultdict(list)
    for fleet in lessons:
        for failure in fleet.failures:
            if failure.foreseeable:
                moved[failure.mechanism].append(deviations(laws, fleet, failure))
    assert set(moved) == set(laws.mechanisms)
    for name, found in moved.items():
        typical = np.nanmedian(found, axis=0)
        first, second = np.argsort(-np.abs(typical))[:2]
        assert SENSORS[1 + first] == laws.mechanisms[name].drives, name
        assert abs(typical[first]) > 4, name
        assert abs(typical[second]) > 1, name


def deviations(laws: Parameters, fleet: Fleet, failure: Failure) -> list[float]:
    """Sigma of the last 18 hours against the same load long before, by sensor."""
    m = fleet.machines.index(failure.machine)
    left = (failure.at_ns - fleet.time_ns) / HOUR_NS
    mine = (fleet.machine == m) & fleet.running & (left >= 0) & (left < 240)
    values, left = fleet.values[mine].astype(np.float64), left[mine]
    found = []
    for column in range(1, len(SENSORS)):
        scores: list[float] = []
        for rpm in laws.load.rpm:
            load = np.abs(values[:, 0] - rpm) < 15
            base = values[load & (left > 140), column]
            late = values[load & (left < 18), column]
            if len(base) > 20:
                scores += list((late - base.mean()) / base.std())
        found.append(float(np.mean(scores)) if scores else float("nan"))
    return found
