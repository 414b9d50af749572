"""A checkpoint, once taken: made durable while the next batches are on their way.

What it makes durable was taken at one instant: the batches, the acknowledgements of all
that they gave, and the state. What comes later may be sent before it is done; should
the worker end then, that is computed again and gives the same messages.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import msgspec
import structlog

from stream.core.readings import Tally
from stream.worker.bus import Outbox
from stream.worker.outputs import Outputs
from stream.worker.shared import Event, Shared
from stream.worker.state_topic import POSITION, Position, packed

_log = structlog.get_logger()

_PACKED = 16
"""Blocks that are compressed between two looks at the lease."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What one checkpoint makes durable.

    Attributes:
        position: Up to where everything has been taken in.
        told: Up to where readings have been counted before.
        events: The batches since the last checkpoint.
        since: How their readings ended.
        sent: Acknowledgements of what they gave.
        blocks: Keys and bytes of the blocks of state that changed.
    """

    position: Position
    told: Position
    events: Sequence[Event]
    since: Tally
    sent: Sequence[Awaitable[Any]]
    blocks: Sequence[tuple[str, bytes]]

    @property
    def oldest(self) -> int:
        """Offset of the oldest record that is not acknowledged."""
        return self.events[0].message.first if self.events else self.position.offset + 1


@dataclass(slots=True)
class Saver:
    """Makes checkpoints of one partition durable.

    Args:
        shared: What it shares with the others.
        number: Number of the partition.
        generation: The group's generation in which it was assigned.
        outputs: Where its audit goes.

    Attributes:
        busy: Held while a checkpoint is made durable: there is one at a time.
    """

    shared: Shared
    number: int
    generation: int
    outputs: Outputs
    busy: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def save(self, taken: Taken) -> bool:
        """Go through the steps; returns False if ownership is lost on the way."""
        shared, ledger = self.shared, Outbox(self.shared.producer)
        await asyncio.gather(*taken.sent)
        lease = time.monotonic() + shared.lease_s
        if not await shared.still_owner(self.number, taken.oldest, self.generation):
            return False
        if taken.since.records or taken.since.readings:
            first = taken.told.offset + 1
            await self.outputs.audit(ledger, first, taken.position, taken.since)
        topic, size = shared.topics["state"], 0
        rest = iter(taken.blocks)
        while some := list(islice(rest, _PACKED)):
            for key, value in await shared.in_thread(_packed, some):
                if time.monotonic() > lease:
                    return False
                await ledger.send(topic, self.number, key.encode(), value)
                size += len(value)
        # All blocks before the position, as the position says that they are there.
        await ledger.acknowledged()
        value = msgspec.msgpack.encode(taken.position)
        await ledger.send(topic, self.number, POSITION, value)
        await ledger.acknowledged()
        for event in taken.events:
            event.ack()
        _log.info("checkpoint", partition=self.number, **_told(taken, size))
        return True


def _packed(blocks: Sequence[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    return [(key, packed(data)) for key, data in blocks]


def _told(taken: Taken, size: int) -> dict[str, Any]:
    return {
        "position": taken.position.offset,
        "records": taken.since.records,
        "blocks": len(taken.blocks),
        "bytes": size,
        **dict(taken.since.readings),
    }
