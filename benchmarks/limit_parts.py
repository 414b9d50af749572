"""Parts of the job, each bare, and all of them together.

- fetch: records from the broker with the worker's settings, not looked at;
- decode: those records, to columns;
- networks: the compiled models, on windows of noise;
- produce: scores as large as ours in batches, and the state of the checkpoints that
  fall due meanwhile, all acknowledged; `produce_each` hands over one score at a time;
- whole: fetch, decode, networks and produce, one thread that computes beside one that
  talks to the broker. No state is kept: a window is any 30 rows in a row, and what is
  sent are the scores made beforehand. So it does what the parts do, and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from numpy.typing import NDArray

from benchmarks.job import ROWS, STRIDE
from models import bundle as bundles
from stream.core.decode import Decoder
from stream.worker.plant import kinds_of, rules_of
from stream.worker.settings import Settings

SIZES = (1024, 256)
"""Windows in a call of the networks: most, and what is left."""

_TOLD = 60_000
"""Records that are kept to be decoded again and again."""

_CALLS = 40
_SCORES = 30_000
_STATE_RECORD = 64 << 10

Records = Sequence[Any]


class Given(msgspec.Struct, frozen=True):
    """What a process is told.

    Attributes:
        config: the settings of Foreshock's worker for the job.
        source: topic of readings.
        scores: topic to write to.
        made: file of what is to be sent.
        partitions: its share of them.
    """

    config: str
    source: str
    scores: str
    made: str
    partitions: tuple[int, ...]


class Made(msgspec.Struct, frozen=True):
    """What is to be sent.

    Attributes:
        scores: keys and values of messages.
        state_bytes: bytes of state for each reading.
    """

    scores: list[tuple[bytes, bytes]]
    state_bytes: float


class Part(Protocol):
    """Something that can be timed."""

    async def start(self) -> None:
        """Get ready."""

    async def run(self) -> int:
        """Do it once; returns how many readings it stands for."""


@dataclass
class Place:
    """Where a part works.

    Attributes:
        given: what it was told.
        settings: of the worker.
    """

    given: Given
    settings: Settings

    def consumer(self) -> AIOKafkaConsumer:
        """Return a consumer with the settings of the worker's."""
        kafka = self.settings.kafka
        return AIOKafkaConsumer(
            bootstrap_servers=list(kafka.brokers),
            enable_auto_commit=False,
            max_poll_records=kafka.max_poll_records,
            max_partition_fetch_bytes=kafka.fetch_max_bytes,
        )

    def producer(self) -> AIOKafkaProducer:
        """Return a producer with the settings of the worker's."""
        kafka = self.settings.kafka
        return AIOKafkaProducer(
            bootstrap_servers=list(kafka.brokers),
            acks=-1,
            linger_ms=round(kafka.linger_s * 1000),
            max_batch_size=kafka.batch_bytes,
            max_request_size=kafka.sent_max_bytes,
        )

    @property
    def sources(self) -> list[TopicPartition]:
        """Its partitions of readings."""
        return [TopicPartition(self.given.source, p) for p in self.given.partitions]


@dataclass
class Fetch:
    """Reads its partitions from start to end."""

    place: Place
    _consumer: Any = None

    async def start(self) -> None:
        """Connect."""
        self._consumer = self.place.consumer()
        await self._consumer.start()
        self._consumer.assign(self.place.sources)

    async def stop(self) -> None:
        """Disconnect."""
        await self._consumer.stop()

    async def run(self) -> int:
        """Fetch all."""
        return sum([len(records) async for _, records in self.batches()])

    async def batches(self) -> AsyncIterator[tuple[int, Records]]:
        """Yield each batch with its partition."""
        consumer, sources = self._consumer, self.place.sources
        await consumer.seek_to_beginning(*sources)
        left = sum((await consumer.end_offsets(sources)).values())
        while left:
            found = await consumer.getmany(timeout_ms=1000)
            for source, records in found.items():
                left -= len(records)
                yield source.partition, records


@dataclass
class Decode:
    """Decodes records over and over."""

    place: Place
    _decoder: Any = None
    _batches: list[Records] = field(default_factory=list)

    async def start(self) -> None:
        """Fetch some records and make a decoder."""
        self.prepare()
        fetch = Fetch(self.place)
        await fetch.start()
        async for _, records in fetch.batches():
            self._batches.append(records)
            if sum(map(len, self._batches)) >= _TOLD:
                break
        await fetch.stop()

    def prepare(self) -> None:
        """Make the decoder alone."""
        settings, numbers = self.place.settings, dict[str, int]()
        self._decoder = Decoder(
            kinds_of(settings),
            rules_of(settings),
            numbers,
            lambda name: numbers.setdefault(name, len(numbers)),
        )

    async def run(self) -> int:
        """Decode them all."""
        for records in self._batches:
            self.columns(records)
        return sum(map(len, self._batches))

    def columns(self, records: Records) -> NDArray[np.float64]:
        """Return the values of some records, (n, sensors)."""
        return np.asarray(self._decoder.decode(records).readings[0].values)


