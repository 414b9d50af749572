"""The notifier: alerts in; notices to one receiver out, at least once and in order.

Each receiver has a consumer group of its own (`ID-notify-RECEIVER`), so one that is
away holds up no other, and Kafka is the buffer: what it missed comes after. Nothing is
remembered elsewhere: the alerts before the committed offset say what has been told. A
group that is new tells what is open and leaves the past alone.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import faust
import structlog
from faust.types import TP

from connectors.notices import Declined, Notice, NotTaken, Unavailable
from stream.core.alert import Alert
from stream.core.readings import RawRecord
from stream.worker.buses import Bus
from stream.worker.cases import Cases, Wanted
from stream.worker.notices import alert_of, notice_of
from stream.worker.settings import Settings

_log = structlog.get_logger()

_LOOK_S = 1.0


class Receiver(Protocol):
    """Somebody who is told; see `connectors.notices`."""

    def send(self, notice: Notice) -> str | None:
        """Send; return what is worth a warning although the notice was taken."""

    def close(self) -> None:
        """Let go; may be called again."""


@dataclass(frozen=True, slots=True)
class Route:
    """A receiver and how to treat it.

    Attributes:
        name: In the group's name and in logs.
        receiver: Who is told.
        wanted: What it wants to hear of.
        first_s: Wait after a first failure; doubles with each further one.
        longest_s: Longest such wait.
        remind: Says that cases are still open; None: once is enough.
        remind_s: How often.
    """

    name: str
    receiver: Receiver
    wanted: Wanted
    first_s: float = 1.0
    longest_s: float = 60.0
    remind: Callable[[Sequence[Notice]], None] | None = None
    remind_s: float = 60.0


@dataclass(slots=True)
class _Place:
    """What is known of one partition in one generation.

    Attributes:
        cases: Its cases, as of offset ``next``.
        next: First offset that is not in ``cases``.
        held: Batches that lie before ``next`` and wait for the one that reaches it.
    """

    generation: int
    cases: Cases
    next: int
    held: list[Any] = field(default_factory=list)


@dataclass(slots=True)
class NotifyRole:
    """Tells one receiver in one worker process.

    Args:
        settings: The plant's.
        bus: Where alerts come from.
        route: The receiver.
        rng: Spreads the waits of workers that failed together.
    """

    settings: Settings
    bus: Bus
    route: Route
    rng: random.Random
    app: faust.App = field(init=False)
    _topic: str = field(init=False)
    _places: dict[int, _Place] = field(default_factory=dict)
    _starting: asyncio.Lock = field(default_factory=asyncio.Lock)
    _sending: asyncio.Lock = field(default_factory=asyncio.Lock)
    _leaving: asyncio.Event = field(default_factory=asyncio.Event)
    _left: int = -1

    def __post_init__(self) -> None:
        """Build the app; it is started by the caller."""
        self._topic = self.settings.topics.alerts
        group = f"{self.settings.app.id}-notify-{self.route.name}"
        self.app = self.bus.app(group, {self._topic})
        transport: Any = self.app.transport
        transport.drain = self.drain
        topic = self.app.topic(
            self._topic, key_serializer="raw", value_serializer="raw"
        )
        self.app.agent(topic, name=f"notify-{self.route.name}")(self._agent)
        self.app.task(self._watch)

    @property
    def _consumer(self) -> Any:
        """Faust's consumer, which has more to it than Faust's types know."""
        return self.app.consumer

    async def _agent(self, stream: Any) -> None:
        try:
            async for event in stream.noack().events():
                await self._batch(event)
        except Exception as error:  # noqa: BLE001 - whatever it is, stop the worker
            await self._fail(error)

    async def _batch(self, event: Any) -> None:
        message = event.message
        place = await self._place(message.partition, message.generation_id)
        if place is None:
            return  # the next owner reads it again
        for record in message.value:
            if record.offset >= place.next and not await self._record(
                message.partition, place, record
            ):
                return
        place.held.append(event)
        if message.offset + 1 >= place.next:
            place.next = message.offset + 1
            for held in place.held:
                held.ack()
            place.held.clear()

    async def _record(self, partition: int, place: _Place, record: RawRecord) -> bool:
        """Tell what follows from one record; False when the partition goes away."""
        alert = self._read(record, partition)
        found = place.cases.push(alert) if alert else None
        if found is None:
            return True
        if not await self._deliver(notice_of(found), place.generation):
            return False
        # What has been told is committed at once: a crash repeats one notice, not all
        # of a batch.
        return await self._commit(partition, record.offset + 1, place.generation)

    def _read(self, record: RawRecord, partition: int) -> Alert | None:
        try:
            return alert_of(record)
        except ValueError as error:  # msgspec's errors are of this kind, too
            at = {"partition": partition, "offset": record.offset}
            _log.warning("not an alert", receiver=self.route.name, **at, why=str(error))
            return None

    async def _place(self, partition: int, generation: int) -> _Place | None:
        """Return what is known of a partition, read from its start if need be."""
        async with self._starting:
            if not self._is_now(generation):
                return None
            place = self._places.get(partition)
            if place is None or place.generation != generation:
                self._places.pop(partition, None)
                place = await self._start(partition, generation)
                if place is None:
                    return None
                self._places[partition] = place
            return place

    async def _start(self, partition: int, generation: int) -> _Place | None:
        reader, cases = self.bus.reader, Cases(self.route.wanted)
        committed = await reader.committed(str(self.app.conf.id), self._topic)
        until = committed.get(partition)
        end = 0
        async for _, records, following in reader.tails(self._topic, {partition: 0}):
            end = following
            for record in records:
                if until is not None and record.offset >= until:
                    break
                alert = self._read(record, partition)
                if alert is not None:
                    cases.push(alert, tell=until is not None)
        place = _Place(generation, cases, end if until is None else until)
        if until is None and not await self._catch_up(partition, place):
            return None
        return place

    async def _catch_up(self, partition: int, place: _Place) -> bool:
        """Tell a receiver that is new what is open; what comes from now on it hears."""
        for found in place.cases.waiting():
            if not await self._deliver(notice_of(found), place.generation):
                return False
        return await self._commit(partition, place.next, place.generation)

    async def _commit(self, partition: int, offset: int, generation: int) -> bool:
        """Commit what lies before an offset; False if the partition is another's."""
        tp = TP(self._topic, partition)
        owned: bool = await self._consumer.still_owner(tp, offset, generation)
        return owned

    async def _deliver(self, notice: Notice, generation: int) -> bool:
        """Send until it is taken or declined; False when partitions go away first."""
        wait_s = self.route.first_s
        about = {"receiver": self.route.name, "case": notice.case, "step": notice.step}
        while self._is_now(generation):
            try:
                async with self._sending:
                    remark = await asyncio.to_thread(self.route.receiver.send, notice)
            except Unavailable as error:
                asked_s = min(error.after_s or 0.0, self.route.longest_s)
                pause_s = max(asked_s, wait_s * self.rng.uniform(0.5, 1.0))
                _log.warning("receiver is away", **about, told=str(error))
                await self._pause(pause_s)
                wait_s = min(2 * wait_s, self.route.longest_s)
            except Declined as error:
                _log.error("notice was declined", **about, told=str(error))
                return True
            else:
                _log.info("notified", **about, fingerprint=notice.fingerprint)
                if remark:
                    _log.warning("not all were notified", **about, told=remark)
                return True
        return False

    async def _pause(self, pause_s: float) -> None:
        leaving = self._leaving
        try:
            async with asyncio.timeout(pause_s):
                await leaving.wait()
        except TimeoutError:
            pass

    def _is_now(self, generation: int) -> bool:
        now: int = self.app.consumer_generation_id
        return self._left != now and generation == now and not self.app.should_stop

    async def drain(self) -> None:
        """Stop waiting for a receiver; before a rebalance and at the end."""
        self._left = self.app.consumer_generation_id
        leaving, self._leaving = self._leaving, asyncio.Event()
        leaving.set()

    async def _watch(self) -> None:
        """Learn what is open before anything new comes, and say so again in time."""
        due = 0.0
        try:
            while not self.app.should_stop:
                generation = self.app.consumer_generation_id
                for tp in list(self._consumer.assignment()):
                    if tp.topic == self._topic:
                        await self._place(tp.partition, generation)
                if self._is_now(generation) and time.monotonic() >= due:
                    due = time.monotonic() + self.route.remind_s
                    await self._remind(generation)
                await self.app.sleep(_LOOK_S)
        except Exception as error:  # noqa: BLE001 - whatever it is, stop the worker
            await self._fail(error)

    async def _remind(self, generation: int) -> None:
        if self.route.remind is None:
            return
        # Under the lock, so that no case is closed between a look at it and its notice.
        async with self._sending:
            places = [p for p in self._places.values() if p.generation == generation]
            notices = [notice_of(n) for place in places for n in place.cases.open()]
            try:
                if notices:
                    await asyncio.to_thread(self.route.remind, notices)
            except NotTaken as error:
                name = self.route.name
                _log.warning("reminder was not taken", receiver=name, told=str(error))

    async def _fail(self, error: Exception) -> None:
        _log.error("notifier stops", error=f"{type(error).__name__}: {error}")
        _log.debug("notifier stops", exc_info=error)
        self._consumer.abandon()
        await self.app.crash(error)
