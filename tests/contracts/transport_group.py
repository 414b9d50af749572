"""What the transports promise when members come, go, stop and fail."""

import asyncio
import time
from typing import Any

from faust.types import TP

from connectors.faust_run import running, serve
from tests.contracts.bus import (
    Bus,
    Check,
    Worker,
    committed_is,
    contiguous,
    listing,
    new_topic,
    numbered,
    shake,
    started,
    until,
)

CHECKS: list[Check] = []
check = listing(CHECKS)


@check
async def a_late_ack_of_an_old_generation_changes_nothing(bus: Bus) -> None:
    topic = await new_topic(bus)
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
    topic = await new_topic(bus)
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
    topic = await new_topic(bus, 4)
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
    topic = await new_topic(bus, 2)
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
    topic = await new_topic(bus)
    await bus.write(topic, 0, numbered(100))
    worker = Worker(bus, [topic], ack=False, drains="ack", broker_commit_interval=3600)
    stop = asyncio.Event()
    run = asyncio.create_task(serve(worker.app, stop=stop))
    await until(lambda: len(worker.all_values()) == 100)
    began = time.monotonic()
    stop.set()
    assert await run == 0
    assert time.monotonic() - began < 5.0
    assert worker.drained > 0
    assert await bus.committed(worker.group, topic, 0) == 100


@check
async def a_stop_does_not_wait_for_what_drain_left(bus: Bus) -> None:
    topic = await new_topic(bus)
    await bus.write(topic, 0, numbered(10))
    worker = Worker(bus, [topic], ack=False, drains="nothing")
    async with started(worker):
        await until(lambda: len(worker.all_values()) == 10)
        began = time.monotonic()
    assert time.monotonic() - began < 5.0
    assert await bus.committed(worker.group, topic, 0) == 0


@check
async def a_failed_drain_crashes_and_commits_nothing(bus: Bus) -> None:
    topic = await new_topic(bus)
    await bus.write(topic, 0, numbered(10))
    worker = Worker(bus, [topic], ack=False, drains="raise")
    stop = asyncio.Event()
    run = asyncio.create_task(serve(worker.app, stop=stop))
    await until(lambda: len(worker.all_values()) == 10)
    stop.set()
    assert await run == 1
    assert await bus.committed(worker.group, topic, 0) == 0


@check
async def a_failed_agent_ends_the_process_and_commits_nothing(bus: Bus) -> None:
    topic = await new_topic(bus)
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
    topic = await new_topic(bus)
    await bus.write(topic, 0, numbered(20))
    worker = Worker(bus, [topic], ack=False, broker_max_poll_records=5)
    async with started(worker):
        await until(lambda: len(worker.events) == 4)
        worker.events[0].ack()
        await committed_is(bus, worker.group, topic, 0, 5)
        worker.consumer.abandon()
        worker.events[1].ack()
        assert not await worker.consumer.commit()
        assert await bus.committed(worker.group, topic, 0) == 5
    again = Worker(bus, [topic])
    async with started(again):
        await committed_is(bus, again.group, topic, 0, 20)
        assert again.values(topic, 0) == numbered(15, 5)


@check
async def the_group_knows_who_is_owner(bus: Bus) -> None:
    topic = await new_topic(bus)
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
