"""A log of topics in memory, as Kafka keeps them on a broker.

Topics have partitions, records have offsets, groups commit. Nothing here knows Faust;
the transport `memory://` of `connectors.faust_memory` reads and writes it, and tests
and the demo append to it directly, which is a few hundred times faster than to send.

Logs live in the process by name: `open_log("plant-7")` is what
`memory://plant-7` reads.

Example:
    >>> log = Log(partitions=1)
    >>> log.append("readings", None, b"pump-07", b"{}", timestamp_ms=0)
    (0, 0)
    >>> [record.offset for record in log.topic("readings")[0].read(0, 10)]
    [0]
"""

import asyncio
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple

from aiokafka.partitioner import murmur2

from connectors.memory_group import Group

__all__ = ["Ack", "Log", "Partition", "Record", "drop_log", "open_log"]

_offset_of = attrgetter("offset")
# Keys whose partition is remembered: more machines than one plant has.
_CACHED_KEYS = 200_000

Headers = Sequence[tuple[str, bytes]]


class Record(NamedTuple):
    """One record; `timestamp` in milliseconds since 1970."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


@dataclass(frozen=True, slots=True)
class Ack:
    """How the log answers a send.

    Attributes:
        delay_s: seconds until the answer.
        error: the answer is this error, and nothing is written.
        copies: how often the record is written (2 = a repeated send).
    """

    delay_s: float = 0.0
    error: Exception | None = None
    copies: int = 1


class Partition:
    """Records in the order of their offsets, which may have holes.

    Attributes:
        records: what is kept, offsets ascending.
        end: offset of the next record.
        check_at: length at which the log looks whether it can drop something.
    """

    __slots__ = ("check_at", "end", "records", "start")

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.start = 0
        self.end = 0
        self.check_at = 0

    def read(self, offset: int, limit: int) -> list[Record]:
        """Return at most `limit` records at or after `offset`."""
        records = self.records
        if not records or offset >= self.end:
            return []
        # Without holes the offset is the index; each hole moves the index down.
        index = min(max(offset - self.start, 0), len(records) - 1)
        if records[index].offset != offset:
            index = bisect_left(records, offset, key=_offset_of)
        return records[index : index + limit]

    def trim(self, before: int) -> None:
        """Drop the records before an offset; it becomes the start of the log."""
        before = min(before, self.end)
        if before > self.start:
            del self.records[: bisect_left(self.records, before, key=_offset_of)]
            self.start = before

    def compact(self) -> int:
        """Keep the last record of each key, and all without one; return the holes."""
        last = {record.key: record.offset for record in self.records}
        kept = [
            record
            for record in self.records
            if record.key is None or last[record.key] == record.offset
        ]
        holes = len(self.records) - len(kept)
        self.records = kept
        return holes


class Log:
    """Topics and groups.

    Args:
        partitions: of a topic that is created by its first use.
        keep: records of a partition to keep after all groups that read it have
            committed them; those of a topic that no group reads also count as
            committed. Compacted topics are compacted instead. None keeps all.
            Unread records are never dropped: bound the source.
        clock_ms: milliseconds since 1970, for records sent without a time.

    Attributes:
        groups: by name.
        on_send: asked for each send of a producer (not for `append`).
        on_fetch: may shorten what a fetch returns, but not to nothing.
    """

    def __init__(
        self,
        partitions: int = 1,
        keep: int | None = None,
        clock_ms: Callable[[], int] | None = None,
    ) -> None:
        self.partitions = partitions
        self.keep = keep
        self.clock_ms = clock_ms or (lambda: time.time_ns() // 1_000_000)
        self.groups: dict[str, Group] = {}
        self.on_send: Callable[[str, int, bytes | None], Ack] | None = None
        self.on_fetch: Callable[[str, int, list[Record]], list[Record]] | None = None
        self._topics: dict[str, list[Partition]] = {}
        self._compacted: set[str] = set()
        self._places: dict[tuple[bytes, int], int] = {}
        self._turn: dict[str, int] = {}
        self._waiting: set[asyncio.Future[None]] = set()

    def create_topic(
        self, name: str, partitions: int | None = None, *, compacted: bool = False
    ) -> None:
        """Create a topic; one that exists stays as it is."""
        if name not in self._topics:
            count = self.partitions if partitions is None else partitions
            self._topics[name] = [Partition() for _ in range(count)]
            if self.keep is not None:
                for partition in self._topics[name]:
                    partition.check_at = 2 * self.keep
            if compacted:
                self._compacted.add(name)

    def topic(self, name: str) -> list[Partition]:
        """Return the partitions of a topic, which is created if it is not there."""
        if name not in self._topics:
            self.create_topic(name)
        return self._topics[name]

    def topics(self) -> list[str]:
        """Return the names of all topics, sorted."""
        return sorted(self._topics)

    def group(self, name: str) -> Group:
        """Return a group, which is created if it is not there."""
        if name not in self.groups:
            self.groups[name] = Group(name)
        return self.groups[name]

    def place(self, topic: str, key: bytes | None) -> int:
        """Return the partition of a key: Kafka's murmur2; in turn without a key."""
        count = len(self.topic(topic))
        if key is None:
            turn = self._turn[topic] = self._turn.get(topic, -1) + 1
            return turn % count
        place = self._places.get((key, count))
        if place is None:
            if len(self._places) >= _CACHED_KEYS:
                self._places.clear()
            place = (int(murmur2(key)) & 0x7FFFFFFF) % count
            self._places[key, count] = place
        return place

    def append(
        self,
        topic: str,
        partition: int | None,
        key: bytes | None,
        value: bytes | None,
        headers: Headers = (),
        timestamp_ms: int | None = None,
    ) -> tuple[int, int]:
        """Write a record, from the thread of the event loop.

        Args:
            topic: created if it is not there.
            partition: None places the record by its key.
            key: or None.
            value: None is a tombstone.
            headers: names and values.
            timestamp_ms: milliseconds since 1970; None asks the clock.

        Returns:
            Partition and offset.
        """
        if partition is None:
            partition = self.place(topic, key)
        target = (self._topics.get(topic) or self.topic(topic))[partition]
        offset = target.end
        if timestamp_ms is None:
            timestamp_ms = self.clock_ms()
        target.records.append(Record(offset, timestamp_ms, key, value, headers))
        target.end = offset + 1
        if self.keep is not None and len(target.records) >= target.check_at:
            self._bound(topic, partition)
        if self._waiting:
            self._wake()
        return partition, offset

    async def wait_append(self, longest_s: float) -> None:
        """Return when a record is written, or after some seconds."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            await asyncio.wait([future], timeout=longest_s)
        finally:
            self._waiting.discard(future)

    def _wake(self) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    def _bound(self, topic: str, index: int) -> None:
        partition = self._topics[topic][index]
        keep = self.keep or 0
        if topic in self._compacted:
            partition.compact()
        else:
            read = [g.committed(topic, index) for g in self.groups.values()]
            below = [offset or 0 for known, offset in read if known]
            partition.trim(min([*below, partition.end - keep]))
        partition.check_at = len(partition.records) + max(keep, 1)


_LOGS: dict[str, Log] = {}


def open_log(name: str = "", partitions: int = 1, keep: int | None = None) -> Log:
    """Return the log of a name in this process, created by the first who asks."""
    if name not in _LOGS:
        _LOGS[name] = Log(partitions, keep)
    return _LOGS[name]


def drop_log(name: str = "") -> None:
    """Forget a log; the next `open_log` of that name starts an empty one."""
    _LOGS.pop(name, None)
