"""When a machine runs: rules, settling, and what a missing value leaves as it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core.readings import NEVER, Condition
from stream.core.running import Running
from tests.core.helpers import NAN, kind

FAST = Condition(0, True, 300.0)
COOL = Condition(1, False, 90.0)


def running(*conditions: Condition, settle_ns: int = 0, machines: int = 1) -> Running:
    made = Running(kind(sensors="rt", running=conditions, settle_ns=settle_ns))
    made.grow(machines)
    return made


def push(made: Running, *rows: tuple[int, int, float, float]) -> list[bool]:
    """Push rows of (machine, time, r, t)."""
    machine = np.array([row[0] for row in rows], np.int64)
    time = np.array([row[1] for row in rows], np.int64)
    values = np.array([row[2:] for row in rows], np.float32).reshape(-1, 2)
    found = made.push(machine, time, values)
    assert found is not None
    told: list[bool] = found.tolist()
    return told


def test_without_a_rule_all_rows_count() -> None:
    made = running()
    none = np.zeros(0, np.int64)
    assert made.push(none, none, np.zeros((0, 2), np.float32)) is None


def test_the_limit_itself_is_not_running() -> None:
    rows = [(0, i, rpm, 0.0) for i, rpm in enumerate([299, 300, 300.5, 301])]
    assert push(running(FAST), *rows) == [False, False, True, True]
    rows = [(0, i, 0.0, t) for i, t in enumerate([91, 90, 89])]
    assert push(running(COOL), *rows) == [False, False, True]


def test_all_conditions_must_hold() -> None:
    rows = [(0, 1, 400, 80), (0, 2, 400, 95), (0, 3, 200, 80)]
    assert push(running(FAST, COOL), *rows) == [True, False, False]


def test_a_start_settles_first_and_each_start_anew() -> None:
    made = running(FAST, settle_ns=20)
    rows = [(0, 10 * i, rpm, 0.0) for i, rpm in enumerate([400] * 4 + [0] + [400] * 3)]
    whole = [False, False, True, True, False, False, False, True]
    assert push(made, *rows) == whole
    # The settling goes on over batches.
    made = running(FAST, settle_ns=20)
    assert [push(made, row)[0] for row in rows] == whole


def test_a_missing_value_leaves_things_as_they_were() -> None:
    made = running(FAST)
    # Nothing is known yet.
    assert push(made, (0, 0, NAN, 0)) == [False]
    rows = [(0, 1, 400, 0), (0, 2, NAN, 0), (0, 3, 0, 0), (0, 4, NAN, 0)]
    assert push(made, *rows) == [True, True, False, False]
    assert push(made, (0, 5, 400, 0), (0, 6, NAN, 0)) == [True, True]
    assert push(made, (0, 7, NAN, 0)) == [True]


def test_what_is_false_without_the_missing_value_is_false() -> None:
    made = running(FAST, COOL)
    assert push(made, (0, 1, 400, 50), (0, 2, NAN, 95), (0, 3, 200, NAN)) == [
        True,
        False,
        False,
    ]
    # The order of the conditions does not matter.
    made = running(COOL, FAST)
    assert push(made, (0, 1, 400, 50), (0, 2, NAN, 95)) == [True, False]


def test_machines_do_not_disturb_one_another() -> None:
    made = running(FAST, settle_ns=10, machines=3)
    rows = [(0, 0, 400, 0), (0, 10, 400, 0), (1, 10, NAN, 0), (2, 10, 400, 0)]
    assert push(made, *rows) == [False, True, False, False]
    assert made.since.tolist() == [0, NEVER, 10]
    assert push(made, (1, 20, 400, 0), (2, 20, 400, 0)) == [False, True]
    made.forget(np.array([2]))
    assert push(made, (2, 30, 400, 0)) == [False]


def test_room_never_shrinks() -> None:
    made = running(FAST, machines=3)
    made.grow(2)
    assert len(made.since) == 3
    assert push(made) == []


class Slow:
    """The rule, a row at a time."""

    def __init__(self, settle_ns: int) -> None:
        self.settle_ns = settle_ns
        self.since: dict[int, int | None] = {}

    def push(self, machine: int, time: int, rpm: float, heat: float) -> bool:
        false = (not np.isnan(rpm) and rpm <= 300) or (
            not np.isnan(heat) and heat >= 90
        )
        known = not (np.isnan(rpm) or np.isnan(heat))
        since = self.since.get(machine)
        if false:
            since = None
        elif known and since is None:
            since = time
        self.since[machine] = since
        return since is not None and time >= since + self.settle_ns


@given(st.data())
def test_it_is_the_rule_row_by_row_however_it_is_cut(data: Any) -> None:
    settle = data.draw(st.integers(0, 3))
    made, slow = running(FAST, COOL, settle_ns=settle, machines=2), Slow(settle)
    time = [0, 0]
    for _ in range(data.draw(st.integers(1, 4))):
        rows: list[tuple[int, int, float, float]] = []
        for machine in (0, 1):
            for _ in range(data.draw(st.integers(0, 5))):
                time[machine] += data.draw(st.integers(0, 2))
                rpm = data.draw(st.sampled_from([NAN, 0.0, 400.0]))
                heat = data.draw(st.sampled_from([NAN, 50.0, 95.0]))
                rows.append((machine, time[machine], rpm, heat))
        assert push(made, *rows) == [slow.push(*row) for row in rows]


@pytest.mark.parametrize("machines", [1, 2])
def test_nothing_in_nothing_out(machines: int) -> None:
    assert push(running(FAST, machines=machines)) == []
