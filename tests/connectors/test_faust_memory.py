"""The contract of the transports on `memory://`, and what only it promises."""

import asyncio
import uuid
from collections.abc import Iterator
from typing import Any, ClassVar

import faust
import pytest
from faust.exceptions import ImproperlyConfigured
from faust.types import TP, ConsumerMessage
from faust.types.transports import ConsumerT

from connectors import faust_memory
from connectors.faust_batches import BatchMessage
from connectors.faust_memory_driver import PlainMemoryConsumer
from connectors.faust_run import running, serve
from connectors.memory_log import Ack, Log, Record, drop_log, open_log
from tests.contracts import bus as contract_bus
from tests.contracts.bus import Bus, Check, Worker, contiguous, numbered, started, until
from tests.contracts.chaos import Chaos
from tests.contracts.transport import CHECKS


class MemoryBus:
    """A log in memory."""

    def __init__(self, name: str) -> None:
        self.log: Log = open_log(name)
        self.settings: dict[str, Any] = {
            "broker": f"memory://{name}",
            "TableManager": faust_memory.QuickTables,
        }

    def name(self, what: str) -> str:
        return what

    async def create(self, topic: str, partitions: int) -> None:
        self.log.create_topic(topic, partitions)

    async def write(self, topic: str, partition: int, values: list[bytes]) -> None:
        for value in values:
            self.log.append(topic, partition, None, value, timestamp_ms=0)

    async def hole(self, topic: str, partition: int) -> None:
        for _ in range(2):
            self.log.append(topic, partition, b"twice", b"v0", timestamp_ms=0)
        assert self.log.topic(topic)[partition].compact() == 1

    async def committed(self, group: str, topic: str, partition: int) -> int:
        return self.log.group(group).offsets.get((topic, partition), 0)


@pytest.fixture
def bus() -> Iterator[MemoryBus]:
    faust_memory.register()
    name = f"t-{uuid.uuid4().hex}"
    yield MemoryBus(name)
    drop_log(name)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_contract(check: Check, bus: Bus) -> None:
    await check(bus)


# The proof that the list bites.


class FaustsArithmetic(PlainMemoryConsumer):
    """Batches on Faust's own bookkeeping, delivery and stop."""

    async def _getmany(self, *args: Any, **options: Any) -> Any:
        fetched = await super()._getmany(*args, **options)
        return {tp: [records] for tp, records in fetched.items()}

    def _to_message(self, tp: TP, record: Any) -> ConsumerMessage:
        generation = self.app.consumer_generation_id
        return BatchMessage(tp, record, 0, generation)

    async def wait_empty(self) -> None:
        """Wait for nothing: Faust's own would wait for ever for a missing ack."""
        self._unacked_messages.clear()


class FaustsTransport(faust_memory.Transport):
    Consumer: ClassVar[type[ConsumerT]] = FaustsArithmetic


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("commits_go_on_after_a_first_batch_of_one_record", "committed 1, expected 6"),
        ("one_commit_covers_forty_batches", "assert 10 == 200"),
        ("nothing_unfinished_is_committed", "assert 10 == 0"),
    ],
)
async def test_faust_without_us_breaks_the_contract(
    name: str, fault: str, bus: MemoryBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faust_memory, "Transport", FaustsTransport)
    monkeypatch.setattr(contract_bus, "PATIENCE_S", 1.0)
    monkeypatch.setattr(Worker, "consumer", property(lambda self: self.app.consumer))
    check = next(check for check in CHECKS if check.__name__ == name)
    with pytest.raises(AssertionError, match=fault):
        await check(bus)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("batches", [True, False], ids=["batch", "record"])
async def test_group_in_chaos(seed: int, batches: bool, bus: MemoryBus) -> None:
    chaos = Chaos(bus, bus.log, seed, batches=batches, refused=0.05)
    assert await chaos.run() == []


# What only memory:// promises.


async def test_dead_member_is_not_seen_any_more(bus: MemoryBus) -> None:
    await bus.create("t", 1)
    await bus.write("t", 0, numbered(10))
    dead = Worker(bus, ["t"], ack=False)
    heir = Worker(bus, ["t"])
    async with started(dead):
        await until(lambda: dead.events)
        consumer: Any = dead.consumer
        producer = dead.app.producer
        consumer.fence()
        dead.ack_all()
        assert not await consumer.commit()
        sent = await producer.send("out", None, b"x", 0, None, None)
        assert not bus.log.topic("out")[0].records
        async with started(heir):
            await until(lambda: heir.values("t", 0) == numbered(10))
        assert isinstance(sent, asyncio.Future)
        assert not sent.done()


