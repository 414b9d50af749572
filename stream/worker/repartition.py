"""The repartition agent: readings, to a topic of our own keyed by machine.

For producers whose partitioners differ, or who send no key. Records are forwarded byte
for byte with their timestamp and headers to the partition of their machine's name;
a Telegraf batch of several machines is cut into one record a machine. Records that
cannot be understood are forwarded as well, so that scoring quarantines them.

Order: a machine's readings may lie in several source partitions, and these are read one
beside the other. What one worker reads it forwards in the order in which it was
written, backlog or not (see `merge.py`). Between two workers, and between producers
whose clocks or delays differ, order is a matter of `allowed_lateness`.

A crash, or a rebalance, repeats some records. They come late or twice, and scoring
drops them as that.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import faust
import structlog
from faust.types import TP

from stream.worker.buses import Bus
from stream.worker.cut import Keyed, keyed
from stream.worker.homes import place
from stream.worker.merge import Merge
from stream.worker.plant import rules_of
from stream.worker.settings import Settings

_log = structlog.get_logger()

_ROUND_S = 0.2
"""How long records wait for those that were written at the same time."""

_STILL_S = 1.0
"""When all is fetched, and nothing comes for so long, a partition has been read: what
it ends with are no records, but marks of transactions."""

_PATIENCE_S = 60.0
"""How long all others wait for a partition that cannot be read."""

_MOST = 50_000
"""Parts of one partition that may wait; beyond it nothing more is fetched from it."""


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
    _arrived: list[Any] = field(default_factory=list)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _partitions: int = 0
    _generation: int = -1
    _left: int = -2
    _merge: Merge = field(default_factory=Merge)
    _next: dict[int, int] = field(default_factory=dict)
    _heard: dict[int, float] = field(default_factory=dict)
    _paused: set[int] = field(default_factory=set)

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

    @property
    def _consumer(self) -> Any:
        """Faust's consumer, which has more to it than Faust's types know."""
        return self.app.consumer

    async def _agent(self, stream: Any) -> None:
        async for event in stream.noack().events():
            self._arrived.append(event)
            self._wake.set()

    async def _rounds(self) -> None:
        try:
            keyed_topic = self.settings.topics.keyed
            self._partitions = await self.bus.reader.partitions(keyed_topic)
            while not self.app.should_stop:
                await self._wake.wait()
                await self.app.sleep(_ROUND_S)
                async with self._lock:
                    await self._round()
        except Exception as error:  # noqa: BLE001 - whatever it is, stop the worker
            _log.error("repartition stops", error=f"{type(error).__name__}: {error}")
            self._consumer.abandon()
            await self.app.crash(error)

    async def drain(self) -> None:
        """Finish the round in hand; before a rebalance and at the end.

        What waits has not been forwarded: the next owner reads it again.
        """
        async with self._lock:
            self._left = self._generation
            self._merge = Merge()

    async def _round(self) -> None:
        """Take in what has been read, and forward what nothing can overtake."""
        generation = self.app.consumer_generation_id
        if generation == self._left:
            self._wake.clear()
            return
        if self._generation != generation:
            await self._begin(generation)
        events, self._arrived = self._arrived, []
        for event in events:
            message = event.message
            if message.generation_id != generation:
                continue
            parts = await asyncio.to_thread(self._keyed, message.value)
            self._merge.take(message.partition, event, parts)
            self._next[message.partition] = message.offset + 1
            self._heard[message.partition] = time.monotonic()
        behind = await self._behind()
        if behind and self._merge.waiting[self._merge.slowest(behind)] > _MOST:
            _log.warning("too much to be put in order: it is forwarded as it came")
            behind = set()
        parts, done = self._merge.release(behind)
        await self._forward(parts)
        for event in done:
            event.ack()
        self._hold_back()
        if not self._merge and not self._arrived:
            self._wake.clear()

    async def _begin(self, generation: int) -> None:
        """Forget what an older generation has read, and see where this one starts."""
        self._generation = generation
        self._merge = Merge()
        self._paused.clear()
        mine = self._mine()
        start = dict(await self._consumer.earliest_offsets(*mine)) if mine else {}
        topic, group = self.settings.topics.readings, self.app.conf.id
        committed = await self.bus.reader.committed(group, topic)
        now = time.monotonic()
        self._heard = dict.fromkeys((tp.partition for tp in mine), now)
        self._next = {
            tp.partition: max(start[tp] or 0, committed.get(tp.partition, 0))
            for tp in mine
        }

    def _mine(self) -> list[TP]:
        topic = self.settings.topics.readings
        return sorted(tp for tp in self._consumer.assignment() if tp.topic == topic)

    async def _behind(self) -> set[int]:
        """Return the partitions that hold records which have not been read."""
        mine = self._mine()
        ends = await self._consumer.highwaters(*mine) if mine else {}
        now, behind = time.monotonic(), set()
        for tp in mine:
            number, end = tp.partition, ends[tp]
            if self._next.get(number, 0) >= end:
                continue
            silence_s = now - self._heard.get(number, now)
            if silence_s > _STILL_S and await self._consumer.position(tp) >= end:
                continue
            if silence_s > _PATIENCE_S and number not in self._paused:
                _log.warning("partition cannot be read", partition=number)
                continue
            behind.add(number)
        return behind

    def _hold_back(self) -> None:
        """Fetch no more from partitions of which too much waits, until it has gone."""
        topic, waiting = self.settings.topics.readings, self._merge.waiting
        for number, count in waiting.items():
            if count > _MOST and number not in self._paused:
                self._paused.add(number)
                self._consumer.pause_partitions({TP(topic, number)})
            elif count < _MOST // 2 and number in self._paused:
                self._paused.discard(number)
                self._heard[number] = time.monotonic()
                self._consumer.resume_partitions({TP(topic, number)})

    def _keyed(self, records: Sequence[Any]) -> list[Keyed]:
        rules = rules_of(self.settings)
        return [part for record in records for part in keyed(record, rules)]

    async def _forward(self, parts: Sequence[Keyed]) -> None:
        send, topic = self.app.producer.send, self.settings.topics.keyed
        sent = []
        for part in parts:
            key = part.machine.encode() or part.source.key
            at = place(key, self._partitions) if key else 0
            value = part.value
            if key is None and value is None:
                value = b""  # Kafka's client sends no record of nothing
            stamp = part.source.timestamp
            # Faust counts in s and cuts off what is below the ms: hence the half.
            stamp_s = (stamp + 0.5) / 1000 if stamp >= 0 else None
            headers = list(part.source.headers)
            sent.append(await send(topic, key, value, at, stamp_s, headers))
        await asyncio.gather(*sent)
        if parts:
            _log.info("forwarded", records=len(parts), waiting=len(self._merge))
