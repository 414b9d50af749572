"""From `kill -9` to the first new score, with much state to restore.

A worker builds the state of so many machines and has it durable. It is killed, started
again at once, and meanwhile new readings come, the first of which complete a window of
every machine. The time is from the kill to the moment at which the broker took the
first score of those, and the worker's log splits it.

With `kafka.static_member_id` the group lets the worker in again at once. Without it the
group waits for the dead one until `kafka.session_timeout` (10 s) is over: both are
measured.

Whoever restores reads what the topic of state holds, and compaction leaves older blocks
there for some minutes. So one figure is taken with a checkpoint every second, or as
often as it goes, instead of every ten: that leaves many old blocks in short time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from benchmarks import worker_log
from benchmarks.job import STRIDE, Job
from benchmarks.plant import Plant
from benchmarks.rates import spread
from benchmarks.servers import Bench, Child, fill, wait_until

_LIMIT_S = 300.0
_STATIC = {"kafka.static_member_id": "worker-1"}
_OFTEN = {"state.interval": "1s"}
_TICKS = 3 * STRIDE - 1
"""Built before the first kill: windows are nearly full, and the next row is due."""


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes:
        machines: how many, by case.
        runs: kills of each.
        beside: kills of each without a static member, and after many checkpoints.
        more: settings that differ.
    """

    machines: tuple[int, ...]
    runs: int
    beside: int
    more: Mapping[str, Any]


FULL = Sizes((1_000, 10_000, 100_000), runs=3, beside=1, more=_STATIC)
QUICK = Sizes((1_000,), runs=1, beside=0, more=_STATIC | _OFTEN)

STEPS = ("models", "first_partition", "other_partitions", "score")
"""Until the models are ready; until the group has let it in and the first partition is
restored; until the last is that was before the first score; until that score."""


@dataclass(frozen=True)
class Recovered:
    """One kill.

    Attributes:
        seconds: until the first new score.
        state_mib: written to the topic of state before the kill.
        steps: what of it each of `STEPS` took, in s.
    """

    seconds: float
    state_mib: float
    steps: Mapping[str, float]


def measure(bench: Bench, *, quick: bool) -> dict[str, Any]:
    """Kill workers.

    Returns:
        For each count of machines `seconds`, `steps` and `state_mib`; and in the full
        run the same for `without_static_id` and `after_many_checkpoints`.
    """
    sizes = QUICK if quick else FULL
    found = {}
    for machines in sizes.machines:
        name = f"machines_{machines}"
        found[name] = figures(_killed(bench, machines, sizes.runs, sizes.more))
        if sizes.beside:
            for what, more in (
                ("without_static_id", {}),
                ("after_many_checkpoints", _STATIC | _OFTEN),
            ):
                kills = _killed(bench, machines, sizes.beside, more)
                found[name][what] = figures(kills)
        print(f"{name}: {found[name]}", flush=True)
    return found


def figures(runs: list[Recovered]) -> dict[str, Any]:
    """Return the figures of some kills."""
    return {
        "seconds": spread([one.seconds for one in runs], 2),
        "state_mib": spread([one.state_mib for one in runs], 1),
        "steps": {step: spread([one.steps[step] for one in runs], 2) for step in STEPS},
    }


def _killed(
    bench: Bench, machines: int, kills: int, more: Mapping[str, Any]
) -> list[Recovered]:
    """Kill a worker, and those that come after it."""
    job = Job(machines=machines)
    plant = Plant(
        name=bench.name("recovery"),
        broker=bench.broker,
        source=bench.topic(bench.name("readings"), job.partitions),
        bundles=bench.reference(),
        folder=bench.folder,
        job=job,
        more=more,
    )
    plant.prepare()
    found: list[Recovered] = []
    logs: list[Path] = []
    _fill(plant, 0, _TICKS)
    with ExitStack() as stack:
        worker = stack.enter_context(plant.worker(0))
        last, given = _TICKS, _TICKS
        for number in range(1, kills + 1):
            _durable(worker, given * machines)
            ends = asyncio.run(_ends(plant))
            logs.append(worker.log)
            state_mib = worker_log.checkpoints_mib(worker_log.read(logs))
            killed_ms = time.time_ns() / 1e6
            worker.kill()
            worker = stack.enter_context(plant.worker(number))
            _fill(plant, last, last + 1)
            score_ms = asyncio.run(_first(plant, ends, worker))
            log = worker_log.read([worker.log])
            found.append(recovered(killed_ms, score_ms, log, state_mib))
            if number < kills:
                _fill(plant, last + 1, last + STRIDE)
            last, given = last + STRIDE, STRIDE
    return found


def recovered(
    killed_ms: float,
    score_ms: float,
    log: Sequence[worker_log.Line],
    state_mib: float = 0.0,
) -> Recovered:
    """Split the time from the kill to a score by what the new worker has told."""
    before = [line for line in log if line.at_ms <= score_ms]
    marks = [
        worker_log.first_ms(before, "starting"),
        worker_log.first_ms(before, "restored"),
        worker_log.last_ms(before, "restored"),
        score_ms,
    ]
    steps, reached = {}, killed_ms
    for step, mark in zip(STEPS, marks, strict=True):
        # A line that is not there leaves its time to the next step.
        at = reached if mark is None else mark
        steps[step] = (at - reached) / 1000
        reached = at
    return Recovered((score_ms - killed_ms) / 1000, state_mib, steps)


def _fill(plant: Plant, first: int, last: int) -> None:
    readings = (last - first) * plant.job.machines
    asyncio.run(fill(plant.broker, plant.source, plant.job, readings, first))


def _durable(worker: Child, records: int) -> None:
    """Wait until checkpoints stand for so many records."""

    def done() -> bool:
        return worker_log.saved(worker_log.read([worker.log])) >= records

    wait_until(done, worker, _LIMIT_S)


async def _ends(plant: Plant) -> dict[TopicPartition, int]:
    """Return the ends of the topic of scores."""
    async with AIOKafkaConsumer(
        plant.topic("scores"), bootstrap_servers=plant.broker, group_id=None
    ) as consumer:
        ends = await consumer.end_offsets(list(consumer.assignment()))
        return dict(ends)


async def _first(
    plant: Plant, ends: Mapping[TopicPartition, int], worker: Child
) -> float:
    """Return when the broker took the first score after these ends, in ms since 1970.

    Raises:
        RuntimeError: the worker has ended, or there is none for long.
    """
    async with AIOKafkaConsumer(
        bootstrap_servers=plant.broker, group_id=None
    ) as consumer:
        consumer.assign(list(ends))
        for part, end in ends.items():
            consumer.seek(part, end)
        until = time.monotonic() + _LIMIT_S
        while time.monotonic() < until:
            got = await consumer.getmany(timeout_ms=200)
            if got:
                return float(min(r.timestamp for some in got.values() for r in some))
            worker.alive()
    raise RuntimeError(f"no score {_LIMIT_S:.0f} s after the kill")
