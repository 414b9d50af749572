"""Follow a topic as it grows, without a group: nobody's offsets are moved."""

from __future__ import annotations

import time
from collections.abc import Generator
from itertools import chain
from typing import Any, NamedTuple

from kafka import KafkaConsumer, TopicPartition

from connectors.kafka import Access, BusError, check_reachable, opened

_POLL_MS = 200
# A consumer alone waits for ever for a broker that is gone.
_SILENCE_S = 10.0
_START_MS = 10_000


class Record(NamedTuple):
    """One record of the topic."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


def follow(
    access: Access,
    topic: str,
    *,
    from_start: bool = False,
    until_idle_s: float | None = None,
    to_end: bool = False,
) -> Generator[Record, None, None]:
    """Yield the records of a topic, each partition in its order.

    Args:
        access: The brokers.
        topic: The topic.
        from_start: Begin with the oldest record; else with the next one to come.
        until_idle_s: End after so many seconds without a record; None never ends.
        to_end: End with the last record that is there at the start.

    Yields:
        Records as they arrive.

    Raises:
        Unreachable: No broker answers, at the start or after 10 seconds of silence.
        BusError: There is no such topic.
    """
    options = {
        "enable_auto_commit": False,
        "auto_offset_reset": "earliest",
        "metrics_enabled": False,
        "allow_auto_create_topics": False,
        "max_poll_records": 5_000,
    }
    with opened(KafkaConsumer, access, **options) as consumer:
        tps = _begin(consumer, topic, from_start=from_start)
        ends = consumer.end_offsets(tps) if to_end else {}
        heard = asked = time.monotonic()
        while not (to_end and all(consumer.position(p) >= ends[p] for p in tps)):
            fetched = consumer.poll(timeout_ms=_POLL_MS)
            now = time.monotonic()
            if fetched:
                for r in chain.from_iterable(fetched.values()):
                    yield Record(r.partition, r.offset, r.key, r.value)
                heard = asked = time.monotonic()
            elif until_idle_s is not None and now - heard >= until_idle_s:
                return
            elif now - asked >= _SILENCE_S:
                check_reachable(access)
                asked = now


def _begin(consumer: Any, topic: str, *, from_start: bool) -> list[TopicPartition]:
    partitions = consumer.partitions_for_topic(topic)
    if not partitions:
        text = f"there is no topic {topic}: foreshock topics create makes it"
        raise BusError(text)
    tps = [TopicPartition(topic, p) for p in sorted(partitions)]
    consumer.assign(tps)
    (consumer.seek_to_beginning if from_start else consumer.seek_to_end)(*tps)
    for tp in tps:
        # Fixes "the end" now: seeking is lazy, and records come meanwhile.
        consumer.position(tp, timeout_ms=_START_MS)
    return tps
