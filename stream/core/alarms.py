"""Scores, to alarms: the engine of one machine type in one partition.

Most windows have nothing to say: their machine has no alarm, and no value is beyond a
limit. These are set aside by comparisons of whole arrays; the others are walked through
the table one by one (`cases.py`, `alarm_table.py`). What comes out depends on the
windows and events that were given, never on how they were cut into calls.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream.core import reasons
from stream.core.acts import RENEWING, Acted, act
from stream.core.alarm_table import ABOVE
from stream.core.alert import Alert, Event
from stream.core.cases import Watch
from stream.core.readings import NEVER, Ints, MachineType
from stream.core.reasons import Judged, Look
from stream.core.trackers import Plan

__all__ = ["Acted", "Alarms", "Judged"]

_ABOVE = reasons.LEVELS.index(ABOVE)


class Alarms:
    """The alarms of all machines of one type in one partition.

    Args:
        kind: The machine type, with its rules.
        source: Topic and partition of the readings, which alerts name.
        asset_of: What is known of a machine by name: site, line, criticality.

    Attributes:
        kind: The machine type.
        since: (machines, sensors) since when each sensor has been away from its normal,
            in ns; NEVER for one that is not.
    """

    def __init__(
        self,
        kind: MachineType,
        source: tuple[str, int],
        asset_of: Callable[[str], dict[str, str]] = lambda name: {},
    ) -> None:
        """Start with no machines."""
        self.kind = kind
        self._plan = Plan(kind, source, asset_of)
        self._watches: dict[int, Watch] = {}
        self._busy = np.zeros(0, np.bool_)
        self._out = np.zeros(0, np.bool_)
        self.since = np.zeros((0, len(kind.sensors)), np.int64)

    def grow(self, machines: int) -> None:
        """Make room for machines with numbers below this one; never shrinks."""
        more = machines - len(self._busy)
        if more > 0:
            self._busy = np.append(self._busy, np.zeros(more, np.bool_))
            self._out = np.append(self._out, np.zeros(more, np.bool_))
            fresh = np.full((more, self.since.shape[1]), NEVER)
            self.since = np.concatenate([self.since, fresh])

    def forget(self, machines: Ints) -> None:
        """Clear the state of some machines, without a word about open alarms."""
        self.grow(int(machines.max(initial=-1)) + 1)
        for number in machines.tolist():
            self._watches.pop(number, None)
        self._busy[machines] = False
        self._out[machines] = False
        self.since[machines] = NEVER

    def push(self, judged: Judged, names: Sequence[str]) -> list[Alert]:
        """Take scores and return what changes, window by window.

        Windows of machines that are out of service hold everything as it is, and those
        without an estimate all but alarms of instruments, if they find any at fault.

        Args:
            judged: n scores in order of (machine, time); a machine's windows end later
                than those pushed before.
            names: Machines' names by number.
        """
        if not len(judged):
            return []
        machine = judged.machine
        self.grow(int(machine[-1]) + 1)
        serves = ~self._out[machine]
        given = judged.given & serves
        since = reasons.follow(
            self.since, machine, judged.time_ns, judged.deviation, given
        )
        level = reasons.levels(self._plan.machine, judged)
        hot = (level == _ABOVE).any(axis=1) & given
        if self._plan.sensor is not None:
            hot |= judged.faults.any(axis=1) & serves
        marked = hot | self._busy[machine]
        if not marked.any():
            return []
        # Machines ascend: a window has itself or an earlier one of its machine marked
        # exactly where the highest machine marked so far is its own.
        after = np.maximum.accumulate(np.where(marked, machine, -1)) == machine
        rows = np.flatnonzero(after & serves)
        look = Look(self._plan.kind, judged.take(rows), level[rows], since[rows])
        return self._walk(look, machine[rows], hot[rows], names)

    def _walk(
        self, look: Look, machine: Ints, hot: NDArray[np.bool_], names: Sequence[str]
    ) -> list[Alert]:
        told = []
        pairs = zip(machine.tolist(), hot.tolist(), strict=True)
        for row, (number, is_hot) in enumerate(pairs):
            if is_hot or self._busy[number]:
                watch = self._watch(number, names[number])
                told += watch.look(look, row)
                self._settle(number, watch)
        return told

    def _watch(self, number: int, name: str) -> Watch:
        self.grow(number + 1)
        found = self._watches.get(number)
        if found is None:
            found = self._watches[number] = Watch(name, self._plan)
        return found

    def _settle(self, number: int, watch: Watch) -> None:
        """Note what a machine's state means for its next windows."""
        self._busy[number], self._out[number] = watch.busy, watch.out
        if watch.idle:
            del self._watches[number]

    def act(self, machine: int, name: str, event: Event, time_ns: int) -> Acted:
        """Let an event take effect on one machine.

        Args:
            machine: The machine's number.
            name: Its name.
            event: What has happened.
            time_ns: Event time at which it takes effect.

        Returns:
            What is to be told, and why the event was refused, if it was. A refused
            event changes nothing; shelves that had ended by its time are told of all
            the same.
        """
        watch = self._watch(machine, name)
        acted = act(watch, event, time_ns)
        if event.kind in RENEWING:
            self.since[machine] = NEVER
        self._settle(machine, watch)
        return acted

    def silent(self, machine: int, name: str, time_ns: int, offset: int) -> list[Alert]:
        """Raise ``no_data``, once, for a machine of which nothing has come for long.

        Its next window clears it, whether there is an estimate or not. Until then no
        delay of its other alarms runs. A machine out of service may be silent.

        Args:
            machine: The machine's number.
            name: Its name.
            time_ns: Time of the newest that came of it: the onset.
            offset: Position in the partition at which the silence was found.
        """
        watch = self._watch(machine, name)
        told = watch.fall_silent(time_ns, offset)
        self._settle(machine, watch)
        return told

    def dump(self, machines: Ints) -> dict[str, Any]:
        """Return the state of m machines.

        Returns:
            ``arrays``: name to array (m, ...); ``sensors``: names of their columns;
            ``open``: plain values, each with the ``place`` of its machine among the m.
        """
        self.grow(int(machines.max(initial=-1)) + 1)
        watches = [
            {"place": place} | self._watches[number].dump()
            for place, number in enumerate(machines.tolist())
            if number in self._watches
        ]
        return {
            "arrays": {"since": self.since[machines]},
            "sensors": list(self._plan.kind.sensor_names),
            "open": watches,
        }

    def load(self, machines: Ints, saved: dict[str, Any]) -> None:
        """Take over what `dump` gave.

        Sensors and rules are matched by name. An alarm whose rule is no more is cleared
        by its machine's next window.

        Args:
            machines: (m,) the number of each place; -1 for one that is not taken over.
            saved: As returned by `dump`.
        """
        self.grow(int(machines.max(initial=-1)) + 1)
        kept = np.flatnonzero(machines >= 0)
        mine = self._plan.kind.sensor_names
        for column, sensor in enumerate(saved["sensors"]):
            if sensor in mine:
                since = saved["arrays"]["since"][kept, column]
                self.since[machines[kept], mine.index(sensor)] = since
        for one in saved["open"]:
            number = int(machines[one["place"]])
            if number >= 0:
                watch = self._watch(number, one["name"])
                watch.load(one)
                self._settle(number, watch)
