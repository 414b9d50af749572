"""What the transports promise of delivery and commits."""

import asyncio
from typing import Any

from faust.types import TP

from tests.contracts.bus import (
    Bus,
    Check,
    Worker,
    committed_is,
    contiguous,
    listing,
    new_topic,
    numbered,
    started,
    until,
)

CHECKS: list[Check] = []
check = listing(CHECKS)


@check
async def batches_arrive_whole_and_in_order(bus: Bus) -> None:
    topic = await new_topic(bus, 2)
    for partition in (0, 1):
        await bus.write(topic, partition, numbered(500))
    worker = Worker(bus, [topic])
    async with started(worker):
        await until(lambda: len(worker.all_values()) >= 1000)
        await bus.write(topic, 1, numbered(100, 500))
        await until(lambda: len(worker.all_values()) >= 1100)
        assert worker.values(topic, 0) == numbered(500)
        assert worker.values(topic, 1) == numbered(600)
        assert len(worker.events) < 100
        assert list(contiguous(worker)) == []
        await committed_is(bus, worker.group, topic, 0, 500)
        await committed_is(bus, worker.group, topic, 1, 600)


@check
async def commits_go_on_after_a_first_batch_of_one_record(bus: Bus) -> None:
    topic = await new_topic(bus)
    await bus.write(topic, 0, numbered(1))
    worker = Worker(bus, [topic])
    async with started(worker):
        await committed_is(bus, worker.group, topic, 0, 1)
        await bus.write(topic, 0, numbered(5, 1))
        await committed_is(bus, worker.group, topic, 0, 6)
        await bus.write(topic, 0, numbered(30, 6))
        await committed_is(bus, worker.group, topic, 0, 36)


@check
async def one_commit_covers_forty_batches(bus: Bus) -> None:
    topic = await new_topic(bus)
    await bus.write(topic, 0, numbered(200))
    worker = Worker(
        bus,
        [topic],
        ack=False,
        broker_max_poll_records=5,
        broker_commit_interval=3600,
        stream_buffer_maxsize=64,
    )
    async with started(worker):
        await until(lambda: len(worker.events) == 40, "40 batches")
        worker.ack_all()
        assert await worker.consumer.commit()
        assert await bus.committed(worker.group, topic, 0) == 200


@check
async def nothing_unfinished_is_committed(bus: Bus) -> None:
    topic = await new_topic(bus)
    await bus.write(topic, 0, numbered(20))
    worker = Worker(bus, [topic], ack=False, broker_max_poll_records=5)
    async with started(worker):
        await until(lambda: len(worker.events) == 4)
        first, second, third, fourth = worker.events
        third.ack()
        second.ack()
        await worker.consumer.commit()
        assert await bus.committed(worker.group, topic, 0) == 0
        first.ack()
        await committed_is(bus, worker.group, topic, 0, 15)
        fourth.ack()
        await committed_is(bus, worker.group, topic, 0, 20)


@check
async def a_refused_commit_is_made_again(bus: Bus) -> None:
    topic = await new_topic(bus)
    await bus.write(topic, 0, numbered(10))
    worker = Worker(bus, [topic], ack=False, broker_commit_interval=3600)
    async with started(worker):
        await until(lambda: len(worker.all_values()) == 10)
        consumer: Any = worker.consumer
        commit = consumer._commit

        async def refuse(offsets: object) -> bool:
            return False

        consumer._commit = refuse
        worker.ack_all()
        assert not await consumer.commit()
        consumer._commit = commit
        assert await bus.committed(worker.group, topic, 0) == 0
        assert await consumer.commit()
        assert await bus.committed(worker.group, topic, 0) == 10


@check
async def topics_beside_come_record_by_record(bus: Bus) -> None:
    readings = await new_topic(bus)
    notes = await new_topic(bus, 1, "notes")
    await bus.write(readings, 0, numbered(30))
    await bus.write(notes, 0, numbered(30))
    worker = Worker(bus, [readings, notes], batches=[readings])
    async with started(worker):
        await until(lambda: len(worker.all_values()) >= 60)
        await bus.write(notes, 0, numbered(3, 30))
        await committed_is(bus, worker.group, readings, 0, 30)
        await committed_is(bus, worker.group, notes, 0, 33)
        assert worker.values(notes, 0) == numbered(33)
        single = [e for e in worker.events if e.message.topic == notes]
        assert [type(event.value) for event in single] == [bytes] * 33


