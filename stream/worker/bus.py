"""What the worker asks of a bus, beside Faust's own streams.

Faust delivers readings and sends messages; reading a topic of one's own from its start
(state, the register of machines) is done by a `TopicReader`, of which there is one for
Kafka and one for the log in memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import Any, Protocol

from stream.core.readings import RawRecord

Headers = Sequence[tuple[str, bytes]]


class TopicReader(Protocol):
    """Reads whole partitions without a consumer group."""

    async def partitions(self, topic: str) -> int:
        """Return how many partitions a topic has; 0 if there is no such topic."""

    async def read(self, topic: str, partition: int) -> Sequence[RawRecord]:
        """Return all records from the start to the end as it stands now."""

    def follow(
        self, topic: str, partition: int
    ) -> AsyncIterator[tuple[Sequence[RawRecord], int]]:
        """Yield records from the start and on, with the offset that comes next.

        The first thing yielded reaches to the end as it stood when it was asked for,
        be it empty.
        """


class Producer(Protocol):
    """Faust's producer, as far as it is used here."""

    async def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int | None,
        timestamp: float | None,
        headers: Any,
    ) -> Awaitable[Any]:
        """Hand over a message; the awaitable returned is its acknowledgement."""


class Outbox:
    """Sends messages and keeps their acknowledgements until they are awaited.

    Args:
        producer: Where messages go.
        most: Most acknowledgements outstanding before `send_all` waits for them, so
            that memory stays bounded between two checkpoints.
    """

    def __init__(self, producer: Producer, most: int = 50_000) -> None:
        """Start with nothing outstanding."""
        self._producer = producer
        self._most = most
        self._waiting: list[Awaitable[Any]] = []

    async def send(
        self,
        topic: str,
        partition: int | None,
        key: bytes | None,
        value: bytes | None,
        headers: Headers = (),
    ) -> None:
        """Send one message."""
        sent = await self._producer.send(
            topic, key, value, partition, None, list(headers)
        )
        self._waiting.append(sent)
        if len(self._waiting) >= self._most:
            await self.acknowledged()

    async def acknowledged(self) -> list[Any]:
        """Wait until all that was sent is acknowledged.

        Returns:
            Where each message stands, in order: objects with ``offset``.

        Raises:
            Exception: the bus's own, for a message that it did not take.
        """
        waiting, self._waiting = self._waiting, []
        return await asyncio.gather(*waiting)
