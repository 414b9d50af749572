"""The contract of the transports on Kafka."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from connectors import faust_kafka
from connectors.faust_memory import QuickTables
from tests.contracts.bus import PATIENCE_S, Bus, Check
from tests.contracts.transport import CHECKS


class KafkaBus:
    """A broker, topics with a prefix of their own."""

    def __init__(self, address: str, prefix: str, admin: Any) -> None:
        self.address = address
        self.prefix = prefix
        self.admin = admin
        self.settings: dict[str, Any] = {
            "broker": f"{faust_kafka.SCHEME}://{address}",
            "TableManager": QuickTables,
        }

    def name(self, what: str) -> str:
        return f"{self.prefix}{what}"

    async def create(self, topic: str, partitions: int) -> None:
        await self.admin.create_topics([NewTopic(topic, partitions, 1)])

    async def write(self, topic: str, partition: int, values: list[bytes]) -> None:
        await self._write(topic, partition, values)

    async def hole(self, topic: str, partition: int) -> None:
        # The end of a transaction takes an offset of its own, a little later.
        async with AIOKafkaConsumer(bootstrap_servers=self.address) as consumer:
            tp = TopicPartition(topic, partition)
            before = (await consumer.end_offsets([tp]))[tp]
            await self._write(topic, partition, [b"v0"], self.name("transaction"))
            async with asyncio.timeout(PATIENCE_S):
                while (await consumer.end_offsets([tp]))[tp] < before + 2:
                    await asyncio.sleep(0.01)

    async def _write(
        self,
        topic: str,
        partition: int,
        values: list[bytes],
        transactional_id: str | None = None,
    ) -> None:
        async with AIOKafkaProducer(
            bootstrap_servers=self.address, transactional_id=transactional_id
        ) as producer:
            if transactional_id is not None:
                await producer.begin_transaction()
            for value in values:
                await producer.send(topic, value, partition=partition)
            if transactional_id is not None:
                await producer.commit_transaction()

    async def committed(self, group: str, topic: str, partition: int) -> int:
        tp = TopicPartition(topic, partition)
        found = await self.admin.list_consumer_group_offsets(group, partitions=[tp])
        offset: int = found[tp].offset
        return max(offset, 0)


@pytest.fixture
async def bus(kafka: str, topic_prefix: str) -> AsyncIterator[KafkaBus]:
    faust_kafka.register()
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        yield KafkaBus(kafka, topic_prefix, admin)
    finally:
        await admin.close()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_contract(check: Check, bus: Bus) -> None:
    await check(bus)
