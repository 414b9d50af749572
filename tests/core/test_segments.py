"""Running maxima and look-ups within groups."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stream.core.segments import first_above, running_max, starts

PAIRS = st.lists(st.tuples(st.integers(0, 3), st.integers(-5, 5)), min_size=1)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def test_starts_marks_the_first_row_of_each_run() -> None:
    assert starts(ints(2, 2, 3, 7, 7)).tolist() == [True, False, True, True, False]
    assert starts(ints()).tolist() == []


def test_running_max_starts_anew_in_each_group() -> None:
    groups, floor = ints(0, 0, 0, 4, 4), ints(2, 2, 2, -9, -9)
    highest = running_max(groups, ints(1, 3, 2, -7, -8), floor)
    assert highest.tolist() == [2, 3, 3, -7, -7]


def test_running_max_takes_numbers_at_both_ends_of_64_bits() -> None:
    low, high = np.iinfo(np.int64).min, np.iinfo(np.int64).max
    highest = running_max(ints(0, 0, 1), ints(high, 0, low), ints(low, low, low))
    assert highest.tolist() == [high, high, low]


@given(PAIRS, st.lists(st.integers(-5, 5), min_size=4, max_size=4))
def test_running_max_is_the_highest_so_far(
    pairs: list[tuple[int, int]], floors: list[int]
) -> None:
    pairs = sorted(pairs, key=lambda pair: pair[0])
    expected, best = [], dict(enumerate(floors))
    for group, value in pairs:
        best[group] = max(best[group], value)
        expected.append(best[group])
    groups, values = np.array(pairs, np.int64).T
    floor = np.array(floors, np.int64)[groups]
    assert running_max(groups, values, floor).tolist() == expected


@given(PAIRS, st.data())
def test_first_above_is_the_first_greater_value_or_the_last_of_the_group(
    pairs: list[tuple[int, int]], data: st.DataObject
) -> None:
    pairs = sorted(pairs)
    known = sorted({group for group, _ in pairs})
    wanted = data.draw(
        st.lists(st.tuples(st.sampled_from(known), st.integers(-6, 6)), min_size=1)
    )
    expected = []
    for group, value in wanted:
        mine = [i for i, (other, _) in enumerate(pairs) if other == group]
        above = [i for i in mine if pairs[i][1] > value]
        expected.append(above[0] if above else mine[-1])
    groups, values = np.array(pairs, np.int64).T
    wanted_groups, wanted_values = np.array(wanted, np.int64).T
    found = first_above(groups, values, wanted_groups, wanted_values)
    assert found.tolist() == expected