@check
async def records_acked_out_of_order_wait_for_the_first(bus: Bus) -> None:
    topic = await new_topic(bus)
    await bus.write(topic, 0, numbered(4))
    worker = Worker(bus, [topic], batches=[], ack=False, stream_buffer_maxsize=64)
    async with started(worker):
        await until(lambda: len(worker.events) == 4)
        for event in worker.events[1:]:
            event.ack()
        await worker.consumer.commit()
        assert await bus.committed(worker.group, topic, 0) == 0
        worker.events[0].ack()
        await committed_is(bus, worker.group, topic, 0, 4)


# Kafka's own test vectors of murmur2.
_MURMUR2 = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"abc": 479470107,
}


@check
async def keys_and_headers_arrive_as_on_kafka(bus: Bus) -> None:
    topic = await new_topic(bus, 5)
    worker = Worker(bus, [topic])
    headers = [("reason", b"late"), ("reason", b""), ("n", b"\x00\xff")]
    async with started(worker):
        producer = worker.app.producer
        sent = [
            await producer.send(topic, key, b"x", None, 1.5, headers)
            for key in _MURMUR2
        ]
        placed = await asyncio.gather(*sent)
        assert [meta.partition for meta in placed] == [
            (number & 0x7FFFFFFF) % 5 for number in _MURMUR2.values()
        ]
        await until(lambda: len(worker.all_values()) == 4)
        records = [r for event in worker.events for r in _records(event)]
        assert {record.key for record in records} == set(_MURMUR2)
        assert all(list(record.headers) == headers for record in records)
        assert {record.timestamp for record in records} == {1500}


def _records(event: Any) -> list[Any]:
    records: list[Any] = event.value
    return records


@check
async def holes_are_counted_and_not_waited_for(bus: Bus) -> None:
    topic = await new_topic(bus)
    await bus.write(topic, 0, numbered(1))
    await bus.hole(topic, 0)
    await bus.write(topic, 0, numbered(1, 1))
    worker = Worker(bus, [topic], broker_max_poll_records=1)
    async with started(worker):
        await until(lambda: worker.all_values()[-1:] == [b"v1"], "past the hole")
        assert list(contiguous(worker)) == []
        assert worker.consumer.skipped_offsets == {TP(topic, 0): 1}
        end = worker.events[-1].message.offset + 1
        await committed_is(bus, worker.group, topic, 0, end)


@check
async def a_full_queue_loses_nothing(bus: Bus) -> None:
    topic = await new_topic(bus, 2)
    for partition in (0, 1):
        await bus.write(topic, partition, numbered(400))
    worker = Worker(bus, [topic], broker_max_poll_records=5, stream_buffer_maxsize=4)
    worker.gate.clear()
    async with started(worker):
        await until(lambda: worker.consumer._buffered_partitions)
        worker.gate.set()
        for partition in (0, 1):
            await committed_is(bus, worker.group, topic, partition, 400)
            assert worker.values(topic, partition) == numbered(400)
        assert list(contiguous(worker)) == []


@check
async def many_messages_sent_at_once_arrive_in_order(bus: Bus) -> None:
    source, target = await new_topic(bus), await new_topic(bus, 2, what="scores")
    worker = Worker(bus, [source, target])
    # More than one batch of the producer's, so that several follow each other.
    values = [b"%06d" % i + b"x" * 500 for i in range(2000)]
    async with started(worker):
        producer: Any = worker.app.producer
        sent = await producer.send_many(target, 1, [(b"k", v) for v in values])
        await asyncio.gather(*sent)
        assert await producer.send_many(target, 0, []) == []
        await until(lambda: len(worker.all_values()) >= 2000)
        assert worker.values(target, 1) == values
        batches: list[Any] = [event.message.value for event in worker.events]
        keys = {record.key for batch in batches for record in batch}
        assert keys == {b"k"}


@check
async def a_fetch_waits_for_others_to_gather(bus: Bus) -> None:
    topic = await new_topic(bus)
    worker = Worker(bus, [topic])
    worker.app.transport.gather_s = 0.05  # type: ignore[attr-defined]
    async with started(worker):
        for i in range(20):
            await bus.write(topic, 0, numbered(1, i))
        await until(lambda: len(worker.all_values()) >= 20)
        assert worker.values(topic, 0) == numbered(20)
        await committed_is(bus, worker.group, topic, 0, 20)
