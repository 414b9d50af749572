"""Faults of instruments, written into the readings of healthy machines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream.core.readings import FAULTS
from stream.demo.parameters import MEASURED, SENSORS, Parameters
from stream.demo.schedule import Rng, Schedule, between

Floats = NDArray[np.float32]
KINDS = FAULTS[1:]


@dataclass(frozen=True)
class Place:
    """Where a fault goes.

    Attributes:
        kind: One of `KINDS`.
        machine: Number of the machine.
        sensor: Name of the sensor.
        start: First row.
        stop: One beyond the last row.
    """

    kind: str
    machine: int
    sensor: str
    start: int
    stop: int


def draw(p: Parameters, schedule: Schedule, rng: Rng) -> list[Place]:
    """Draw one fault of each kind, each on another machine that never fails.

    Machines that mostly stand are left out; with too few others, so are some kinds.
    """
    rows = len(schedule.rpm)
    failing = {life.machine for life in schedule.lives if life.failed}
    able = [m for m in np.flatnonzero(~schedule.spare).tolist() if m not in failing]
    machines = rng.permutation(able).tolist()
    found = []
    for kind, machine in zip(KINDS, machines, strict=False):
        faults = p.faults
        drifts = kind == "drifting"
        hours = between(rng, faults.drift_lasting_h if drifts else faults.lasting_h)
        length = p.rows(hours)
        first, last = p.rows(faults.after_h), rows - length - 1
        if last <= first:
            continue
        start = _running_start(schedule, machine, (first, last), length, rng)
        sensor = str(rng.choice(MEASURED))
        found.append(Place(kind, machine, sensor, start, start + length))
    return found


def _running_start(
    schedule: Schedule, machine: int, limits: tuple[int, int], length: int, rng: Rng
) -> int:
    """A start so that the machine runs nearly all the time; the best of some draws."""
    drawn = rng.integers(*limits, 40)
    running = schedule.running[:, machine]
    share = [running[at : at + length].mean() for at in drawn]
    return int(drawn[int(np.argmax(share))])


def inject(p: Parameters, values: Floats, place: Place, rng: Rng) -> None:
    """Write a fault into (T, M, S) readings, in place."""
    rows = slice(place.start, place.stop)
    column = values[rows, place.machine, SENSORS.index(place.sensor)]
    column[:] = _SHAPES[place.kind](p, place, column.copy(), rng)


def _no_data(p: Parameters, place: Place, column: Floats, rng: Rng) -> Floats:
    return np.full_like(column, np.nan)


def _stuck(p: Parameters, place: Place, column: Floats, rng: Rng) -> Floats:
    return np.full_like(column, column[0])


def _out_of_range(p: Parameters, place: Place, column: Floats, rng: Rng) -> Floats:
    low, high = p.faults.range[place.sensor]
    return np.full_like(column, high + p.faults.out_of_range * (high - low))


def _spiking(p: Parameters, place: Place, column: Floats, rng: Rng) -> Floats:
    hit = rng.random(len(column)) < 1 / p.faults.spike_one_in
    size = rng.uniform(*p.faults.spike, len(column)) * rng.choice([-1, 1], len(column))
    sigma = p.faults.sigma[place.sensor]
    return _within(p, place, column + hit * size * sigma)


def _noisy(p: Parameters, place: Place, column: Floats, rng: Rng) -> Floats:
    sigma = p.faults.noisy * p.faults.sigma[place.sensor]
    return _within(p, place, column + rng.normal(0.0, sigma, len(column)))


def _drifting(p: Parameters, place: Place, column: Floats, rng: Rng) -> Floats:
    reached = between(rng, p.faults.drift) * p.faults.sigma[place.sensor]
    ramp = np.linspace(0.0, reached * rng.choice([-1, 1]), len(column))
    return _within(p, place, column + ramp)


def _within(p: Parameters, place: Place, column: NDArray[np.floating[Any]]) -> Floats:
    """What the instrument can show: a transmitter stops at the ends of its range."""
    shown: Floats = np.clip(column, *p.faults.range[place.sensor]).astype(np.float32)
    return shown


_Shape = Callable[[Parameters, Place, Floats, Rng], Floats]
_SHAPES: dict[str, _Shape] = {
    "no_data": _no_data,
    "stuck": _stuck,
    "out_of_range": _out_of_range,
    "spiking": _spiking,
    "noisy": _noisy,
    "drifting": _drifting,
}
