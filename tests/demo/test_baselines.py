from dataclasses import replace

import numpy as np
import pytest

from stream.demo import baselines
from stream.demo.fleet import Fleet
from stream.demo.parameters import SENSORS

HORIZON_H = 72.0
HOUR_NS = 3_600 * 10**9


@pytest.fixture(scope="module")
def plain(demos: list[Fleet]) -> Fleet:
    """A fleet whose wear no limit could overlook."""
    fleet = demos[0]
    values = fleet.values.copy()
    values[fleet.wear > 0.3, SENSORS.index("vibration")] = 24.0
    return replace(fleet, values=values)


def test_a_plain_signal_is_foreseen_by_both(plain: Fleet, lessons: list[Fleet]) -> None:
    for found in baselines.compare(lessons[0], [plain], HORIZON_H, 1):
        assert found.foreseen == found.foreseeable == 11, found.name
        assert found.false_alarms <= 1, found.name


def test_no_limit_allows_more_false_alarms_than_it_may(
    demos: list[Fleet], lessons: list[Fleet]
) -> None:
    score = baselines.fixed_limits(baselines.healthy_rows(lessons[0]), 0.99)
    few, many = (
        baselines.best("limits", {"": score}, demos[:2], HORIZON_H, most)
        for most in (2, 40)
    )
    assert few.false_alarms <= 2
    assert few.false_alarms < many.false_alarms <= 40
    assert few.foreseen <= many.foreseen


def test_healthy_rows_run_and_are_far_from_failures(lessons: list[Fleet]) -> None:
    fleet = lessons[0]
    rows = baselines.healthy_rows(fleet)
    assert 0.5 * len(fleet) < len(rows) < len(fleet)
    assert rows[:, 0].min() > 1000
    assert not baselines.settled(fleet, 12)[~fleet.running].any()


def test_an_alarm_is_raised_again_after_long_enough_or_a_repair() -> None:
    above = np.zeros(400, bool)
    above[[10, 11, 11 + baselines.OFF_ROWS, 200, 210]] = True
    time_ns = np.arange(400, dtype=np.int64) * HOUR_NS
    assert baselines.episodes(above, time_ns, []) == [10, 200]
    assert baselines.episodes(above, time_ns, [205 * HOUR_NS]) == [10, 200, 210]
    assert baselines.episodes(np.zeros(400, bool), time_ns, []) == []
