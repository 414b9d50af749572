"""The rules of rows and windows once more: one reading at a time, slow and obvious.

Nothing here is shared with the code under test, and nothing is forgotten: every reading
ever taken and every row ever made is kept in a list, and each answer is worked out from
these lists afresh.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from stream.core.readings import MachineType

Values = list[float | None]


@dataclass
class Reading:
    """One reading: its event time, values and the offset of its record."""

    time: int
    values: Values
    offset: int


@dataclass
class Window:
    """One window, as plain values; None is NaN."""

    machine: int
    time: int
    offset: int
    values: list[Values]
    times: list[int]
    filled: int
    baseline: list[Values]
    age: float | None


@dataclass
class Machine:
    """All that is known of one machine."""

    high: int | None = None
    idle: bool = False
    waiting: list[Reading] = field(default_factory=list)
    taken: list[Reading] = field(default_factory=list)
    decided: int | None = None
    rows: list[Reading] = field(default_factory=list)
    ended: int | None = None


class Reference:
    """The rows and windows of all machines of one type."""

    def __init__(self, kind: MachineType) -> None:
        self.kind = kind
        self.machines: dict[int, Machine] = {}
        self.windows: list[Window] = []
        self.ends: Counter[str] = Counter()
        self.doubled = 0

    def push(self, number: int, time: int, values: Sequence[float], at: int) -> None:
        """Take one reading in."""
        machine = self.machines.setdefault(number, Machine())
        machine.idle = False
        if machine.high is not None and time < machine.high - self.kind.lateness_ns:
            self.ends["late"] += 1
            return
        machine.high = time if machine.high is None else max(machine.high, time)
        clean = [None if value != value else value for value in values]  # noqa: PLR0124 - NaN
        machine.waiting.append(Reading(time, clean, at))
        self._advance(number, machine, machine.high - self.kind.lateness_ns, at)

    def release(self, number: int, at: int) -> None:
        """Release what a silent machine holds back."""
        machine = self.machines.setdefault(number, Machine())
        grid = self.kind.every_ns
        if machine.high is None or machine.idle or not (grid or machine.waiting):
            return
        machine.idle = True
        mark = machine.high
        if grid:
            while mark % grid:
                mark += 1
            mark += 1
        machine.high = mark + self.kind.lateness_ns
        self._advance(number, machine, mark, at)

    def _advance(self, number: int, machine: Machine, mark: int, at: int) -> None:
        """Let the watermark come to ``mark``, by the record at offset ``at``."""
        passed = [one for one in machine.waiting if one.time <= mark]
        machine.waiting = [one for one in machine.waiting if one.time > mark]
        for one in sorted(passed, key=lambda one: one.time):
            if not self._first_of_its_time(machine, one):
                self.ends["duplicate"] += 1
            elif self.kind.every_ns:
                self.ends["merged"] += 1
                machine.taken.append(one)
            else:
                self.ends["used"] += 1
                machine.taken.append(one)
                self._row(number, machine, Reading(one.time, one.values, at))
        if self.kind.every_ns and machine.taken:
            self._decide(number, machine, mark, at)

    def _first_of_its_time(self, machine: Machine, one: Reading) -> bool:
        """Mask what stood before at this time; tell whether anything is left."""
        for sensor, value in enumerate(one.values):
            before = (old for old in machine.taken if old.time == one.time)
            if value is not None and any(o.values[sensor] is not None for o in before):
                one.values[sensor] = None
                self.doubled += 1
        return any(value is not None for value in one.values)

    def _decide(self, number: int, machine: Machine, mark: int, at: int) -> None:
        """Make the rows of grid points that the watermark has passed."""
        every = self.kind.every_ns
        if machine.decided is None:
            machine.decided = machine.taken[0].time - 1
        for time in range(machine.decided + 1, mark):
            if time % every == 0:
                values = [self._held(machine, s, time) for s in range(self._sensors)]
                if any(value is not None for value in values):
                    self._row(number, machine, Reading(time, values, at))
            machine.decided = time

    @property
    def _sensors(self) -> int:
        return len(self.kind.sensors)

    def _held(self, machine: Machine, sensor: int, time: int) -> float | None:
        """Return a sensor's last value at or before a time, unless it is too old."""
        values = [
            (one.time, one.values[sensor])
            for one in machine.taken
            if one.time <= time and one.values[sensor] is not None
        ]
        if not values or time - values[-1][0] > self.kind.max_age_ns:
            return None
        return values[-1][1]

    def _row(self, number: int, machine: Machine, row: Reading) -> None:
        machine.rows.append(row)
        kind, rows = self.kind, machine.rows
        if len(rows) % kind.stride:
            return
        if machine.ended is not None and row.time <= machine.ended:
            return
        machine.ended = row.time
        newest = rows[-kind.rows :]
        if kind.length_ns:
            newest = [one for one in newest if one.time > row.time - kind.length_ns]
        padded = [newest[0]] * (kind.rows - len(newest)) + newest
        self.windows.append(
            Window(
                machine=number,
                time=row.time,
                offset=row.offset,
                values=[one.values for one in padded],
                times=[one.time for one in padded],
                filled=len(newest),
                baseline=[one.values for one in rows[: kind.baseline_rows]],
                age=float(len(rows)) if kind.new_at_first_row else None,
            )
        )
