"""What happens to each machine and when: lives, failures, stops and set points."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stream.demo.parameters import Between, Parameters

Role = Literal["train", "demo"]
Doubles = NDArray[np.float64]
Bools = NDArray[np.bool_]
Rng = np.random.Generator


@dataclass(frozen=True)
class Life:
    """One life of one machine, in rows from the start of the fleet.

    Attributes:
        machine: Number of the machine.
        start: Its first row.
        stop: The row of the failure, which is its last; the fleet's end without one.
        failed: Whether it ends in a failure.
        mechanism: What wears it down; empty without a failure.
        sudden: Whether the failure gives no warning.
        size: How far the effects go.
        tau_h: Rate of exponential growth, h; 0 where a power law holds.
        span_h: Hours before the failure at which a power law begins; 0 without one.
        exponent: Of the power law.
    """

    machine: int
    start: int
    stop: int
    failed: bool = False
    mechanism: str = ""
    sudden: bool = False
    size: float = 1.0
    tau_h: float = 0.0
    span_h: float = 0.0
    exponent: float = 1.0

    def wear(self, left_h: Doubles) -> Doubles:
        """Wear at some hours before the failure: 0 new, 1 at the failure."""
        if not self.failed or self.sudden:
            return np.zeros_like(left_h)
        if self.tau_h > 0:
            return np.asarray(np.exp(-left_h / self.tau_h))
        part = np.clip(1.0 - left_h / self.span_h, 0.0, 1.0)
        return np.asarray(part**self.exponent)


@dataclass
class Schedule:
    """What happens to M machines in T rows.

    Attributes:
        spare: (M,) which machines are spares.
        present: (T, M) False under repair, when nothing is sent.
        running: (T, M) whether the machine turns.
        since: (T, M) rows since the last start; large long after.
        rpm: (T, M) set point, 0 standing.
        lives: In order of machine and time.
    """

    spare: Bools
    present: Bools
    running: Bools
    rpm: Doubles
    since: NDArray[np.int64]
    lives: list[Life] = field(default_factory=list)


def between(rng: Rng, limits: Between) -> float:
    """Draw evenly between two limits."""
    return float(rng.uniform(*limits))


def plan(p: Parameters, role: Role, rng: Rng) -> Schedule:
    """Draw a schedule."""
    fleet = p.train if role == "train" else p.demo
    rows, machines = p.rows(24 * fleet.days), fleet.machines
    spare = np.arange(machines) >= machines - fleet.spares
    # Spares stand anywhere among the others.
    rng.shuffle(spare)
    lives = (
        _lives_to_learn(p, rows, spare, rng)
        if role == "train"
        else _lives_to_watch(p, rows, spare, rng)
    )
    present = np.zeros((rows, machines), bool)
    for life in lives:
        present[life.start : life.stop + 1, life.machine] = True
    running = np.zeros((rows, machines), bool)
    for m in range(machines):
        running[:, m] = _running(p, rows, bool(spare[m]), rng)
    for life in lives:
        if life.failed:
            forced = p.rows(p.stops.forced_h)
            running[max(life.stop - forced, 0) : life.stop + 1, life.machine] = True
    running &= present
    rpm = np.column_stack([_set_points(p, rows, rng) for _ in range(machines)])
    rpm[~running] = 0.0
    return Schedule(spare, present, running, rpm, _since(running), lives)


def _lives_to_learn(p: Parameters, rows: int, spare: Bools, rng: Rng) -> list[Life]:
    lives = []
    for m in range(len(spare)):
        start = 0
        sound = spare[m] or rng.random() < p.train.sound
        while start < rows:
            gamma = rng.gamma(p.train.shape, p.train.mean_h / p.train.shape)
            stop = start + p.rows(p.train.shortest_h + gamma)
            if sound or stop >= rows:
                lives.append(Life(m, start, rows))
                break
            sudden = rng.random() < 1 / p.wear.sudden_one_in
            mechanism = str(rng.choice(list(p.mechanisms)))
            lives.append(_failing(p, m, (start, stop), mechanism, sudden, rng))
            start = stop + p.rows(between(rng, p.repair_h))
    return lives


def _lives_to_watch(p: Parameters, rows: int, spare: Bools, rng: Rng) -> list[Life]:
    count = p.demo.failures
    failing = rng.permutation(np.flatnonzero(~spare))[:count].tolist()
    # Mechanisms as even as they go; the one without warning is drawn by its place.
    kinds = [list(p.mechanisms)[i % len(p.mechanisms)] for i in range(count)]
    kinds = [kinds[i] for i in rng.permutation(count)]
    sudden = set(rng.permutation(count)[: count // p.wear.sudden_one_in].tolist())
    lives = []
    for m in range(len(spare)):
        start = 0
        if m in failing:
            place = failing.index(m)
            stop = int(rng.integers(p.rows(p.demo.after_h), rows - 1))
            span = (start, stop)
            lives.append(_failing(p, m, span, kinds[place], place in sudden, rng))
            start = stop + p.rows(between(rng, p.repair_h))
        if start < rows:
            lives.append(Life(m, start, rows))
    return lives


def _failing(
    p: Parameters,
    machine: int,
    span: tuple[int, int],
    mechanism: str,
    sudden: bool,
    rng: Rng,
) -> Life:
    wear = p.wear
    drawn = [between(rng, x) for x in (wear.size, wear.tau_h, wear.span_h)]
    exponent = between(rng, wear.exponent)
    exponential = bool(rng.random() < 0.5)
    return Life(
        machine,
        *span,
        failed=True,
        mechanism=mechanism,
        sudden=sudden,
        size=drawn[0],
        tau_h=drawn[1] if exponential else 0.0,
        span_h=0.0 if exponential else drawn[2],
        exponent=exponent,
    )


def _running(p: Parameters, rows: int, spare: bool, rng: Rng) -> Bools:
    found = np.zeros(rows, bool)
    runs = not spare or bool(rng.random() < 0.5)
    at = 0
    while at < rows:
        if spare:
            limits = p.stops.spare_runs_h if runs else p.stops.spare_stands_h
            hours = between(rng, limits)
        elif runs:
            hours = float(rng.exponential(p.stops.every_h))
        else:
            hours = between(rng, p.stops.lasting_h)
        stop = at + p.rows(hours)
        found[at:stop] = runs
        at, runs = stop, not runs
    return found


def _set_points(p: Parameters, rows: int, rng: Rng) -> Doubles:
    share = np.array(p.load.share) / sum(p.load.share)
    found = np.zeros(rows)
    at = 0
    while at < rows:
        stop = at + p.rows(float(rng.exponential(p.load.dwell_h)))
        found[at:stop] = rng.choice(p.load.rpm, p=share)
        at = stop
    return found


def _since(running: Bools) -> NDArray[np.int64]:
    """Rows since the last start, 0 at the first; machines begin long started."""
    found = np.zeros(running.shape, np.int64)
    since = np.full(running.shape[1], 1_000)
    for t, now in enumerate(running):
        since = np.where(now, since + 1, -1)
        found[t] = since
    return found
