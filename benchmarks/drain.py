"""Wait until a contestant has written all scores, and say what it took."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition

from benchmarks.servers import Child
from benchmarks.watch import Written, read

_PAUSE_S = 0.25
_LIMIT_S = 400.0
_SKIP = 0.1
"""Share of the scores that is not measured: the start belongs to every start."""


@dataclass(frozen=True)
class Drained:
    """What a run took.

    Attributes:
        written: its scores.
        rate: readings per s.
        cpu_us: CPU time of its processes for each reading, in us.
        peak_mib: their highest resident memory, in MiB.
    """

    written: Written
    rate: float
    cpu_us: float
    peak_mib: float


def drained(
    broker: str,
    topic: str,
    children: Sequence[Child],
    *,
    scores: int,
    readings: int,
) -> Drained:
    """Wait until a topic holds so many scores.

    Args:
        broker: host:port.
        topic: of the scores.
        children: processes of the contestant.
        scores: how many there will be.
        readings: how many they stand for.

    Raises:
        RuntimeError: a process has ended, or it takes longer than it may.
    """
    cpu_s, share = asyncio.run(_follow(broker, topic, children, scores))
    peak = sum(one.peak_mib() for one in children)
    written = read(broker, topic)
    cpu_us = cpu_s / (share * readings) * 1e6
    return Drained(written, written.rate(readings, _SKIP), cpu_us, peak)


async def _follow(
    broker: str, topic: str, children: Sequence[Child], scores: int
) -> tuple[float, float]:
    """Return CPU time after the start, and the share of the scores it was used for."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=broker, group_id=None)
    await consumer.start()
    ends = time.monotonic() + _LIMIT_S
    begun: tuple[float, int] | None = None
    try:
        # It starts only once it knows the topics that it was given.
        parts = consumer.partitions_for_topic(topic)
        places = [TopicPartition(topic, part) for part in parts]
        while True:
            there = sum((await consumer.end_offsets(places)).values())
            cpu_s = sum(one.cpu_s() for one in children)
            if begun is None and there >= _SKIP * scores:
                begun = cpu_s, there
            if there >= scores:
                assert begun is not None
                return cpu_s - begun[0], max(there - begun[1], 1) / scores
            for one in children:
                one.alive()
            if time.monotonic() > ends:
                raise RuntimeError(
                    f"{topic}: {there} of {scores} scores in {_LIMIT_S} s"
                )
            await asyncio.sleep(_PAUSE_S)
    finally:
        await consumer.stop()
