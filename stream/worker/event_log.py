"""The topic of events as this worker knows it: read whole at the start, then followed.

Every worker follows all of it: events are few, and a machine's partition may come to
any worker. What an event does stands in `stream.core.pipeline`; here it is only found.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import structlog

from stream.core import events
from stream.core.readings import RawRecord
from stream.core.service import Told
from stream.worker.bus import TopicReader

_log = structlog.get_logger()


class EventLog:
    """All events so far.

    Args:
        reader: Reads the topic.
        topic: Its name.

    Attributes:
        told: The events, in the order in which this worker read them.
    """

    def __init__(self, reader: TopicReader, topic: str) -> None:
        """Start empty; `follow` fills it."""
        self._reader = reader
        self._topic = topic
        self._by_machine: dict[str, list[Told]] = {}
        self._behind = 1
        self._ready = asyncio.Event()
        self.told: list[Told] = []

    async def follow(self) -> None:
        """Follow all partitions for ever."""
        count = await self._reader.partitions(self._topic)
        self._behind = count
        if not count:
            self._ready.set()
        async with asyncio.TaskGroup() as group:
            for partition in range(count):
                group.create_task(self._follow(partition))

    async def ready(self) -> None:
        """Wait until the topic has been read as it stood at the start."""
        await self._ready.wait()

    async def _follow(self, partition: int) -> None:
        first = True
        async for records, _ in self._reader.follow(self._topic, partition):
            for record in records:
                self._take(partition, record)
            if first:
                first = False
                self._behind -= 1
                if not self._behind:
                    self._ready.set()

    def _take(self, partition: int, record: RawRecord) -> None:
        event = events.parse(record.value)
        if isinstance(event, str):
            _log.warning(
                "event not understood",
                topic=self._topic,
                partition=partition,
                offset=record.offset,
                told=event,
            )
            return
        told = Told(partition, record.offset, events.time_ns(event), event)
        self.told.append(told)
        self._by_machine.setdefault(event.machine, []).append(told)

    def of(self, machines: Iterable[str]) -> list[Told]:
        """Return all events of some machines, machine by machine."""
        return [t for name in machines for t in self._by_machine.get(name, ())]
