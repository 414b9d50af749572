"""What the worker asks of a bus, beside Faust's own streams.

Faust delivers readings and sends messages; reading a topic of one's own from its start
(state, the register of machines) is done by a `TopicReader`, of which there is one for
Kafka and one for the log in memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from aiokafka.errors import MessageSizeTooLargeError

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

    def tails(
        self, topic: str, starts: Mapping[int, int], most: int | None = None
    ) -> AsyncIterator[tuple[int, Sequence[RawRecord], int]]:
        """Yield what partitions hold from some offsets to their ends as of now.

        Args:
            topic: Name of the topic.
            starts: First offset by partition; below the oldest one it means that.
            most: Of each partition no more than so many of the newest offsets; None:
                all there are.

        Yields:
            A partition, some records of it, and the offset that comes next.
        """

    async def committed(self, group: str, topic: str) -> Mapping[int, int]:
        """Return a group's committed offsets by partition, where there are any."""


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

    async def send_many(
        self, topic: str, partition: int, messages: Sequence[tuple[bytes, bytes]]
    ) -> Sequence[Awaitable[Any]]:
        """Hand over keys and values in order; the awaitables acknowledge them all."""


class Message(NamedTuple):
    """What a message says, wherever it goes."""

    key: bytes | None
    value: bytes | None
    headers: Headers = ()


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
        instead: Message | None = None,
    ) -> None:
        """Send one message.

        Args:
            topic: Where to.
            partition: None leaves it to the key.
            key: May be None.
            value: May be None.
            headers: Names and values.
            instead: Sent in its place should it be too large for the topic.
        """
        message = Message(key, value, headers)
        if instead is None:
            sent = await self._begin(topic, partition, message)
        else:
            sent = await self._or_else(topic, partition, message, instead)
        self._waiting.append(sent)
        if len(self._waiting) >= self._most:
            await self.acknowledged()

    async def send_many(
        self, topic: str, partition: int, messages: Sequence[tuple[bytes, bytes]]
    ) -> None:
        """Send keys and values to one partition, in order.

        Args:
            topic: Where to.
            partition: Which of its partitions.
            messages: Keys and values, each small enough for the topic.
        """
        sent = await self._producer.send_many(topic, partition, messages)
        self._waiting += sent
        if len(self._waiting) >= self._most:
            await self.acknowledged()

    async def _begin(
        self, topic: str, partition: int | None, message: Message
    ) -> Awaitable[Any]:
        key, value, headers = message
        return await self._producer.send(
            topic, key, value, partition, None, list(headers)
        )

    async def _or_else(
        self, topic: str, partition: int | None, message: Message, instead: Message
    ) -> Awaitable[Any]:
        # Large and rare: such a message is waited for alone, which keeps this simple.
        try:
            sent = await self._begin(topic, partition, message)
            await sent
        except Exception as error:
            if not _too_large(error):
                raise
            return await self._begin(topic, partition, instead)
        return sent

    def take(self) -> list[Awaitable[Any]]:
        """Return the acknowledgements of all that was sent, for the caller to await."""
        waiting, self._waiting = self._waiting, []
        return waiting

    async def acknowledged(self) -> list[Any]:
        """Wait until all that was sent is acknowledged.

        Returns:
            Where each message of `send` stands, in order: objects with ``offset``.

        Raises:
            Exception: the bus's own, for a message that it did not take.
        """
        return await asyncio.gather(*self.take())


def _too_large(error: BaseException) -> bool:
    """Tell whether a bus did not take a message for its size, whoever says so."""
    kind = MessageSizeTooLargeError
    return isinstance(error, kind) or isinstance(error.__cause__, kind)
