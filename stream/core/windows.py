"""Rows, to windows: ring buffers of all machines of one type, in numpy arrays.

A window is due at every ``stride``-th row of a machine, counted from its first row in
state, so that neither cuts between batches nor restarts move it. It holds the machine's
newest ``rows`` rows, or of these the ones in (end - length, end]; where fewer stand,
the oldest of them is repeated to the left. Windows are copies of raw values: equal
readings give equal windows, to the bit.

Rows at which the machine does not run are counted, but stand in no window: a window
holds running rows alone. One that is due at such a row is empty, ``filled`` is 0.

A window is known by its machine and its end, so no two of a machine may end at one
time: of rows of equal time only the first may complete one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream.core.readings import NEVER, Floats, Ints, MachineType, is_outside

_SLACK = 16
"""Rows a ring holds beyond the window: how many of a machine go in at one step."""

_NEWEST = 3
"""How many of a window's rows are looked at for values outside the range."""


@dataclass(slots=True)
class Windows:
    """Windows that are due, as columns.

    Attributes:
        machine: (n,) number of the machine.
        time_ns: (n,) event time of the newest row: the window's end.
        offset: (n,) offset of the record that completed it.
        values: (n, rows, sensors) float32 raw values, oldest first; NaN is absent.
        times_ns: (n, rows) event times of the rows.
        filled: (n,) count of real rows (1..rows); before them stand repetitions. 0: the
            machine does not run, and values and times mean nothing.
        baseline: (n, baseline rows, sensors) the machine's own first rows.
        n_base: (n,) how many of these there were by then; the rest is garbage.
        age: (n,) rows since the machine was new; NaN where that is unknown.
        outside: (n, sensors) whether a value outside the instrument's range stands in
            place of one of the newest rows' values.
    """

    machine: Ints
    time_ns: Ints
    offset: Ints
    values: Floats
    times_ns: Ints
    filled: NDArray[np.int32]
    baseline: Floats
    n_base: NDArray[np.int32]
    age: NDArray[np.float64]
    outside: NDArray[np.bool_]

    def __len__(self) -> int:
        """Count of windows."""
        return len(self.machine)

    def take(self, index: NDArray[np.intp] | NDArray[np.bool_]) -> Windows:
        """Return the windows at ``index`` (positions or a mask), copied."""
        return Windows(*(getattr(self, name)[index] for name in self.__slots__))


def together(pieces: Iterable[Windows], least: int = 1024) -> Iterator[Windows]:
    """Join pieces until they are worth a model's call, in order of machine and time.

    Args:
        pieces: As `Rings.push` yields them: of each machine in order of time.
        least: Fewer windows than these wait for more, but for the last ones.
    """
    waiting: list[Windows] = []
    for piece in pieces:
        waiting.append(piece)
        if sum(map(len, waiting)) >= least:
            yield _joined(waiting)
            waiting = []
    if waiting:
        yield _joined(waiting)


def _joined(pieces: list[Windows]) -> Windows:
    if len(pieces) == 1:
        return pieces[0]
    names = Windows.__slots__
    whole = Windows(
        *(np.concatenate([getattr(piece, name) for piece in pieces]) for name in names)
    )
    return whole.take(np.argsort(whole.machine, kind="stable"))


