"""What was written to a topic, and when: seen from outside, by the broker's clock."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import numpy as np
from aiokafka import AIOKafkaConsumer, TopicPartition
from numpy.typing import NDArray

_FETCH = 16 << 20


@dataclass(frozen=True)
class Written:
    """Records of a topic.

    Attributes:
        at_ms: (n,) when each was appended, by the broker's clock.
        values: the payloads, in the same order.
    """

    at_ms: NDArray[np.int64]
    values: list[bytes]

    def rate(self, readings: int, skip: float = 0.1) -> float:
        """Readings per s between the first share of the records and the last one.

        The start is left out: connecting, compiling and the first fetch belong to
        every start, not to the flow.

        Args:
            readings: how many readings all records stand for.
            skip: share of the records that is left out.
        """
        times = np.sort(self.at_ms)
        first = int(len(times) * skip)
        took_s = (times[-1] - times[first]) / 1000
        return float(readings * (1 - first / len(times)) / took_s)


def count(broker: str, topic: str) -> int:
    """Return how many records a topic holds (nothing of it may have expired)."""
    return asyncio.run(_count(broker, topic))


def read(broker: str, topic: str) -> Written:
    """Return all records of a topic."""
    return asyncio.run(_read(broker, topic))


async def _count(broker: str, topic: str) -> int:
    consumer = _consumer(broker)
    await consumer.start()
    try:
        return sum(
            (await consumer.end_offsets(await _partitions(consumer, topic))).values()
        )
    finally:
        await consumer.stop()


async def _read(broker: str, topic: str) -> Written:
    consumer = _consumer(broker)
    await consumer.start()
    try:
        parts = await _partitions(consumer, topic)
        consumer.assign(parts)
        await consumer.seek_to_beginning(*parts)
        left = sum((await consumer.end_offsets(parts)).values())
        times: list[int] = []
        values: list[bytes] = []
        while len(times) < left:
            got = await consumer.getmany(timeout_ms=1000)
            for records in got.values():
                times += [r.timestamp for r in records]
                values += [r.value for r in records]
        return Written(np.array(times, np.int64), values)
    finally:
        await consumer.stop()


def _consumer(broker: str) -> Any:
    return AIOKafkaConsumer(
        bootstrap_servers=broker,
        max_partition_fetch_bytes=_FETCH,
        fetch_max_bytes=4 * _FETCH,
        enable_auto_commit=False,
    )


async def _partitions(consumer: Any, topic: str) -> list[TopicPartition]:
    cluster = await consumer._client.fetch_all_metadata()  # noqa: SLF001 - no public way
    found = cluster.partitions_for_topic(topic)
    return [TopicPartition(topic, p) for p in sorted(found or ())]
