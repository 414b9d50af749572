r"""One machine, one partition: the register in which partitions claim machines.

Producers that partition differently would tear a machine's readings apart, and windows
made of half of them would be wrong without a sign. So every partition that meets a
machine for the first time writes a claim to a compacted topic that all workers follow.
A machine with claims from two partitions is **split**: it is refused everywhere, and
reported once.

A claim is settled when it has been read back and a short while has passed, in which
the other partitions, each of which claims what it reads before it scores it, have had
their turn. Only batches that bring new machines wait.

Keys: ``MACHINE \0 PARTITION`` for a claim, ``\0reported\0 MACHINE`` for a report that
was sent. Deleting a machine's keys (a null value) makes it whole again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import msgspec

from stream.core.readings import RawRecord
from stream.worker.bus import Outbox, Producer, TopicReader

_REPORTED = b"\0reported\0"


class Claims:
    """The register as this worker knows it.

    Args:
        reader: Reads the register's topic.
        producer: Writes to it.
        topic: Its name; it has one partition.
        settle_s: How long a claim must stand before a machine is scored, in s.

    Attributes:
        split: Machines seen on several partitions, with these, in order of discovery.
    """

    def __init__(
        self, reader: TopicReader, producer: Producer, topic: str, settle_s: float
    ) -> None:
        """Start with an empty register; `follow` fills it."""
        self._reader = reader
        self._producer = producer
        self._topic = topic
        self._settle_s = settle_s
        self._claimed: dict[str, set[int]] = {}
        self._reported: set[str] = set()
        self._next = -1
        self._moved = asyncio.Condition()
        self.split: dict[str, tuple[int, ...]] = {}

    async def follow(self) -> None:
        """Follow the register for ever."""
        async for records, following in self._reader.follow(self._topic, 0):
            for record in records:
                self._take(record)
            async with self._moved:
                self._next = following
                self._moved.notify_all()

    async def ready(self) -> None:
        """Wait until the register has been read as it stood at the start."""
        await self._reached(0)

    async def _reached(self, following: int) -> None:
        async with self._moved:
            await self._moved.wait_for(lambda: self._next >= following)

    def _take(self, record: RawRecord) -> None:
        key = record.key or b""
        if key.startswith(_REPORTED):
            name = key[len(_REPORTED) :].decode()
            (self._reported.add if record.value else self._reported.discard)(name)
            return
        text, _, number = key.rpartition(b"\0")
        if not text or not number.isdigit():
            return  # not ours: a register is no place to fall over
        name, partition = text.decode(), int(number)
        claims = self._claimed.setdefault(name, set())
        (claims.add if record.value else claims.discard)(partition)
        if len(claims) > 1:
            self.split[name] = tuple(sorted(claims))
        else:
            self.split.pop(name, None)

    async def settle(self, partition: int, machines: Iterable[str]) -> None:
        """Claim machines for a partition, and wait until their claims are settled.

        Afterwards `split` tells which of them may not be scored.
        """
        own = [n for n in machines if partition not in self._claimed.get(n, ())]
        if not own:
            return
        last = -1
        outbox = Outbox(self._producer)
        for name in own:
            value = msgspec.json.encode({"machine": name, "partition": partition})
            await outbox.send(self._topic, 0, _key(name, partition), value)
        for sent in await outbox.acknowledged():
            last = max(last, sent.offset)
        await self._reached(last + 1)
        await asyncio.sleep(self._settle_s)

    def unreported(self) -> list[tuple[str, tuple[int, ...]]]:
        """Return machines found split for which no report has been sent."""
        return [(n, p) for n, p in self.split.items() if n not in self._reported]

    async def mark_reported(self, machines: Iterable[str]) -> None:
        """Note that reports were sent and acknowledged."""
        outbox = Outbox(self._producer)
        for name in machines:
            self._reported.add(name)
            await outbox.send(self._topic, 0, _REPORTED + name.encode(), b"1")
        await outbox.acknowledged()


def _key(name: str, partition: int) -> bytes:
    return name.encode() + b"\0" + str(partition).encode()
