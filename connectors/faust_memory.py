"""The Faust transport `memory://NAME`: a whole pipeline in one process, no server.

An app with `broker="memory://plant-7"` reads and writes the log of that name (see
`connectors.memory_log`); apps of one id share its partitions as a consumer group, with
the same deliveries, commits and rebalances as on Kafka. Differences: there are no
heartbeats, so a stuck agent holds a rebalance for ever; exactly-once and the threaded
producer are refused; nothing outlives the process.

Give `TableManager=QuickTables` to the app: Faust's own waits a second at every start.

Example:
    >>> import faust
    >>> from connectors.faust_memory import QuickTables, register
    >>> register()
    >>> app = faust.App(
    ...     "doc", broker="memory://doc", web_enabled=False, TableManager=QuickTables
    ... )
"""

import asyncio
from collections.abc import Awaitable, Iterable, Mapping
from typing import Any, ClassVar

from faust.exceptions import ImproperlyConfigured
from faust.tables.manager import TableManager
from faust.transport import base
from faust.transport.drivers import TRANSPORTS
from faust.types import TP, RecordMetadata
from faust.types.core import HeadersArg
from faust.types.transports import ConsumerT, ProducerT

from connectors.faust_batches import BatchConsumer
from connectors.faust_memory_driver import LogTransport, PlainMemoryConsumer
from connectors.memory_log import Ack

__all__ = ["MemoryConsumer", "MemoryProducer", "QuickTables", "Transport", "register"]


def register() -> None:
    """Teach Faust the scheme `memory`, also where the project is not installed."""
    TRANSPORTS.aliases["memory"] = f"{__name__}:Transport"


class QuickTables(TableManager):
    """Faust's table manager without its sleep of one second."""

    async def on_start(self) -> None:
        """Start recovery at once."""
        await self._update_channels()
        await self.recovery.start()


class MemoryConsumer(BatchConsumer, PlainMemoryConsumer):
    """Consumer with batches, exact commits and drain."""

    transport: LogTransport

    def fence(self) -> None:
        """Take this member out of its group, as if its process had died."""
        self.abandon()
        super().fence()

    async def _ask_owner(self, tp: TP, offset: int, generation_id: int) -> bool:
        if tp not in self._positions or self._member is None:
            return False
        return self.group.commit(self._member, generation_id, {tp: offset})


class MemoryProducer(base.Producer):
    """Producer that writes to the log."""

    transport: LogTransport

    def __init__(self, transport: LogTransport, **kwargs: Any) -> None:
        if transport.app.conf.producer_threaded:
            raise ImproperlyConfigured("memory:// needs producer_threaded=False")
        super().__init__(transport, **kwargs)
        self._open: set[asyncio.Future[RecordMetadata]] = set()

    async def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int | None,
        timestamp: float | None,
        headers: HeadersArg | None,
        *,
        transactional_id: str | None = None,
    ) -> Awaitable[RecordMetadata]:
        """Write a record; the future that comes back is the acknowledgement."""
        future: asyncio.Future[RecordMetadata]
        future = asyncio.get_running_loop().create_future()
        if self.transport.fenced:
            return future
        log = self.transport.log
        index = log.place(topic, key) if partition is None else partition
        ack = log.on_send(topic, index, value) if log.on_send is not None else Ack()
        plain = headers.items() if isinstance(headers, Mapping) else headers or ()
        time_ms = None if timestamp is None else int(timestamp * 1000)
        result = RecordMetadata(topic, index, TP(topic, index), -1, timestamp)
        for _ in range(0 if ack.error else ack.copies):
            _, at = log.append(topic, index, key, value, tuple(plain), time_ms)
            result = result._replace(offset=at)
        if ack.delay_s:
            self._open.add(future)
            future.add_done_callback(self._open.discard)
            loop = asyncio.get_running_loop()
            loop.call_later(ack.delay_s, self._answer, future, ack, result)
        else:
            self._answer(future, ack, result)
        return future

    async def send_many(
        self, topic: str, partition: int, messages: Iterable[tuple[bytes, bytes]]
    ) -> list[Awaitable[RecordMetadata]]:
        """Write keys and values to one partition; one future comes back for each."""
        return [
            await self.send(topic, key, value, partition, None, None)
            for key, value in messages
        ]

    def _answer(
        self, future: asyncio.Future[RecordMetadata], ack: Ack, result: RecordMetadata
    ) -> None:
        if future.done() or self.transport.fenced:
            return
        if ack.error is not None:
            future.set_exception(ack.error)
        else:
            future.set_result(result)

    async def send_and_wait(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int | None,
        timestamp: float | None,
        headers: HeadersArg | None,
        *,
        transactional_id: str | None = None,
    ) -> RecordMetadata:
        """Write a record and wait for the acknowledgement."""
        return await (await self.send(topic, key, value, partition, timestamp, headers))

    async def flush(self) -> None:
        """Wait for Faust's buffer and for all acknowledgements."""
        await self.buffer.flush()
        if self._open and not self.transport.fenced:
            await asyncio.wait(set(self._open))

    async def create_topic(
        self, topic: str, partitions: int, replication: int, **options: Any
    ) -> None:
        """Create a topic unless it is there."""
        self.transport.create(topic, partitions, **options)

    def key_partition(self, topic: str, key: bytes) -> TP:
        """Return the partition where Kafka would put a key."""
        return TP(topic, self.transport.log.place(topic, key))

    def supports_headers(self) -> bool:
        """Return True: records carry headers."""
        return True


class Transport(LogTransport):
    """`memory://NAME`; see the module."""

    Consumer: ClassVar[type[ConsumerT]] = MemoryConsumer
    Producer: ClassVar[type[ProducerT]] = MemoryProducer
    default_port = 0
    driver_version = "memory"
