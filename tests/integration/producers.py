"""Producers that share no code with ours, each with its own idea of a partition."""

from __future__ import annotations

import asyncio
import random
import subprocess
from collections.abc import Iterable, Sequence

import msgspec
from aiokafka import AIOKafkaProducer
from kafka import KafkaProducer

Keyed = tuple[str, bytes]
"""A machine's name and a payload."""


def by_kcat(program: str, broker: str, topic: str, readings: Iterable[Keyed]) -> None:
    """Send with librdkafka's own partitioner, CRC32 of the key."""
    lines = [name.encode() + b"|" + value for name, value in readings]
    subprocess.run(  # noqa: S603 - a fixture's program
        # Without idempotence librdkafka may send in another order when it tries again.
        [
            *(program, "-P", "-b", broker, "-t", topic, "-K", "|"),
            *("-X", "enable.idempotence=true"),
        ],
        input=b"\n".join(lines) + b"\n",
        check=True,
        timeout=60,
    )


def by_kafka_python(broker: str, topic: str, readings: Iterable[Keyed]) -> None:
    """Send with murmur2 of the key, as Java's client does."""
    producer = KafkaProducer(
        bootstrap_servers=broker, linger_ms=5, enable_idempotence=True
    )
    try:
        sent = [producer.send(topic, v, key=n.encode()) for n, v in readings]
        for future in sent:
            future.get(60)
    finally:
        producer.close()


def by_telegraf(
    broker: str, topic: str, readings: Sequence[Keyed], partitions: int, batch: int = 1
) -> None:
    """Send Telegraf's JSON without a key: each record to a partition by chance."""
    asyncio.run(_telegraf(broker, topic, readings, partitions, batch))


async def _telegraf(
    broker: str, topic: str, readings: Sequence[Keyed], partitions: int, batch: int
) -> None:
    chance = random.Random(5)
    async with AIOKafkaProducer(
        bootstrap_servers=broker, linger_ms=5, enable_idempotence=True
    ) as producer:
        sent = []
        for at in range(0, len(readings), batch):
            metrics = [_metric(value) for _, value in readings[at : at + batch]]
            told = metrics[0] if batch == 1 else {"metrics": metrics}
            value = msgspec.json.encode(told)
            where = chance.randrange(partitions)
            sent.append(await producer.send(topic, value, partition=where))
        await asyncio.gather(*sent)


def _metric(value: bytes) -> dict[str, object]:
    told = msgspec.json.decode(value)
    return {
        "name": "plant",
        "tags": {"machine": told["machine"], "host": "edge-1"},
        "fields": told["values"],
        "timestamp": told["time"],
    }
