"""What events and silence do to the machines of one partition.

Events come at any moment, yet they take effect in event time: between the last row
before their time and the first row at or after it. `Effects.between` cuts the rows
there. Where no older row is to come, `Effects.take` lets them take effect at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from stream.core.alarms import Alarms
from stream.core.machines import Machines
from stream.core.outcome import Outcome
from stream.core.readings import Ints
from stream.core.rows import Rows
from stream.core.service import FAILED, IN_SERVICE, Told
from stream.core.snapshot import TypeState


class Effects:
    """Lets events take effect on the machines of one partition.

    Args:
        states: The state of each machine type.
        alarms: Their alarms, in the same order.
        machines: Which machines there are.
        touch: Called with a type's position and numbers of machines that change.
    """

    def __init__(
        self,
        states: Sequence[TypeState],
        alarms: Sequence[Alarms],
        machines: Machines,
        touch: Callable[[int, Ints], None],
    ) -> None:
        """Start with nothing waiting but what stands in the state."""
        self._states = states
        self._alarms = alarms
        self._machines = machines
        self._touch = touch

    def _find(self, name: str) -> tuple[int, int] | None:
        """Return a machine's type and number; None if it has none here."""
        code = self._machines.lookup.get(name, -1)
        types = len(self._states)
        return None if code < 0 else (code % types, code // types)

    def is_new(self, told: Told) -> bool:
        """Tell whether an event is on a machine known here and was not taken in yet."""
        found = self._find(told.event.machine)
        if found is None:
            return False
        kind, number = found
        return self._states[kind].service.is_new(number, told)

    def is_due(self, until_ns: int) -> bool:
        """Tell whether any event waits that takes effect up to some time."""
        lines = (w for s in self._states for w in s.service.waiting.values())
        return any(line[0].time_ns <= until_ns for line in lines)

    def take(
        self, events: Iterable[Told], until_ns: int, offset: int, outcome: Outcome
    ) -> None:
        """Take events in; see `Pipeline.take_events`."""
        for told in events:
            found = self._find(told.event.machine)
            if found is None:
                continue
            kind, number = found
            if not self._states[kind].service.is_new(number, told):
                continue
            self._states[kind].grow(number + 1)
            self._states[kind].service.take(number, told)
            self._touch(kind, np.array([number]))
        for kind, state in enumerate(self._states):
            for number in list(state.service.waiting):
                if state.rows.applied[number] <= offset:
                    self._due(kind, number, until_ns, outcome)

    def between(self, kind: int, rows: Rows, outcome: Outcome) -> Iterator[Rows]:
        """Cut rows where events take effect, and let these do so in between.

        Args:
            kind: Position of the machines' type.
            rows: Rows of machines of this type.
            outcome: Takes what the events change.
        """
        service = self._states[kind].service
        while service.waiting and len(rows.machine):
            before = rows.time_ns < service.next_ns(rows.machine)
            if before.all():
                break
            if before.any():
                yield rows.take(before)
            rows = rows.take(~before)
            first = np.flatnonzero(np.diff(rows.machine, prepend=-1))
            for at in first.tolist():
                self._due(kind, int(rows.machine[at]), int(rows.time_ns[at]), outcome)
        yield rows

    def silence(self, kind: int, machines: Ints, offset: int, outcome: Outcome) -> None:
        """Raise an alarm for each machine in service of which nothing comes any more.

        Args:
            kind: Position of their type.
            machines: Their numbers.
            offset: The partition's position.
            outcome: Takes the alerts.
        """
        state, names = self._states[kind], self._machines.names[kind]
        for number in machines.tolist():
            if state.service.state[number] == IN_SERVICE:
                last = int(state.rows.last[number])
                outcome.alerts += self._alarms[kind].silent(
                    number, names[number], last, offset
                )

    def _due(self, kind: int, number: int, until_ns: int, outcome: Outcome) -> None:
        """Let a machine's waiting events take effect up to some time."""
        for told in self._states[kind].service.due(number, until_ns):
            self._apply(kind, number, told, outcome)
            self._touch(kind, np.array([number]))

    def _apply(self, kind: int, number: int, told: Told, outcome: Outcome) -> None:
        state, machine, event = self._states[kind], np.array([number]), told.event
        back = event.kind == "return" and state.service.state[number] == FAILED
        if back or event.kind == "replacement":
            state.rings.renew(machine)
        elif event.kind == "maintenance":
            state.rings.restart(machine)
        state.service.apply(number, event.kind)
        name = self._machines.names[kind][number]
        acted = self._alarms[kind].act(number, name, event, told.time_ns)
        outcome.alerts += acted.alerts
        if acted.refused:
            outcome.refused.append(f"{event.kind} of {name}: {acted.refused}")
