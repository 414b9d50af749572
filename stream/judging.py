"""How well alarms foresaw failures, by rules that are fixed beforehand.

- An alarm of a machine **foresees** a failure if it is raised between 1.5 and 0.1
  horizons before it: in time to act, and late enough to be about this failure.
- A **case** is all alarms of a machine that are open together, raised with the first of
  them. It is **false** if the machine does not fail within 1.5 horizons after that.
- Alarms on instruments are not alarms of the machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from stream.core.alert import Alert
from stream.core.event_time import TimeRule, parse

EARLIEST, LATEST = 1.5, 0.1
"""When an alarm foresees a failure, in horizons before it."""


class Failure(Protocol):
    """A failure, as far as alarms are held against it."""

    @property
    def machine(self) -> str:
        """Name of the machine."""

    @property
    def at_ns(self) -> int:
        """When it failed."""


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


def raised_of(alerts: Iterable[Alert]) -> list[Raised]:
    """Return the alarms of machines that were raised, in the order of the alerts."""
    return [
        Raised(
            alert.machine,
            parse(alert.time, TimeRule()),
            alert.case_id,
            tuple(reason.sensor for reason in alert.evidence.reasons),
        )
        for alert in alerts
        if alert.event == "raised" and alert.subject == "machine"
    ]


def foresees(failure: Failure, alarm: Raised, horizon_ns: int) -> bool:
    """Tell whether an alarm foresees a failure."""
    left = failure.at_ns - alarm.at_ns
    timely = int(LATEST * horizon_ns) <= left <= int(EARLIEST * horizon_ns)
    return failure.machine == alarm.machine and timely


def false_cases(
    failures: Sequence[Failure], raised: Iterable[Raised], horizon_ns: int
) -> list[Raised]:
    """Return the first alarm of each case that no failure follows in time."""
    first: dict[tuple[str, str], Raised] = {}
    for alarm in sorted(raised, key=lambda r: r.at_ns):
        first.setdefault((alarm.machine, alarm.case), alarm)
    most = int(EARLIEST * horizon_ns)
    return [
        alarm
        for alarm in first.values()
        if not any(
            f.machine == alarm.machine and 0 <= f.at_ns - alarm.at_ns <= most
            for f in failures
        )
    ]
