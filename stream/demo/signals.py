"""Four signals that tell what the simulation is about."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream.demo.fleet import Fleet, SensorFault
from stream.demo.phrases import Phrases

_DAY_NS = 86_400 * 10**9
_SHOWN_NS = 14 * _DAY_NS
_SOUND_NS = 10 * _DAY_NS
_MECHANISM = "bearing_wear"
_LIKE_A_FAULT = "motor_temperature"
_STANDING = "current"


@dataclass(frozen=True)
class Signal:
    """Readings of one sensor.

    Attributes:
        kind: ``failing``, ``healthy``, ``spare`` or ``fault``.
        machine: Its machine.
        sensor: Its name.
        unit: In UCUM.
        about: The mechanism of the failure, or the kind of the fault.
        time_ns: (n,) event times.
        values: (n,) readings, NaN where there is none.
        mark_ns: From and to: the fault, or the failure; 0, 0 without one.
    """

    kind: str
    machine: str
    sensor: str
    unit: str
    about: str
    time_ns: NDArray[np.int64]
    values: NDArray[np.float32]
    mark_ns: tuple[int, int] = (0, 0)

    @property
    def days(self) -> float:
        """How long it is."""
        return float(self.time_ns[-1] - self.time_ns[0]) / _DAY_NS

    def title(self, say: Phrases) -> str:
        """What it shows."""
        return say(
            f"signal.{self.kind}",
            machine=self.machine,
            sensor=say.label(self.sensor),
            mechanism=say.known("mechanism", self.about),
            kind=say.known("fault", self.about),
        )


def chosen(fleet: Fleet) -> list[Signal]:
    """Choose signals: a failing machine, a healthy one, a spare, a broken sensor.

    What a fleet does not have is left out.
    """
    found = []
    foreseeable = [f for f in fleet.failures if f.foreseeable]
    if foreseeable:
        # Stable: of equals the first one.
        failure = min(foreseeable, key=lambda f: f.mechanism != _MECHANISM)
        until, mark = failure.at_ns, (failure.at_ns, failure.at_ns)
        span = (until - _SHOWN_NS, until)
        found.append(
            _signal(
                fleet, "failing", failure.machine, failure.driving, failure.mechanism,
                span, mark,
            )
        )  # fmt: skip
    failed = {f.machine for f in fleet.failures}
    sound = [m for m in fleet.machines if m not in failed]
    spares = dict(zip(fleet.machines, fleet.spares.tolist(), strict=True))
    # Instruments are sound in the first days.
    span = (fleet.start_ns, fleet.start_ns + _SOUND_NS)
    for kind, sensor, spare in (
        ("healthy", _LIKE_A_FAULT, False),
        ("spare", _STANDING, True),
    ):
        names = [m for m in sound if spares[m] == spare]
        if names:
            found.append(_signal(fleet, kind, names[0], sensor, "", span))
    if fleet.faults:
        found.append(_faulty(fleet, fleet.faults))
    return [signal for signal in found if len(signal.time_ns) > 1]


def _faulty(fleet: Fleet, faults: tuple[SensorFault, ...]) -> Signal:
    fault = min(faults, key=lambda f: f.kind != "drifting")
    middle = (fault.from_ns + fault.to_ns) // 2
    span = (middle - _SHOWN_NS // 2, middle + _SHOWN_NS // 2)
    mark = (fault.from_ns, fault.to_ns)
    return _signal(fleet, "fault", fault.machine, fault.sensor, fault.kind, span, mark)


def _signal(
    fleet: Fleet,
    kind: str,
    machine: str,
    sensor: str,
    about: str,
    span: tuple[int, int],
    mark: tuple[int, int] = (0, 0),
) -> Signal:
    column = fleet.sensors.index(sensor)
    mine = fleet.machine == fleet.machines.index(machine)
    mine &= (fleet.time_ns >= span[0]) & (fleet.time_ns <= span[1])
    time_ns, values = fleet.time_ns[mine], fleet.values[mine, column]
    return Signal(
        kind, machine, sensor, fleet.units[column], about, time_ns, values, mark
    )
