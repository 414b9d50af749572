"""Reads topics of the log in memory from their start."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from connectors.memory_log import Log, Record

_LOOK_S = 60.0


class MemoryReader:
    """Reads partitions of one log."""

    def __init__(self, log: Log) -> None:
        """Keep the log."""
        self._log = log

    async def partitions(self, topic: str) -> int:
        """Return how many partitions a topic has; 0 if there is no such topic."""
        known = topic in self._log.topics()
        return len(self._log.topic(topic)) if known else 0

    async def read(self, topic: str, partition: int) -> list[Record]:
        """Return all records from the start to the end as it stands now."""
        return list(self._log.topic(topic)[partition].records)

    async def follow(
        self, topic: str, partition: int
    ) -> AsyncIterator[tuple[list[Record], int]]:
        """Yield records from the start and on, with the offset that comes next."""
        log = self._log.topic(topic)[partition]
        following = log.end
        yield list(log.records), following
        while True:
            if log.end > following:
                found = log.read(following, log.end - following)
                following = log.end
                yield found, following
            else:
                await self._log.wait_append(_LOOK_S)

    async def tails(
        self, topic: str, starts: Mapping[int, int], most: int | None = None
    ) -> AsyncIterator[tuple[int, list[Record], int]]:
        """Yield partition, records from an offset to the end, and what comes next."""
        for number, first in starts.items():
            log = self._log.topic(topic)[number]
            start = first if most is None else max(first, log.end - most)
            if start < log.end:
                yield number, log.read(start, log.end - start), log.end

    async def committed(self, group: str, topic: str) -> dict[int, int]:
        """Return a group's committed offsets by partition, where there are any."""
        known = self._log.group(group).offsets.items()
        return {number: at for (name, number), at in known if name == topic}
