"""What the partitions of a worker share, and what they ask of their surroundings."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from stream.core.pipeline import Pipeline
from stream.core.service import Told
from stream.worker.alerting import Telling
from stream.worker.bus import Producer, TopicReader


class Batch(Protocol):
    """A Faust message that carries one fetched batch."""

    value: Any
    offset: int
    first: int
    skipped: int
    generation_id: int


class Event(Protocol):
    """A Faust event; ``ack`` lets its batch be committed."""

    message: Any

    def ack(self) -> bool:
        """Acknowledge the batch."""


class Register(Protocol):
    """Knows which machines may not be scored on a partition."""

    async def settle(self, partition: int, machines: Collection[str]) -> None:
        """Return when it is clear whether machines new there belong there."""

    def refused(self, partition: int) -> Collection[str]:
        """Return the machines that may not be scored there, as far as it is known."""

    def unclaimed(self, partition: int, machines: Iterable[str]) -> list[str]:
        """Return those of some machines that have to be settled before anything."""


class Events(Protocol):
    """What has happened to machines."""

    @property
    def told(self) -> Sequence[Told]:
        """All events, in the order in which they were read."""

    def of(self, machines: Iterable[str]) -> Sequence[Told]:
        """Return all events of some machines."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What all partitions of a worker have in common.

    Attributes:
        topics: Names of the topics by setting.
        source: The topic that readings come from.
        producer: Where messages go.
        reader: Reads the state topic.
        register: Knows which machines may not be scored.
        make: Builds a pipeline for a partition.
        in_thread: Runs a function off the event loop, one at a time.
        still_owner: Asks the group whether a partition, whose oldest unacknowledged
            offset is given, is still ours in a generation.
        earliest: First offset that a partition still holds.
        at_end: Whether a partition ends with the record of an offset, as far as known.
        lease_s: How long an answer of the group stands, in s.
        events: What has happened to machines, as far as this worker knows.
        telling: How alerts are put into words.
    """

    topics: dict[str, str]
    source: str
    producer: Producer
    reader: TopicReader
    register: Register
    make: Callable[[int], Pipeline]
    in_thread: Callable[..., Awaitable[Any]]
    still_owner: Callable[[int, int, int], Awaitable[bool]]
    earliest: Callable[[int], Awaitable[int]]
    at_end: Callable[[int, int], bool]
    lease_s: float
    events: Events
    telling: Telling
