"""How well alarms foresaw the failures of a made-up fleet, by fixed rules.

What foresees a failure, and which case is false, stands in `stream.judging`. Beside it:

- A failure is **missed** if it could be foreseen and no alarm did.
- Alarms on instruments are not alarms of the machine; they count beside.
- A fault of an instrument is **named** if an alarm on this sensor with this very fault
  is raised while it lasts, or within the slack after it. A case of the machine that is
  raised in that time and false was **caused** by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from stream import judging
from stream.core.alert import Alert
from stream.demo.fleet import Failure, Fleet, SensorFault, time_of
from stream.judging import EARLIEST, LATEST, Raised, foresees, raised_of

__all__ = [
    "EARLIEST",
    "HOUR_NS",
    "LATEST",
    "MONTH_NS",
    "Named",
    "Raised",
    "Verdict",
    "false_cases",
    "healthy_months",
    "judge",
    "verdict",
]

HOUR_NS = 3_600 * 10**9
MONTH_NS = 30 * 24 * HOUR_NS
SLACK_NS = 12 * HOUR_NS
"""How long after its end a fault of an instrument still stands in windows."""

_TOP = 2


@dataclass(frozen=True)
class Named:
    """An alarm on an instrument as it was raised: which, when, and what is wrong."""

    machine: str
    sensor: str
    kind: str
    at_ns: int


@dataclass(frozen=True)
class Verdict:
    """What came of one run.

    Attributes:
        failures: That happened.
        foreseeable: Of these, the ones that gave warning.
        foreseen: Of the foreseeable, the ones that an alarm foresaw.
        missed: Foreseeable, and not foreseen.
        false_alarms: Cases that no failure followed.
        healthy_machines: Machines that never failed.
        healthy_months: Machine-months in service outside 1.5 horizons before failures.
        false_alarms_per_machine_month: Of these months.
        median_lead_time_s: From the first alarm that foresaw it to the failure; NaN
            where none was foreseen.
        by_mechanism: Mechanism -> foreseen and foreseeable.
        driving_named: Alarms that foresaw a failure and name the driving sensor among
            the first two reasons.
        driving_asked: Alarms that foresaw a failure.
        sensor_faults: Of instruments, that happened.
        sensor_faults_named: Of these, named.
        sensor_faults_missed: Kinds of the others.
        cases_by_sensor_faults: False cases of machines, caused by them.
        sensor_alarms_false: Alarms on instruments that had no fault.
    """

    failures: int
    foreseeable: int
    foreseen: int
    missed: int
    false_alarms: int
    healthy_machines: int
    healthy_months: float
    false_alarms_per_machine_month: float
    median_lead_time_s: float
    by_mechanism: dict[str, tuple[int, int]]
    driving_named: int
    driving_asked: int
    sensor_faults: int
    sensor_faults_named: int
    sensor_faults_missed: tuple[str, ...]
    cases_by_sensor_faults: int
    sensor_alarms_false: int

    def to_json(self) -> dict[str, Any]:
        """Plain values; NaN as None."""
        found = asdict(self)
        if not np.isfinite(self.median_lead_time_s):
            found["median_lead_time_s"] = None
        return found


def judge(fleet: Fleet, alerts: Iterable[Alert], horizon_h: float) -> Verdict:
    """Judge the alerts of one run.

    Args:
        fleet: With the truth.
        alerts: All that were sent; changes other than ``raised`` are passed over.
        horizon_h: Horizon of the risk, in hours.
    """
    sent = list(alerts)
    named = [
        Named(a.machine, a.sensor, a.kind.removeprefix("sensor."), time_of(a.time))
        for a in sent
        if a.event == "raised" and a.subject == "sensor" and a.sensor
    ]
    return verdict(fleet, raised_of(sent), named, horizon_h)


def verdict(
    fleet: Fleet, raised: Sequence[Raised], named: Sequence[Named], horizon_h: float
) -> Verdict:
    """Judge what was raised; see `judge`."""
    horizon_ns = _ns(horizon_h)
    foreseeable = [f for f in fleet.failures if f.foreseeable]
    true = {f: [r for r in raised if foresees(f, r, horizon_ns)] for f in foreseeable}
    leads = [f.at_ns - min(r.at_ns for r in by) for f, by in true.items() if by]
    false = false_cases(fleet, raised, horizon_h)
    months = healthy_months(fleet, horizon_h)
    asked = [(f, r) for f, by in true.items() for r in by if r.reasons]
    missed = [f.kind for f in fleet.faults if not any(_names(n, f) for n in named)]
    failed = {f.machine for f in fleet.failures}
    return Verdict(
        failures=len(fleet.failures),
        foreseeable=len(foreseeable),
        foreseen=len(leads),
        missed=len(foreseeable) - len(leads),
        false_alarms=len(false),
        healthy_machines=len(fleet.machines) - len(failed),
        healthy_months=round(months, 3),
        false_alarms_per_machine_month=round(len(false) / months, 4) if months else 0.0,
        median_lead_time_s=float(np.median(leads)) / 1e9 if leads else float("nan"),
        by_mechanism=_by_mechanism(true),
        driving_named=sum(f.driving in r.reasons[:_TOP] for f, r in asked),
        driving_asked=len(asked),
        sensor_faults=len(fleet.faults),
        sensor_faults_named=len(fleet.faults) - len(missed),
        sensor_faults_missed=tuple(missed),
        cases_by_sensor_faults=sum(
            any(_during(fault, r.machine, r.at_ns) for fault in fleet.faults)
            for r in false
        ),
        sensor_alarms_false=sum(
            not any(_names(n, f, kind=False) for f in fleet.faults) for n in named
        ),
    )


def false_cases(
    fleet: Fleet, raised: Sequence[Raised], horizon_h: float
) -> list[Raised]:
    """Return the first alarm of each case that no failure follows in time."""
    return judging.false_cases(fleet.failures, raised, _ns(horizon_h))


def healthy_months(fleet: Fleet, horizon_h: float) -> float:
    """Machine-months in service outside 1.5 horizons before failures."""
    most = int(EARLIEST * horizon_h * HOUR_NS)
    total = len(fleet.machines) * (fleet.end_ns - fleet.start_ns)
    for failure in fleet.failures:
        back = [
            time_of(event.time)
            for event in fleet.events
            if event.machine == failure.machine and event.kind == "return"
        ]
        until = min([t for t in back if t > failure.at_ns], default=fleet.end_ns)
        total -= until - max(failure.at_ns - most, fleet.start_ns)
    return total / MONTH_NS


def _ns(horizon_h: float) -> int:
    return round(horizon_h * HOUR_NS)


def _by_mechanism(true: dict[Failure, list[Raised]]) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for failure, by in sorted(true.items(), key=lambda pair: pair[0].mechanism):
        seen, of = found.get(failure.mechanism, (0, 0))
        found[failure.mechanism] = (seen + bool(by), of + 1)
    return found


def _during(fault: SensorFault, machine: str, at_ns: int) -> bool:
    within = fault.from_ns <= at_ns <= fault.to_ns + SLACK_NS
    return machine == fault.machine and within


def _names(alarm: Named, fault: SensorFault, *, kind: bool = True) -> bool:
    same = alarm.sensor == fault.sensor and (alarm.kind == fault.kind or not kind)
    return same and _during(fault, alarm.machine, alarm.at_ns)
