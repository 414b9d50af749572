"""From what happens to machines to what their instruments read.

Sources of every law stand in `configs/demo-fleet.yaml`. Speeds are relative to the
rated one. All arrays are (T, M): rows by machines.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream.demo.parameters import MEASURED, SENSORS, Parameters
from stream.demo.schedule import Doubles, Rng, Schedule

_YEAR_S, _DAY_S = 365.25 * 86_400, 86_400.0
# The coldest time: end of January, four in the morning.
_COLDEST_YEAR, _COLDEST_DAY = 29 / 365.25, 4 / 24
_RESONANCE_WIDTH = 0.05
_STANDING_VIBRATION = 0.05


@dataclass(frozen=True)
class Steady:
    """What a new pump does at a speed when everything has settled.

    Attributes:
        flow: m3/h.
        head: bar.
        power: Share of rated shaft power.
        current: A.
        bearing_rise: K above ambient.
        motor_rise: K above ambient.
        vibration: mm/s.
        leakage: mL/h.
    """

    flow: Doubles
    head: Doubles
    power: Doubles
    current: Doubles
    bearing_rise: Doubles
    motor_rise: Doubles
    vibration: Doubles
    leakage: Doubles


def steady(p: Parameters, speed: Doubles, demand: Doubles) -> Steady:
    """Return the settled state of a new pump.

    Args:
        p: Parameters.
        speed: Relative to the rated speed; 0 stands still.
        demand: Flow off the design point, as a share of it; 0 is on it.
    """
    rated, q = p.rated, 1.0 + demand
    on = speed > 0
    torque = speed**2 * (0.5 + 0.5 * q)
    full = np.hypot(rated.idle_current, rated.torque_current)
    current = np.hypot(rated.idle_current, rated.torque_current * torque) * on
    losses = 0.25 * on + 0.75 * (current / full) ** 2
    head = rated.head * speed**2 * (1.25 - 0.25 * q**2)
    return Steady(
        flow=rated.flow * speed * q,
        head=head,
        power=torque * speed,
        current=current,
        bearing_rise=rated.bearing_rise * speed**1.5,
        # The fan sits on the shaft, so a slow motor is cooled less.
        motor_rise=rated.motor_rise * losses / (0.4 + 0.6 * np.where(on, speed, 1.0)),
        vibration=rated.vibration * (0.3 + 0.7 * speed**2),
        leakage=rated.leakage * np.sqrt(np.maximum(head, 0.0) / rated.head),
    )


def lag(target: Doubles, share: float) -> Doubles:
    """First-order lag behind (T, M) targets, beginning on the first; share a row."""
    found = np.empty_like(target)
    level = target[0]
    for t, goal in enumerate(target):
        level = level + share * (goal - level)
        found[t] = level
    return found


def wander(rng: Rng, shape: tuple[int, int], size: float, rows: float) -> Doubles:
    """A slow random walk that comes back: AR(1) of this standard deviation."""
    keep = float(np.exp(-1.0 / rows))
    step = rng.normal(0.0, size * np.sqrt(1.0 - keep**2), shape)
    step[0] = rng.normal(0.0, size, shape[1])
    for t in range(1, shape[0]):
        step[t] += keep * step[t - 1]
    return np.asarray(step)


def ambient(p: Parameters, seconds: Doubles, rng: Rng) -> Doubles:
    """Temperature outside at some times since 1970, Cel, (T,)."""
    a = p.ambient
    year = np.cos(2 * np.pi * (seconds / _YEAR_S % 1 - _COLDEST_YEAR))
    day = np.cos(2 * np.pi * (seconds / _DAY_S % 1 - _COLDEST_DAY))
    weather = wander(rng, (len(seconds), 1), a.weather, p.rows(a.weather_h))[:, 0]
    return np.asarray(a.mean - a.season * year - a.day * day + weather)


def readings(
    p: Parameters,
    schedule: Schedule,
    seconds: Doubles,
    effects: Mapping[str, Doubles],
    rng: Rng,
) -> NDArray[np.float32]:
    """Return what all instruments read, (T, M, S) in the order of `SENSORS`.

    Args:
        p: Parameters.
        schedule: What happens.
        seconds: (T,) times since 1970.
        effects: (T, M) change by wear for each measured sensor, as a share.
        rng: Chance.
    """
    shape = schedule.rpm.shape
    on = schedule.running
    rpm = schedule.rpm + on * rng.normal(0.0, p.load.jitter_rpm, shape)
    # The drive is still on its way in the row of a start.
    rpm = np.where(schedule.since == 0, rpm * rng.uniform(0.05, 0.15, shape), rpm)
    speed = rpm / p.rated.rpm
    demand = wander(rng, shape, p.load.demand, p.rows(p.load.demand_h))
    new = steady(p, speed, demand)
    own = _own(p, schedule, rng)
    change = {s: own[s] * (1.0 + effects[s]) for s in MEASURED}
    hall = rng.uniform(*p.ambient.hall, shape[1])
    outside = ambient(p, seconds, rng)[:, None] * hall + (1 - hall) * 20.0
    excess = _excess(p, schedule)
    noisy = _Noise(p, shape, rng)
    suction = p.rated.suction + wander(
        rng, shape, p.rated.suction_wander, p.rows(p.noise.wander_h)
    )
    bearing = lag(
        new.bearing_rise * change["bearing_temperature"],
        _share(p, p.rated.bearing_lag_s),
    )
    motor = lag(
        new.motor_rise * change["motor_temperature"], _share(p, p.rated.motor_lag_s)
    )
    peak = _resonance(p, speed, rng)
    vibration = new.vibration * change["vibration"] * peak * (1 + excess)
    columns = {
        "rpm": rpm,
        "discharge_pressure": suction
        + new.head
        * change["discharge_pressure"]
        * noisy.factor("discharge_pressure", on),
        "flow": new.flow * change["flow"] * noisy.factor("flow", on),
        "bearing_temperature": outside + bearing + noisy.term("bearing_temperature"),
        "motor_temperature": outside + motor + noisy.term("motor_temperature"),
        "vibration": np.where(on, vibration, _STANDING_VIBRATION)
        * noisy.factor("vibration", on),
        "current": new.current
        * change["current"]
        * (1 + 0.4 * excess)
        * noisy.factor("current", on),
        "seal_leakage": new.leakage
        * change["seal_leakage"]
        * noisy.factor("seal_leakage", on),
    }
    return np.stack([columns[s] for s in SENSORS], axis=2).astype(np.float32)


class _Noise:
    """The scatter of each sensor, drawn as it is asked for."""

    def __init__(self, p: Parameters, shape: tuple[int, int], rng: Rng) -> None:
        self._p, self._shape, self._rng = p, shape, rng

    def term(self, sensor: str) -> Doubles:
        """Something to add, in the sensor's unit."""
        scatter = self._p.noise.of(sensor)
        slow = self._p.rows(self._p.noise.wander_h)
        drawn = self._rng.normal(0.0, scatter.white, self._shape)
        return np.asarray(
            drawn + wander(self._rng, self._shape, scatter.wander, slow), np.float64
        )

    def factor(self, sensor: str, on: NDArray[np.bool_]) -> Doubles:
        """Something to multiply with; 1 while the machine stands."""
        return np.asarray(np.where(on, np.exp(self.term(sensor)), 1.0))