@dataclass
class Networks:
    """Calls the compiled models."""

    place: Place
    _calls: dict[int, Callable[..., Any]] = field(default_factory=dict)
    _windows: Any = None
    _static: dict[int, NDArray[np.float32]] = field(default_factory=dict)

    async def start(self) -> None:
        """Compile."""
        settings = self.place.settings
        (name,) = settings.machine_types
        bundle = bundles.load(settings.bundle_of(name))
        predictor, rng = bundle.predictor(), np.random.default_rng(1)
        spec = bundle.trained.features
        wide = len(spec.columns)
        for size in SIZES:
            self._calls[size] = predictor.compiled(size)
            shape = size, spec.static_width
            self._static[size] = 0.1 * rng.normal(size=shape).astype(np.float32)
        noise = rng.normal(size=(SIZES[0], ROWS, wide))
        self._windows = noise.astype(np.float32)

    async def run(self) -> int:
        """Call them with full batches."""
        for _ in range(_CALLS):
            self.call(self._windows)
        return _CALLS * SIZES[0] * STRIDE

    def call(self, windows: NDArray[np.float32]) -> None:
        """Score (n, rows, sensors) windows, n >= 0, in calls of fixed sizes."""
        at, most = 0, SIZES[0]
        while at < len(windows):
            size = most if len(windows) - at > most - SIZES[1] else SIZES[1]
            some = windows[at : at + size]
            full = np.zeros((size, *some.shape[1:]), np.float32)
            full[: len(some)] = some
            self._calls[size](full, self._static[size])
            at += size


@dataclass
class Produce:
    """Sends scores, in batches that it fills, and state."""

    place: Place
    _producer: Any = None
    _made: Made = field(default_factory=lambda: Made([], 0.0))
    _sent: list[Any] = field(default_factory=list)
    _owed: float = 0.0

    async def start(self) -> None:
        """Read what is to be sent, and connect."""
        self._made = _read(self.place.given.made)
        self._producer = self.place.producer()
        await self._producer.start()

    async def run(self) -> int:
        """Send scores and wait until all are acknowledged."""
        partitions = self.place.given.partitions
        each = _SCORES // len(partitions)
        for partition in partitions:
            await self.send(partition, each)
        await self.acknowledged()
        return each * len(partitions) * STRIDE

    async def send(self, partition: int, count: int) -> None:
        """Send so many scores, and the state that falls due with them."""
        topic, batch = self.place.given.scores, self._producer.create_batch()
        for key, value in islice(cycle(self._made.scores), count):
            if batch.append(timestamp=None, key=key, value=value) is None:
                await self._hand_over(batch, partition)
                batch = self._producer.create_batch()
                batch.append(timestamp=None, key=key, value=value)
        await self._hand_over(batch, partition)
        self._owed += count * STRIDE * self._made.state_bytes
        while self._owed >= _STATE_RECORD:
            self._owed -= _STATE_RECORD
            state = bytes(_STATE_RECORD)
            sent = await self._producer.send(topic, state, b"", partition=partition)
            self._sent.append(sent)

    async def acknowledged(self) -> None:
        """Wait for what was sent."""
        sent, self._sent = self._sent, []
        await asyncio.gather(*sent)

    async def _hand_over(self, batch: Any, partition: int) -> None:
        if batch.record_count():
            topic = self.place.given.scores
            sent = await self._producer.send_batch(batch, topic, partition=partition)
            self._sent.append(sent)


class ProduceEach(Produce):
    """Sends each score by itself, and leaves the batches to the client."""

    async def send(self, partition: int, count: int) -> None:
        """Send so many scores."""
        topic = self.place.given.scores
        for key, value in islice(cycle(self._made.scores), count):
            sent = await self._producer.send(topic, value, key, partition=partition)
            self._sent.append(sent)


class Whole:
    """All parts together."""

    def __init__(self, place: Place) -> None:
        """Nothing is opened yet."""
        self._fetch, self._decode = Fetch(place), Decode(place)
        self._networks, self._produce = Networks(place), Produce(place)
        self._rows = np.zeros((0, 0), np.float32)
        self._seen = 0

    async def start(self) -> None:
        """Get all ready."""
        self._decode.prepare()
        for part in (self._fetch, self._networks, self._produce):
            await part.start()

    async def run(self) -> int:
        """Drain the partitions."""
        self._rows, self._seen = np.zeros((0, 0), np.float32), 0
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[tuple[int, int]] | None = None
        async for partition, records in self._fetch.batches():
            done = None if waiting is None else await waiting
            waiting = loop.run_in_executor(None, self._work, partition, records)
            # Sent while the next one is computed.
            if done is not None:
                await self._produce.send(*done)
        if waiting is not None:
            await self._produce.send(*await waiting)
        await self._produce.acknowledged()
        return self._seen

    def _work(self, partition: int, records: Records) -> tuple[int, int]:
        """Decode and score; returns the partition and how many windows there were."""
        values = (self._decode.columns(records) - 500.0) * 0.1
        if not self._seen:
            self._rows = np.zeros((ROWS - 1, values.shape[1]), np.float32)
        rows = np.concatenate([self._rows, values.astype(np.float32)])
        all_ = np.lib.stride_tricks.sliding_window_view(rows, ROWS, axis=0)
        due = all_[(-self._seen - 1) % STRIDE :: STRIDE]
        self._networks.call(due.transpose(0, 2, 1))
        self._seen += len(values)
        self._rows = rows[-(ROWS - 1) :]
        return partition, len(due)


PARTS: dict[str, Callable[[Place], Part]] = {
    "fetch": Fetch,
    "decode": Decode,
    "networks": Networks,
    "produce": Produce,
    "produce_each": ProduceEach,
    "whole": Whole,
}


def _read(path: str) -> Made:
    return msgspec.msgpack.decode(Path(path).read_bytes(), type=Made)
