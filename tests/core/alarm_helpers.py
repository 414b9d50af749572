"""Scores, rules and events for the tests of alarms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from stream.core.alarms import Alarms, Judged
from stream.core.alert import Alert, Event
from stream.core.event_time import to_text
from stream.core.readings import FAULTS, AlarmRule, MachineType, Sensor
from tests.core.helpers import NAN, NS, T0

SENSORS = "tvp"
RISK = AlarmRule("risk", "risk", 0.5, 0.4)
RUL = AlarmRule("rul", "rul", 10.0, 12.0)
ANOMALY = AlarmRule("anomaly", "anomaly", 1.0, 2.0)
SENSOR = AlarmRule("instruments", "sensor")
MODEL = {"name": "m", "version": "1"}


def pumps(*rules: AlarmRule, sensors: str = SENSORS) -> MachineType:
    """Return a machine type with a horizon of 24 h and a cap of 100 h."""
    made = tuple(map(Sensor, sensors))
    return MachineType(
        "pump", made, alarms=rules, axis="hours", horizon=24.0, cap=100.0
    )


def at(second: float) -> int:
    """Return the time in ns so many seconds after `T0`."""
    return round((T0 + second) * NS)


def iso(second: float) -> str:
    """Return the same time as text."""
    return to_text(at(second))


@dataclass
class Score:
    """One score; what is not said is far from any limit."""

    second: float
    machine: int = 0
    risk: float = 0.0
    rul: float = NAN
    anomaly: float = 50.0
    share: Sequence[float] = ()
    sigma: Sequence[float] = ()
    faults: Mapping[str, str] = field(default_factory=dict)
    given: bool = True


def judged(scores: Sequence[Score], sensors: str = SENSORS) -> Judged:
    """Return scores as columns; offsets are seconds."""
    n, width = len(scores), len(sensors)
    made = Judged(
        machine=np.array([s.machine for s in scores], np.int64),
        time_ns=np.array([at(s.second) for s in scores], np.int64),
        offset=np.array([int(s.second) for s in scores], np.int64),
        risk=np.array([s.risk for s in scores], np.float64),
        anomaly=np.array([s.anomaly for s in scores], np.float64),
        rul=np.array([[s.rul / 2, s.rul, s.rul * 2] for s in scores]).reshape(n, 3),
        contributions=np.full((n, width), NAN),
        deviation=np.full((n, width), NAN),
        faults=np.zeros((n, width), np.int8),
        given=np.array([s.given for s in scores], np.bool_),
        model=MODEL,
    )
    for row, score in enumerate(scores):
        made.contributions[row, : len(score.share)] = score.share
        made.deviation[row, : len(score.sigma)] = score.sigma
        for name, fault in score.faults.items():
            made.faults[row, sensors.index(name)] = FAULTS.index(fault)
    return made


class Bench:
    """An engine, fed in seconds, that remembers what it has told."""

    def __init__(self, *rules: AlarmRule, asset: dict[str, str] | None = None) -> None:
        self.asset = asset or {}
        self.alarms = Alarms(pumps(*rules), ("readings", 3), lambda _: self.asset)
        self.told: list[Alert] = []
        self._refused = ""

    def __call__(self, *scores: Score) -> list[Alert]:
        alerts = self.alarms.push(judged(scores), NAMES)
        self.told += alerts
        return alerts

    def risk(self, *pairs: tuple[float, float]) -> list[str]:
        """Push pairs of second and risk of machine 0; return what was told of each."""
        return [brief(a) for a in self(*(Score(s, risk=risk) for s, risk in pairs))]

    def act(self, kind: str, second: float, machine: int = 0, **more: Any) -> list[str]:
        """Let an event happen; return what was told."""
        event = Event(NAMES[machine], kind, iso(second), **more)
        acted = self.alarms.act(machine, NAMES[machine], event, at(second))
        self._refused = acted.refused
        self.told += acted.alerts
        return [brief(alert) for alert in acted.alerts]

    def refused(self) -> str:
        """Return why the last event was refused; empty if it was not."""
        return self._refused

    def silent(self, second: float, machine: int = 0) -> list[str]:
        """Let a machine be silent since a time; return what was told."""
        name = NAMES[machine]
        told = self.alarms.silent(machine, name, at(second), int(second))
        self.told += told
        return [brief(alert) for alert in told]

    def restart(self, *rules: AlarmRule, sensors: str = SENSORS) -> None:
        """Go on with a new engine that has loaded the old one's state."""
        saved = self.alarms.dump(np.arange(2))
        plain = msgspec.msgpack.encode(saved | {"arrays": {}})
        saved = msgspec.msgpack.decode(plain) | {"arrays": saved["arrays"]}
        rules = rules or self.alarms.kind.alarms
        kind = pumps(*rules, sensors=sensors)
        self.alarms = Alarms(kind, ("readings", 3), lambda _: self.asset)
        self.alarms.load(np.arange(2), saved)


NAMES = ("pump-0", "pump-1", "pump-2")


def brief(alert: Alert) -> str:
    """Return what an alert tells in a word or two: event, kind, sensor, second."""
    sensor = f"/{alert.sensor}" if alert.sensor else ""
    return f"{alert.event} {alert.kind}{sensor}"


def plain(alerts: Sequence[Any]) -> Any:
    """Return alerts, or a state, as plain values that == compares."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(alerts))
