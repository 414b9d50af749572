"""A load that does not wait: each reading has its time, whatever becomes of the others.

    python -m benchmarks.open_loop BROKER TOPIC RATE START_MS SECONDS

There are as many machines as readings a second, and each sends one a second, at a place
of its own within it: the second is cut into slots of 2 ms, and all readings of a slot
bear its time. Machines begin one after the other, so that windows (every tenth row) are
due evenly, too.

A client of Kafka has one request under way to a broker at a time. What falls due
meanwhile goes with the next, late; its time stays the scheduled one, so the delay
counts in full. Batches are built by hand, since a call of the client for each reading
would take a core of its own at 50,000 a second.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder

from benchmarks.job import STRIDE, Job, Message, fragments, place_in_runs
from benchmarks.percentiles import percentiles

SLOT_MS = 2
SLOTS = 1000 // SLOT_MS
HISTORY = 30
"""Ticks before the load itself: windows are there from its first second on."""

EVERY, ODD = 256, 32
"""Of so many ticks of a machine, so many stand out: an alarm is raised and cleared."""

_BATCH = 1 << 20


@dataclass(frozen=True)
class Load:
    """Who sends what and when.

    Attributes:
        rate: readings per second, and machines; a multiple of 500.
    """

    rate: int

    @property
    def job(self) -> Job:
        """The machines."""
        return Job(machines=self.rate)

    @property
    def per_slot(self) -> int:
        """Readings in each slot."""
        return self.rate // SLOTS

    @property
    def history_windows(self) -> int:
        """How many windows are due in `history`."""
        return sum((HISTORY - begins(m)) // STRIDE for m in range(self.rate))

    def slot(self, number: int, start_ms: int) -> list[Message]:
        """Return the readings of a slot; slot 0 is at the start."""
        tick, at = divmod(number, SLOTS)
        head = at * self.per_slot
        machines = range(head, head + self.per_slot)
        return self._messages(machines, tick, start_ms + number * SLOT_MS)

    def history(self, start_ms: int) -> Iterator[list[Message]]:
        """Yield the ticks before the start, all machines in each that have begun."""
        for tick in range(-HISTORY, 0):
            begun = [m for m in range(self.rate) if tick + HISTORY >= begins(m)]
            yield self._messages(begun, tick, start_ms + tick * 1000)

    def _messages(
        self, machines: range | list[int], tick: int, at_ms: int
    ) -> list[Message]:
        text = iso(at_ms).encode()
        partitions, names, heads, tails = self._parts
        return [
            (
                m % partitions,
                names[m],
                heads[m] + text + tails[place_in_runs(m, tick, EVERY, ODD)],
            )
            for m in machines
        ]

    @cached_property
    def _parts(self) -> tuple[int, list[bytes], list[bytes], list[bytes]]:
        job = self.job
        names = [name.encode() for name in job.machine_names]
        heads = [b'{"machine":"%b","time":"' % name for name in names]
        tails = [f'","values":{{{row}}}}}'.encode() for (row,) in fragments(job)]
        return job.partitions, names, heads, tails


def begins(machine: int) -> int:
    """Return how many ticks later than the first ones a machine begins."""
    return machine % STRIDE


def iso(at_ms: int) -> str:
    """Return a time in ms since 1970 as text."""
    seconds, ms = divmod(at_ms, 1000)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{ms:03d}Z"


class _Sender:
    """Builds a batch for each partition and sends them in one request."""

    def __init__(self, producer: AIOKafkaProducer, topic: str) -> None:
        self._producer, self._topic = producer, topic
        self._batches: dict[int, BatchBuilder] = {}
        self._under_way: list[asyncio.Future[object]] = []

    async def add(self, messages: list[Message]) -> None:
        for partition, key, value in messages:
            batch = self._batches.get(partition)
            if batch is None:
                batch = self._batches[partition] = self._producer.create_batch()
            elif batch.size() > _BATCH - (8 << 10):
                await self._send(partition, batch)
                batch = self._batches[partition] = self._producer.create_batch()
            batch.append(timestamp=None, key=key, value=value)

    async def flush(self) -> None:
        """Send what was added; returns when the broker has it."""
        for partition, batch in self._batches.items():
            await self._send(partition, batch)
        self._batches = {}
        under_way, self._under_way = self._under_way, []
        await asyncio.gather(*under_way)

    async def _send(self, partition: int, batch: BatchBuilder) -> None:
        sent = await self._producer.send_batch(batch, self._topic, partition=partition)
        self._under_way.append(sent)


def _producer(broker: str) -> AIOKafkaProducer:
    return AIOKafkaProducer(
        bootstrap_servers=broker, max_request_size=8 << 20, max_batch_size=_BATCH
    )


async def send_history(broker: str, topic: str, load: Load, start_ms: int) -> None:
    """Send what comes before the start, as fast as it goes."""
    async with _producer(broker) as producer:
        sender = _Sender(producer, topic)
        for messages in load.history(start_ms):
            await sender.add(messages)
        await sender.flush()


async def send(
    broker: str, topic: str, load: Load, start_ms: int, seconds: int
) -> dict[str, object]:
    """Send readings at their times.

    Returns:
        ``sent``: how many; ``late_ms``: by how much slots left late;
        ``acknowledged_ms``: from the scheduled time to the broker's acknowledgement.
    """
    late: list[float] = []
    acknowledged: list[float] = []
    done, end = 0, seconds * SLOTS
    load.slot(0, start_ms)  # builds what is needed, before time counts
    async with _producer(broker) as producer:
        sender = _Sender(producer, topic)
        while done < end:
            now_ms = time.time_ns() / 1e6
            due = min(end, int((now_ms - start_ms) // SLOT_MS) + 1)
            if due <= done:
                await asyncio.sleep((start_ms + done * SLOT_MS - now_ms) / 1000)
                continue
            for number in range(done, due):
                await sender.add(load.slot(number, start_ms))
            times = [start_ms + number * SLOT_MS for number in range(done, due)]
            now_ms = time.time_ns() / 1e6
            late += [now_ms - at for at in times]
            await sender.flush()
            now_ms = time.time_ns() / 1e6
            acknowledged += [now_ms - at for at in times]
            done = due
    return {
        "sent": end * load.per_slot,
        "late_ms": percentiles(late),
        "acknowledged_ms": percentiles(acknowledged),
    }


def main() -> None:
    """Send a load and print what `send` returns, as JSON."""
    broker, topic, rate, start_ms, seconds = sys.argv[1:]
    load = Load(int(rate))
    told = asyncio.run(send(broker, topic, load, int(start_ms), int(seconds)))
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
