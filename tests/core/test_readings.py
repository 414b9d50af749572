"""The nouns: columns of readings, and the tally."""

from collections import Counter

import numpy as np
import pytest

from stream.core.readings import Sensor, Tally, no_readings
from tests.core.helpers import kind, plain, readings


def test_taking_readings_copies_all_columns() -> None:
    batch = readings((0, 10, [1, 2]), (1, 11, [3, 4]), (2, 12, [5, 6]))
    some = batch.take(np.array([2, 0]))
    some.values[0] = 9
    assert some.machine.tolist() == [2, 0]
    assert some.time_ns.tolist() == [12, 10]
    assert plain(some.values) == [[9, 9], [1, 2]]
    assert some.offset.tolist() == [2, 0]
    assert plain(batch.values)[2] == [5, 6]
    assert len(batch) == 3


def test_no_readings_have_columns_of_the_right_kind() -> None:
    none = no_readings(3)
    assert len(none) == 0
    assert none.values.shape == (0, 3)
    assert none.values.dtype == np.float32
    assert none.time_ns.dtype == np.int64


def test_a_tally_adds_up() -> None:
    one, two = Tally(records=2), Tally(records=3)
    one.readings["used"] = 2
    two.readings.update({"used": 1, "late": 2})
    two.values["null"] = 4
    two.windows["scored"] = 1
    one.add(two)
    assert one == Tally(5, Counter(used=3, late=2), Counter(null=4), Counter(scored=1))


def test_counting_none_leaves_no_entry() -> None:
    counter: Counter[str] = Counter()
    Tally.bump(counter, "late", 0)
    Tally.bump(counter, "used", np.int64(2))
    assert dict(counter) == {"used": 2}
    assert type(counter["used"]) is int


def test_sensor_names_are_in_order() -> None:
    assert kind(sensors="zay").sensor_names == ("z", "a", "y")


@pytest.mark.parametrize("value", [-1e38, 0, 1e38])
def test_a_sensor_has_no_range_by_default(value: float) -> None:
    assert Sensor("t").low < value < Sensor("t").high