class Rings:
    """The newest rows of every machine of one type in one partition.

    State, one entry per machine, is public to `snapshot.py`:

    Attributes:
        seen: Rows since the machine's first, from which strides are counted.
        count: Rows that went into the ring since it was last emptied.
        have: How many of its newest rows the ring holds (at most the window).
        ended: End of its last window, in ns.
        aged: Rows that it had lived when the ring was last emptied; -1: unknown.
        baseline: Its first rows since then.
    """

    def __init__(self, kind: MachineType) -> None:
        """Start with no machines."""
        self._kind = kind
        self._size = kind.rows + _SLACK
        sensors = len(kind.sensors)
        self.seen = np.zeros(0, np.int64)
        self.count = np.zeros(0, np.int64)
        self.aged = np.zeros(0, np.int64)
        self.have = np.zeros(0, np.int64)
        self.ended = np.zeros(0, np.int64)
        self.baseline = np.zeros((0, kind.baseline_rows, sensors), np.float32)
        self._values = np.zeros((0, self._size, sensors), np.float32)
        self._times = np.zeros((0, self._size), np.int64)

    def grow(self, machines: int) -> None:
        """Make room for that many machines; never shrinks."""
        more = machines - len(self.count)
        if more <= 0:
            return
        self.seen = _grown(self.seen, more)
        self.count = _grown(self.count, more)
        new = 0 if self._kind.new_at_first_row else -1
        self.aged = np.append(self.aged, np.full(more, new))
        self.have = _grown(self.have, more)
        self.ended = np.append(self.ended, np.full(more, NEVER))
        self.baseline = _grown(self.baseline, more)
        self._values = _grown(self._values, more)
        self._times = _grown(self._times, more)

    def forget(self, machines: Ints) -> None:
        """Clear the state of some machines."""
        self.renew(machines)
        self.seen[machines] = 0
        self.ended[machines] = NEVER

    def renew(self, machines: Ints) -> None:
        """Begin a new life: the ring is emptied, own first rows and age start anew."""
        self.aged[machines] = 0 if self._kind.new_at_first_row else -1
        self._empty(machines)

    def restart(self, machines: Ints) -> None:
        """Begin anew after maintenance: as `renew`, but the age goes on."""
        known = machines[self.aged[machines] >= 0]
        self.aged[known] += self.count[known]
        self._empty(machines)

    def _empty(self, machines: Ints) -> None:
        self.count[machines] = 0
        self.have[machines] = 0

    def push(
        self,
        machine: Ints,
        time_ns: Ints,
        values: Floats,
        offset: Ints,
        most: int = 4096,
        running: NDArray[np.bool_] | None = None,
    ) -> Iterator[Windows]:
        """Take rows sorted by machine and yield the windows that fall due.

        The state is up to date only when the iterator is exhausted.

        Args:
            machine: (n,) machines, ascending.
            time_ns: (n,) times, never descending within a machine.
            values: (n, sensors) float32.
            offset: (n,) offsets of the records that completed the rows.
            most: Most windows in one piece.
            running: (n,) whether the machine runs; None: it does.
        """
        runs = np.ones(len(machine), np.bool_) if running is None else running
        first = np.flatnonzero(np.diff(machine, prepend=-1))
        rows_of = np.diff(first, append=len(machine))
        rank = np.arange(len(machine)) - np.repeat(first, rows_of)
        due = self._due(machine, self.seen[machine] + rank, time_ns)
        before = np.cumsum(runs) - runs
        # Number of the next running row, which is the row itself where it runs.
        number = self.count[machine] + before - np.repeat(before[first], rows_of)
        self.seen[machine] += rank + 1
        # A machine's rows go in a few at a time, so that none is overwritten unread.
        step = rank // _SLACK
        for turn in range(int(step.max(initial=-1)) + 1):
            now = np.flatnonzero(step == turn)
            mine = machine[now]
            self._write(now[runs[now]], machine, number, time_ns, values)
            ready = now[due[now]]
            for at in range(0, len(ready), most):
                rows = ready[at : at + most]
                yield self._gather(
                    machine[rows], number[rows], time_ns[rows], offset[rows], runs[rows]
                )
            after = number[now] + runs[now]
            have = self.have[mine] + after - self.count[mine]
            # Ascending within a machine, so the last of its entries is what stays.
            self.have[mine] = np.minimum(have, self._kind.rows)
            self.count[mine] = after

    def _write(
        self,
        at: NDArray[np.intp],
        machine: Ints,
        number: Ints,
        time_ns: Ints,
        values: Floats,
    ) -> None:
        """Put the rows at some positions into the ring and the baseline."""
        place = number[at] % self._size
        self._values[machine[at], place] = values[at]
        self._times[machine[at], place] = time_ns[at]
        early = at[number[at] < self._kind.baseline_rows]
        self.baseline[machine[early], number[early]] = values[early]

    def _due(self, machine: Ints, number: Ints, time_ns: Ints) -> NDArray[np.bool_]:
        """Return which rows complete a window, and note the windows' ends."""
        due = np.flatnonzero((number + 1) % self._kind.stride == 0)
        mine, end = machine[due], time_ns[due]
        later = end > self.ended[mine]
        later[1:] &= (mine[1:] != mine[:-1]) | (end[1:] != end[:-1])
        due = due[later]
        self.ended[machine[due]] = time_ns[due]
        marked = np.zeros(len(machine), np.bool_)
        marked[due] = True
        return marked

    def _gather(
        self,
        machine: Ints,
        number: Ints,
        end: Ints,
        offset: Ints,
        runs: NDArray[np.bool_],
    ) -> Windows:
        """Copy out the windows that end at row ``number`` of each machine."""
        rows = self._kind.rows
        there = self.have[machine] + number - self.count[machine] + 1
        filled = np.minimum(there, rows)
        at = self._places(number, filled)
        times = self._times[machine[:, None], at]
        if self._kind.length_ns:
            inside = times > (end - self._kind.length_ns)[:, None]
            real = np.arange(rows) >= (rows - filled)[:, None]
            filled = np.count_nonzero(inside & real, axis=1)
            at = self._places(number, filled)
            times = self._times[machine[:, None], at]
        seen = number + 1
        aged = self.aged[machine]
        values = self._values[machine[:, None], at]
        outside = np.asarray(is_outside(values[:, -_NEWEST:]).any(axis=1))
        return Windows(
            machine=machine,
            time_ns=end,
            offset=offset,
            values=values,
            times_ns=times,
            filled=np.where(runs, filled, 0).astype(np.int32),
            baseline=self.baseline[machine],
            n_base=np.minimum(seen, self._kind.baseline_rows).astype(np.int32),
            age=np.where(aged < 0, np.nan, aged + seen),
            outside=outside,
        )

    def _places(self, number: Ints, filled: Ints) -> Ints:
        """Return (n, rows) ring places of the rows up to ``number``, padded left."""
        newest = number[:, None]
        wanted = newest - np.arange(self._kind.rows - 1, -1, -1)
        places: Ints = np.maximum(wanted, newest - filled[:, None] + 1) % self._size
        return places

    def dump(self, machines: Ints) -> tuple[Floats, Ints]:
        """Return the newest rows of some machines, oldest first and right-aligned.

        Returns:
            Values (m, rows, sensors) and times (m, rows); only the last ``have`` rows
            of a machine mean something, the others are zero.
        """
        rows = self._kind.rows
        number = self.count[machines][:, None] - np.arange(rows, 0, -1)
        real = np.arange(rows) >= (rows - self.have[machines])[:, None]
        at = number % self._size
        values = np.where(real[..., None], self._values[machines[:, None], at], 0)
        times: Ints = np.where(real, self._times[machines[:, None], at], 0)
        return values.astype(np.float32, copy=False), times

    def load(self, machines: Ints, values: Floats, times_ns: Ints) -> None:
        """Put rows back as `dump` gave them; ``count`` and ``have`` must stand."""
        number = self.count[machines][:, None] - np.arange(values.shape[1], 0, -1)
        at = number % self._size
        self._values[machines[:, None], at] = values
        self._times[machines[:, None], at] = times_ns


def _grown(array: NDArray[Any], more: int) -> NDArray[Any]:
    shape = (more, *array.shape[1:])
    return np.concatenate([array, np.zeros(shape, array.dtype)])
