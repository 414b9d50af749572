"""The job that every contestant does, and the readings it is done on.

Readings of a number of machines, one JSON message each, are windowed per machine
(30 rows, stride 10); every window is scored by a life network and an autoencoder, and
the scores go back to Kafka as JSON. Machine `m` lies in partition `m % partitions`.

The readings are a pure function of their position: any two runs, on any machine, see
the same bytes but for the clock times of open-loop loads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

ROWS, STRIDE = 30, 10
START = datetime(2026, 11, 1, tzinfo=UTC)

_DISTINCT = 4096
"""Different sets of values; machines step through them, each from its own place."""

_ODD = 64
"""Of these, a run of sets that stand out, so that alarms come and go."""


@dataclass(frozen=True)
class Job:
    """What is measured.

    Attributes:
        machines: how many.
        sensors: of each machine.
        narrow: one message for each sensor instead of one for all.
        partitions: of the topic.
    """

    machines: int = 1000
    sensors: int = 14
    narrow: bool = False
    partitions: int = 4

    @property
    def names(self) -> list[str]:
        """Names of the sensors."""
        return [f"sensor_{i + 1:02d}" for i in range(self.sensors)]

    @property
    def machine_names(self) -> list[str]:
        """Names of the machines."""
        return [f"machine-{m:06d}" for m in range(self.machines)]


Message = tuple[int, bytes, bytes]
"""Partition, key and value."""


def values(sensors: int) -> np.ndarray:
    """Return the (`_DISTINCT`, sensors) float64 sets of values, mean 500, sigma 10."""
    rng = np.random.default_rng(20_261_121)
    noise = rng.random((_DISTINCT, sensors, 4)).sum(axis=2) - 2.0
    found = 500.0 + 10.0 * noise / np.sqrt(1 / 3)
    found[:_ODD] += 40.0
    rounded: np.ndarray = np.round(found, 4)
    return rounded


def fragments(job: Job) -> list[list[str]]:
    """Return for each set of values the ``"values"`` members of its messages."""
    names = job.names
    rows = values(job.sensors).tolist()
    if job.narrow:
        return [
            [f'"{name}":{x}' for name, x in zip(names, row, strict=True)]
            for row in rows
        ]
    pairs = (zip(names, row, strict=True) for row in rows)
    return [[",".join(f'"{name}":{x}' for name, x in row)] for row in pairs]


def place(machine: int, tick: int) -> int:
    """Return which set of values a machine has at a tick."""
    return (machine * 977 + tick) % _DISTINCT


def place_in_runs(machine: int, tick: int, every: int, odd: int) -> int:
    """Return the same, but odd for so many ticks of every so many.

    For loads in which alarms must come and go more often than in `place`.
    """
    if (tick + machine * 37) % every < odd:
        return (machine + tick) % _ODD
    return _ODD + (machine * 977 + tick) % (_DISTINCT - _ODD)


def ticks(job: Job, first: int, last: int) -> Iterator[list[Message]]:
    """Yield the messages of each tick in [first, last); a tick is a second."""
    parts, names = fragments(job), job.machine_names
    keys = [name.encode() for name in names]
    heads = [f'{{"machine":"{name}","time":"' for name in names]
    for tick in range(first, last):
        time = (START + timedelta(seconds=tick)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        yield [
            (
                m % job.partitions,
                keys[m],
                f'{heads[m]}{time}","values":{{{part}}}}}'.encode(),
            )
            for m in range(job.machines)
            for part in parts[place(m, tick)]
        ]
