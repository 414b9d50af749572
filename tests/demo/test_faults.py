import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from stream.demo import faults
from stream.demo.faults import KINDS, Place
from stream.demo.fleet import simulate
from stream.demo.parameters import MEASURED, SENSORS, Parameters

Rows = NDArray[np.float32]

ROWS = 400
FROM, TO = 100, 300


@pytest.fixture
def clean(laws: Parameters) -> Rows:
    rng = np.random.default_rng(5)
    middle = np.array([2000.0, 8, 120, 40, 60, 2, 80, 12])
    sigma = np.array([1.0, *(laws.faults.sigma[s] for s in MEASURED)])
    values = middle + 0.3 * sigma * rng.normal(size=(ROWS, 3, len(SENSORS)))
    return values.astype(np.float32)


@pytest.mark.parametrize("sensor", MEASURED)
@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_changes_its_sensor_in_its_time_and_nothing_else(
    laws: Parameters, clean: Rows, kind: str, sensor: str
) -> None:
    place = Place(kind, 1, sensor, FROM, TO)
    hit = clean.copy()
    faults.inject(laws, hit, place, np.random.default_rng(1))
    column = SENSORS.index(sensor)
    changed = np.argwhere((hit != clean) & ~(np.isnan(hit) & np.isnan(clean)))
    assert {tuple(c) for c in changed[:, 1:].tolist()} == {(1, column)}
    assert changed[:, 0].min() >= FROM
    assert changed[:, 0].max() < TO
    before, after = clean[FROM:TO, 1, column], hit[FROM:TO, 1, column]
    assert_looks(laws, place, before, after)


def assert_looks(laws: Parameters, place: Place, before: Rows, after: Rows) -> None:
    sigma = laws.faults.sigma[place.sensor]
    low, high = laws.faults.range[place.sensor]
    moved = np.abs(after - before) / sigma
    if place.kind == "no_data":
        assert np.isnan(after).all()
    elif place.kind == "stuck":
        assert set(after.tolist()) == {before[0]}
    elif place.kind == "out_of_range":
        assert (after > high).all()
    else:
        assert (after >= low).all()
        assert (after <= high).all()
    if place.kind == "spiking":
        share = np.mean(moved > 1)
        assert 0.1 < share < 0.25
    if place.kind == "noisy":
        assert after.std() > 4 * before.std()
    if place.kind == "drifting":
        assert moved[0] < 1e-3
        assert moved[-1] > 5
        assert (np.diff(moved) > -1e-3).all()


def test_a_demo_without_enough_sound_machines_leaves_faults_out(
    laws: Parameters,
) -> None:
    few = msgspec.structs.replace(laws.demo, machines=16, failures=12, spares=1)
    fleet = simulate(msgspec.structs.replace(laws, demo=few), 1, "demo")
    assert len(fleet.faults) == 3
