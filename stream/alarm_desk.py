"""What a person at a terminal may do to alarms, judged by the topic of alarms.

Reads what stands there, finds the alarms that are meant, and makes the event that
does something to them. Nothing here touches the bus or a clock.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
from msgspec import structs

from stream.core import alarm_table, events
from stream.core.alarm_table import IllegalStep
from stream.core.alert import Alert, Event
from stream.core.event_time import LAST, TimeRule, parse_or_none, to_text
from stream.core.readings import SEVERITIES
from stream.errors import InputError

SHORT_ID = 8
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_US = dt.timedelta(microseconds=1)

_ACTED_ON = {
    "acknowledge": alarm_table.NOTE,
    "feedback": alarm_table.NOTE,
    "shelve": alarm_table.SHELF,
    "unshelve": alarm_table.SHELF,
    "out_of_service": alarm_table.SERVICE,
    "return": alarm_table.SERVICE,
}
_CLOSED_TOO = ("feedback",)
_WAITING = ("shelve", "unshelve")


@dataclass(frozen=True, slots=True)
class Aim:
    """Which alarms are meant.

    Attributes:
        alarm: Id, or as much of it as no other alarm's begins with; empty: by machine.
        machine: All open ones of this machine; empty with an id.
        rule: Of this kind, or of this rule, only; empty: of all kinds.
        instruments: Whether that rule is the one on instruments.
    """

    alarm: str = ""
    machine: str = ""
    rule: str = ""
    instruments: bool = False

    def __post_init__(self) -> None:
        if bool(self.alarm) == bool(self.machine):
            raise InputError("expected either an ALARM_ID or --machine")
        if self.rule and not self.machine:
            raise InputError("--rule: expected --machine beside it")

    def fits(self, alarm: Alert) -> bool:
        """Whether an alarm of the machine is of the kind that is meant."""
        if self.instruments and alarm.kind.startswith("sensor."):
            return True
        return self.rule in {"", alarm.kind}


@dataclass(slots=True)
class Standing:
    """The topic of alarms as it stands.

    Attributes:
        alarms: The latest of each alarm by id.
        broken: How many records could not be understood.
    """

    alarms: dict[str, Alert]
    broken: int = 0

    def find(self, prefix: str) -> Alert:
        """Return the alarm whose id begins so.

        Raises:
            InputError: There is none, or there are several.
        """
        found = [a for name, a in self.alarms.items() if name.startswith(prefix)]
        if not found:
            raise InputError(f"no alarm has an id that begins with {prefix!r}")
        if len(found) > 1:
            some = ", ".join(sorted(a.id for a in found)[:3])
            raise InputError(
                f"{len(found)} alarms have ids that begin with {prefix!r}, such as"
                f" {some}: give more of it"
            )
        return found[0]

    def listed(self, machine: str = "", *, closed: bool = False) -> list[Alert]:
        """Return alarms, open ones first, then by severity and onset.

        Args:
            machine: Of this one only; empty: of all.
            closed: Whether cleared ones are wanted too.
        """
        wanted = [
            alarm
            for alarm in self.alarms.values()
            if (closed or is_open(alarm)) and machine in ("", alarm.machine)
        ]
        return sorted(wanted, key=_urgency)

    def aimed_at(self, aim: Aim, kind: str) -> list[Alert]:
        """Return the alarms that an event changes.

        Args:
            aim: Which are meant.
            kind: Of the event.

        Returns:
            At least one, but for a shelf by machine: it waits for alarms that rise
            later, and nothing shows whether it is there.

        Raises:
            InputError: There is none, or the event can be done to none of them.
        """
        if aim.alarm:
            return check([self.find(aim.alarm)], kind)
        found = [alarm for alarm in self.listed(aim.machine) if aim.fits(alarm)]
        if kind in _WAITING:
            return [alarm for alarm in found if not refusal(alarm, kind)]
        if not found:
            of_kind = f" of kind {aim.rule}" if aim.rule else ""
            raise InputError(f"machine {aim.machine} has no open alarm{of_kind}")
        return check(found, kind)


def standing(records: Iterable[tuple[bytes | None, bytes | None]]) -> Standing:
    """Return the latest of each alarm.

    Args:
        records: Keys and values of the compacted topic, each partition in order; a
            value of None takes the alarm of that key away.
    """
    found = Standing({})
    for key, value in records:
        if value is None:
            found.alarms.pop((key or b"").decode(errors="replace"), None)
            continue
        try:
            alarm = msgspec.json.decode(value, type=Alert)
        except (msgspec.DecodeError, UnicodeDecodeError):
            found.broken += 1
            continue
        found.alarms[alarm.id] = alarm
    return found


def is_open(alarm: Alert) -> bool:
    """Whether an alarm is not over yet."""
    return alarm.state != "cleared"


def refusal(alarm: Alert, kind: str) -> str:
    """Why an event of that kind cannot be done to an alarm; empty if it can.

    Example:
        >>> from stream.core.alert import Mark
        >>> once = Alert("a1", "c", "p", "pump", "risk", "machine", "", "raised", 1,
        ...     "active", "low", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z")
        >>> once.acknowledged = Mark("ann", "", "2026-01-01T00:01:00Z")
        >>> refusal(once, "acknowledge")
        'the alarm is acknowledged already'
    """
    if not is_open(alarm) and kind not in _CLOSED_TOO:
        return "the alarm is not active"
    table = _ACTED_ON[kind]
    state = {
        alarm_table.NOTE.name: _note(alarm),
        alarm_table.SHELF.name: alarm_table.SHELVED
        if alarm.shelved
        else alarm_table.UNSHELVED,
        alarm_table.SERVICE.name: alarm_table.OUT_OF_SERVICE
        if alarm.out_of_service
        else alarm_table.IN_SERVICE,
    }[table.name]
    try:
        table.step(state, kind)
    except IllegalStep as error:
        return str(error)
    return ""


def _note(alarm: Alert) -> str:
    if not is_open(alarm):
        return alarm_table.CLOSED
    if alarm.acknowledged is None:
        return alarm_table.UNACKNOWLEDGED
    return alarm_table.ACKNOWLEDGED


def check(alarms: Sequence[Alert], kind: str) -> list[Alert]:
    """Return those of some alarms to which an event can be done.

    Raises:
        InputError: It can be done to none of them.
    """
    reasons = [refusal(alarm, kind) for alarm in alarms]
    able = [a for a, reason in zip(alarms, reasons, strict=True) if not reason]
    if alarms and not able:
        first = alarms[0]
        raise InputError(
            f"alarm {first.id[:SHORT_ID]} of machine {first.machine}: {reasons[0]}"
        )
    return able


def event(kind: str, machine: str, at_ns: int, **parts: str) -> Event:
    """Make an event that the worker will understand.

    Args:
        kind: One of `alert.EVENT_KINDS`.
        machine: 1 to 128 printable characters.
        at_ns: When.
        parts: Further fields of `alert.Event`.

    Raises:
        InputError: The worker would refuse it.
    """
    plain = Event(machine=machine, kind=kind, time=to_text(at_ns))
    judged = events.parse(msgspec.json.encode(structs.replace(plain, **parts)))
    if isinstance(judged, str):
        raise InputError(judged)
    return judged


def moment(text: str, zone: dt.tzinfo, option: str) -> int:
    """Read a time that a person wrote, such as ``2026-11-21 18:00``.

    Args:
        text: ISO 8601, as short as one likes; without an offset it is in `zone`.
        zone: The plant's time zone.
        option: What it was given as, for the error.

    Returns:
        Nanoseconds since 1970 UTC.

    Raises:
        InputError: It is no time from 1970 to 2261.

    Example:
        >>> moment("1970-01-01 00:01", dt.UTC, "--at")
        60000000000
    """
    try:
        at = dt.datetime.fromisoformat(text)
    except ValueError:
        at = None
    ns = -1
    if at is not None:
        placed = at.replace(tzinfo=zone) if at.tzinfo is None else at
        ns = (placed - _EPOCH) // _US * 1_000
    if not 0 <= ns < LAST:
        raise InputError(
            f"{option}: expected a time such as 2026-11-21T18:00, or with an offset"
            f" such as 2026-11-21T18:00+08:00, found {text!r}"
        )
    return ns


def local(time: str, zone: dt.tzinfo) -> str:
    """A time of the wire in the plant's zone, to the minute; a dash for none."""
    ns = parse_or_none(time, TimeRule())
    if ns is None:
        return "-"
    at = dt.datetime.fromtimestamp(ns // 10**9, zone)
    return at.isoformat(" ", "minutes")[:16]


def short_ids(alarms: Mapping[str, Alert]) -> dict[str, str]:
    """The beginning of each id that is its own, of at least 8 characters."""
    names = sorted(alarms)
    short: dict[str, str] = {}
    for place, name in enumerate(names):
        beside = names[max(0, place - 1) : place] + names[place + 1 : place + 2]
        shared = max((_shared(name, other) for other in beside), default=0)
        short[name] = name[: max(SHORT_ID, shared + 1)]
    return short


def _shared(one: str, other: str) -> int:
    pairs = zip(one, other, strict=False)
    return next(
        (n for n, (a, b) in enumerate(pairs) if a != b), min(map(len, (one, other)))
    )


def _urgency(alarm: Alert) -> tuple[bool, int, str, str, str]:
    known = alarm.severity in SEVERITIES
    rank = SEVERITIES.index(alarm.severity) if known else len(SEVERITIES)
    return not is_open(alarm), rank, alarm.onset, alarm.machine, alarm.kind
