"""What events do to machines: which are out of service, and what is yet to take effect.

An event takes effect between two rows of its machine: those before its time were made
before it, those at or after its time see it. Until such a row comes, or until it is
clear that none older will come, the event waits here, in the state.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np

from stream.core.alert import Event
from stream.core.readings import Ints

FOREVER = int(np.iinfo(np.int64).max)

IN_SERVICE, OUT_OF_SERVICE, FAILED = 0, 1, 2


class Told(msgspec.Struct, frozen=True, gc=False):
    """An event and where it stands on its topic.

    Attributes:
        partition: Partition of the topic of events.
        offset: Offset there; with the partition it names the event.
        time_ns: The event's time in ns.
        event: What it says.
    """

    partition: int
    offset: int
    time_ns: int
    event: Event


class Service:
    """What events have done to all machines of one type in one partition.

    State is public to `snapshot.py`:

    Attributes:
        state: Per machine `IN_SERVICE`, `OUT_OF_SERVICE` or `FAILED`.
        waiting: Per machine what has not taken effect yet, in order of time.
        seen: Per machine the highest offset taken of each partition of the topic.
    """

    def __init__(self) -> None:
        """Start with no machines."""
        self.state = np.zeros(0, np.int8)
        self.waiting: dict[int, list[Told]] = {}
        self.seen: dict[int, dict[int, int]] = {}

    def grow(self, machines: int) -> None:
        """Make room for that many machines; never shrinks."""
        more = machines - len(self.state)
        if more > 0:
            self.state = np.append(self.state, np.zeros(more, np.int8))

    def forget(self, machines: Ints) -> None:
        """Clear the state of some machines."""
        self.state[machines] = IN_SERVICE
        for machine in machines.tolist():
            self.waiting.pop(machine, None)
            self.seen.pop(machine, None)

    def is_new(self, machine: int, told: Told) -> bool:
        """Tell whether an event has not been taken in before."""
        return told.offset > self.seen.get(machine, {}).get(told.partition, -1)

    def take(self, machine: int, told: Told) -> None:
        """Let an event wait for its time."""
        self.seen.setdefault(machine, {})[told.partition] = told.offset
        line = self.waiting.setdefault(machine, [])
        line.append(told)
        line.sort(key=lambda one: one.time_ns)

    def due(self, machine: int, until_ns: int) -> Iterator[Told]:
        """Yield what takes effect on a machine up to some time, in order, and drop it.

        Args:
            machine: Its number.
            until_ns: The last moment that counts.
        """
        line = self.waiting.get(machine, [])
        while line and line[0].time_ns <= until_ns:
            yield line.pop(0)
        if not line:
            self.waiting.pop(machine, None)

    def next_ns(self, machines: Ints) -> Ints:
        """Return (n,) when the next waiting event takes effect; `FOREVER` for none."""
        found = np.full(len(machines), FOREVER)
        for machine, line in self.waiting.items():
            found[machines == machine] = line[0].time_ns
        return found

    def apply(self, machine: int, kind: str) -> None:
        """Let an event change whether its machine is in service."""
        if kind == "failure":
            self.state[machine] = FAILED
        elif kind == "out_of_service" and self.state[machine] == IN_SERVICE:
            self.state[machine] = OUT_OF_SERVICE
        elif kind == "return":
            self.state[machine] = IN_SERVICE

    def dump(self, machines: Ints) -> list[dict[str, Any]]:
        """Return plain values for those of some machines of which there is anything."""
        found = []
        for place, machine in enumerate(machines.tolist()):
            if machine in self.seen:
                found.append(
                    {
                        "place": place,
                        "seen": list(self.seen[machine].items()),
                        "waiting": msgspec.to_builtins(self.waiting.get(machine, [])),
                    }
                )
        return found

    def load(self, machines: Ints, saved: list[dict[str, Any]]) -> None:
        """Take back what `dump` gave; a machine of -1 is left out."""
        for one in saved:
            machine = int(machines[one["place"]])
            if machine < 0:
                continue
            self.seen[machine] = dict(map(tuple, one["seen"]))
            line = msgspec.convert(one["waiting"], list[Told])
            if line:
                self.waiting[machine] = line