async def test_send_is_answered_late_or_refused_or_written_twice(
    bus: MemoryBus,
) -> None:
    answers = {
        b"late": Ack(delay_s=0.01),
        b"refused": Ack(error=OSError("disk full")),
        b"twice": Ack(copies=2),
    }
    bus.log.on_send = lambda _topic, _partition, value: answers[value or b""]
    app = Worker(bus, ["t"]).app
    async with running(app):
        late = await app.producer.send("out", None, b"late", 0, None, None)
        assert isinstance(late, asyncio.Future)
        assert not late.done()
        await app.producer.flush()
        assert late.done()
        with pytest.raises(OSError, match="disk full"):
            await app.producer.send_and_wait("out", None, b"refused", 0, None, None)
        twice = await app.producer.send_and_wait("out", None, b"twice", 0, None, None)
    values = [record.value for record in bus.log.topic("out")[0].read(0, 9)]
    assert values == [b"late", b"twice", b"twice"]
    assert twice.offset == 2


async def test_any_cut_of_batches_gives_the_same_records(bus: MemoryBus) -> None:
    await bus.create("t", 1)
    await bus.write("t", 0, numbered(100))

    def cut(_topic: str, _partition: int, records: list[Record]) -> list[Record]:
        return records[: 1 + records[0].offset % 7]

    bus.log.on_fetch = cut
    worker = Worker(bus, ["t"])
    async with started(worker):
        await until(lambda: len(worker.all_values()) == 100)
    assert len(worker.events) > 14
    assert worker.values("t", 0) == numbered(100)
    assert list(contiguous(worker)) == []


async def test_what_was_fetched_for_a_paused_partition_is_fetched_again(
    bus: MemoryBus,
) -> None:
    await bus.create("t", 2)
    await bus.write("t", 0, numbered(10))
    worker = Worker(bus, ["t"])
    paused = {TP("t", 0)}
    fetched: list[int] = []

    def pause(_topic: str, partition: int, records: list[Record]) -> list[Record]:
        if partition == 0 and not fetched:
            worker.consumer.pause_partitions(paused)
        fetched.append(partition)
        return records

    bus.log.on_fetch = pause
    async with started(worker):
        await until(lambda: fetched == [0])
        await bus.write("t", 1, numbered(3))
        await until(lambda: worker.values("t", 1) == numbered(3))
        assert worker.values("t", 0) == []
        worker.consumer.resume_partitions(paused)
        await until(lambda: worker.values("t", 0) == numbered(10))
        assert worker.consumer.skipped_offsets[TP("t", 0)] == 0


async def test_nothing_is_fetched_of_a_partition_whose_queue_drains_while_shut(
    bus: MemoryBus,
) -> None:
    await bus.create("t", 1)
    worker = Worker(bus, ["t"])
    tp = TP("t", 0)
    async with started(worker):
        await until(lambda: worker.consumer.deliverable(tp))
        worker.consumer.pause_partitions({tp})
        worker.consumer.on_buffer_full(tp)
        worker.consumer.on_buffer_drop(tp)
        assert tp not in worker.consumer._get_active_partitions()
        worker.consumer.resume_partitions({tp})
        assert tp in worker.consumer._get_active_partitions()


async def test_positions_follow_the_commits_alone(bus: MemoryBus) -> None:
    await bus.create("t", 1)
    worker = Worker(bus, ["t"])
    async with started(worker):
        with pytest.raises(ValueError, match="committed offset"):
            await worker.consumer.seek(TP("t", 0), 3)


async def test_tables_recover_from_their_changelog(bus: MemoryBus) -> None:
    async def life(values: list[bytes]) -> dict[str, int]:
        app = faust.App("table", store="memory://", web_enabled=False, **bus.settings)
        topic = app.topic("t", key_serializer="raw", value_serializer="raw")
        table = app.Table("counts", partitions=1, default=int)
        seen: list[Any] = []

        @app.agent(topic)
        async def count(stream: Any) -> None:
            async for value in stream:
                table[value.decode()] += 1
                seen.append(value)

        await bus.write("t", 0, values)
        async with running(app):
            await until(lambda: len(seen) == len(values))
            return dict(table)

    await bus.create("t", 1)
    assert await life([b"a", b"b", b"a"]) == {"a": 2, "b": 1}
    assert await life([b"a"]) == {"a": 3, "b": 1}


async def test_what_memory_cannot_do_is_refused(bus: MemoryBus) -> None:
    threaded = Worker(bus, ["t"], producer_threaded=True)
    with pytest.raises(ImproperlyConfigured, match="producer_threaded"):
        _ = threaded.app.producer


async def test_serve_ends_by_a_signal_like_stop(bus: MemoryBus) -> None:
    stop = asyncio.Event()
    stop.set()
    assert await serve(Worker(bus, ["t"]).app, stop=stop) == 0


async def test_apps_of_one_name_share_a_log_one_after_another(bus: MemoryBus) -> None:
    for turn in range(3):
        worker = Worker(bus, ["t"])
        async with running(worker.app):
            await bus.write("t", 0, [b"%d" % turn])
            await until(worker.all_values)
        assert worker.all_values() == [b"%d" % turn]
