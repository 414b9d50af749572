"""Where machines live on the topic that is keyed by ourselves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable

from aiokafka.partitioner import murmur2

from stream.worker.bus import TopicReader


def place(key: bytes, partitions: int) -> int:
    """Return a key's partition, as Kafka's own Java client chooses it.

    Source: org.apache.kafka.clients.producer.internals.BuiltInPartitioner, murmur2.
    """
    return (int(murmur2(key)) & 0x7FFFFFFF) % partitions


class Homes:
    """Refuses machines that stand anywhere else than at home.

    Repartitioning puts every reading where it belongs, so there is nothing to wait
    for. What it cannot take apart, or what others write to its topic, must not be
    scored from a part of a machine's readings.

    Args:
        reader: Tells how many partitions there are.
        topic: The keyed topic.
    """

    def __init__(self, reader: TopicReader, topic: str) -> None:
        """Start knowing no machine."""
        self._reader = reader
        self._topic = topic
        self._partitions = 0
        self._foreign: dict[int, set[str]] = defaultdict(set)

    async def settle(self, partition: int, machines: Collection[str]) -> None:
        """Look where machines live."""
        self._partitions = self._partitions or await self._reader.partitions(
            self._topic
        )
        self._foreign[partition].update(
            name
            for name in machines
            if place(name.encode(), self._partitions) != partition
        )

    def refused(self, partition: int) -> Collection[str]:
        """Return the machines that do not live there."""
        return self._foreign[partition]

    def unclaimed(self, partition: int, machines: Iterable[str]) -> list[str]:
        """Return no machine: what is in the state was at home."""
        return []
