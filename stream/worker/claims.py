r"""One machine, one partition: the register in which partitions claim machines.

Producers that partition differently would tear a machine's readings apart, and windows
made of half of them would be wrong without a sign. So every partition that meets a
machine for the first time writes a claim to a compacted topic that all workers follow.
A machine with claims from two partitions is **split**: it is refused everywhere, and
reported once.

A claim is settled when it has been read back, a short while has passed in which a
producer that spreads its readings has spread some, and a look at the other partitions
(`elsewhere.py`) has found none of them. Only batches that bring new machines wait.

What this cannot see is the future: a machine that has settled, and of which a producer
sends to a second partition only later, is scored until that partition's claim has been
read here. Scores from before the first such reading are right; those between it and
the claim, usually some hundredths of a second, lack that reading. An owner that is
behind or gone makes this longer.

Keys: ``MACHINE \0 PARTITION`` for a claim, ``\0reported\0 MACHINE`` for a report that
was sent. Deleting a machine's keys (a null value) makes it whole again at the next
start of the workers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable

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
        elsewhere: Yields machines and their partitions as found on all partitions but
            the one given; None where all producers are known to agree.

    Attributes:
        split: Machines seen on several partitions, with these, in order of discovery.
    """

    def __init__(
        self,
        reader: TopicReader,
        producer: Producer,
        topic: str,
        settle_s: float,
        elsewhere: Callable[[int], AsyncIterator[list[tuple[str, int]]]] | None = None,
    ) -> None:
        """Start with an empty register; `follow` fills it."""
        self._reader = reader
        self._producer = producer
        self._topic = topic
        self._settle_s = settle_s
        self._elsewhere = elsewhere
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

    def refused(self, partition: int) -> Collection[str]:
        """Return the machines that may not be scored."""
        return self.split.keys()

    def unclaimed(self, partition: int, machines: Iterable[str]) -> list[str]:
        """Return those of some machines that a partition has not claimed."""
        claimed = self._claimed
        return [n for n in machines if partition not in claimed.get(n, ())]

    async def settle(self, partition: int, machines: Collection[str]) -> None:
        """Claim machines for a partition, and wait until their claims are settled.

        Afterwards `split` tells which of them may not be scored. A machine claimed
        before settles anew: whoever claimed it may have ended before it was settled.
        May be cancelled at any time.
        """
        if not machines:
            return
        await self._claim((name, partition) for name in machines)
        await asyncio.sleep(self._settle_s)
        if self._elsewhere is None:
            return
        async for found in self._elsewhere(partition):
            await self._claim(found)
        # Where others are done with a reading, their claim stands before this one.
        await self._write([(next(iter(machines)), partition)])

    async def _claim(self, found: Iterable[tuple[str, int]]) -> None:
        """Claim machines for partitions, where that has not been done yet."""
        claimed = self._claimed
        new = [(name, at) for name, at in found if at not in claimed.get(name, ())]
        if new:
            await self._write(new)

    async def _write(self, claims: Iterable[tuple[str, int]]) -> None:
        """Write claims, and wait until the register has been read up to them."""
        outbox = Outbox(self._producer)
        for name, partition in claims:
            value = msgspec.json.encode({"machine": name, "partition": partition})
            await outbox.send(self._topic, 0, _key(name, partition), value)
        last = max(sent.offset for sent in await outbox.acknowledged())
        await self._reached(last + 1)

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
