"""What the consumer does when deliveries, seeks and assignments meet."""

from typing import Any

from faust.types import TP, ConsumerMessage

from connectors.memory_log import Record
from tests.connectors.test_faust_memory import MemoryBus, bus
from tests.contracts.bus import Worker, contiguous, numbered, started, until

__all__ = ["bus"]

HERE = TP("t", 0)


async def _ready(bus: MemoryBus, count: int = 10, **options: Any) -> Worker:
    await bus.create("t", 1)
    await bus.write("t", 0, numbered(count))
    return Worker(bus, ["t"], **options)


async def test_partitions_stay_shut_until_the_flow_opens_after_the_seek(
    bus: MemoryBus,
) -> None:
    worker = await _ready(bus)
    async with started(worker):
        await until(worker.all_values)
        consumer = worker.consumer
        consumer.stop_flow()
        consumer._shut()
        consumer.pause_partitions({HERE})
        consumer.resume_partitions({HERE})
        consumer.resume_flow()
        assert not consumer.deliverable(HERE)
        assert HERE not in consumer._get_active_partitions()
        consumer.stop_flow()
        await consumer.perform_seek()
        assert not consumer.deliverable(HERE)
        consumer.resume_flow()
        assert consumer.deliverable(HERE)
        assert HERE in consumer._get_active_partitions()


async def test_a_seek_of_an_earlier_assignment_opens_nothing(bus: MemoryBus) -> None:
    worker = await _ready(bus)
    async with started(worker):
        await until(worker.all_values)
        consumer = worker.consumer
        consumer.stop_flow()
        await consumer.perform_seek()
        consumer._shut()
        consumer.pause_partitions({HERE})
        consumer.resume_partitions({HERE})
        consumer.resume_flow()
        assert not consumer.deliverable(HERE)


async def test_after_a_seek_earlier_deliveries_move_nothing(bus: MemoryBus) -> None:
    worker = await _ready(bus, ack=False, broker_commit_interval=3600)
    async with started(worker):
        await until(worker.all_values)
        consumer = worker.consumer
        consumer.stop_flow()
        await consumer.perform_seek()
        worker.ack_all()
        consumer.resume_flow()
        # Nothing was committed: all comes again, from the beginning.
        await until(lambda: worker.values("t", 0) == numbered(10) * 2)
        assert not await consumer.commit()
        worker.ack_all()
        assert await consumer.commit()
        assert await bus.committed(worker.group, "t", 0) == 10


async def test_what_the_broker_returns_twice_is_delivered_once(bus: MemoryBus) -> None:
    worker = await _ready(bus)
    async with started(worker):
        await until(worker.all_values)
        consumer: Any = worker.consumer
        consumer._positions[HERE] = 3
        await bus.write("t", 0, numbered(5, 10))
        await until(lambda: len(worker.all_values()) >= 15)
        assert worker.values("t", 0) == numbered(15)
        assert list(contiguous(worker)) == []


async def test_records_twice_returned_one_by_one_are_delivered_once(
    bus: MemoryBus,
) -> None:
    worker = await _ready(bus, batches=[])
    async with started(worker):
        await until(lambda: len(worker.all_values()) == 10)
        consumer: Any = worker.consumer
        consumer._positions[HERE] = 3
        await bus.write("t", 0, numbered(5, 10))
        await until(lambda: len(worker.all_values()) >= 15)
        assert worker.values("t", 0) == numbered(15)


async def test_what_was_fetched_in_an_old_generation_is_fetched_again(
    bus: MemoryBus,
) -> None:
    worker = await _ready(bus, batches=[])
    fetches: list[int] = []

    def bump(_topic: str, _partition: int, records: list[Record]) -> list[Record]:
        fetches.append(len(records))
        if len(fetches) == 1:
            worker.app.consumer_generation_id += 1
        return records

    bus.log.on_fetch = bump
    async with started(worker):
        await until(lambda: len(worker.all_values()) == 10)
        assert len(fetches) == 2
        assert worker.values("t", 0) == numbered(10)


async def test_what_a_stream_skips_is_not_acknowledged(bus: MemoryBus) -> None:
    worker = await _ready(bus, batches=[])
    async with started(worker):
        await until(worker.all_values)
        consumer = worker.consumer
        generation = worker.app.consumer_generation_id

        def message(generation_id: int) -> ConsumerMessage:
            made = ConsumerMessage("t", 0, 99, 0.0, 0, None, None, b"", None, tp=HERE)
            made.generation_id = generation_id
            return made

        stale, fresh = message(generation - 1), message(generation)
        assert not consumer.ack(stale)
        assert not stale.acked
        consumer.stop_flow()
        assert not consumer.ack(fresh)
        consumer.resume_flow()
        assert consumer.ack(fresh)
        assert fresh.acked
