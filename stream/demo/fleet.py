"""A made-up fleet of pumps: readings, what happens to them, and the truth behind.

The simulation is seeded: equal parameters, seed and role give equal bits. Its laws
and numbers stand in `configs/demo-fleet.yaml`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from models.datasets import History, assemble
from stream.core.alert import Event
from stream.demo import faults as instruments
from stream.demo.faults import Place
from stream.demo.parameters import MEASURED, SENSORS, UNITS, Parameters
from stream.demo.physics import readings
from stream.demo.schedule import Doubles, Life, Role, Schedule, plan

_S = 10**9
_ROLES: dict[Role, int] = {"train": 1, "demo": 2}
# Machines report one after the other, so many seconds apart.
_APART_S = 7


@dataclass(frozen=True)
class Failure:
    """A failure, as only the simulation knows it.

    Attributes:
        machine: Name of the machine.
        at_ns: When, UTC ns: the time of its last row.
        mechanism: What wore it down.
        driving: The sensor that this moves most.
        foreseeable: False where nothing gave warning.
    """

    machine: str
    at_ns: int
    mechanism: str
    driving: str
    foreseeable: bool


@dataclass(frozen=True)
class SensorFault:
    """A fault of one instrument: kind as in `readings.FAULTS`, from and to in ns."""

    machine: str
    sensor: str
    kind: str
    from_ns: int
    to_ns: int


@dataclass(frozen=True)
class Fleet:
    """Rows of all machines in order of time, and the truth behind them.

    Attributes:
        machines: (M,) names.
        sensors: (S,) names of the columns.
        units: (S,) their units in UCUM.
        time_ns: (n,) int64 UTC ns, never falling.
        machine: (n,) int32 number of the machine.
        values: (n, S) float32, NaN where absent.
        running: (n,) whether the machine truly turns.
        wear: (n,) float32 true wear, 0 new, 1 at the failure.
        spares: (M,) which machines are spares.
        events: Failures and returns, in order of time.
        failures: In order of time.
        faults: Of instruments, in order of time.
        start_ns: Beginning.
        end_ns: End.
    """

    machines: tuple[str, ...]
    sensors: tuple[str, ...]
    units: tuple[str, ...]
    time_ns: NDArray[np.int64]
    machine: NDArray[np.int32]
    values: NDArray[np.float32]
    running: NDArray[np.bool_]
    wear: NDArray[np.float32]
    spares: NDArray[np.bool_]
    events: tuple[Event, ...]
    failures: tuple[Failure, ...]
    faults: tuple[SensorFault, ...]
    start_ns: int
    end_ns: int

    def __len__(self) -> int:
        """Count of rows."""
        return len(self.machine)


def simulate(parameters: Parameters, seed: int, role: Role) -> Fleet:
    """Simulate a fleet.

    Args:
        parameters: Of the simulation.
        seed: Of all chance; the two roles share none of it.
        role: ``train``: lives to learn from, one after the other, instruments sound.
            ``demo``: a fixed count of failures, one fault of each kind.
    """
    p = parameters
    # Chance of its own for each part, so that a change of one leaves the others.
    chance = np.random.SeedSequence([seed, _ROLES[role]]).spawn(3)
    for_plan, for_physics, for_faults = (np.random.default_rng(c) for c in chance)
    schedule = plan(p, role, for_plan)
    start = p.train.start if role == "train" else p.demo.start
    start_ns = int(start.timestamp()) * _S
    rows, machines = schedule.rpm.shape
    seconds: Doubles = start_ns / _S + np.arange(rows, dtype=np.float64) * p.period_s
    wear, effects = _wear(p, schedule)
    values = readings(p, schedule, seconds, effects, for_physics)
    places = [] if role == "train" else instruments.draw(p, schedule, for_faults)
    for place in places:
        instruments.inject(p, values, place, for_faults)
    names = tuple(f"pump-{m + 1:02d}" for m in range(machines))
    clock = _Clock(start_ns, p.period_s * _S)
    row, machine = np.nonzero(schedule.present)
    return Fleet(
        machines=names,
        sensors=SENSORS,
        units=UNITS,
        time_ns=clock.at(row, machine),
        machine=machine.astype(np.int32),
        values=values[row, machine],
        running=schedule.running[row, machine],
        wear=wear[row, machine].astype(np.float32),
        spares=schedule.spare,
        events=_events(schedule, names, clock),
        failures=_failures(p, schedule, names, clock),
        faults=_faults(places, names, clock),
        start_ns=start_ns,
        end_ns=start_ns + rows * p.period_s * _S,
    )


def history(fleet: Fleet) -> History:
    """Return a fleet as a history to learn from, cut into lives.

    Raises:
        DataError: never for a fleet that was simulated.
    """
    number = {name: m for m, name in enumerate(fleet.machines)}
    mode = {(f.machine, f.at_ns): f.mechanism for f in fleet.failures}
    events = []
    for event in fleet.events:
        at = time_of(event.time)
        events.append(
            (number[event.machine], at, event.kind, mode.get((event.machine, at)))
        )
    return assemble(
        fleet.sensors,
        list(fleet.machines),
        fleet.machine,
        fleet.time_ns,
        fleet.values,
        events,
    )


def time_of(text: str) -> int:
    """The time of an ISO text with offset, UTC ns, to the second."""
    return int(datetime.fromisoformat(text).timestamp()) * _S


def iso(time_ns: int) -> str:
    """A time in ns, at whole seconds, as an ISO text in UTC."""
    found = datetime.fromtimestamp(time_ns // _S, UTC)
    return found.isoformat().replace("+00:00", "Z")


@dataclass(frozen=True)
class _Clock:
    """Times of rows."""

    start_ns: int
    period_ns: int

    def at(
        self, row: NDArray[np.int64], machine: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        return np.asarray(
            self.start_ns + row * self.period_ns + machine * _APART_S * _S, np.int64
        )

    def one(self, row: int, machine: int) -> int:
        return self.start_ns + row * self.period_ns + machine * _APART_S * _S


def _wear(p: Parameters, schedule: Schedule) -> tuple[Doubles, dict[str, Doubles]]:
    """True wear (T, M), and by sensor the share by which it changes readings."""
    wear = np.zeros(schedule.rpm.shape)
    effects = {sensor: np.zeros_like(wear) for sensor in MEASURED}
    for life in schedule.lives:
        if not life.failed:
            continue
        rows = np.arange(life.start, life.stop + 1)
        grown = life.wear((life.stop - rows) * p.period_s / 3600.0)
        wear[rows, life.machine] = grown
        for sensor, effect in p.mechanisms[life.mechanism].effects.items():
            effects[sensor][rows, life.machine] = effect * life.size * grown
    return wear, effects


def _events(
    schedule: Schedule, names: tuple[str, ...], clock: _Clock
) -> tuple[Event, ...]:
    timed: list[tuple[int, Event]] = []
    for life in schedule.lives:
        name = names[life.machine]
        if life.start > 0:
            at = clock.one(life.start, life.machine)
            timed.append((at, Event(name, "return", iso(at), by="demo")))
        if life.failed:
            at = clock.one(life.stop, life.machine)
            event = Event(name, "failure", iso(at), by="demo", mode=life.mechanism)
            timed.append((at, event))
    return tuple(event for _, event in sorted(timed, key=lambda pair: pair[0]))


def _failures(
    p: Parameters, schedule: Schedule, names: tuple[str, ...], clock: _Clock
) -> tuple[Failure, ...]:
    def told(life: Life) -> Failure:
        return Failure(
            machine=names[life.machine],
            at_ns=clock.one(life.stop, life.machine),
            mechanism=life.mechanism,
            driving=p.mechanisms[life.mechanism].drives,
            foreseeable=not life.sudden,
        )

    found = [told(life) for life in schedule.lives if life.failed]
    return tuple(sorted(found, key=lambda f: f.at_ns))


def _faults(
    places: list[Place], names: tuple[str, ...], clock: _Clock
) -> tuple[SensorFault, ...]:
    found = [
        SensorFault(
            names[place.machine],
            place.sensor,
            place.kind,
            clock.one(place.start, place.machine),
            clock.one(place.stop, place.machine),
        )
        for place in places
    ]
    return tuple(sorted(found, key=lambda f: f.from_ns))
