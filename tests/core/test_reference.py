"""The vectorised rows and windows against the slow and obvious ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.core.readings import MachineType, Readings, Tally
from stream.core.rows import Rows
from stream.core.snapshot import TypeState
from stream.core.windows import Windows
from tests.core.helpers import NAN, kind, plain
from tests.core.reference import Reference, Window

Step = tuple[int, int, tuple[float, ...], bool]
"""Machine, time, values, and whether a cut follows."""

SOME = st.sampled_from([NAN, 1.0, 2.5, -0.0])


@st.composite
def kinds(draw: st.DrawFn) -> MachineType:
    grid = draw(st.sampled_from([0, 0, 3, 5]))
    rows = draw(st.integers(1, 7))
    return kind(
        every_ns=grid,
        max_age_ns=draw(st.integers(1, 12)),
        lateness_ns=draw(st.sampled_from([0, 0, 2, 9])),
        rows=rows,
        length_ns=draw(st.sampled_from([0, 0, 1, 4, 15])),
        stride=draw(st.integers(1, 4)),
        baseline_rows=draw(st.integers(0, 4)),
        new_at_first_row=draw(st.booleans()),
    )


@st.composite
def steps(draw: st.DrawFn) -> list[Step]:
    """Readings that mostly go forward in time, with jumps, repetitions, steps back."""
    machines = draw(st.integers(1, 3))
    times = dict.fromkeys(range(machines), 20)
    moves = st.sampled_from([0, 0, 1, 1, 1, 2, 3, 5, 12, 40, -1, -2, -4, -9])
    made: list[Step] = []
    for _ in range(draw(st.integers(1, 45))):
        machine = draw(st.integers(0, machines - 1))
        times[machine] += draw(moves)
        values = draw(st.tuples(SOME, SOME).filter(lambda two: two != (NAN, NAN)))
        if all(value != value for value in values):  # noqa: PLR0124 - NaN
            values = (1.0, values[1])
        made.append((machine, max(times[machine], 0), values, draw(st.booleans())))
    return made


def batches(made: Sequence[Step]) -> list[Readings]:
    found, begin = [], 0
    for end, (_, _, _, cut) in enumerate(made, 1):
        if cut or end == len(made):
            part = made[begin:end]
            found.append(
                Readings(
                    np.array([step[0] for step in part], np.int64),
                    np.array([step[1] for step in part], np.int64),
                    np.array([step[2] for step in part], np.float32),
                    np.arange(begin, end),
                )
            )
            begin = end
    return found


def windows(state: TypeState, rows: Rows, most: int) -> list[Window]:
    found = []
    for part in state.rings.push(
        rows.machine, rows.time_ns, rows.values, rows.offset, most
    ):
        assert 0 < len(part) <= most
        found += [one(part, i) for i in range(len(part))]
    return found


def one(part: Windows, i: int) -> Window:
    return Window(
        machine=int(part.machine[i]),
        time=int(part.time_ns[i]),
        offset=int(part.offset[i]),
        values=plain(part.values[i]),
        times=part.times_ns[i].tolist(),
        filled=int(part.filled[i]),
        baseline=plain(part.baseline[i][: part.n_base[i]]),
        age=plain(part.age)[i],
    )


def ordered(found: list[Window]) -> list[Window]:
    """Windows of each machine in order; machines may mix as the batches do."""
    return sorted(found, key=lambda window: window.machine)


@settings(max_examples=200)
@given(kinds(), steps(), st.sampled_from([1, 3, 4096]), st.booleans())
def test_rows_and_windows_are_those_of_the_reference(
    kind: MachineType, made: list[Step], most: int, release: bool
) -> None:
    reference, state, tally = Reference(kind), TypeState(kind), Tally()
    state.grow(3)
    found: list[Window] = []
    for batch in batches(made):
        columns: list[Any] = [batch.machine.tolist(), batch.time_ns.tolist()]
        columns += [batch.values.tolist(), batch.offset.tolist()]
        for step in zip(*columns, strict=True):
            reference.push(*step)
        found += windows(state, state.rows.push(batch, tally), most)
        if release and len(batch) > 2:  # after some of the batches, not all
            at = int(batch.offset[-1])
            for machine in (0, 2):
                reference.release(machine, at)
            rows = state.rows.release(np.array([0, 2]), at, tally)
            found += windows(state, rows, most)
    assert ordered(found) == ordered(reference.windows)
    assert tally.readings == reference.ends
    assert tally.values["duplicate"] == reference.doubled
    waiting = sum(len(m.waiting) for m in reference.machines.values())
    assert len(state.rows.waiting) == waiting


@settings(max_examples=25)
@given(st.integers(1, 9), st.integers(1, 5), st.integers(17, 90), st.data())
def test_many_rows_of_one_machine_go_in_at_once(
    rows: int, stride: int, count: int, data: st.DataObject
) -> None:
    # More rows than the ring holds: none may be overwritten before it is read.
    cut = data.draw(st.integers(0, count - 1))
    made: list[Step] = [(0, 10 * i, (float(i), NAN), i == cut) for i in range(count)]
    type_ = kind(rows=rows, stride=stride, baseline_rows=2)
    reference, state = Reference(type_), TypeState(type_)
    state.grow(1)
    found: list[Window] = []
    for batch in batches(made):
        found += windows(state, state.rows.push(batch, Tally()), 7)
    for i, (machine, time, values, _) in enumerate(made):
        reference.push(machine, time, values, i)
    assert found == reference.windows
    assert len(found) == count // stride
