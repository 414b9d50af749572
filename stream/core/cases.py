"""What one machine has in alarms: those that are open, and those that may become so.

All alarms of a machine that are open together make one case. Alarms of instruments and
of silence make a case of their own, so that a broken sensor never looks like a sick
machine.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from stream.core.alarm_table import (
    ABOVE,
    ACTIVE,
    ALARM,
    BELOW,
    ENDED,
    IN_SERVICE,
    NORMAL,
    OPEN,
    OUT_OF_SERVICE,
    SHELF,
)
from stream.core.alert import Alert, Mark
from stream.core.event_time import to_text
from stream.core.readings import NEVER, SEVERITIES
from stream.core.reasons import LEVELS, LOW, Look, severity, silence
from stream.core.trackers import NO_DATA, Plan, Tracker, digest, restored

MOST_CLOSED = 4
"""So many alarms of a machine that are over may still be judged by a feedback."""


@dataclass(slots=True)
class Shelf:
    """Alarms of a machine that are to be shelved as they rise.

    Attributes:
        mark: Who has shelved them.
        until: Until when, in ns.
    """

    mark: Mark
    until: int


@dataclass(slots=True)
class Watch:
    """One machine under watch.

    Attributes:
        name: Its name.
        plan: What its type says.
        trackers: Its alarms, by kind and sensor.
        shelves: Shelves that wait for alarms, by the kind that is meant; the empty
            text means all kinds.
        service: State in `alarm_table.SERVICE`.
        closed: The last alarms that are over, oldest first.
    """

    name: str
    plan: Plan
    trackers: dict[tuple[str, str], Tracker] = field(default_factory=dict)
    shelves: dict[str, Shelf] = field(default_factory=dict)
    service: str = IN_SERVICE
    closed: list[Tracker] = field(default_factory=list)

    @property
    def out(self) -> bool:
        """Whether the machine is out of service."""
        return self.service == OUT_OF_SERVICE

    @property
    def busy(self) -> bool:
        """Whether every window of the machine has to be looked at."""
        return bool(self.trackers or self.shelves)

    @property
    def idle(self) -> bool:
        """Whether nothing has to be remembered of the machine."""
        return self.service == IN_SERVICE and not (self.busy or self.closed)

    def open(self) -> list[Tracker]:
        """Return the alarms that have been told of and are not over."""
        return [t for t in self.trackers.values() if t.state in OPEN]

    def hold(self) -> None:
        """Let no delay run on until the next window that speaks."""
        for tracker in self.trackers.values():
            tracker.seen = NEVER

    def _hold_unseen(self, at_ns: int) -> None:
        """Let no delay run on of what a window has not spoken of."""
        for tracker in self.trackers.values():
            if tracker.seen != at_ns:
                tracker.seen = NEVER

    def tell(self, tracker: Tracker, event: str, at_ns: int, **changes: Any) -> Alert:
        """Return the next alert of an open alarm, and keep it as told."""
        told = tracker.told
        tracker.alert = msgspec.structs.replace(
            told, event=event, seq=told.seq + 1, time=to_text(at_ns), **changes
        )
        # The caller may fill in a message: what is kept must not change with it.
        return copy.copy(tracker.alert)

    def end(self, tracker: Tracker, by: str, at_ns: int, **changes: Any) -> Alert:
        """Return the last alert of an alarm that the table has ended."""
        told = self.tell(
            tracker, "cleared", at_ns, state="cleared", cleared_by=by, **changes
        )
        self.closed = [*self.closed, tracker][-MOST_CLOSED:]
        return told

    def end_machine_alarms(self, by: str, at_ns: int) -> list[Alert]:
        """End all alarms of the machine itself, and those that were about to rise."""
        told = []
        for key, tracker in list(self.trackers.items()):
            if tracker.of_machine:
                tracker.state, action = ALARM.step(tracker.state, ENDED)
                del self.trackers[key]
                if action:
                    told.append(self.end(tracker, by, at_ns))
        return told

    def expire(self, at_ns: int) -> list[Alert]:
        """Take alarms off shelves that have ended by a time."""
        for kind, shelf in list(self.shelves.items()):
            if shelf.until <= at_ns:
                del self.shelves[kind]
        over = [t for t in self.open() if t.told.shelved and t.until <= at_ns]
        return [self.unshelve(tracker, "expire", at_ns) for tracker in over]

    def unshelve(self, tracker: Tracker, how: str, at_ns: int) -> Alert:
        """Take one alarm off its shelf; ``how`` is an input of `alarm_table.SHELF`.

        Raises:
            IllegalStep: if it is not shelved.
        """
        _, action = SHELF.step(tracker.shelf, how)
        tracker.until = NEVER
        return self.tell(tracker, action, at_ns, shelved=None)

    def look(self, look: Look, row: int) -> list[Alert]:
        """Take one window of the machine, in service, and return what follows.

        Without an estimate it does not speak of the machine. Of instruments it speaks
        all the same if it finds a fault: too many of them may be why there is none.
        """
        at = look.time_ns[row]
        told = self.expire(at)
        back = {alert.id for alert in told}
        for tracker in [t for t in self.trackers.values() if t.passing]:
            told += self._advance(tracker, BELOW, look, row)
        if look.given[row]:
            told += self._look_at_machine(look, row)
        if look.given[row] or row in look.faults:
            told += self._look_at_sensors(look, row)
        self._hold_unseen(at)
        spoken = {alert.id for alert in told if alert.event == "updated"}
        for tracker in self.open():
            if tracker.told.id in back - spoken:
                told.append(self.tell(tracker, "updated", at))
        return told

    def _look_at_machine(self, look: Look, row: int) -> Iterator[Alert]:
        suspect = self._rests_on_a_broken_sensor(look, row)
        for rule, level in zip(self.plan.machine, look.levels[row], strict=True):
            tracker = self.trackers.get((rule.name, ""))
            if suspect and LEVELS[level] == ABOVE and not _is_open(tracker):
                continue
            if LEVELS[level] == ABOVE and tracker is None:
                tracker = Tracker(rule.name, "", rule, look.time_ns[row])
                self.trackers[rule.name, ""] = tracker
            if tracker is not None and LEVELS[level]:
                yield from self._advance(tracker, LEVELS[level], look, row)

    def _rests_on_a_broken_sensor(self, look: Look, row: int) -> bool:
        """Tell whether the sensor that says most has an alarm of its own.

        Such a window raises nothing on the machine, and lets no delay run.
        """
        top = look.top_name(row)
        return any(t.sensor == top for t in self.open() if t.sensor)

    def _look_at_sensors(self, look: Look, row: int) -> Iterator[Alert]:
        if self.plan.sensor is None:
            return
        present = {
            (f"sensor.{fault}", sensor) for sensor, fault in look.faults.get(row, [])
        }
        known = {key for key in self.trackers if key[1]}
        for kind, sensor in sorted(present | known):
            tracker = self.trackers.get((kind, sensor))
            if tracker is None:
                rule = self.plan.sensor
                tracker = Tracker(kind, sensor, rule, look.time_ns[row])
                self.trackers[kind, sensor] = tracker
            level = ABOVE if (kind, sensor) in present else BELOW
            yield from self._advance(tracker, level, look, row)

    def _advance(
        self, tracker: Tracker, level: str, look: Look, row: int
    ) -> Iterator[Alert]:
        """Take one window into one alarm."""
        at = look.time_ns[row]
        passed = tracker.pass_time(at)
        action = tracker.take(level, passed)
        if action == "raised":
            severe = self._severity(tracker, look.urgent[row])
            yield self.begin(tracker, at, severe, self._now(tracker, look, row))
        elif action == "cleared":
            yield self.end(tracker, "limit", at, **self._now(tracker, look, row))
        elif tracker.state == ACTIVE and tracker.of_machine:
            severe = self._severity(tracker, look.urgent[row])
            new = tracker.changed(severe, look.top_name(row), passed)
            if new >= 0:
                now = self._now(tracker, look, row) | {"severity": SEVERITIES[new]}
                yield self.tell(tracker, "updated", at, **now)
        if tracker.state == NORMAL:
            del self.trackers[tracker.kind, tracker.sensor]

    def _severity(self, tracker: Tracker, urgent: int) -> int:
        if not tracker.of_machine:
            urgent = LOW
        return severity(tracker.rule, urgent, self.plan.asset_of(self.name))

    def _now(self, tracker: Tracker, look: Look, row: int) -> dict[str, Any]:
        """Return what an alert says of the window that it comes from."""
        if tracker.passing:
            evidence = silence(self.plan.kind)
        elif tracker.sensor:
            evidence = look.of_sensor(row, tracker.sensor)
        else:
            evidence = look.of_machine(row, tracker.rule)
        return {
            "evidence": evidence,
            "model": look.model,
            "source": self._source(look.offset[row]),
        }

    def _source(self, offset: int) -> dict[str, str | int]:
        topic, partition = self.plan.source
        return {"topic": topic, "partition": partition, "offset": offset}

    def begin(
        self, tracker: Tracker, at_ns: int, severe: int, now: dict[str, Any]
    ) -> Alert:
        """Return the first alert of an alarm that the table has raised."""
        machine, rule, onset = tracker.of_machine, tracker.rule, tracker.onset
        what = f"{tracker.kind}/{tracker.sensor}" if tracker.sensor else tracker.kind
        cases = [
            t.told.case_id for t in self.open() if t.alert and t.of_machine == machine
        ]
        new = digest(onset, "case" if machine else "sensors", self.name)
        until, mark = self._shelf_for(tracker)
        tracker.until = until
        tracker.alert = Alert(
            id=digest(onset, what, self.name),
            case_id=cases[0] if cases else new,
            machine=self.name,
            type=self.plan.kind.name,
            kind=tracker.kind,
            subject="machine" if machine else "sensor",
            sensor=tracker.sensor,
            event="raised",
            seq=1,
            state="active",
            severity=SEVERITIES[severe],
            onset=to_text(onset),
            time=to_text(at_ns),
            shelved=mark,
            action=rule.action,
            failure_mode=rule.failure_mode,
            asset=self.plan.asset_of(self.name),
            **now,
        )
        return copy.copy(tracker.alert)

    def _shelf_for(self, tracker: Tracker) -> tuple[int, Mark | None]:
        """Return the end and the mark of the shelf that waits for an alarm."""
        names = {tracker.kind, tracker.rule.name, ""}
        waiting = [shelf for kind, shelf in self.shelves.items() if kind in names]
        if not waiting:
            return NEVER, None
        longest = max(waiting, key=lambda shelf: shelf.until)
        return longest.until, longest.mark

    def fall_silent(self, at_ns: int, offset: int) -> list[Alert]:
        """Return the alarm of a machine of which nothing has come since a time."""
        self.hold()
        # Of a machine that has a name, but no row yet, nothing can be missed.
        if self.out or at_ns == NEVER or (NO_DATA, "") in self.trackers:
            return []
        tracker = Tracker(NO_DATA, "", self.plan.silence, at_ns)
        tracker.take(ABOVE, 0)
        self.trackers[NO_DATA, ""] = tracker
        now = {
            "evidence": silence(self.plan.kind),
            "source": self._source(offset),
        }
        return [self.begin(tracker, at_ns, self._severity(tracker, LOW), now)]

    def dump(self) -> dict[str, Any]:
        """Return all of it but the plan, as plain values."""
        return {
            "name": self.name,
            "service": self.service,
            "trackers": [tracker.dump() for tracker in self.trackers.values()],
            "shelves": {
                kind: [msgspec.to_builtins(shelf.mark), shelf.until]
                for kind, shelf in self.shelves.items()
            },
            "closed": [tracker.dump() for tracker in self.closed],
        }

    def load(self, saved: dict[str, Any]) -> None:
        """Take over what `dump` gave, under the rules of today."""
        self.service = saved["service"]
        for kind, (mark, until) in saved["shelves"].items():
            self.shelves[kind] = Shelf(msgspec.convert(mark, Mark), until)
        for tracker in map(self._restored, saved["trackers"]):
            self.trackers[tracker.kind, tracker.sensor] = tracker
        self.closed = list(map(self._restored, saved["closed"]))

    def _restored(self, saved: dict[str, Any]) -> Tracker:
        return restored(saved, self.plan.rule_of(saved["kind"]))


def _is_open(tracker: Tracker | None) -> bool:
    return tracker is not None and tracker.state in OPEN
