"""Throughput, memory and checkpoints as machines, sensors and workers grow in number.

Each case drains a topic that was filled beforehand, durable state and alarms on, as in
the end-to-end part; cases take turns, round by round, so that ratios are those of one
run. Whatever the count of machines, the readings are about as many, and each machine
has enough of them for windows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from benchmarks import worker_log
from benchmarks.drain import drained
from benchmarks.job import ROWS, STRIDE, Job
from benchmarks.plant import Plant
from benchmarks.rates import spread
from benchmarks.servers import Bench

_MIB = 1 << 20
_BOUND_MIB = 1536.0
_BOUND_WINDOWS = 1.5
_FLOAT32 = 4
_NO_CHECKPOINTS = {"state.interval": "1h"}


@dataclass(frozen=True)
class Case:
    """Something that is measured.

    Attributes:
        name: of its figures.
        job: what is done.
        ticks: how many seconds of readings.
        workers: how many share the work.
        more: settings that differ.
    """

    name: str
    job: Job
    ticks: int
    workers: int = 1
    more: Mapping[str, str] = field(default_factory=dict)

    @property
    def messages(self) -> int:
        """Messages that are drained."""
        each = self.job.sensors if self.job.narrow else 1
        return self.ticks * self.job.machines * each

    @property
    def scores(self) -> int:
        """Scores they give.

        The last row of a grid is open until a later one begins, so it gives none.
        """
        rows = self.ticks - 1 if self.job.narrow else self.ticks
        return rows // STRIDE * self.job.machines


@dataclass
class Taken:
    """One run of a case.

    Attributes:
        rate: readings (messages) per s.
        cpu_us: CPU time of the workers per message, in us.
        rss_mib: highest resident memory of a worker.
        state_bytes: of a checkpoint of all partitions; None: there was none.
    """

    rate: float
    cpu_us: float
    rss_mib: float
    state_bytes: float | None


def cases(*, quick: bool) -> list[Case]:
    """Return what is measured, in the order of turns."""
    if quick:
        return [
            Case("machines_100", Job(machines=100), 4_000),
            Case("machines_10000", Job(machines=10_000), 40),
        ]
    most = Job(machines=100_000)
    two = Job(machines=1_000)
    return [
        Case("machines_100", Job(machines=100), 30_000),
        Case("machines_100000", most, 30),
        Case("machines_1000", two, 3_000),
        Case("machines_10000", Job(machines=10_000), 300),
        Case("machines_100000_no_checkpoints", most, 30, more=_NO_CHECKPOINTS),
        Case("sensors_5", Job(sensors=5), 2_000),
        Case("sensors_20", Job(sensors=20), 1_500),
        Case("sensors_100", Job(sensors=100), 500),
        Case("narrow", Job(narrow=True), 145),
        Case("workers_2", two, 3_000, workers=2),
    ]


def measure(bench: Bench, *, quick: bool) -> dict[str, Any]:
    """Run all cases in turns.

    Returns:
        By case `readings_per_s`, `cpu_us_per_reading`, `rss_mib` (of one worker) and
        `state_bytes_per_checkpoint`, and what `compared` says.
    """
    rounds = 1 if quick else 3
    taken: dict[str, list[Taken]] = {}
    for number in range(rounds):
        for case in cases(quick=quick):
            one = turn(bench, case)
            taken.setdefault(case.name, []).append(one)
            print(_line(number + 1, case, one), flush=True)
    found = {name: figures(runs) for name, runs in taken.items()}
    return found | compared(taken)


def turn(bench: Bench, case: Case) -> Taken:
    """Drain the topic of a case with fresh workers."""
    source = bench.filled(case.job, case.messages)
    plant = Plant(
        name=bench.name(f"scale-{case.name.replace('_', '-')}"),
        broker=bench.broker,
        source=source,
        bundles=bench.reference(case.job.sensors),
        folder=bench.folder,
        job=case.job,
        more=case.more,
    )
    plant.prepare()
    with ExitStack() as stack:
        workers = [
            stack.enter_context(plant.worker(number))
            for number in range(1, case.workers + 1)
        ]
        found = drained(
            bench.broker,
            plant.topic("scores"),
            workers,
            scores=case.scores,
            readings=case.messages,
        )
        peak_mib = max(worker.peak_mib() for worker in workers)
        # What is written at the end, with nothing left to do, is no usual checkpoint.
        log = worker_log.read(worker.log for worker in workers)
    saved = worker_log.checkpoint_bytes(log, case.job.partitions)
    return Taken(found.rate, found.cpu_us, peak_mib, saved)


def figures(runs: Sequence[Taken]) -> dict[str, Any]:
    """Return the figures of all runs of one case."""
    saved = [run.state_bytes for run in runs if run.state_bytes is not None]
    return {
        "readings_per_s": spread([run.rate for run in runs], 0),
        "cpu_us_per_reading": spread([run.cpu_us for run in runs], 2),
        "rss_mib": spread([run.rss_mib for run in runs], 0),
        "state_bytes_per_checkpoint": spread(saved, 0) if saved else None,
    }


def compared(taken: Mapping[str, Sequence[Taken]]) -> dict[str, Any]:
    """Return what cases say about each other, each round by itself.

    `ratio_100000_to_100` is of the rates; `two_workers_to_one` too.
    `checkpoint_cpu_share` is the part of the CPU time that is not there without
    checkpoints; it is as uncertain as the difference of two runs.
    `windows_mib` are the values of all windows, on which the bound of memory rests.
    """
    found: dict[str, Any] = {}
    many, few = taken.get("machines_100000"), taken.get("machines_100")
    without = taken.get("machines_100000_no_checkpoints")
    two, one = taken.get("workers_2"), taken.get("machines_1000")
    if many and few:
        found["ratio_100000_to_100"] = _ratio(many, few)
    if two and one:
        found["two_workers_to_one"] = _ratio(two, one)
    if many and without:
        shares = [1.0 - b.cpu_us / a.cpu_us for a, b in zip(many, without, strict=True)]
        found["checkpoint_cpu_share"] = spread(shares, 3)
    if many:
        windows = windows_mib(Job(machines=100_000))
        bound = _BOUND_MIB + _BOUND_WINDOWS * windows
        peak = max(run.rss_mib for run in many)
        found["memory_100000"] = {
            "windows_mib": round(windows, 1),
            "bound_mib": round(bound),
            "within": peak <= bound,
        }
    return found


def windows_mib(job: Job) -> float:
    """Return what the values of all machines' windows take, in MiB."""
    return job.machines * ROWS * job.sensors * _FLOAT32 / _MIB


def _ratio(above: Sequence[Taken], below: Sequence[Taken]) -> dict[str, Any]:
    return spread([a.rate / b.rate for a, b in zip(above, below, strict=True)], 3)


def _line(number: int, case: Case, one: Taken) -> str:
    saved = "none" if one.state_bytes is None else f"{one.state_bytes / 1e6:.1f} MB"
    return (
        f"round {number}  {case.name:<32}{one.rate:>10,.0f} readings/s "
        f"{one.cpu_us:>6.1f} us of CPU a reading {one.rss_mib:>6,.0f} MiB  "
        f"checkpoint {saved}"
    )