def _share(p: Parameters, lag_s: float) -> float:
    """What part of the way to its level a temperature goes in one row."""
    return float(1.0 - np.exp(-p.period_s / lag_s))


def _own(p: Parameters, schedule: Schedule, rng: Rng) -> dict[str, Doubles]:
    """How each machine differs from the fleet, (T, M); a little anew in each life."""
    machines = schedule.rpm.shape[1]
    found = {}
    kept, fresh = np.sqrt(1 - p.repaired**2), p.repaired
    for sensor in MEASURED:
        base: Doubles = rng.normal(0.0, 1.0, (machines,))
        factor = np.ones(schedule.rpm.shape)
        for life in schedule.lives:
            drawn = kept * base[life.machine] + fresh * rng.normal()
            rows = slice(life.start, life.stop + 1)
            factor[rows, life.machine] = np.exp(p.differ[sensor] * drawn)
        found[sensor] = factor
    return found


def _excess(p: Parameters, schedule: Schedule) -> Doubles:
    """Share by which the first rows after a start exceed the normal, (T, M)."""
    found = np.zeros(schedule.rpm.shape)
    for row, share in enumerate(p.stops.start_excess):
        found[schedule.since == row] = share
    return found


def _resonance(p: Parameters, speed: Doubles, rng: Rng) -> Doubles:
    """Each machine's structure answers one speed a little more, factor (T, M)."""
    machines = speed.shape[1]
    at = rng.uniform(0.5, 1.05, machines)
    height = rng.uniform(0.0, p.rated.resonance, machines)
    distance = (speed - at) / _RESONANCE_WIDTH
    return np.asarray(1.0 + height * np.exp(-0.5 * distance**2))
