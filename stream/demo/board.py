"""What is known of each machine while the demo runs, from what the agent writes."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from stream.core.alert import Alert, Event
from stream.demo.fleet import time_of
from stream.demo.phrases import Phrases

STATES = ("failed", "alarm", "sensor", "watch", "normal", "blind", "standby", "waiting")
"""What a machine may be, what needs people first."""

_WATCH_BELOW = 80.0


class _Rul(msgspec.Struct):
    p05: float
    p50: float
    p95: float


class Score(msgspec.Struct):
    """A score as it stands on the topic, as far as it is shown."""

    machine: str
    time: str
    risk: float | None
    rul: _Rul | None
    anomaly: float | None
    health: float | None
    contributions: dict[str, float] | None
    why: str | None
    model: dict[str, Any]
    faults: dict[str, str] = {}

    def life(self) -> str:
        """The remaining life in hours, most likely and from to; empty without."""
        if self.rul is None:
            return ""
        cap = float(self.model.get("cap", math.inf))
        ends = (self.rul.p50, self.rul.p05, self.rul.p95)
        mid, low, high = (_hours(value, cap) for value in ends)
        return f"{mid} h [{low}, {high}]"

    def rarity(self) -> str:
        """The anomaly in false alarms per machine-month: small is strange."""
        rate = self.anomaly
        if rate is None:
            return ""
        return (
            "<0.001" if rate < 0.001 else f"{rate:.2g}" if rate < 10 else f"{rate:.0f}"
        )


class Why(NamedTuple):
    """Why a machine does not look normal.

    Attributes:
        sensor: The sensor that says most; empty if nothing does.
        sigma: How far it is from its own normal, where that is known.
        fault: What is wrong with the sensor itself; empty if nothing is.
    """

    sensor: str = ""
    sigma: float | None = None
    fault: str = ""

    def told(self, say: Phrases) -> str:
        """In few words."""
        if not self.sensor:
            return ""
        name = say.label(self.sensor)
        if self.fault:
            return f"{name}: {say.known('fault', self.fault)}"
        return name if self.sigma is None else f"{name} {self.sigma:+.1f} sigma"


@dataclass(slots=True, eq=False)
class Machine:
    """One machine.

    Attributes:
        name: Its name.
        score: The newest one.
        open: Its open alarms by id.
        failed: Whether it has failed and is not back.
        times: Event times of its scores, ns.
        risk: Of its scores; NaN without one.
        health: Of its scores; NaN without one.
        anomaly: Of its scores; NaN without one.
    """

    name: str
    score: Score | None = None
    open: dict[str, Alert] = field(default_factory=dict)
    failed: bool = False
    times: list[int] = field(default_factory=list)
    risk: list[float] = field(default_factory=list)
    health: list[float] = field(default_factory=list)
    anomaly: list[float] = field(default_factory=list)

    @property
    def state(self) -> str:
        """One of `STATES`."""
        subjects = {alert.subject for alert in self.open.values()}
        if self.failed:
            return "failed"
        if "machine" in subjects:
            return "alarm"
        if subjects:
            return "sensor"
        return self._unalarmed()

    def _unalarmed(self) -> str:
        score = self.score
        if score is None or score.why == "min_context":
            return "waiting"
        if score.why == "not_running":
            return "standby"
        if score.health is None:
            return "blind"
        return "watch" if score.health < _WATCH_BELOW else "normal"

    def reason(self) -> Why:
        """What says most: of an alarm, of a broken sensor, or of a strange window."""
        alarms = list(self.open.values())
        for alarm in alarms:
            if alarm.subject == "machine" and alarm.evidence.reasons:
                first = alarm.evidence.reasons[0]
                return Why(first.sensor, first.sigma)
        for alarm in alarms:
            if alarm.sensor:
                return Why(alarm.sensor, None, alarm.kind.removeprefix("sensor."))
        shares = self.score.contributions if self.score else None
        if shares and self.state == "watch":
            return Why(max(shares, key=lambda name: shares[name]))
        return Why()


@dataclass(frozen=True)
class Played:
    """What a run took.

    Attributes:
        readings: That were sent.
        busy_s: From the first to the last, without pauses, in s.
    """

    readings: int
    busy_s: float

    @property
    def per_second(self) -> float:
        """Readings per second, from JSON to alerts."""
        return self.readings / self.busy_s if self.busy_s > 0 else 0.0


class Board:
    """All machines, and all that was told; a watcher of `stream.demo.live`.

    Args:
        machines: Their names, in the order of display.

    Attributes:
        machines: By name.
        alerts: All changes of alarms, in the order of coming.
        events: What has happened to machines.
        scores: How many scores came.
        sent: Readings so far.
        busy_s: What they took, in s.
        time_ns: Event time reached.
    """

    def __init__(self, machines: tuple[str, ...]) -> None:
        """Know nothing yet."""
        self.machines = {name: Machine(name) for name in machines}
        self.alerts: list[Alert] = []
        self.events: list[Event] = []
        self.scores = 0
        self.sent = 0
        self.busy_s = 0.0
        self.time_ns = 0
        self._score = msgspec.json.Decoder(Score)
        self._alert = msgspec.json.Decoder(Alert)

    def score(self, value: bytes) -> None:
        """Take a score."""
        score = self._score.decode(value)
        self.scores += 1
        machine = self.machines[score.machine]
        machine.score = score
        machine.times.append(time_of(score.time))
        machine.risk.append(_number(score.risk))
        machine.health.append(_number(score.health))
        machine.anomaly.append(_number(score.anomaly))

    def alert(self, value: bytes) -> None:
        """Take a change of an alarm."""
        alert = self._alert.decode(value)
        self.alerts.append(alert)
        machine = self.machines[alert.machine]
        if alert.state == "cleared":
            machine.open.pop(alert.id, None)
        else:
            machine.open[alert.id] = alert

    def happened(self, event: Event) -> None:
        """Take what happened to a machine."""
        self.events.append(event)
        self.machines[event.machine].failed = event.kind == "failure"

    def moved(self, time_ns: int, sent: int, busy_s: float) -> None:
        """Know how far it has come."""
        self.time_ns, self.sent, self.busy_s = time_ns, sent, busy_s

    @property
    def rate(self) -> float:
        """Readings per second so far."""
        return self.sent / self.busy_s if self.busy_s > 0 else 0.0

    def raised(self) -> list[Alert]:
        """All alarms as they were raised."""
        return [alert for alert in self.alerts if alert.event == "raised"]

    def count(self) -> Counter[str]:
        """How many machines are in each state."""
        return Counter(machine.state for machine in self.machines.values())


def _hours(hours: float, cap: float) -> str:
    return f">{cap:.0f}" if hours >= cap * (1 - 1e-6) else f"{hours:.0f}"


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
