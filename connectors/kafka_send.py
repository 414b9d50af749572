"""Send many records, fast, and know of each that the brokers have it.

Delivery: at least once; a record counts as sent only when all in-sync replicas
have it, retries cannot repeat or reorder (idempotent producer). The first record
that fails ends the sending with an error.

kafka-python computes checksums in pure Python unless a C library is at hand, which
costs three quarters of the time; aiokafka, which the worker needs anyway, has one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import kafka.record.default_records
import kafka.record.util
from kafka import KafkaProducer
from kafka.partitioner import murmur2

from connectors.kafka import Access, BusError, opened
from connectors.kafka_topics import partitions_of

_BATCH_BYTES = 256 << 10
_LINGER_MS = 20
_MAX_BLOCK_MS = 10_000
_DELIVERY_MS = 60_000
_CHECK_EVERY = 10_000
_POSITIVE = 0x7FFFFFFF


def partition_of(key: bytes, partitions: int) -> int:
    """The partition that Java's and kafka-python's producers give a key.

    Example:
        >>> partition_of(b"pump-07", 4)
        2
    """
    return int((murmur2(key) & _POSITIVE) % partitions)


class Sender:
    """Sends records to one topic; made by `sender`."""

    def __init__(self, producer: Any, topic: str, partitions: int) -> None:
        self.topic = topic
        self.partitions = partitions
        self.sent = 0
        self._producer = producer
        self._pending: deque[Any] = deque()
        # Hashing in Python costs as much as the rest of a send, and keys repeat.
        self._partition_of: dict[bytes, int] = {}

    def send(self, key: bytes, value: bytes | None) -> None:
        """Hand one record over; it leaves with the next batch.

        Args:
            key: Decides the partition (murmur2, as Java's clients do).
            value: The record; None deletes the key from a compacted topic.

        Raises:
            BusError: An earlier record was refused.
        """
        partition = self._partition_of.get(key)
        if partition is None:
            partition = partition_of(key, self.partitions)
            self._partition_of[key] = partition
        future = self._producer.send(self.topic, value, key, partition=partition)
        self._pending.append(future)
        self.sent += 1
        if len(self._pending) >= _CHECK_EVERY:
            self._settle(_CHECK_EVERY // 2)

    def flush(self) -> None:
        """Wait until the brokers have everything sent so far.

        Raises:
            BusError: They have not, after a minute.
        """
        self._producer.flush(timeout=_DELIVERY_MS / 1000)
        self._settle(len(self._pending))

    def _settle(self, count: int) -> None:
        # Waiting for older records here also bounds the memory of unsent ones.
        for _ in range(count):
            future = self._pending.popleft()
            if future.succeeded():
                continue
            try:
                future.get(timeout=_DELIVERY_MS / 1000)
            except Exception as error:
                reason = f"{type(error).__name__}: {error}"
                text = f"Kafka did not take a record for {self.topic}: {reason}"
                raise BusError(text) from error


@contextmanager
def sender(access: Access, topic: str) -> Iterator[Sender]:
    """Open a sender to a topic that exists.

    Yields:
        The sender; on a clean end of the `with` everything has arrived.

    Raises:
        Unreachable: No broker answers.
        BusError: There is no such topic, or records were refused.
    """
    _use_fast_checksums()
    options = {
        "batch_size": _BATCH_BYTES,
        "linger_ms": _LINGER_MS,
        "max_block_ms": _MAX_BLOCK_MS,
        "delivery_timeout_ms": _DELIVERY_MS,
        "max_request_size": 16 * _BATCH_BYTES,
        "metrics_enabled": False,
        "allow_auto_create_topics": False,
    }
    # A producer would wait its whole time-out for a topic that is not there.
    partitions = partitions_of(access, topic)
    if partitions is None:
        text = f"there is no topic {topic}: foreshock topics create makes it"
        raise BusError(text)
    with opened(KafkaProducer, access, **options) as producer:
        one = Sender(producer, topic, partitions)
        yield one
        one.flush()


def _use_fast_checksums() -> None:
    if kafka.record.util.crc32c_c is not None:
        return
    try:
        util = import_module("aiokafka.record.util")
    except ImportError:
        return
    kafka.record.default_records.calc_crc32c = util.calc_crc32c
