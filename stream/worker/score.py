"""The scoring agent: readings in; scores, rejects, state and audit out.

The Faust side of scoring: one app, one agent, and for each partition a queue and a task
of its own, so that a partition that waits (for a claim, for the bus) holds no other
back. What happens to a batch stands in `partition.py`.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, cast

import faust
import structlog
from faust.types import TP

from stream.core.pipeline import Pipeline
from stream.core.scoring import Scorer
from stream.worker.alerting import Telling
from stream.worker.assets import Assets
from stream.worker.bus import Producer
from stream.worker.buses import Bus
from stream.worker.claims import Claims
from stream.worker.elsewhere import Elsewhere
from stream.worker.event_log import EventLog
from stream.worker.homes import Homes
from stream.worker.partition import Partition
from stream.worker.plant import kinds_of, rules_of, type_of
from stream.worker.settings import Settings
from stream.worker.shared import Event, Register, Shared
from stream.worker.split import report

_log = structlog.get_logger()

_WAITING = 20_000
"""Records of one partition that may wait before Faust has to keep the next batch."""

_LOOK_S = 1.0


def _threads() -> int:
    """Return how many partitions may be worked on at once: one for each core."""
    return len(os.sched_getaffinity(0))


@dataclass(slots=True)
class _Lane:
    """A partition, the batches waiting for it, and the task that takes them."""

    partition: Partition
    task: asyncio.Task[None] | None = None
    _waiting: list[Event] = field(default_factory=list)
    _records: int = 0
    _some: asyncio.Event = field(default_factory=asyncio.Event)
    _room: asyncio.Event = field(default_factory=asyncio.Event)

    async def put(self, event: Event) -> None:
        """Let a batch wait, once there is room."""
        while self._records >= _WAITING:
            self._room.clear()
            await self._room.wait()
        self._waiting.append(event)
        self._records += len(event.message.value)
        self._some.set()

    async def take(self) -> list[Event]:
        """Wait for batches; returns all that are there."""
        while not self._waiting:
            self._some.clear()
            await self._some.wait()
        return self.clear()

    def clear(self) -> list[Event]:
        """Return what waits, and make room."""
        events, self._waiting = self._waiting, []
        self._records = 0
        self._room.set()
        return events


@dataclass(slots=True)
class ScoreRole:
    """Scores readings in one worker process.

    Args:
        settings: The plant's.
        bus: Where readings come from and scores go to.
        scorers: One model per machine type, warmed up.
        settle_s: How long a machine's claim must stand before it is scored; 0 on a bus
            that this process alone writes to.

    Attributes:
        alive_at: When it last went over its partitions, on the monotonic clock in s.
    """

    settings: Settings
    bus: Bus
    scorers: Sequence[Scorer]
    settle_s: float
    app: faust.App = field(init=False)
    source: str = field(init=False)
    alive_at: float = field(default_factory=time.monotonic)
    _lanes: dict[int, _Lane] = field(default_factory=dict)
    _shared: Shared | None = None
    _claims: Claims | None = None
    _events: EventLog = field(init=False)
    _assets: Assets = field(init=False)
    _threads: ThreadPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        """Build the app; it is started by the caller."""
        topics = self.settings.topics
        keyed = self.settings.input.repartition
        self.source = topics.keyed if keyed else topics.readings
        group = f"{self.settings.app.id}-score"
        self.app = self.bus.app(group, {self.source})
        # A partition is worked on by one thread at a time. While one waits for the
        # networks, which need no lock of Python's, another decodes.
        self._threads = ThreadPoolExecutor(_threads(), "score")
        self._events = EventLog(self.bus.reader, topics.events)
        self._assets = Assets(self.settings)
        transport: Any = self.app.transport
        transport.drain = self.drain
        topic = self.app.topic(
            self.source, key_serializer="raw", value_serializer="raw"
        )
        self.app.agent(topic, name="score")(self._agent)
        for job in (
            self._follow,
            self._events.follow,
            self._follow_assets,
            self._look_for_events,
            self._checkpoints,
            self._reports,
        ):
            self.app.task(self._guarded(job))

    async def _agent(self, stream: Any) -> None:
        async for event in stream.noack().events():
            message = event.message
            if message.generation_id == self.app.consumer_generation_id:
                await self._lane(message.partition).put(event)

    @property
    def _consumer(self) -> Any:
        """Faust's consumer, which has more to it than Faust's types know."""
        return self.app.consumer

    @property
    def _producer(self) -> Producer:
        """Faust's producer, which sends many at once beside what Faust's types know."""
        return cast("Producer", self.app.producer)

    def _lane(self, number: int) -> _Lane:
        """Return the lane of a partition in this generation, made if need be."""
        generation = self.app.consumer_generation_id
        lane = self._lanes.get(number)
        if lane is None or lane.partition.generation != generation:
            self._drop_old(generation)
            shared = self._shared or self._share()
            lane = _Lane(Partition(shared, number, generation))
            lane.task = asyncio.create_task(self._run(lane))
            self._lanes[number] = lane
        return lane

    def _drop_old(self, generation: int) -> None:
        """Forget lanes of older generations: others may own their partitions now."""
        for number, lane in list(self._lanes.items()):
            if lane.partition.generation != generation:
                assert lane.task is not None  # noqa: S101 - set where it is made
                lane.task.cancel()
                del self._lanes[number]
                # The agent may be waiting for room.
                lane.clear()

    async def _run(self, lane: _Lane) -> None:
        try:
            if self._claims is not None:
                await self._claims.ready()
            await self._events.ready()
            await self._assets.ready()
            await lane.partition.start()
            while True:
                await lane.partition.batch(*await lane.take())
        except Exception as error:  # noqa: BLE001 - whatever it is, stop the worker
            await self._fail(error)

    async def _fail(self, error: Exception) -> None:
        """Stop the worker: a batch that failed never comes again, so no going on."""
        _log.error("worker stops", error=f"{type(error).__name__}: {error}")
        _log.debug("worker stops", exc_info=error)
        for lane in self._lanes.values():
            lane.partition.closed = True
        self._consumer.abandon()
        await self.app.crash(error)

    async def drain(self) -> None:
        """Finish what is in hand and checkpoint; before a rebalance and at the end.

        What waits in a queue has not been touched: the next owner reads it again.
        """
        lanes = self._lanes.values()
        await asyncio.gather(*(lane.partition.close() for lane in lanes))

    def _guarded(self, job: Callable[[], Any]) -> Callable[[], Any]:
        async def run() -> None:
            try:
                await job()
            except Exception as error:  # noqa: BLE001 - whatever it is, stop the worker
                await self._fail(error)

        return run

    async def _follow(self) -> None:
        self._share()
        if self._claims is not None:
            await self._claims.follow()

    async def _checkpoints(self) -> None:
        idle_s = [k.idle_after_ns / 1e9 for k in self.settings.machine_types.values()]
        forget_s = self.settings.limits.forget_after_ns / 1e9
        while not self.app.should_stop:
            self.alive_at = time.monotonic()
            await self.app.sleep(self.settings.state.interval_s)
            # Where nothing comes, silent machines may still hold something back.
            for tp in self._consumer.assignment():
                if tp.topic == self.source:
                    self._lane(tp.partition)
            for lane in list(self._lanes.values()):
                await lane.partition.checkpoint()
                await lane.partition.release_silent(idle_s)
                await lane.partition.forget_silent(forget_s)

    async def _follow_assets(self) -> None:
        await self._assets.follow(self.bus.reader)

    async def _look_for_events(self) -> None:
        await self._events.ready()
        while not self.app.should_stop:
            await self.app.sleep(_LOOK_S)
            await self.look_for_events()

    async def look_for_events(self) -> None:
        """Let events that have been read by now take effect."""
        for lane in list(self._lanes.values()):
            await lane.partition.take_events()

    def reached(self) -> dict[int, int]:
        """By partition the offset up to which readings are scored and sent."""
        return {n: lane.partition.reached for n, lane in self._lanes.items()}

    def events_read(self) -> int:
        """How many events this worker has read."""
        return len(self._events.told)

    async def _reports(self) -> None:
        """Report machines found split; the owner of partition 0 speaks for all."""
        while not self.app.should_stop:
            await self.app.sleep(_LOOK_S)
            if self._claims is None:
                return
            if TP(self.source, 0) in self._consumer.assignment():
                alerts, words = self.settings.topics.alerts, self.settings.alerts
                await report(
                    self._claims,
                    self._producer,
                    alerts,
                    self.source,
                    words.language,
                )

    def _share(self) -> Shared:
        if self._shared is not None:
            return self._shared
        settings = self.settings
        register: Register
        if settings.input.repartition:
            register = Homes(self.bus.reader, self.source)
        else:
            register = self._claims = self._register()
        self._shared = Shared(
            topics=settings.topics.names(),
            source=self.source,
            producer=self._producer,
            reader=self.bus.reader,
            register=register,
            make=self._pipeline,
            in_thread=self._in_thread,
            still_owner=self._still_owner,
            earliest=self._earliest,
            at_end=self._at_end,
            lease_s=settings.kafka.session_timeout_s / 2,
            events=self._events,
            telling=Telling.of(settings),
        )
        return self._shared

    def _register(self) -> Claims:
        reader, topic = self.bus.reader, self.settings.topics.machines
        looks = None
        if self.settle_s > 0:
            group = self.app.conf.id
            given = reader, self.settings, self.source, group, self._assets
            looks = Elsewhere(*given).machines
        return Claims(reader, self._producer, topic, self.settle_s, looks)

    def _pipeline(self, partition: int) -> Pipeline:
        return Pipeline(
            kinds_of(self.settings),
            self.scorers,
            rules_of(self.settings),
            type_of(self.settings, self._assets),
            (self.source, partition),
            room=lambda: self._machines() < self.settings.limits.machines,
            asset_of=self._assets.about,
        )

    def _machines(self) -> int:
        # A copy: the event loop may add a lane while a thread asks.
        return sum(lane.partition.machines for lane in list(self._lanes.values()))

    async def _in_thread(self, function: Callable[..., Any], *args: Any) -> Any:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, function, *args)

    async def _still_owner(self, partition: int, offset: int, generation: int) -> bool:
        tp = TP(self.source, partition)
        owned: bool = await self._consumer.still_owner(tp, offset, generation)
        return owned

    def _at_end(self, partition: int, offset: int) -> bool:
        end = self._consumer.highwater(TP(self.source, partition))
        return end is not None and offset + 1 >= end

    async def _earliest(self, partition: int) -> int:
        tp = TP(self.source, partition)
        found = await self._consumer.earliest_offsets(tp)
        return int(found[tp])
