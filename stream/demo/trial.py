"""One run of the demo without its streams: rows in, alerts out, by the very core.

The same rows, windows, scores and alarms as in a worker, fleet after fleet, so that
many seeds can be judged in minutes. Lives of a machine are independent of each other
(a return from a failure begins anew), so each goes in as a machine of its own.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, fields

import numpy as np

from models.datasets import History
from stream.core.alarms import Alarms
from stream.core.alert import Alert, Event
from stream.core.decode import usable_values
from stream.core.pipeline import judged_of, windows_of
from stream.core.readings import MachineType, Readings, Tally
from stream.core.scoring import Scorer, Scores, score
from stream.core.snapshot import TypeState
from stream.core.windows import Windows
from stream.demo.fleet import Fleet, history, iso
from stream.demo.judge import Verdict, judge


@dataclass(frozen=True)
class Run:
    """What one fleet gave.

    Attributes:
        alerts: Of all machines.
        verdict: How well they foresaw.
        tally: What became of readings and windows.
        seconds: That scoring took.
    """

    alerts: list[Alert]
    verdict: Verdict
    tally: Tally
    seconds: float


def run(kind: MachineType, scorer: Scorer, fleet: Fleet) -> Run:
    """Let a fleet through the core.

    Args:
        kind: The machine type, with its alarm rules.
        scorer: Its model, warm.
        fleet: The fleet.
    """
    began = time.perf_counter()
    tally = Tally()
    alerts = alerts_of(kind, scorer, history(fleet), tally)
    seconds = time.perf_counter() - began
    return Run(alerts, judge(fleet, alerts, kind.horizon), tally, seconds)


def alerts_of(
    kind: MachineType, scorer: Scorer, lives: History, tally: Tally
) -> list[Alert]:
    """Return all alerts of some lives, by life and time."""
    scores = scores_of(kind, scorer, lives, tally)
    judged = judged_of(scores, scorer)
    alarms = Alarms(kind, ("demo", 0))
    alarms.grow(len(lives.machines))
    names = [name.partition("#")[0] for name in lives.machines]
    alerts: list[Alert] = []
    for life, outcome in enumerate(lives.outcomes):
        first, stop = np.searchsorted(judged.machine, [life, life + 1])
        mine = judged.take(np.arange(first, stop))
        alerts += alarms.push(mine, names)
        if outcome.failed:
            failure = Event(names[life], "failure", iso(outcome.at_ns), by="demo")
            alerts += alarms.act(life, names[life], failure, outcome.at_ns).alerts
    return alerts


def scores_of(
    kind: MachineType, scorer: Scorer, lives: History, tally: Tally
) -> Scores:
    """Return the scores of some lives, by life and time."""
    state = TypeState(kind)
    state.grow(len(lives.machines))
    columns = [lives.sensors.index(name) for name in kind.sensor_names]
    raw = lives.values[:, columns].astype(np.float64)
    readings = Readings(
        machine=lives.code.astype(np.int64),
        time_ns=lives.time_ns,
        values=usable_values(kind, raw, tally.values),
        offset=np.arange(len(lives.code)),
    )
    pieces = list(windows_of(state, state.rows.push(readings, tally)))
    windows = Windows(
        *(
            np.concatenate([getattr(piece, column.name) for piece in pieces])
            for column in fields(Windows)
        )
    )
    order = np.lexsort((windows.time_ns, windows.machine))
    return score(kind, windows.take(order), scorer, tally)
