"""Which rows show a running machine: standing still and starting up say nothing.

A machine **runs** at a row when all conditions of its type's rule hold and have held
for the settling time, in event time, since the first row at which they did. A row that
lacks a value the rule needs leaves things as they were, so a dead tachometer stops
nothing; before any such value has come the machine does not run.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stream.core.readings import NEVER, Floats, Ints, MachineType
from stream.core.segments import starts


class Running:
    """The running state of all machines of one type in one partition.

    State, one entry per machine, is public to `snapshot.py`:

    Attributes:
        since: Time of the first row since when the conditions hold; NEVER: they do not.
    """

    def __init__(self, kind: MachineType) -> None:
        """Start with no machines."""
        self._kind = kind
        self.since = np.zeros(0, np.int64)

    def grow(self, machines: int) -> None:
        """Make room for that many machines; never shrinks."""
        more = machines - len(self.since)
        if more > 0:
            self.since = np.append(self.since, np.full(more, NEVER))

    def forget(self, machines: Ints) -> None:
        """Clear the state of some machines."""
        self.since[machines] = NEVER

    def push(
        self, machine: Ints, time_ns: Ints, values: Floats
    ) -> NDArray[np.bool_] | None:
        """Take rows in, and tell at which of them their machine runs.

        Args:
            machine: (n,) machines, ascending.
            time_ns: (n,) times, never descending within a machine.
            values: (n, sensors) values.

        Returns:
            (n,) True where the machine runs; None where the type has no rule, and all
            rows count.
        """
        if not self._kind.running:
            return None
        if not len(machine):
            return np.zeros(0, np.bool_)
        head = starts(machine)
        before = self.since[machine]
        holds = _last_known(self._verdict(values), head, before != NEVER)
        began = holds.copy()
        began[1:] &= ~holds[:-1] | head[1:]
        since = np.where(head & (before != NEVER), before, time_ns)
        # The newest beginning at or before each row; rows that do not hold need none.
        at = np.maximum.accumulate(np.where(began, np.arange(len(machine)), 0))
        since = np.where(holds, since[at], NEVER)
        self.since[machine] = since  # ascending: a machine's newest row stays
        runs: NDArray[np.bool_] = holds & (time_ns >= since + self._kind.settle_ns)
        return runs

    def _verdict(self, values: Floats) -> NDArray[np.int8]:
        """Return (n,) 1 where the rule holds, 0 where it does not, -1 unknown."""
        verdict = np.ones(len(values), np.int8)
        for condition in self._kind.running:
            value = values[:, condition.sensor]
            if condition.above:
                met = value > condition.limit
            else:
                met = value < condition.limit
            unknown = np.isnan(value)
            verdict[unknown & (verdict == 1)] = -1
            verdict[~met & ~unknown] = 0
        return verdict


def _last_known(
    verdict: NDArray[np.int8], head: NDArray[np.bool_], before: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Fill what is unknown with the last that was known of the same machine."""
    verdict = np.where(head & (verdict < 0), before.astype(np.int8), verdict)
    known = np.where(verdict >= 0, np.arange(len(verdict)), 0)
    filled: NDArray[np.bool_] = verdict[np.maximum.accumulate(known)] == 1
    return filled
