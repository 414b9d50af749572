"""Readings to rows: watermark, duplicates, grid, release.

Sensors are ``t`` and ``v``; times are small integers, drawn as

    arrival:   1st   2nd   3rd
    time:       10    30    20     <- older than 30 - lateness: late
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stream.core.readings import OUTSIDE, Tally, is_outside, no_readings
from stream.core.rows import RowMaker, Rows
from tests.core.helpers import NAN, ends, kind, plain, readings


def maker(machines: int = 1, **more: Any) -> RowMaker:
    made = RowMaker(kind(**more))
    made.grow(machines)
    return made


def lines(rows: Rows) -> list[tuple[int, int, list[float | None], int]]:
    """Return rows as (machine, time, values, offset)."""
    columns = (rows.machine, rows.time_ns, plain(rows.values), rows.offset)
    return list(zip(*(map_list(column) for column in columns), strict=True))


def map_list(column: Any) -> list[Any]:
    return column if isinstance(column, list) else column.tolist()


def test_by_message_each_reading_is_a_row() -> None:
    tally = Tally()
    rows = maker().push(readings((0, 10, [1, 2]), (0, 20, [3, NAN])), tally)
    assert lines(rows) == [(0, 10, [1, 2], 0), (0, 20, [3, None], 1)]
    assert rows.values.dtype == np.float32
    assert ends(tally) == {"used": 2}


def test_rows_are_sorted_by_machine_and_no_machine_delays_another() -> None:
    batch = readings((2, 50, [1, 1]), (0, 10, [2, 2]), (2, 60, [3, 3]), (0, 9, [4, 4]))
    tally = Tally()
    rows = maker(3).push(batch, tally)
    assert lines(rows) == [
        (0, 10, [2, 2], 1),
        (2, 50, [1, 1], 0),
        (2, 60, [3, 3], 2),
    ]
    assert ends(tally) == {"used": 3, "late": 1}


def test_a_reading_exactly_at_the_watermark_is_not_late() -> None:
    made, tally = maker(lateness_ns=5), Tally()
    rows = made.push(
        readings((0, 30, [1, 1]), (0, 24, [2, 2]), (0, 25, [3, 3]), (0, 26, [4, 4])),
        tally,
    )
    # 24 is late; 25 stands at the watermark and passes; 26 and 30 wait.
    assert lines(rows) == [(0, 25, [3, 3], 2)]
    assert ends(tally) == {"late": 1, "used": 1}
    assert made.waiting.time_ns.tolist() == [30, 26]


def test_readings_ahead_of_the_watermark_wait_and_come_out_in_time_order() -> None:
    made, tally = maker(lateness_ns=10), Tally()
    rows = made.push(readings((0, 20, [1, 1]), (0, 15, [2, 2])), tally)
    assert lines(rows) == []
    assert ends(tally) == {}
    # 30 moves the watermark to 20: both come out, completed by the record at 2.
    rows = made.push(readings((0, 30, [3, 3]), first_offset=2), tally)
    assert lines(rows) == [(0, 15, [2, 2], 2), (0, 20, [1, 1], 2)]
    assert ends(tally) == {"used": 2}
    assert made.waiting.time_ns.tolist() == [30]


def test_a_row_names_the_record_that_let_the_watermark_pass_it() -> None:
    batch = readings(*((0, time, [1, 1]) for time in (20, 22, 25, 30, 31)))
    rows = maker(lateness_ns=5).push(batch, Tally())
    # The watermark stands at 15, 17, 20, 25, 26 after each of the five.
    assert rows.time_ns.tolist() == [20, 22, 25]
    assert rows.offset.tolist() == [2, 3, 3]


def test_a_late_reading_moves_nothing() -> None:
    made = maker()
    made.push(readings((0, 30, [1, 1])), Tally())
    made.push(readings((0, 10, [1, 1]), first_offset=1), Tally())
    assert made.high.tolist() == [30]


@pytest.mark.parametrize("cut", [True, False], ids=["two batches", "one batch"])
def test_of_equal_machine_time_and_sensor_the_first_wins(cut: bool) -> None:
    made, tally = maker(), Tally()
    same: list[tuple[int, int, list[float]]]
    same = [(0, 10, [1, NAN]), (0, 10, [2, 5]), (0, 10, [3, 6])]
    found = []
    for batch in [same[:1], same[1:]] if cut else [same]:
        first = 0 if len(batch) != 2 else 1
        found += lines(made.push(readings(*batch, first_offset=first), tally))
    # t of the second is masked, v is its first; nothing is left of the third.
    assert found == [(0, 10, [1, None], 0), (0, 10, [None, 5], 1)]
    assert ends(tally) == {"used": 2, "duplicate": 1}
    assert tally.values == {"duplicate": 3}


def test_equal_times_of_two_machines_are_no_duplicates() -> None:
    tally = Tally()
    maker(2).push(readings((0, 10, [1, 1]), (1, 10, [1, 1])), tally)
    assert ends(tally) == {"used": 2}


def test_sensors_seen_at_an_earlier_time_do_not_mask() -> None:
    made, tally = maker(), Tally()
    made.push(readings((0, 10, [1, 1])), tally)
    made.push(readings((0, 20, [NAN, 2]), first_offset=1), tally)
    rows = made.push(readings((0, 20, [3, 3]), first_offset=2), tally)
    assert lines(rows) == [(0, 20, [3, None], 2)]


def test_records_in_the_restored_state_are_skipped_and_counted_as_repeated() -> None:
    made, tally = maker(2), Tally()
    made.applied[:] = [5, 4]
    batch = readings((0, 10, [1, 1]), (1, 10, [1, 1]), (0, 11, [1, 1]), first_offset=5)
    rows = made.push(batch, tally)
    assert lines(rows) == [(0, 11, [1, 1], 7), (1, 10, [1, 1], 6)]
    assert ends(tally) == {"repeated": 1, "used": 2}
    assert made.applied.tolist() == [7, 6]


def test_nothing_comes_of_nothing() -> None:
    made = maker()
    assert lines(made.push(no_readings(2), Tally())) == []
    made.grow(0)
    assert len(made.high) == 1


class TestGrid:
    """A grid of 10, on which values are held for 15."""

    def made(self, machines: int = 1, **more: Any) -> RowMaker:
        return maker(machines, **({"every_ns": 10, "max_age_ns": 15} | more))

    def test_a_row_holds_the_last_values_at_or_before_it(self) -> None:
        # time:   7     10         18     20    21
        # t:      1      .          2      .     3
        # v:      .      5          .      .     .
        # rows:         10                20
        made, tally = self.made(), Tally()
        rows = made.push(
            readings((0, 7, [1, NAN]), (0, 10, [NAN, 5]), (0, 18, [2, NAN])), tally
        )
        assert lines(rows) == [(0, 10, [1, 5], 2)]
        rows = made.push(readings((0, 21, [3, NAN]), first_offset=3), tally)
        assert lines(rows) == [(0, 20, [2, 5], 3)]
        assert ends(tally) == {"merged": 4}

    def test_a_grid_point_waits_until_the_watermark_has_passed_it(self) -> None:
        made = self.made()
        assert lines(made.push(readings((0, 20, [1, NAN])), Tally())) == []
        rows = made.push(readings((0, 20, [NAN, 2]), first_offset=1), Tally())
        assert lines(rows) == []
        rows = made.push(readings((0, 21, [9, 9]), first_offset=2), Tally())
        assert lines(rows) == [(0, 20, [1, 2], 2)]

    def test_no_row_stands_before_the_first_reading(self) -> None:
        rows = self.made().push(readings((0, 11, [1, 1]), (0, 25, [2, 2])), Tally())
        assert lines(rows) == [(0, 20, [1, 1], 1)]

    def test_values_are_held_up_to_max_age_and_no_longer(self) -> None:
        # t stands at 5 and v at 6; at 20 t is 15 old, at 30 both are too old.
        rows = self.made().push(
            readings((0, 4, [NAN, 1]), (0, 5, [7, NAN]), (0, 99, [1, 1])), Tally()
        )
        assert lines(rows) == [(0, 10, [7, 1], 2), (0, 20, [7, None], 2)]

    def test_silence_leaves_a_gap(self) -> None:
        rows = self.made().push(readings((0, 10, [1, 1]), (0, 61, [2, 2])), Tally())
        assert rows.time_ns.tolist() == [10, 20]

    def test_a_row_names_the_record_that_let_the_watermark_pass_it(self) -> None:
        rows = self.made().push(
            readings(
                (0, 10, [1, 1]), (0, 20, [2, 2]), (0, 20, [3, 3]), (0, 31, [4, 4])
            ),
            Tally(),
        )
        # 20 does not pass 20: the third is a duplicate, the fourth completes 20 and 30.
        assert rows.time_ns.tolist() == [10, 20, 30]
        assert rows.offset.tolist() == [1, 3, 3]

    def test_the_state_carries_values_over_batches(self) -> None:
        made, found = self.made(2), []
        steps: list[tuple[int, int, list[float]]]
        steps = [(1, 8, [1, NAN]), (0, 9, [5, 5]), (1, 12, [NAN, 2]), (1, 21, [3, NAN])]
        for i, one in enumerate(steps):
            found += lines(made.push(readings(one, first_offset=i), Tally()))
        assert found == [(1, 10, [1, None], 2), (1, 20, [1, 2], 3)]

    def test_release_decides_the_grid_point_after_the_last_reading(self) -> None:
        made, tally = self.made(), Tally()
        made.push(readings((0, 12, [1, 1])), tally)
        rows = made.release(np.array([0]), 8, tally)
        assert lines(rows) == [(0, 20, [1, 1], 8)]
        # The grid point is decided: what comes for it now is late.
        late = made.push(readings((0, 20, [2, 2]), first_offset=9), tally)
        assert lines(late) == []
        assert ends(tally) == {"merged": 1, "late": 1}
        # The next time is taken, and 20 is not made again.
        rows = made.push(readings((0, 31, [3, 3]), first_offset=10), tally)
        assert lines(rows) == []
        rows = made.push(readings((0, 41, [3, 3]), first_offset=11), tally)
        assert lines(rows) == [(0, 40, [3, 3], 11)]

    def test_release_at_a_grid_point_decides_this_one(self) -> None:
        made, tally = self.made(), Tally()
        made.push(readings((0, 20, [1, 1])), tally)
        assert lines(made.release(np.array([0]), 8, tally)) == [(0, 20, [1, 1], 8)]
        rows = made.push(readings((0, 21, [2, 2]), first_offset=9), tally)
        assert lines(rows) == []
        assert ends(tally) == {"merged": 2}


class TestRelease:
    """By message, with a lateness of 10."""

    def test_releases_once_what_waits(self) -> None:
        made, tally = maker(3, lateness_ns=10), Tally()
        made.push(readings((0, 20, [1, 1]), (0, 15, [2, 2]), (1, 7, [3, 3])), tally)
        silent = np.array([0, 2])
        assert made.holding(silent).tolist() == [0]
        rows = made.release(silent, 9, tally)
        assert lines(rows) == [(0, 15, [2, 2], 9), (0, 20, [1, 1], 9)]
        assert ends(tally) == {"used": 2}
        assert made.waiting.time_ns.tolist() == [7]
        assert lines(made.release(silent, 9, tally)) == []

    def test_what_comes_later_for_that_time_is_late(self) -> None:
        made, tally = maker(lateness_ns=10), Tally()
        made.push(readings((0, 20, [1, 1])), tally)
        made.release(np.array([0]), 0, tally)
        made.push(readings((0, 19, [2, 2]), (0, 20, [3, 3]), first_offset=1), tally)
        # 19 would have been taken before the release; 20 is a duplicate now.
        assert ends(tally) == {"used": 1, "late": 1, "duplicate": 1}

    def test_a_reading_ends_the_idle_time(self) -> None:
        made, tally = maker(lateness_ns=10), Tally()
        made.push(readings((0, 20, [1, 1])), tally)
        made.release(np.array([0]), 0, tally)
        made.push(readings((0, 25, [2, 2]), first_offset=1), tally)
        # The watermark stands at 20 + 10 - 10, so 25 waits and may be released.
        assert made.holding(np.array([0])).tolist() == [0]
        rows = made.release(np.array([0]), 1, tally)
        assert lines(rows) == [(0, 25, [2, 2], 1)]

    def test_without_lateness_nothing_is_held_back(self) -> None:
        made = maker()
        made.push(readings((0, 20, [1, 1])), Tally())
        assert made.holding(np.array([0])).tolist() == [0]
        assert lines(made.release(np.array([0]), 1, Tally())) == []
        # Its silence is noted all the same, and once.
        assert made.holding(np.array([0])).tolist() == []

    def test_what_is_late_moves_no_watermark_when_it_falls_silent_again(self) -> None:
        made = maker(lateness_ns=5)
        made.push(readings((0, 20, [1, 1])), Tally())
        made.release(np.array([0]), 0, Tally())
        high = made.high.tolist()
        made.push(readings((0, 10, [1, 1]), first_offset=1), Tally())
        assert made.holding(np.array([0])).tolist() == [0]
        assert lines(made.release(np.array([0]), 1, Tally())) == []
        assert made.high.tolist() == high

    def test_skips_machines_whose_state_is_ahead_of_it(self) -> None:
        # Restored from a checkpoint at 7, the release of offset 5 is over and done.
        made = maker(2, lateness_ns=10)
        made.push(readings((0, 20, [1, 1]), (1, 20, [2, 2])), Tally())
        made.applied[:] = [7, 5]
        rows = made.release(np.array([0, 1]), 5, Tally())
        assert lines(rows) == [(1, 20, [2, 2], 5)]
        assert made.idle.tolist() == [False, True]


class TestOutside:
    """Values outside the instrument's range: absent, and known to be so."""

    def test_by_message_the_mark_stands_in_the_row(self) -> None:
        rows = maker().push(readings((0, 10, [1, OUTSIDE])), Tally())
        assert is_outside(rows.values).tolist() == [[False, True]]
        assert plain(rows.values) == [[1, None]]

    def test_on_a_grid_it_ends_what_was_held_until_it_is_too_old_itself(self) -> None:
        made = maker(every_ns=10, max_age_ns=20)
        batch = readings(
            (0, 5, [1, 1]), (0, 15, [2, OUTSIDE]), (0, 45, [3, NAN]), (0, 55, [4, NAN])
        )
        rows = made.push(batch, Tally())
        assert rows.time_ns.tolist() == [10, 20, 30, 50]
        assert plain(rows.values) == [[1, 1], [2, None], [2, None], [3, None]]
        found = is_outside(rows.values)[:, 1].tolist()
        assert found == [False, True, True, False]
