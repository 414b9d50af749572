"""Reads Kafka topics of one's own from their start, without a consumer group."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord

from connectors.kafka import Access, tls_context

_AT_ONCE_MS = 1_000
_AGAIN_S = 0.5
_TRIES = 60
_FETCH_BYTES = 16 << 20


def aiokafka_config(access: Access) -> dict[str, Any]:
    """Return the connection settings in aiokafka's spelling."""
    config: dict[str, Any] = {
        "bootstrap_servers": list(access.brokers),
        "security_protocol": access.protocol,
    }
    if access.protocol in ("SSL", "SASL_SSL"):
        config["ssl_context"] = tls_context(access)
    if access.protocol.startswith("SASL_"):
        config["sasl_mechanism"] = access.mechanism
        config["sasl_plain_username"] = access.username
        config["sasl_plain_password"] = access.password
    return config


class KafkaReader:
    """Reads partitions from the start; every call has a connection of its own."""

    def __init__(self, access: Access) -> None:
        """Keep how to enter; nothing is opened yet."""
        self._config = aiokafka_config(access)

    async def partitions(self, topic: str) -> int:
        """Return how many partitions a topic has; 0 if there is no such topic."""
        admin = AIOKafkaAdminClient(**self._config)
        await admin.start()
        try:
            (found,) = await admin.describe_topics([topic])
            return 0 if found["error_code"] else len(found["partitions"])
        finally:
            await admin.close()

    async def read(self, topic: str, partition: int) -> list[ConsumerRecord]:
        """Return all records from the start to the end as it stands now."""
        async with self._consumer() as consumer:
            at = TopicPartition(topic, partition)
            end = await _assign(consumer, at)
            records: list[ConsumerRecord] = []
            while await consumer.position(at) < end:
                found = await consumer.getmany(at, timeout_ms=_AT_ONCE_MS)
                records += found.get(at, [])
            return records

    async def follow(
        self, topic: str, partition: int
    ) -> AsyncIterator[tuple[list[ConsumerRecord], int]]:
        """Yield records from the start and on, with the offset that comes next.

        What is yielded first reaches to the end as it stood, be it empty.
        """
        async with self._consumer() as consumer:
            at = TopicPartition(topic, partition)
            end = await _assign(consumer, at)
            records: list[ConsumerRecord] = []
            while (following := await consumer.position(at)) < end:
                found = await consumer.getmany(at, timeout_ms=_AT_ONCE_MS)
                records += found.get(at, [])
            yield records, following
            while True:
                found = await consumer.getmany(at, timeout_ms=_AT_ONCE_MS)
                if found:
                    yield found[at], await consumer.position(at)

    async def tails(
        self, topic: str, starts: Mapping[int, int], most: int | None = None
    ) -> AsyncIterator[tuple[int, list[ConsumerRecord], int]]:
        """Yield what partitions hold from some offsets to their ends as of now.

        Args:
            topic: Name of the topic.
            starts: First offset by partition; below the oldest one it means that.
            most: Of each partition no more than so many of the newest offsets; None:
                all there are.

        Yields:
            A partition, some records of it, and the offset that comes next.
        """
        if not starts:
            return
        async with self._consumer() as consumer:
            places = {TopicPartition(topic, n): at for n, at in starts.items()}
            ends = await consumer.end_offsets(list(places))
            behind = {at for at, start in places.items() if start < ends[at]}
            if not behind:
                return
            # Once only: aiokafka may hang if it is stopped just after a second time.
            consumer.assign(list(behind))
            for at in behind:
                first = 0 if most is None else ends[at] - most
                consumer.seek(at, max(places[at], first))
            while behind:
                found = await consumer.getmany(*behind, timeout_ms=_AT_ONCE_MS)
                for at in tuple(behind):
                    following = await consumer.position(at)
                    if found.get(at):
                        yield at.partition, found[at], following
                    if following >= ends[at]:
                        behind.discard(at)

    async def committed(self, group: str, topic: str) -> dict[int, int]:
        """Return a group's committed offsets by partition, where there are any.

        Waits while the group's coordinator moves from one broker to another.
        """
        admin = AIOKafkaAdminClient(**self._config)
        await admin.start()
        try:
            found = await _patiently(lambda: admin.list_consumer_group_offsets(group))
        finally:
            await admin.close()
        return {
            at.partition: kept.offset
            for at, kept in found.items()
            if at.topic == topic and kept.offset >= 0
        }

    @asynccontextmanager
    async def _consumer(self) -> AsyncIterator[AIOKafkaConsumer]:
        consumer = AIOKafkaConsumer(
            **self._config,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=_FETCH_BYTES,
        )
        await consumer.start()
        try:
            yield consumer
        finally:
            await consumer.stop()


async def _assign(consumer: AIOKafkaConsumer, at: TopicPartition) -> int:
    """Stand at the start of a partition and return its end."""
    consumer.assign([at])
    await consumer.seek_to_beginning(at)
    ends = await consumer.end_offsets([at])
    return int(ends[at])


async def _patiently(ask: Callable[[], Awaitable[Any]]) -> Any:
    """Ask again for a while when the brokers say that it is worth it."""
    for _ in range(_TRIES):
        try:
            return await ask()
        except KafkaError as error:
            if not error.retriable:
                raise
        await asyncio.sleep(_AGAIN_S)
    return await ask()
