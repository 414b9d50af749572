"""The contract of the Faust transports: one list of checks, run on every bus.

Each check takes a `Bus`, builds its own apps, and raises if the promise is broken.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from faust.types import TP

from connectors.faust_run import running, serve
from tests.contracts.bus import (
    Bus,
    Worker,
    committed_is,
    contiguous,
    numbered,
    shake,
    started,
    until,
)

Check = Callable[[Bus], Awaitable[None]]
CHECKS: list[Check] = []


def check(function: Check) -> Check:
    CHECKS.append(function)
    return function


async def _topic(bus: Bus, partitions: int = 1, what: str = "readings") -> str:
    topic = bus.name(what)
    await bus.create(topic, partitions)
    return topic


@check
async def batches_arrive_whole_and_in_order(bus: Bus) -> None:
    topic = await _topic(bus, 2)
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
    topic = await _topic(bus)
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
    topic = await _topic(bus)
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
    topic = await _topic(bus)
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
async def a_late_ack_of_an_old_generation_changes_nothing(bus: Bus) -> None:
    topic = await _topic(bus)
    await bus.write(topic, 0, numbered(20))
    worker = Worker(bus, [topic], ack=False, broker_max_poll_records=5)
    async with started(worker):
        await until(lambda: len(worker.events) == 4)
        old = list(worker.events)
        await shake(bus, worker, [topic])
        new_generation = worker.app.consumer_generation_id
        await until(lambda: len(_of(worker, new_generation)) >= 4)
        for event in old:
            event.ack()
        await worker.consumer.commit()
        assert await bus.committed(worker.group, topic, 0) == 0
        new = _of(worker, new_generation)
        assert new[0].message.first == 0
        new[0].ack()
        await committed_is(bus, worker.group, topic, 0, new[0].message.offset + 1)


def _of(worker: Worker, generation: int) -> list[Any]:
    return [e for e in worker.events if e.message.generation_id == generation]


@check
async def stale_events_are_skipped(bus: Bus) -> None:
    topic = await _topic(bus)
    await bus.write(topic, 0, numbered(60))
    worker = Worker(bus, [topic], ack=False, broker_max_poll_records=5)
    async with started(worker):
        await until(lambda: len(worker.events) == 12)
        worker.events[0].ack()
        await committed_is(bus, worker.group, topic, 0, 5)
        await shake(bus, worker, [topic])
        generation = worker.app.consumer_generation_id
        await until(lambda: len(_of(worker, generation)) >= 11)
        seen = [event.message.generation_id or 0 for event in worker.events]
        assert seen == sorted(seen)
        assert _of(worker, generation)[0].message.first == 5
        assert list(contiguous(worker)) == []


@check
async def a_rebalance_with_drain_loses_and_repeats_nothing(bus: Bus) -> None:
    topic = await _topic(bus, 4)
    written: list[bytes] = []

    async def write(count: int) -> None:
        for partition in range(4):
            values = numbered(count, len(written), f"p{partition}-")
            await bus.write(topic, partition, values)
            written.extend(values)

    await write(50)
    one = Worker(bus, [topic], ack=False, drains="ack", broker_max_poll_records=20)
    two = Worker(bus, [topic], ack=False, drains="ack", broker_max_poll_records=20)
    async with running(one.app):
        await until(lambda: len(one.events) >= 2)
        async with running(two.app):
            await two.generation_after(0, 2)
            await write(50)
            await until(lambda: two.events, "the second gets its share")
            await until(lambda: len(_both(one, two)) == len(written))
        assert two.drained > 0
        await write(50)
        await until(lambda: len(_both(one, two)) == len(written))
        assert sorted(_both(one, two)) == sorted(written)
    for partition in range(4):
        assert await bus.committed(one.group, topic, partition) == 150


def _both(one: Worker, two: Worker) -> list[bytes]:
    return one.all_values() + two.all_values()


@check
async def a_rebalance_without_ack_loses_nothing(bus: Bus) -> None:
    topic = await _topic(bus, 2)
    for partition in (0, 1):
        await bus.write(topic, partition, numbered(40, 0, f"p{partition}-"))
    worker = Worker(bus, [topic], ack=False, broker_max_poll_records=7)
    async with started(worker):
        await until(lambda: len(worker.all_values()) == 80)
        await shake(bus, worker, [topic])
        worker.ack = True
        worker.ack_all()
        await shake(bus, worker, [topic])
        for partition in (0, 1):
            await committed_is(bus, worker.group, topic, partition, 40)
            last = worker.values(topic, partition)[-40:]
            assert last == numbered(40, 0, f"p{partition}-")


@check
async def stop_drains_and_commits_at_once(bus: Bus) -> None:
    topic = await _topic(bus)
    await bus.write(topic, 0, numbered(100))
    worker = Worker(bus, [topic], ack=False, drains="ack", broker_commit_interval=3600)
    stop = asyncio.Event()
    run = asyncio.create_task(serve(worker.app, stop))
    await until(lambda: len(worker.all_values()) == 100)
    began = time.monotonic()
    stop.set()
    assert await run == 0
    assert time.monotonic() - began < 5.0
    assert worker.drained > 0
    assert await bus.committed(worker.group, topic, 0) == 100


@check
async def a_stop_does_not_wait_for_what_drain_left(bus: Bus) -> None:
    topic = await _topic(bus)
    await bus.write(topic, 0, numbered(10))
    worker = Worker(bus, [topic], ack=False, drains="nothing")
    async with started(worker):
        await until(lambda: len(worker.all_values()) == 10)
        began = time.monotonic()
    assert time.monotonic() - began < 5.0
    assert await bus.committed(worker.group, topic, 0) == 0


@check
async def a_failed_drain_crashes_and_commits_nothing(bus: Bus) -> None:
    topic = await _topic(bus)
    await bus.write(topic, 0, numbered(10))
    worker = Worker(bus, [topic], ack=False, drains="raise")
    stop = asyncio.Event()
    run = asyncio.create_task(serve(worker.app, stop))
    await until(lambda: len(worker.all_values()) == 10)
    stop.set()
    assert await run == 1
    assert await bus.committed(worker.group, topic, 0) == 0


@check
async def a_failed_agent_ends_the_process_and_commits_nothing(bus: Bus) -> None:
    topic = await _topic(bus)
    await bus.write(topic, 0, numbered(10))
    worker = Worker(bus, [topic])
    worker.fails_at = b"v10"
    run = asyncio.create_task(serve(worker.app))
    await committed_is(bus, worker.group, topic, 0, 10)
    await bus.write(topic, 0, numbered(10, 10))
    assert await asyncio.wait_for(run, 20) == 1
    assert await bus.committed(worker.group, topic, 0) == 10


@check
async def what_was_not_committed_comes_again_after_a_crash(bus: Bus) -> None:
    topic = await _topic(bus)
    await bus.write(topic, 0, numbered(20))
    worker = Worker(bus, [topic], ack=False, broker_max_poll_records=5)
    async with started(worker):
        await until(lambda: len(worker.events) == 4)
        worker.events[0].ack()
        await committed_is(bus, worker.group, topic, 0, 5)
        worker.consumer.abandon()
        worker.events[1].ack()
    again = Worker(bus, [topic])
    async with started(again):
        await committed_is(bus, again.group, topic, 0, 20)
        assert again.values(topic, 0) == numbered(15, 5)


@check
async def a_refused_commit_is_made_again(bus: Bus) -> None:
    topic = await _topic(bus)
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
    readings = await _topic(bus)
    notes = await _topic(bus, 1, "notes")
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
    topic = await _topic(bus)
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
    topic = await _topic(bus, 5)
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
    topic = await _topic(bus)
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
async def the_group_knows_who_is_owner(bus: Bus) -> None:
    topic = await _topic(bus)
    await bus.write(topic, 0, numbered(10))
    worker = Worker(bus, [topic], ack=False)
    tp = TP(topic, 0)
    async with started(worker):
        await until(lambda: worker.events)
        generation = worker.app.consumer_generation_id
        assert await worker.consumer.still_owner(tp, 0, generation)
        assert not await worker.consumer.still_owner(tp, 0, generation - 1)
        assert not await worker.consumer.still_owner(TP(topic, 7), 0, generation)
        await shake(bus, worker, [topic])
        assert not await worker.consumer.still_owner(tp, 0, generation)
        assert await worker.consumer.still_owner(tp, 0)
        worker.consumer.abandon()
        assert not await worker.consumer.still_owner(tp, 0)


@check
async def a_full_queue_loses_nothing(bus: Bus) -> None:
    topic = await _topic(bus, 2)
    for partition in (0, 1):
        await bus.write(topic, partition, numbered(400))
    worker = Worker(bus, [topic], broker_max_poll_records=5, stream_buffer_maxsize=4)
    async with started(worker):
        for partition in (0, 1):
            await committed_is(bus, worker.group, topic, partition, 400)
            assert worker.values(topic, partition) == numbered(400)
