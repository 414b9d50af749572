"""The repartition agent: readings, to a topic of our own keyed by machine.

For producers whose partitioners differ, or who send no key. Records are forwarded byte
for byte with their timestamp and headers to the partition of their machine's name;
a Telegraf batch of several machines is cut into one record a machine. Records that
cannot be understood are forwarded as well, so that scoring quarantines them.

Order: a machine's readings may lie in several source partitions, and these are read one
beside the other. What is read together is put into event-time order here, for which
the agent waits a moment until every partition that has records has been heard. Beyond
that, and between two workers, order is a matter of `allowed_lateness`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import faust
import msgspec
import structlog
from aiokafka.partitioner import murmur2

from stream.core.exact import Exact, Rules, readings_of
from stream.core.readings import RawRecord
from stream.worker.buses import Bus
from stream.worker.plant import rules_of
from stream.worker.settings import Settings

_log = structlog.get_logger()

_ROUND_S = 0.2
"""How long a round waits for the partitions that have not been heard, in s."""

_UNKNOWN = -1
"""Stands for the time of a record that cannot be understood: it goes first."""


class Keyed(NamedTuple):
    """A record on its way to the partition of its machine."""

    machine: str
    time_ns: int
    value: bytes | None
    source: RawRecord


def keyed(record: RawRecord, rules: Rules) -> list[Keyed]:
    """Return a record by machine: itself, or its parts where machines are mixed."""
    found = list(readings_of(record, rules))
    understood = [part for part in found if isinstance(part, Exact)]
    names = dict.fromkeys(part.machine for part in understood)
    if len(understood) < len(found) or len(names) != 1:
        parts = _parts(record, rules) if len(found) > 1 else []
        if not parts:
            return [Keyed("", _UNKNOWN, record.value, record)]
        return [one for part in parts for one in keyed(part, rules)]
    earliest = min(part.time_ns for part in understood)
    return [Keyed(next(iter(names)), earliest, record.value, record)]


class _Part(NamedTuple):
    """A part of a record, which stands for it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes
    headers: Sequence[tuple[str, bytes]]


def _parts(record: RawRecord, rules: Rules) -> list[_Part]:
    """Cut a Telegraf batch into records of one metric, each as it was written."""
    try:
        batch = msgspec.json.decode(record.value or b"", type=_Metrics)
    except (msgspec.MsgspecError, ValueError):
        return []
    return [
        _Part(
            record.offset, record.timestamp, record.key, bytes(metric), record.headers
        )
        for metric in batch.metrics
    ]


class _Metrics(msgspec.Struct):
    metrics: list[msgspec.Raw]


@dataclass(slots=True)
class RepartitionRole:
    """Forwards readings by machine in one worker process.

    Args:
        settings: The plant's.
        bus: Where readings come from and go to.
    """

    settings: Settings
    bus: Bus
    app: faust.App = field(init=False)
    _waiting: list[Any] = field(default_factory=list)
    _since: float = 0.0
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _partitions: int = 0

    def __post_init__(self) -> None:
        """Build the app; it is started by the caller."""
        topics = self.settings.topics
        group = f"{self.settings.app.id}-repartition"
        self.app = self.bus.app(group, {topics.readings})
        transport: Any = self.app.transport
        transport.drain = self.drain
        topic = self.app.topic(
            topics.readings, key_serializer="raw", value_serializer="raw"
        )
        self.app.agent(topic, name="repartition")(self._agent)
        self.app.task(self._rounds)

    async def _agent(self, stream: Any) -> None:
        async for event in stream.noack().events():
            if event.message.generation_id == self.app.consumer_generation_id:
                if not self._waiting:
                    self._since = time.monotonic()
                self._waiting.append(event)
                self._arrived.set()

    async def _rounds(self) -> None:
        try:
            keyed_topic = self.settings.topics.keyed
            self._partitions = await self.bus.reader.partitions(keyed_topic)
            while not self.app.should_stop:
                await self._arrived.wait()
                await self.app.sleep(_ROUND_S)
                await self.drain()
        except Exception as error:  # noqa: BLE001 - whatever it is, stop the worker
            _log.error("repartition stops", error=f"{type(error).__name__}: {error}")
            consumer: Any = self.app.consumer
            consumer.abandon()
            await self.app.crash(error)

    async def drain(self) -> None:
        """Forward what has been read, in event-time order, and acknowledge it."""
        async with self._lock:
            events, self._waiting = self._waiting, []
            self._arrived.clear()
            generation = self.app.consumer_generation_id
            mine = [e for e in events if e.message.generation_id == generation]
            records = [record for event in mine for record in event.message.value]
            if records:
                parts = await asyncio.to_thread(self._keyed, records)
                await self._forward(parts)
            for event in mine:
                event.ack()

    def _keyed(self, records: Sequence[RawRecord]) -> list[Keyed]:
        rules = rules_of(self.settings)
        parts = [part for record in records for part in keyed(record, rules)]
        # Stable: equal times keep the order in which they were read.
        return sorted(parts, key=lambda part: part.time_ns)

    async def _forward(self, parts: Sequence[Keyed]) -> None:
        send, topic = self.app.producer.send, self.settings.topics.keyed
        sent = []
        for part in parts:
            key = part.machine.encode() or part.source.key
            place = (murmur2(key) & 0x7FFFFFFF) % self._partitions if key else 0
            stamp = part.source.timestamp
            at = stamp / 1000 if stamp >= 0 else None
            headers = list(part.source.headers)
            sent.append(await send(topic, key, part.value, place, at, headers))
        await asyncio.gather(*sent)
        _log.info("forwarded", records=len(parts))
