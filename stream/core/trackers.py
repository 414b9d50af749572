"""One alarm on its way through `alarm_table.py`, and the rules behind it.

Delays count only the event time between two windows that both spoke of the rule's
value: a window without an estimate, a value that is NaN, silence that was noticed and
time out of service neither run a delay on nor reset it, so such a gap does not itself
raise an alarm. Time between windows that follow each other directly counts, however
long it is: a machine may report less often than its on-delay is long.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from stream.core.alarm_table import (
    ACKNOWLEDGED,
    ALARM,
    CLEARING,
    CLOSED,
    DUE,
    NORMAL,
    OPEN,
    PENDING,
    SHELVED,
    UNACKNOWLEDGED,
    UNSHELVED,
)
from stream.core.alert import Alert
from stream.core.readings import NEVER, SEVERITIES, AlarmRule, MachineType

NO_DATA = "no_data"
"""Kind of the alarm of a machine of which nothing comes."""

GONE = "gone"
"""What a rule looks at that is no longer in the settings."""


def digest(onset_ns: int, what: str, machine: str) -> str:
    """Return the id of what began at a time: equal input always gives the same.

    Example:
        >>> digest(1_700_000_000_000_000_000, "risk", "pump-07")
        '494fb1f33b0c94a9ff96a18cd25d301a'
    """
    text = f"{onset_ns}\n{what}\n{machine}".encode()
    return hashlib.blake2b(text, digest_size=16).hexdigest()


class Plan:
    """What all machines of one type share.

    Attributes:
        kind: The machine type.
        source: Topic and partition, which alerts name.
        asset_of: Site, line and criticality of a machine, by name.
        machine: The rules on risk, remaining life and anomaly.
        sensor: The rule on instruments; None: they raise no alarms.
        silence: The rule on machines of which nothing comes.
    """

    def __init__(
        self,
        kind: MachineType,
        source: tuple[str, int],
        asset_of: Callable[[str], dict[str, str]],
    ) -> None:
        """Sort the rules; of several on instruments the first counts."""
        self.kind, self.source, self.asset_of = kind, source, asset_of
        self.machine = tuple(rule for rule in kind.alarms if rule.on != "sensor")
        sensor = [rule for rule in kind.alarms if rule.on == "sensor"]
        self.sensor = sensor[0] if sensor else None
        # Silence is asked for by name, after its own delay, and ends with the silence.
        base = self.sensor or AlarmRule("sensor", "sensor")
        self.silence = replace(base, on_delay_ns=0, off_delay_ns=0)
        self._by_name = {rule.name: rule for rule in self.machine}

    def rule_of(self, kind: str) -> AlarmRule:
        """Return the rule behind a kind of alarm."""
        if kind == NO_DATA:
            return self.silence
        gone = AlarmRule(kind, GONE)
        if kind.startswith("sensor."):
            return self.sensor or gone
        return self._by_name.get(kind, gone)


@dataclass(slots=True)
class Tracker:
    """One alarm on its way through the table.

    Attributes:
        kind: Kind of the alarm.
        sensor: The instrument; empty for alarms of the machine and its silence.
        rule: The rule behind it.
        onset: End of the window that was first beyond the limit, in ns.
        state: State in `alarm_table.ALARM`.
        waited: How long the delay has run, in ns.
        seen: Time of the last window that spoke of it; NEVER: none since a hold.
        alert: What was told last; None while nothing was.
        until: When its shelf ends; NEVER without one.
        lower: The most urgent severity since it fell below the told one; -1: it is not.
        lower_for: For how long, in ns.
        other: The top reason, while it is another than the told one; else empty.
        other_for: For how long, in ns.
    """

    kind: str
    sensor: str
    rule: AlarmRule
    onset: int
    state: str = NORMAL
    waited: int = 0
    seen: int = NEVER
    alert: Alert | None = None
    until: int = NEVER
    lower: int = -1
    lower_for: int = 0
    other: str = ""
    other_for: int = 0

    @property
    def of_machine(self) -> bool:
        """Whether it speaks of the machine, not of an instrument or of silence."""
        return not self.sensor and self.kind != NO_DATA

    @property
    def passing(self) -> bool:
        """Whether the next window ends it: data has come, or its rule is no more."""
        return self.kind == NO_DATA or self.rule.on == GONE

    @property
    def told(self) -> Alert:
        """What was told last, of an alarm that is open."""
        assert self.alert is not None  # noqa: S101 - open alarms have been told
        return self.alert

    @property
    def note(self) -> str:
        """State in `alarm_table.NOTE`."""
        if self.state not in OPEN:
            return CLOSED
        return ACKNOWLEDGED if self.told.acknowledged else UNACKNOWLEDGED

    @property
    def shelf(self) -> str:
        """State in `alarm_table.SHELF`."""
        return SHELVED if self.alert and self.alert.shelved else UNSHELVED

    def pass_time(self, at_ns: int) -> int:
        """Return for how long it has been watched without a hold, up to a window."""
        passed = 0 if self.seen == NEVER else at_ns - self.seen
        self.seen = at_ns
        return passed

    def take(self, level: str, passed: int) -> str:
        """Go on by where the value lies; returns what is to be told, or nothing."""
        before = self.state
        self.state = ALARM.step(before, level).state
        self.waited = self.waited + passed if self.state == before else 0
        delays = {PENDING: self.rule.on_delay_ns, CLEARING: self.rule.off_delay_ns}
        if self.waited < delays.get(self.state, self.waited + 1):
            return ""
        self.state, action = ALARM.step(self.state, DUE)
        return action

    def changed(self, urgent: int, top: str, passed: int) -> int:
        """Return the severity to tell now, or -1 if there is nothing to tell.

        A severity that rises is told at once; a lower one, or another top reason, when
        it has stood for the on-delay.

        Args:
            urgent: Position of the severity in `SEVERITIES`.
            top: The sensor that says most; empty for unknown.
            passed: Time since the last window that spoke, in ns.
        """
        now = SEVERITIES.index(self.told.severity)
        lower = self._lower_for_long(urgent, now, passed)
        other = self._other_for_long(top, passed)
        new = urgent if urgent < now else lower
        if new >= 0:
            self.lower = -1
        if new >= 0 or other:
            self.other = ""
        return now if other and new < 0 else new

    def _lower_for_long(self, urgent: int, now: int, passed: int) -> int:
        """Return the most urgent severity of a time that was lower; -1 for none."""
        if urgent <= now:
            self.lower = -1
        elif self.lower < 0:
            self.lower, self.lower_for = urgent, 0
        else:
            self.lower, self.lower_for = (
                min(urgent, self.lower),
                self.lower_for + passed,
            )
        return self.lower if self.lower_for >= self.rule.on_delay_ns else -1

    def _other_for_long(self, top: str, passed: int) -> bool:
        reasons = self.told.evidence.reasons
        if not reasons or reasons[0].sensor == top:
            self.other = ""
        elif top and top != self.other:
            self.other, self.other_for = top, 0
        elif top:
            self.other_for += passed
        return bool(self.other) and self.other_for >= self.rule.on_delay_ns

    def dump(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        plain = {name: getattr(self, name) for name in _PLAIN}
        return plain | {"alert": msgspec.to_builtins(self.alert)}


_PLAIN = tuple(n for n in Tracker.__slots__ if n not in {"rule", "alert"})


def restored(saved: dict[str, Any], rule: AlarmRule) -> Tracker:
    """Return a tracker as `Tracker.dump` gave it, under a rule of today."""
    alert = msgspec.convert(saved["alert"], Alert | None)
    return Tracker(**saved | {"rule": rule, "alert": alert})
