"""Machines silent for long are let go, and come back as strangers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stream.core.pipeline import Pipeline
from tests.core.helpers import Record, body, kind, of_machines, pipeline, through

LATE = {"lateness_ns": 60 * 10**9}
GRID = {"every_ns": 10**9, "max_age_ns": 5 * 10**9}


def records(machine: str, seconds: range, offset: int) -> list[Record]:
    return [
        Record(body(machine, second, t=second, v=1), offset + i)
        for i, second in enumerate(seconds)
    ]


def forget(path: Pipeline, *numbers: int) -> int:
    return path.forget([np.array(numbers, np.int64)])


@pytest.mark.parametrize("how", [{}, LATE, GRID])
def test_a_forgotten_machine_starts_as_if_never_seen(how: dict[str, Any]) -> None:
    pump = kind("a", rows=3, baseline_rows=2, new_at_first_row=True, **how)
    path, other = pipeline(pump), pipeline(pump)
    through(path, records("a1", range(5), 0) + records("a2", range(5), 5))
    through(other, records("a2", range(5), 5))
    assert forget(path, 0) == 1
    again = [*records("a1", range(1, 9), 10), *records("a2", range(5, 9), 18)]
    assert of_machines(through(path, again).messages) == of_machines(
        through(other, again).messages
    )


def test_its_number_is_given_again() -> None:
    path = pipeline(kind("a"))
    through(path, records("a1", range(3), 0) + records("a2", range(3), 3))
    forget(path, 0)
    assert path.machines.lookup == {"a2": 1}
    through(path, records("a3", range(3), 6))
    assert path.machines.names == [["a3", "a2"]]


def test_unknown_free_and_refused_machines_are_left_out() -> None:
    path = pipeline(kind("a"))
    through(path, records("a1", range(3), 0) + records("a2", range(3), 3))
    path.refuse("a1")
    assert forget(path, 0) == 0
    assert forget(path, 1) == 1
    assert forget(path, 1) == 0
    assert through(path, records("a1", range(3), 6)).tally.readings == {
        "refused.second_partition": 3
    }


def test_what_was_forgotten_is_gone_after_a_restart() -> None:
    path, after = pipeline(kind("a")), pipeline(kind("a"))
    through(path, records("a1", range(3), 0) + records("a2", range(3), 3))
    dict(path.dump(5))
    forget(path, 1)
    after.load([data for _, data in path.dump(5)])
    assert after.machines.lookup == {"a1": 0}


def test_what_waited_is_gone_with_its_machine() -> None:
    path = pipeline(kind("a", lateness_ns=3 * 10**9))
    through(path, records("a1", range(3), 0))
    forget(path, 0)
    # a2 gets the number; 0 to 2 of a1 must not come out as its own.
    outcome = through(path, records("a2", range(5, 9), 3))
    assert path.machines.names == [["a2"]]
    assert outcome.tally.readings == {"used": 1}
