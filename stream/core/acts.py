"""What events do to the alarms of one machine.

- ``acknowledge``, ``shelve``, ``unshelve`` and ``feedback`` mean one alarm (by its id),
  those of one kind (or of one rule), or all that are open. The ones to which the table
  allows it are changed; if it allows it to none, the event is refused.
- A shelf by kind, or of the whole machine, also waits for alarms that rise later.
  A shelf that is ended, by hand or by time, is followed by ``updated``, as is a
  ``returned`` alarm: whoever heard nothing of it meanwhile hears of it now.
- ``feedback`` also reaches the last alarms that are over, by their id.
- ``out_of_service`` and ``return`` mean the machine, with all its alarms. A machine
  that has failed may also return; who feeds the engine gives no estimates meanwhile.
- ``failure``, ``replacement`` and ``maintenance`` end the machine's own alarms, pending
  ones too. Those of its instruments stay until the instruments are seen to be well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from stream.core.alarm_table import (
    NOTE,
    SERVICE,
    SHELF,
    UNSHELVED,
    IllegalStep,
    check_shelf,
)
from stream.core.alert import Alert, Event, Mark
from stream.core.cases import Shelf, Watch
from stream.core.event_time import BadTime, TimeRule, parse, to_text
from stream.core.readings import FAULTS
from stream.core.trackers import NO_DATA, Tracker

RENEWING = ("failure", "replacement", "maintenance")
"""Events after which a machine is judged anew."""


class Acted(NamedTuple):
    """What came of an event.

    Attributes:
        alerts: What is to be told.
        refused: Why the event has changed nothing; empty when it was taken.
    """

    alerts: list[Alert]
    refused: str = ""


def act(watch: Watch, event: Event, at_ns: int) -> Acted:
    """Let an event take effect on a machine at an event time."""
    alerts = watch.expire(at_ns)
    alerts += _updated(watch, alerts, at_ns)
    do = _ACTS.get(event.kind, _unknown)
    try:
        return Acted(alerts + do(watch, event, at_ns))
    except IllegalStep as error:
        return Acted(alerts, str(error))


def _updated(watch: Watch, alerts: Iterable[Alert], at_ns: int) -> list[Alert]:
    """Return that these alarms, which are open, are in view again."""
    ids = {alert.id for alert in alerts}
    back = [t for t in watch.open() if t.told.id in ids]
    return [watch.tell(tracker, "updated", at_ns) for tracker in back]


def _meant(watch: Watch, event: Event) -> list[Tracker]:
    """Return the open alarms that an event means.

    Raises:
        IllegalStep: if it names an alarm that is not open, or a kind there is not.
    """
    known = {rule.name for rule in watch.plan.kind.alarms} | {NO_DATA, ""}
    known |= {f"sensor.{fault}" for fault in FAULTS[1:]}
    if event.rule not in known:
        raise IllegalStep(f"there is no alarm of kind {event.rule!r}")
    found = [
        tracker
        for tracker in watch.open()
        if event.alarm in {"", tracker.told.id}
        and event.rule in {"", tracker.kind, tracker.rule.name}
    ]
    if event.alarm and not found:
        raise IllegalStep(f"no open alarm has the id {event.alarm!r}")
    return found


def _each(
    trackers: Iterable[Tracker], change: Callable[[Tracker], Alert]
) -> list[Alert]:
    """Change each alarm that may be; raise the last reason if none may be."""
    told, reason = [], "no alarm is open"
    for tracker in trackers:
        try:
            told.append(change(tracker))
        except IllegalStep as error:
            reason = str(error)
    if not told:
        raise IllegalStep(reason)
    return told


def _acknowledge(watch: Watch, event: Event, at_ns: int) -> list[Alert]:
    mark = Mark(event.by, event.why, to_text(at_ns))

    def change(tracker: Tracker) -> Alert:
        _, action = NOTE.step(tracker.note, event.kind)
        return watch.tell(tracker, action, at_ns, acknowledged=mark)

    return _each(_meant(watch, event), change)


def _feedback(watch: Watch, event: Event, at_ns: int) -> list[Alert]:
    if event.verdict not in {"true", "false"}:
        raise IllegalStep("a feedback needs a verdict, true or false")

    def change(tracker: Tracker) -> Alert:
        _, action = NOTE.step(tracker.note, event.kind)
        return watch.tell(tracker, action, at_ns, feedback=event.verdict)

    over = [t for t in watch.closed if t.told.id == event.alarm]
    return _each(over or _meant(watch, event), change)


def _shelve(watch: Watch, event: Event, at_ns: int) -> list[Alert]:
    try:
        until = parse(event.until, TimeRule())
    except BadTime as error:
        raise IllegalStep(f"a shelf needs an end: {error}") from error
    check_shelf(at_ns, until)
    mark = Mark(event.by, event.why, to_text(at_ns), to_text(until))

    def change(tracker: Tracker) -> Alert:
        _, action = SHELF.step(tracker.shelf, event.kind)
        tracker.until = until
        return watch.tell(tracker, action, at_ns, shelved=mark)

    meant = _meant(watch, event)
    if not event.alarm:
        watch.shelves[event.rule] = Shelf(mark, until)
    return _each(meant, change) if meant else []


def _unshelve(watch: Watch, event: Event, at_ns: int) -> list[Alert]:
    meant = _meant(watch, event)
    waiting = [kind for kind in watch.shelves if event.rule in {"", kind}]
    if event.alarm:
        waiting = []
    for kind in waiting:
        del watch.shelves[kind]

    def change(tracker: Tracker) -> Alert:
        return watch.unshelve(tracker, event.kind, at_ns)

    if waiting and all(tracker.shelf == UNSHELVED for tracker in meant):
        return []
    told = _each(meant, change)
    return told + _updated(watch, told, at_ns)


def _leave(watch: Watch, event: Event, at_ns: int) -> list[Alert]:
    watch.service, action = SERVICE.step(watch.service, event.kind)
    watch.hold()
    if not action:  # a machine that had failed: nothing of it was suppressed
        return []
    return [
        watch.tell(tracker, action, at_ns, out_of_service=watch.out)
        for tracker in watch.open()
    ]


def _return(watch: Watch, event: Event, at_ns: int) -> list[Alert]:
    told = _leave(watch, event, at_ns)
    return told + _updated(watch, told, at_ns)


def _renew(watch: Watch, event: Event, at_ns: int) -> list[Alert]:
    return watch.end_machine_alarms(event.kind, at_ns)


def _fail(watch: Watch, event: Event, at_ns: int) -> list[Alert]:
    watch.service = SERVICE.step(watch.service, event.kind).state
    return _renew(watch, event, at_ns)


def _unknown(watch: Watch, event: Event, at_ns: int) -> list[Alert]:
    raise IllegalStep(
        f"nothing is known of {event.kind!r}, as told of {watch.name!r} at"
        f" {to_text(at_ns)}"
    )


_ACTS: dict[str, Callable[[Watch, Event, int], list[Alert]]] = {
    "acknowledge": _acknowledge,
    "feedback": _feedback,
    "shelve": _shelve,
    "unshelve": _unshelve,
    "out_of_service": _leave,
    "return": _return,
    "failure": _fail,
    "replacement": _renew,
    "maintenance": _renew,
}
