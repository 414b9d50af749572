"""What the contract of the transports needs of a bus, and an app to try it with."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

import faust
from faust.types import TP, EventT

from connectors.faust_batches import BatchConsumer
from connectors.faust_kafka import app_settings
from connectors.faust_run import running

PATIENCE_S = 20.0


class Bus(Protocol):
    """A broker to try a transport on; names of topics are the test's own."""

    settings: dict[str, Any]

    def name(self, what: str) -> str:
        """Make the name of a topic or group of this test."""
        ...

    async def create(self, topic: str, partitions: int) -> None:
        """Create a topic."""
        ...

    async def write(self, topic: str, partition: int, values: list[bytes]) -> None:
        """Append records without a key, as a client from outside would."""
        ...

    async def hole(self, topic: str, partition: int) -> None:
        """Let the log use up one offset that no reader will ever get."""
        ...

    async def committed(self, group: str, topic: str, partition: int) -> int:
        """Return the committed offset; 0 if there is none."""
        ...


async def until(condition: Callable[[], object], why: str = "") -> None:
    """Wait for a condition; fail after `PATIENCE_S`."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                await asyncio.sleep(0.002)
    except TimeoutError:
        raise AssertionError(f"not in {PATIENCE_S} s: {why or condition}") from None


Check = Callable[[Bus], Awaitable[None]]


def listing(checks: list[Check]) -> Callable[[Check], Check]:
    """Make a decorator that puts a check on a list."""

    def add(function: Check) -> Check:
        checks.append(function)
        return function

    return add


async def new_topic(bus: Bus, partitions: int = 1, what: str = "readings") -> str:
    """Create a topic of this test and return its name."""
    topic = bus.name(what)
    await bus.create(topic, partitions)
    return topic


class Worker:
    """An app with one agent, which notes what it gets.

    Args:
        bus: where.
        topics: all that it reads.
        batches: those of them that come in batches.
        group: group of the app.
        ack: acknowledge each event at once; else only by hand or by `drain`.
        drains: what `drain` does: "ack" all, or "nothing".
        settings: of the app, beside the usual ones.
    """

    def __init__(
        self,
        bus: Bus,
        topics: list[str],
        *,
        batches: list[str] | None = None,
        group: str = "group",
        ack: bool = True,
        drains: str = "nothing",
        **settings: Any,
    ) -> None:
        self.group = bus.name(group)
        self.events: list[EventT[Any]] = []
        self.pending: list[EventT[Any]] = []
        self.drained = 0
        self.ack = ack
        self.drains = drains
        self.fails_at: bytes | None = None
        # While it is closed, the agent takes an event and does not go on.
        self.gate = asyncio.Event()
        self.gate.set()
        self.app = faust.App(
            self.group,
            **{
                **app_settings(session_timeout_s=6.0, commit_interval_s=0.05),
                "broker_heartbeat_interval": 0.2,
                **bus.settings,
                **settings,
            },
        )
        wanted = topics if batches is None else batches
        self.app.transport.batch_topics = set(wanted)  # type: ignore[attr-defined]
        self.app.transport.drain = self.drain  # type: ignore[attr-defined]
        channel = self.app.topic(*topics, key_serializer="raw", value_serializer="raw")
        self.app.agent(channel, name="agent")(self._agent)

    @property
    def consumer(self) -> BatchConsumer:
        consumer = self.app.consumer
        assert isinstance(consumer, BatchConsumer)
        return consumer

    async def _agent(self, stream: Any) -> None:
        async for event in stream.noack().events():
            await self.gate.wait()
            if event.message.generation_id != self.app.consumer_generation_id:
                continue
            if self.fails_at in values_of(event):
                self.consumer.abandon()
                await self.app.crash(RuntimeError("as the test wants"))
                raise RuntimeError("as the test wants")
            self.events.append(event)
            if self.ack:
                event.ack()
            else:
                self.pending.append(event)

    async def drain(self) -> None:
        self.drained += 1
        if self.drains == "raise":
            raise RuntimeError("as the test wants")
        if self.drains == "ack":
            self.ack_all()

    def ack_all(self) -> None:
        pending, self.pending = self.pending, []
        for event in pending:
            event.ack()

    def values(self, topic: str, partition: int) -> list[bytes]:
        """Return what came of a partition, in the order of arrival."""
        tp = TP(topic, partition)
        return [v for e in self.events if e.message.tp == tp for v in values_of(e)]

    def all_values(self) -> list[bytes]:
        return [value for event in self.events for value in values_of(event)]

    async def generation_after(self, generation: int, partitions: int) -> None:
        """Wait for a later generation in which this app has so many partitions."""

        def settled() -> bool:
            return (
                self.app.consumer_generation_id > generation
                and not self.app.rebalancing
                and len(self.consumer.assignment()) == partitions
            )

        await until(settled, "no new generation")


def values_of(event: EventT[Any]) -> list[bytes]:
    value: Any = event.value
    if isinstance(value, list):
        return [record.value for record in value]
    return [value]


def numbered(count: int, start: int = 0, prefix: str = "v") -> list[bytes]:
    return [f"{prefix}{n}".encode() for n in range(start, start + count)]


@asynccontextmanager
async def started(*workers: Worker) -> AsyncIterator[None]:
    """Run workers; those that are stopped earlier are left alone at the end."""
    if not workers:
        yield
        return
    async with running(workers[0].app), started(*workers[1:]):
        yield


async def shake(bus: Bus, worker: Worker, topics: list[str]) -> None:
    """Let another member join and leave: the worker gets all back, newly."""
    partitions = len(worker.consumer.assignment())
    other = Worker(bus, topics, ack=False)
    generation = worker.app.consumer_generation_id
    async with running(other.app):
        await until(lambda: worker.app.consumer_generation_id > generation)
        await until(lambda: not worker.app.rebalancing)
        generation = worker.app.consumer_generation_id
    await worker.generation_after(generation, partitions)


async def committed_is(
    bus: Bus, group: str, topic: str, partition: int, offset: int
) -> None:
    """Wait until a group has committed an offset."""
    found = -1
    try:
        async with asyncio.timeout(PATIENCE_S):
            while found != offset:
                found = await bus.committed(group, topic, partition)
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"committed {found}, expected {offset}") from None


def contiguous(worker: Worker) -> Iterator[str]:
    """Yield what is wrong with the order of a worker's batches."""
    last: dict[tuple[Any, ...], int] = {}
    for event in worker.events:
        message: Any = event.message
        key = (message.tp, message.generation_id)
        if key in last and message.first != last[key] + 1 + message.skipped:
            yield f"{message.tp}: {message.first} after {last[key]}"
        last[key] = message.offset
