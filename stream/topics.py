"""Which topics a plant needs, and how each is kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stream.worker.settings import Settings

# The latest record of each key is the truth; older ones only cost time on a restart.
_COMPACTED = {
    "cleanup.policy": "compact",
    # Only closed segments are compacted: small ones, so that they close.
    "segment.bytes": str(64 << 20),
    "min.cleanable.dirty.ratio": "0.1",
    # A follower that is a little behind still sees every step.
    "min.compaction.lag.ms": str(5 * 60 * 1000),
}
_COMPACTED_TOPICS = ("state", "alarms", "machines")
# Few, precious records: what to learn from, and who did what.
_KEPT_FOR_EVER = ("alerts", "events", "audit")
_FOR_EVER = "-1"
# Few records, all of which every worker reads: one partition, one connection.
_READ_WHOLE = ("events", "machines")
_WITH_OUR_HEADERS = ("quarantine", "keyed")


@dataclass(frozen=True)
class Topic:
    """One topic as `foreshock topics create` makes it.

    Attributes:
        setting: Its key under `topics`.
        name: Its name on the brokers.
        partitions: Number of partitions.
        replication: Copies on different brokers.
        config: Kafka's settings of the topic.
    """

    setting: str
    name: str
    partitions: int
    replication: int
    config: dict[str, str] = field(default_factory=dict)


def plan(settings: Settings) -> list[Topic]:
    """All topics of a plant, in the order of the settings.

    All have equally many partitions: a machine's readings, scores and state then lie
    in partitions of the same number, and one worker owns all of them. Those that every
    worker reads whole have one.
    """
    topics = settings.topics
    return [
        Topic(
            name,
            topic,
            1 if name in _READ_WHOLE else topics.partitions,
            topics.replication,
            config,
        )
        for name, topic in topics.names().items()
        for config in [_config(name, settings)]
    ]


def _config(name: str, settings: Settings) -> dict[str, str]:
    # Blocks of state and large readings must fit, whatever the brokers' own limit is,
    # and so must the largest reading with our headers beside it.
    kafka = settings.kafka
    ours = name in _WITH_OUR_HEADERS
    limit = kafka.sent_max_bytes if ours else kafka.request_max_bytes
    size = {"max.message.bytes": str(limit)}
    if name in _COMPACTED_TOPICS:
        return _COMPACTED | size
    retention = settings.topics.retention_ns
    if name in _KEPT_FOR_EVER:
        kept = {"retention.ms": _FOR_EVER}
    elif retention is None:
        kept = {}
    else:
        kept = {"retention.ms": str(max(1, retention // 1_000_000))}
    return {"cleanup.policy": "delete"} | kept | size
