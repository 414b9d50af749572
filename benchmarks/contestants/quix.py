"""The job in Quix Streams, in one of the two ways it documents.

`--api dataframe`: a StreamingDataFrame into a sink of our own, which collects
micro-batches; a checkpoint flushes the sink and then commits, so it is at least once.

`--api consumer`: the library's consumer and producer without its stream processing,
"thin wrappers" of confluent-kafka, which it advises for batches in memory. Whoever goes
this way writes the loop, the commits and the rebalance by hand.
"""

from __future__ import annotations

import argparse
import signal
import threading
import time
from typing import Any

from confluent_kafka import TopicPartition
from quixstreams import Application
from quixstreams.sinks.base import BaseSink

from benchmarks.contestants.work import Behind, Keyed, Work, arguments


class Scores(BaseSink):  # type: ignore[misc]  # is Any where not installed
    """Scores micro-batches of raw messages and sends the scores."""

    def __init__(self, work: Behind, producer: Any, topic: str, batch: int) -> None:
        """Collect; nothing is sent yet.

        Args:
            work: scores, beside the collecting.
            producer: of the application.
            topic: of the scores.
            batch: messages of a micro-batch.
        """
        super().__init__()
        self._work, self._producer = work, producer
        self._topic, self._batch = topic, batch
        self._payloads: list[bytes] = []

    def add(self, value: bytes, *_: Any, **__: Any) -> None:
        """Take one message."""
        self._payloads.append(value)
        if len(self._payloads) >= self._batch:
            self._go()

    def flush(self) -> None:
        """Score what is left and wait until every score is acknowledged."""
        if self._payloads:
            self._go()
        self._send(self._work.rest())
        self._producer.flush()

    def _go(self) -> None:
        payloads, self._payloads = self._payloads, []
        self._send(self._work.give(payloads))

    def _send(self, found: list[Keyed]) -> None:
        for key, value in found:
            self._producer.produce(self._topic, value, key)


def dataframe(app: Application, given: argparse.Namespace, work: Behind) -> None:
    """Run the dataframe until SIGTERM."""
    source = app.topic(
        given.source, key_deserializer="bytes", value_deserializer="bytes"
    )
    with app.get_producer() as producer:
        sink = Scores(work, producer, given.scores, given.batch)
        app.dataframe(source).sink(sink)
        app.run()


def consumer(app: Application, given: argparse.Namespace, work: Behind) -> None:
    """Run a loop of our own until SIGTERM."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with (
        app.get_consumer(auto_commit_enable=False) as source,
        app.get_producer() as producer,
    ):
        source.subscribe([given.source])
        places: dict[int, int] = {}
        due = time.monotonic() + given.commit
        while not stop.is_set():
            found = source.consume(given.batch, 0.1)
            for one in found:
                places[one.partition()] = one.offset() + 1
            payloads = [one.value() for one in found]
            for key, value in work.give(payloads) if payloads else work.rest():
                producer.produce(given.scores, value, key)
            if time.monotonic() < due or not places:
                continue
            for key, value in work.rest():
                producer.produce(given.scores, value, key)
            producer.flush()
            offsets = [TopicPartition(given.source, p, o) for p, o in places.items()]
            source.commit(offsets=offsets, asynchronous=False)
            due = time.monotonic() + given.commit


def main() -> None:
    """Run until SIGTERM."""
    given = arguments(
        api="dataframe", batch=16_384, fetch=1 << 20, queue=100_000, commit=0.5
    )
    app = Application(
        broker_address=given.brokers,
        consumer_group=given.group,
        auto_offset_reset="earliest",
        auto_create_topics=False,
        commit_interval=given.commit,
        consumer_poll_timeout=0.1,
        consumer_extra_config={
            "fetch.max.bytes": 4 * given.fetch,
            "max.partition.fetch.bytes": given.fetch,
            "fetch.message.max.bytes": given.fetch,
            "queued.min.messages": given.queue,
        },
        producer_extra_config={"linger.ms": 5},
        loglevel="WARNING",
    )
    run = dataframe if given.api == "dataframe" else consumer
    run(app, given, Behind(Work(given.bundle, given.sensors)))


if __name__ == "__main__":
    main()
