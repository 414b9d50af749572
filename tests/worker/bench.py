"""A partition driven by hand: a log in memory, a producer that fails when told to."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import msgspec

from connectors.memory_log import Log, Record
from connectors.memory_reader import MemoryReader
from stream.core import alert
from stream.core.pipeline import Pipeline
from stream.worker.alerting import Telling
from stream.worker.event_log import EventLog
from stream.worker.partition import Partition
from stream.worker.plant import kinds_of, rules_of, type_of
from stream.worker.settings import Settings
from stream.worker.shared import Register, Shared
from tests.worker.tiny import TinyScorer

SOURCE = "readings"
TOPICS = {
    name: name
    for name in (
        *("scores", "quarantine", "state", "machines", "audit"),
        *("alerts", "alarms", "events"),
    )
}


class CrashedError(RuntimeError):
    """The process ended here."""


@dataclass
class LogProducer:
    """Faust's producer on a log.

    Attributes:
        log: Where messages go.
        crash_at: Number of the message, from 0, before which the process ends.
        refuse: Gives the error of a message's acknowledgement, if there is one.
        gate: While it is shut, nothing is acknowledged.
        sent: How many messages have been sent.
    """

    log: Log
    crash_at: int | None = None
    refuse: Callable[[str, bytes | None], Exception | None] = lambda *_: None
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    sent: int = 0

    def __post_init__(self) -> None:
        self.gate.set()

    async def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int | None,
        timestamp: float | None,
        headers: Any,
    ) -> asyncio.Future[Any]:
        if self.crash_at is not None and self.sent >= self.crash_at:
            raise CrashedError
        self.sent += 1
        error = self.refuse(topic, value)
        at = -1
        if error is None:
            ms = None if timestamp is None else int(timestamp * 1000)
            _, at = self.log.append(topic, partition, key, value, tuple(headers), ms)
        return asyncio.ensure_future(self._answer(error, at))

    async def send_many(
        self, topic: str, partition: int, messages: Sequence[tuple[bytes, bytes]]
    ) -> list[asyncio.Future[Any]]:
        return [
            await self.send(topic, key, value, partition, None, ())
            for key, value in messages
        ]

    async def _answer(self, error: Exception | None, at: int) -> Any:
        await self.gate.wait()
        if error is not None:
            raise error
        return SimpleNamespace(offset=at)


class Free:
    """A register in which every machine is where it belongs."""

    async def settle(self, partition: int, machines: Any) -> None:
        """Wait for nothing."""

    def refused(self, partition: int) -> list[str]:
        return []

    def unclaimed(self, partition: int, machines: Any) -> list[str]:
        return []


@dataclass
class Event:
    """A Faust event that carries a batch."""

    message: Any
    acked: bool = False

    def ack(self) -> bool:
        self.acked = True
        return True


def batch(records: Sequence[Record], generation: int = 1, skipped: int = 0) -> Event:
    message = SimpleNamespace(
        value=list(records),
        first=records[0].offset,
        offset=records[-1].offset,
        skipped=skipped,
        generation_id=generation,
    )
    return Event(message)


@dataclass
class Bench:
    """One worker's partition 0 on a log that outlives it."""

    settings: Settings
    log: Log
    register: Register = field(default_factory=Free)
    owner: bool = True
    producer: LogProducer = field(init=False)
    events: EventLog = field(init=False)

    def __post_init__(self) -> None:
        self.producer = LogProducer(self.log)
        self.events = EventLog(MemoryReader(self.log), "events")

    def partition(self, generation: int = 1) -> Partition:
        shared = Shared(
            topics=TOPICS,
            source=SOURCE,
            producer=self.producer,
            reader=MemoryReader(self.log),
            register=self.register,
            make=self._pipeline,
            in_thread=self._in_thread,
            still_owner=self._still_owner,
            earliest=self._earliest,
            at_end=lambda number, offset: (
                offset + 1 >= self.log.topic(SOURCE)[number].end
            ),
            lease_s=60.0,
            events=self.events,
            telling=Telling.of(self.settings),
        )
        return Partition(shared, 0, generation)

    def _pipeline(self, number: int) -> Pipeline:
        return Pipeline(
            kinds_of(self.settings),
            [TinyScorer() for _ in self.settings.machine_types],
            rules_of(self.settings),
            type_of(self.settings),
            (SOURCE, number),
        )

    async def _in_thread(self, function: Callable[..., Any], *given: Any) -> Any:
        return function(*given)

    async def _still_owner(self, partition: int, offset: int, generation: int) -> bool:
        return self.owner

    async def _earliest(self, partition: int) -> int:
        return self.log.topic(SOURCE)[partition].start

    def write(self, values: Sequence[bytes]) -> list[Record]:
        """Append readings to the source and return their records."""
        at = [self.log.append(SOURCE, 0, b"k", value)[1] for value in values]
        return self.log.topic(SOURCE)[0].read(at[0], len(at))

    def tell(self, event: alert.Event) -> None:
        """Put an event onto its topic, and let the worker read it."""
        key, value = event.machine.encode(), msgspec.json.encode(event)
        _, at = self.log.append("events", 0, key, value)
        (record,) = self.log.topic("events")[0].read(at, 1)
        self.events._take(0, record)

    def payloads(self) -> dict[str, set[bytes]]:
        """Return the payloads of each score's id."""
        found: dict[str, set[bytes]] = {}
        for record in self.log.topic("scores")[0].records:
            value = record.value or b""
            found.setdefault(json.loads(value)["id"], set()).add(value)
        return found

    def audited(self) -> Counter[str]:
        newest = {}
        for record in self.log.topic("audit")[0].records:
            told = json.loads(record.value or b"")
            newest[told["first"], told["turn"]] = told["readings"]
        return sum((Counter(ends) for ends in newest.values()), Counter())
