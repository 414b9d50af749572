"""Readings, to rows in event-time order: late ones, duplicates, and the grid.

A machine's **watermark** is its highest accepted event time minus the allowed lateness.
Readings older than it are late. Readings ahead of it wait until it has passed them, so
that rows come in time order; at lateness 0 nothing waits. Of equal (machine, time,
sensor) the first wins.

Rows are made in one of two ways:

* **by message**: each reading makes one row;
* **by grid**: a row stands at each multiple of ``every``. It holds each sensor's last
  value at or before it, if that is at most ``max_age`` old, and is made when the
  watermark has passed it, since until then a reading of that very time may come. Grid
  points at which every value is too old make no row, so silence leaves a gap.

All of this is a function of the order of readings alone: cuts between batches move
nothing. The one exception is `RowMaker.release`, which the worker calls for machines
that have fallen silent, and records.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream.core.readings import (
    NEVER,
    Floats,
    Ints,
    MachineType,
    Readings,
    Tally,
    is_outside,
    no_readings,
)
from stream.core.segments import first_above, running_max, starts

_ANY = int(np.iinfo(np.int64).max)
"""An offset that no record is beyond."""


@dataclass(slots=True)
class Rows:
    """Rows sorted by machine, and by time within a machine.

    Attributes:
        machine: (n,) number of the machine.
        time_ns: (n,) time of the row; never descending within a machine.
        values: (n, sensors) float32; NaN where no value stands.
        offset: (n,) offset of the record that completed the row.
    """

    machine: Ints
    time_ns: Ints
    values: Floats
    offset: Ints

    def take(self, mask: NDArray[np.bool_]) -> Rows:
        """Return the rows that a mask picks, copied."""
        return Rows(
            self.machine[mask], self.time_ns[mask], self.values[mask], self.offset[mask]
        )


class RowMaker:
    """Rows of all machines of one type in one partition.

    State, one entry per machine, is public to `snapshot.py`:

    Attributes:
        applied: Offset up to which a machine's records are in the state.
        high: Highest accepted event time.
        last: Event time of the newest reading that has left the waiting line.
        seen: Which sensors had a value at ``last``.
        held: With a grid, each sensor's newest value, and in ``held_at`` its time.
        tick: With a grid, the first grid time that is not yet decided.
        idle: Whether what the machine held back was released since its last reading.
        waiting: Readings ahead of the watermark, in arrival order.
    """

    def __init__(self, kind: MachineType) -> None:
        """Start with no machines."""
        sensors = len(kind.sensors)
        self._kind = kind
        # A value of exactly max_age is still held.
        self._fresh_ns = kind.max_age_ns + 1
        self.applied = np.zeros(0, np.int64)
        self.high = np.zeros(0, np.int64)
        self.last = np.zeros(0, np.int64)
        self.seen = np.zeros((0, sensors), np.bool_)
        self.held = np.zeros((0, sensors), np.float32)
        self.held_at = np.zeros((0, sensors), np.int64)
        self.tick = np.zeros(0, np.int64)
        self.idle = np.zeros(0, np.bool_)
        self.waiting = no_readings(sensors)

    def grow(self, machines: int) -> None:
        """Make room for that many machines; never shrinks."""
        more = machines - len(self.high)
        if more <= 0:
            return
        self.applied = _grown(self.applied, more, -1)
        self.high = _grown(self.high, more, NEVER)
        self.last = _grown(self.last, more, NEVER)
        self.seen = _grown(self.seen, more, False)
        self.held = _grown(self.held, more, np.nan)
        self.held_at = _grown(self.held_at, more, NEVER)
        self.tick = _grown(self.tick, more, NEVER)
        self.idle = _grown(self.idle, more, False)

    def forget(self, machines: Ints) -> None:
        """Clear the state of some machines."""
        fresh = RowMaker(self._kind)
        fresh.grow(len(machines))
        for name in ("applied", "high", "last", "seen", "held", "held_at", "tick"):
            getattr(self, name)[machines] = getattr(fresh, name)
        self.idle[machines] = False
        self.waiting = self.waiting.take(~np.isin(self.waiting.machine, machines))

    def push(self, readings: Readings, tally: Tally) -> Rows:
        """Take readings in arrival order and return the rows they complete.

        Readings at or below a machine's ``applied`` offset are skipped: after a
        restart they are in the restored state already, and end as ``repeated``.
        """
        fresh = readings.offset > self.applied[readings.machine]
        tally.bump(tally.readings, "repeated", np.count_nonzero(~fresh))
        order = np.argsort(readings.machine[fresh], kind="stable")
        came = readings.take(np.flatnonzero(fresh)[order])
        if not len(came):
            return self._no_rows()
        self.applied[came.machine] = came.offset
        self.idle[came.machine] = False
        high = running_max(came.machine, came.time_ns, self.high[came.machine])
        mark = high - self._kind.lateness_ns
        late = came.time_ns < mark
        tally.bump(tally.readings, "late", np.count_nonzero(late))
        # Ascending within a machine, so the last of its entries is the one that stays.
        self.high[came.machine] = high
        accepted = came.take(~late)
        return self._advance(came.machine, came.offset, mark, accepted, tally)

    def holding(self, machines: Ints, offset: int = _ANY) -> Ints:
        """Return those of some machines of which no silence has been noted yet.

        Args:
            machines: (m,) their numbers.
            offset: The partition's position: a machine that was restored from a later
                checkpoint has its silence behind it, and is left out.
        """
        kept = (self.high[machines] != NEVER) & ~self.idle[machines]
        holding: Ints = machines[kept & (self.applied[machines] <= offset)]
        return holding

    def release(self, machines: Ints, offset: int, tally: Tally) -> Rows:
        """Release what silent machines hold back, once, and move their watermark.

        Args:
            machines: (m,) ascending numbers of machines that fell silent.
            offset: Offset that their rows carry: the partition's position.
            tally: Takes the ends of the readings released.
        """
        machines = self.holding(machines, offset)
        self.idle[machines] = True
        every = self._kind.every_ns
        if not every:
            # By message only what waits for the watermark is held back.
            machines = machines[np.isin(machines, self.waiting.machine)]
        if not len(machines):
            return self._no_rows()
        mark = self.high[machines]
        if every:
            mark = _ceil(mark, every) + 1
        # The grid point is decided now: what comes for it later is late.
        self.high[machines] = mark + self._kind.lateness_ns
        none = no_readings(len(self._kind.sensors))
        at = np.full(len(machines), offset)
        return self._advance(machines, at, mark, none, tally)

    def wait(self, line: Readings) -> None:
        """Put readings into the waiting line, as after a restart."""
        self.waiting = _joined(self.waiting, line)

    def _no_rows(self) -> Rows:
        none = no_readings(len(self._kind.sensors))
        return Rows(none.machine, none.time_ns, none.values, none.offset)

    def _advance(
        self, moved: Ints, offset: Ints, mark: Ints, accepted: Readings, tally: Tally
    ) -> Rows:
        """Let watermarks move and return the rows that they complete.

        Args:
            moved: (k,) ascending machines, one entry per step of a watermark.
            offset: (k,) offset of the record that made the step.
            mark: (k,) watermark after the step.
            accepted: New readings that are not late.
            tally: Takes the ends of readings.
        """
        out = self._passed(accepted, moved, mark)
        out = self._without_duplicates(out, tally)
        if self._kind.every_ns:
            tally.bump(tally.readings, "merged", len(out))
            tail = np.append(starts(moved)[1:], True)
            machine, time_ns, values = self._grid(out, moved[tail], mark[tail])
            above, own = time_ns, np.full(len(time_ns), -1)
        else:
            tally.bump(tally.readings, "used", len(out))
            machine, time_ns, values = out.machine, out.time_ns, out.values
            # A reading at the very watermark completes its row itself.
            above, own = time_ns - 1, out.offset
        at = first_above(moved, mark, machine, above)
        return Rows(machine, time_ns, values, np.maximum(offset[at], own))

    def _passed(self, accepted: Readings, machine: Ints, mark: Ints) -> Readings:
        """Take readings that the watermark has reached out of the waiting line."""
        both = _joined(self.waiting, accepted)
        now = np.full(len(self.high), NEVER)
        now[machine] = mark
        passed = both.time_ns <= now[both.machine]
        self.waiting = both.take(~passed)
        out = both.take(passed)
        # Stable: of equal times the first to arrive comes first.
        return out.take(np.lexsort((out.time_ns, out.machine)))

    def _without_duplicates(self, out: Readings, tally: Tally) -> Readings:
        """Mask values that stood before at the same machine and time."""
        if not len(out):
            return out
        moved = starts(out.machine)
        first = moved.copy()
        first[1:] |= out.time_ns[1:] != out.time_ns[:-1]
        group = np.cumsum(first) - 1
        head = np.flatnonzero(first)
        carried = (out.time_ns == self.last[out.machine])[:, None]
        carried = carried & self.seen[out.machine]
        valid = ~np.isnan(out.values)
        count = np.cumsum(valid, axis=0)
        before = count - valid - (count - valid)[head][group]
        double = valid & ((before > 0) | carried)
        tally.bump(tally.values, "duplicate", np.count_nonzero(double))
        out.values[double] = np.nan
        self._remember(out, valid | carried)
        empty = ~(valid & ~double).any(axis=1)
        tally.bump(tally.readings, "duplicate", np.count_nonzero(empty))
        return out.take(~empty)

    def _remember(self, out: Readings, had: NDArray[np.bool_]) -> None:
        """Keep each machine's newest time and the sensors seen at it."""
        self.last[out.machine] = out.time_ns  # ascending: the newest stays
        newest = np.flatnonzero(out.time_ns == self.last[out.machine])
        machine = out.machine[newest]
        head = np.flatnonzero(starts(machine))
        self.seen[machine[head]] = np.logical_or.reduceat(had[newest], head, axis=0)

    def _grid(
        self, out: Readings, machines: Ints, mark: Ints
    ) -> tuple[Ints, Ints, Floats]:
        """Return machine, time and values of the grid points that became decided.

        Args:
            out: New readings, sorted by machine and time.
            machines: (m,) ascending machines whose watermark moved.
            mark: (m,) their watermarks now.
        """
        every = self._kind.every_ns
        # What each machine held before stands in front of its new readings.
        held_since = self.held_at[machines].max(axis=1)
        machine = np.concatenate([machines, out.machine])
        time_ns = np.concatenate([held_since, out.time_ns])
        order = np.lexsort((time_ns, machine))
        machine, time_ns = machine[order], time_ns[order]
        values = np.concatenate([self.held[machines], out.values])[order]
        at = np.repeat(time_ns[:, None], values.shape[1], axis=1)
        first = starts(machine)
        at[first] = self.held_at[machines]
        # What was outside the range ends what was held before it.
        told = ~np.isnan(values) | is_outside(values)
        source = np.arange(len(values))[:, None] * (told | first[:, None])
        source = np.maximum.accumulate(source, axis=0)
        values = np.take_along_axis(values, source, axis=0)
        at = np.take_along_axis(at, source, axis=0)
        tail = np.append(first[1:], True)
        self.held[machines], self.held_at[machines] = values[tail], at[tail]
        # Grid points from each reading to the next one, while its values are fresh.
        now = mark[np.cumsum(first) - 1]
        following = np.where(tail, now, np.append(time_ns[1:], 0))
        until = np.minimum(following, np.minimum(now, time_ns + self._fresh_ns))
        since = np.maximum(_ceil(time_ns, every), self.tick[machine])
        count = np.maximum((until - since + every - 1) // every, 0)
        count[time_ns == NEVER] = 0
        self.tick[machines] = _ceil(mark, every)
        row = np.repeat(np.arange(len(count)), count)
        step = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
        time = since[row] + step * every
        made = values[row]
        made[time[:, None] - at[row] >= self._fresh_ns] = np.nan
        return machine[row], time, made


def _joined(one: Readings, two: Readings) -> Readings:
    return Readings(
        np.concatenate([one.machine, two.machine]),
        np.concatenate([one.time_ns, two.time_ns]),
        np.concatenate([one.values, two.values]),
        np.concatenate([one.offset, two.offset]),
    )


def _ceil(time_ns: Ints, every: int) -> Ints:
    """Return the first grid time at or after each time."""
    return (time_ns + (every - 1)) // every * every


def _grown(array: NDArray[Any], more: int, fill: float) -> NDArray[Any]:
    shape = (more, *array.shape[1:])
    return np.concatenate([array, np.full(shape, fill, array.dtype)])
