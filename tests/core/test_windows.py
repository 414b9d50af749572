"""Rows to windows: which are due, and what they hold.

Row ``i`` of a machine stands at time ``10 * i`` and has the value ``i``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stream.core.readings import NEVER, OUTSIDE
from stream.core.windows import Rings, Windows, together
from tests.core.helpers import kind, plain


def rings(machines: int = 1, **more: Any) -> Rings:
    made = Rings(kind(sensors="t", **more))
    made.grow(machines)
    return made


def push(made: Rings, *rows: tuple[int, int, float], most: int = 4096) -> list[Windows]:
    machine, time, value = (np.array(column) for column in zip(*rows, strict=True))
    return list(
        made.push(
            machine.astype(np.int64),
            time.astype(np.int64),
            value.astype(np.float32)[:, None],
            np.arange(len(machine)) + 100,
            most,
        )
    )


def count_up(made: Rings, first: int, end: int, machine: int = 0) -> list[Windows]:
    return push(made, *((machine, 10 * i, i) for i in range(first, end)))


def lines(parts: list[Windows]) -> list[tuple[int, list[float | None], int]]:
    """Return windows as (end, values oldest first, filled)."""
    return [
        (int(part.time_ns[i]), plain(part.values[i, :, 0]), int(part.filled[i]))
        for part in parts
        for i in range(len(part))
    ]


def test_below_the_full_window_the_first_row_is_repeated_to_the_left() -> None:
    assert lines(count_up(rings(rows=3), 0, 4)) == [
        (0, [0, 0, 0], 1),
        (10, [0, 0, 1], 2),
        (20, [0, 1, 2], 3),
        (30, [1, 2, 3], 3),
    ]


def test_times_are_repeated_like_values() -> None:
    (part,) = count_up(rings(rows=3), 0, 2)
    assert part.times_ns.tolist() == [[0, 0, 0], [0, 0, 10]]


def test_a_window_is_due_every_stride_rows_from_the_first_row_on() -> None:
    made = rings(rows=2, stride=3)
    assert [end for end, _, _ in lines(count_up(made, 0, 4))] == [20]
    # The count goes on over batches.
    assert [end for end, _, _ in lines(count_up(made, 4, 9))] == [50, 80]


def test_strides_are_counted_for_each_machine() -> None:
    made = rings(2, rows=1, stride=2)
    parts = push(made, (0, 1, 1), (0, 2, 2), (0, 3, 3), (1, 1, 5))
    assert lines(parts) == [(2, [2], 1)]
    parts = push(made, (0, 4, 4), (1, 2, 6))
    assert lines(parts) == [(4, [4], 1), (2, [6], 1)]
    assert parts[0].machine.tolist() == [0, 1]


def test_a_window_of_time_begins_after_its_end_minus_its_length() -> None:
    made = rings(rows=5, length_ns=20)
    # The row at 10 lies at 30 - 20 exactly: outside.
    assert lines(count_up(made, 0, 4))[-1] == (30, [2, 2, 2, 2, 3], 2)
    # After a gap the newest row is alone.
    assert lines(push(made, (0, 100, 9))) == [(100, [9] * 5, 1)]


def test_a_window_of_time_has_at_most_its_rows() -> None:
    assert lines(count_up(rings(rows=2, length_ns=1000), 0, 5))[-1][1:] == ([3, 4], 2)


def test_of_rows_of_one_time_only_the_first_completes_a_window() -> None:
    made = rings(rows=3)
    found = lines(push(made, (0, 5, 1), (0, 5, 2), (0, 6, 3), (0, 6, 4)))
    # All rows are in the windows, but no two windows end together.
    assert found == [(5, [1, 1, 1], 1), (6, [1, 2, 3], 3)]
    assert lines(push(made, (0, 6, 5))) == []
    assert lines(push(made, (0, 7, 6))) == [(7, [4, 5, 6], 3)]


def test_rows_of_one_time_at_two_machines_complete_two_windows() -> None:
    assert len(lines(push(rings(2, rows=1), (0, 5, 1), (1, 5, 2)))) == 2


def test_windows_are_copies() -> None:
    made = rings(rows=2)
    (first,) = count_up(made, 0, 2)
    kept = first.values.copy()
    first.baseline[:] = 99
    count_up(made, 2, 60)
    assert (first.values == kept).all()


def test_the_baseline_is_the_machine_s_first_rows() -> None:
    made = rings(2, rows=1, baseline_rows=3)
    (part,) = push(made, (0, 1, 1), (0, 2, 2), (1, 1, 7), (1, 2, 8))
    (later,) = push(made, (0, 3, 3), (0, 4, 4), (1, 3, 9))
    assert part.n_base.tolist() == [1, 2, 1, 2]
    assert later.n_base.tolist() == [3, 3, 3]
    assert later.baseline[:, :, 0].tolist() == [[1, 2, 3], [1, 2, 3], [7, 8, 9]]
    assert later.n_base.dtype == np.int32


def test_age_counts_rows_where_the_first_row_is_new_else_it_is_unknown() -> None:
    (part,) = count_up(rings(rows=2, stride=2, new_at_first_row=True), 0, 6)
    assert part.age.tolist() == [2, 4, 6]
    (part,) = count_up(rings(rows=2), 0, 2)
    assert np.isnan(part.age).all()


def test_a_window_names_the_record_of_its_newest_row() -> None:
    (part,) = count_up(rings(rows=2, stride=2), 0, 4)
    assert part.offset.tolist() == [101, 103]


def test_absent_values_stay_absent() -> None:
    parts = push(rings(rows=2), (0, 1, float("nan")), (0, 2, 1))
    assert lines(parts) == [(1, [None, None], 1), (2, [None, 1], 2)]
    assert parts[0].values.dtype == np.float32


def test_no_piece_is_larger_than_asked_for() -> None:
    made = rings(3, rows=1)
    parts = push(made, *((m, 1, m) for m in range(3)), most=2)
    assert [len(part) for part in parts] == [2, 1]
    assert [m for part in parts for m in part.machine.tolist()] == [0, 1, 2]


def test_windows_can_be_taken_apart() -> None:
    (part,) = count_up(rings(rows=2, baseline_rows=1, new_at_first_row=True), 0, 3)
    some = part.take(np.array([True, False, True]))
    assert some.time_ns.tolist() == [0, 20]
    assert some.age.tolist() == [1, 3]
    assert plain(some.values[:, :, 0]) == [[0, 0], [1, 2]]
    assert len(some) == 2


def test_no_rows_give_no_windows() -> None:
    made = rings()
    none = np.zeros(0, np.int64)
    assert list(made.push(none, none, np.zeros((0, 1), np.float32), none)) == []


def test_growing_keeps_what_is_there() -> None:
    made = rings(rows=2, baseline_rows=1)
    count_up(made, 0, 3)
    made.grow(1)
    made.grow(4)
    assert made.count.tolist() == [3, 0, 0, 0]
    assert made.ended.tolist() == [20, NEVER, NEVER, NEVER]
    assert lines(count_up(made, 3, 4)) == [(30, [2, 3], 2)]
    assert lines(count_up(made, 0, 1, machine=3)) == [(0, [0, 0], 1)]


@pytest.mark.parametrize("rows", [1, 4, 30])
def test_what_is_dumped_and_loaded_goes_on_the_same(rows: int) -> None:
    made, other = rings(2, rows=rows), rings(2, rows=rows)
    count_up(made, 0, 23)
    count_up(made, 0, 2, machine=1)
    both = np.array([0, 1])
    values, times = made.dump(both)
    # Right-aligned; what is not there is zero.
    full = min(rows, 23)
    assert values[0, -full:, 0].tolist() == list(range(23 - full, 23))
    assert times[0, -full:].tolist() == [10 * i for i in range(23 - full, 23)]
    assert not values[1, : max(rows - 2, 0)].any()
    assert not times[0, : rows - full].any()
    other.count[:], other.have[:] = made.count, made.have
    other.ended[:] = made.ended
    other.load(both, values, times)
    assert lines(count_up(other, 23, 60)) == lines(count_up(made, 23, 60))
    more = [lines(count_up(one, 2, 40, machine=1)) for one in (made, other)]
    assert more[0] == more[1]


def running(made: Rings, *rows: tuple[int, int, float, bool]) -> list[Windows]:
    """Push rows (machine, time, value, whether it runs)."""
    machine, time, value, runs = (
        np.array(column) for column in zip(*rows, strict=True)
    )
    return list(
        made.push(
            machine.astype(np.int64),
            time.astype(np.int64),
            value.astype(np.float32)[:, None],
            np.arange(len(machine)) + 100,
            running=runs,
        )
    )


def test_windows_hold_running_rows_alone_and_all_rows_count_for_the_stride() -> None:
    made = rings(rows=3, stride=2, new_at_first_row=True, baseline_rows=2)
    parts = running(made, *((0, 10 * i, i, i not in (2, 3)) for i in range(6)))
    ends = [int(end) for part in parts for end in part.time_ns]
    filled = [int(count) for part in parts for count in part.filled]
    assert (ends, filled) == ([10, 30, 50], [2, 0, 3])
    (last,) = lines(parts)[-1:]
    assert last == (50, [1, 4, 5], 3)
    # Standing still does not age.
    assert [int(a) for part in parts for a in part.age][-1] == 4
    assert made.baseline[0, :, 0].tolist() == [0, 1]
    # Also where a batch ends while the machine stands still.
    running(made, (0, 60, 6, False))
    assert lines(running(made, (0, 70, 7, True))) == [(70, [4, 5, 7], 3)]


def test_the_newest_rows_tell_of_values_outside_the_range() -> None:
    made = rings(rows=5)
    values = [OUTSIDE, 1, 1, 1, float("nan")]
    found = [
        bool(part.outside[0, 0])
        for i, value in enumerate(values)
        for part in push(made, (0, i, value))
    ]
    # Three rows are looked at; below the full window the first one is repeated.
    assert found == [True, True, True, False, False]


def piece(machine: list[int], time_ns: list[int]) -> Windows:
    """Return windows of one row, whose only value is the machine's number."""
    count = len(machine)
    column = np.array(machine, np.float32).reshape(count, 1, 1)
    return Windows(
        machine=np.array(machine),
        time_ns=np.array(time_ns),
        offset=np.array(time_ns),
        values=column,
        times_ns=np.array(time_ns).reshape(count, 1),
        filled=np.ones(count, np.int32),
        baseline=column,
        n_base=np.ones(count, np.int32),
        age=np.zeros(count),
        outside=np.zeros((count, 1), np.bool_),
    )


def test_pieces_are_joined_in_order_of_machine_and_time() -> None:
    pieces = [piece([0, 2], [10, 11]), piece([0, 1], [20, 21]), piece([2], [30])]
    (joined,) = together(pieces)
    assert joined.machine.tolist() == [0, 0, 1, 2, 2]
    assert joined.time_ns.tolist() == [10, 20, 21, 11, 30]
    assert joined.values[:, 0, 0].tolist() == [0, 0, 1, 2, 2]
    assert [len(windows) for windows in together(pieces, least=3)] == [4, 1]
    assert [len(windows) for windows in together(pieces, least=2)] == [2, 2, 1]
    assert next(together(pieces, least=1)) is pieces[0]
    assert list(together([])) == []
