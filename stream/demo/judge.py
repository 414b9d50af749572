"""How well alarms foresaw the failures of a made-up fleet, by fixed rules.

- An alarm of a machine **foresees** a failure if it is raised between 1.5 and 0.1
  horizons before it: in time to act, and late enough to be about this failure.
- A failure is **missed** if it could be foreseen and no alarm did.
- A **case** is all alarms of a machine that are open together, raised with the first of
  them. It is **false** if the machine does not fail within 1.5 horizons after that.
- Alarms on instruments are not alarms of the machine; they count beside.
- A fault of an instrument is **named** if an alarm on this sensor with this very fault
  is raised while it lasts, or within the slack after it. A case of the machine that is
  raised in that time and false was **caused** by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from stream.core.alert import Alert
from stream.demo.fleet import Failure, Fleet, SensorFault, time_of

HOUR_NS = 3_600 * 10**9
MONTH_NS = 30 * 24 * HOUR_NS
EARLIEST, LATEST = 1.5, 0.1
"""When an alarm foresees a failure, in horizons before it."""

SLACK_NS = 12 * HOUR_NS
"""How long after its end a fault of an instrument still stands in windows."""

_TOP = 2


@dataclass(frozen=True)
class Raised:
    """An alarm of a machine as it was raised.

    Attributes:
        machine: Name of the machine.
        at_ns: When it was raised.
        case: Shared by all alarms of a machine that are open together.
        reasons: Sensors, first the one that says most.
    """

    machine: str
    at_ns: int
    case: str
    reasons: tuple[str, ...] = ()


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
    raised, named = [], []
    for alert in alerts:
        if alert.event != "raised":
            continue
        at = time_of(alert.time)
        if alert.subject == "machine":
            reasons = tuple(r.sensor for r in alert.evidence.reasons)
            raised.append(Raised(alert.machine, at, alert.case_id, reasons))
        elif alert.subject == "sensor" and alert.sensor:
            kind = alert.kind.removeprefix("sensor.")
            named.append(Named(alert.machine, alert.sensor, kind, at))
    return verdict(fleet, raised, named, horizon_h)


def verdict(
    fleet: Fleet, raised: Sequence[Raised], named: Sequence[Named], horizon_h: float
) -> Verdict:
    """Judge what was raised; see `judge`."""
    window = _window(horizon_h)
    foreseeable = [f for f in fleet.failures if f.foreseeable]
    true = {f: [r for r in raised if window(f, r)] for f in foreseeable}
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
    first: dict[tuple[str, str], Raised] = {}
    for alarm in sorted(raised, key=lambda r: r.at_ns):
        first.setdefault((alarm.machine, alarm.case), alarm)
    most = int(EARLIEST * horizon_h * HOUR_NS)
    return [
        alarm
        for alarm in first.values()
        if not any(
            f.machine == alarm.machine and 0 <= f.at_ns - alarm.at_ns <= most
            for f in fleet.failures
        )
    ]


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


def _window(horizon_h: float) -> Callable[[Failure, Raised], bool]:
    earliest = int(EARLIEST * horizon_h * HOUR_NS)
    latest = int(LATEST * horizon_h * HOUR_NS)

    def foresees(failure: Failure, alarm: Raised) -> bool:
        left = failure.at_ns - alarm.at_ns
        return failure.machine == alarm.machine and latest <= left <= earliest

    return foresees


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
