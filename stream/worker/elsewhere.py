"""A look at the other partitions, ahead of their owners.

A new machine may be scored once no other partition holds readings of it. Their owners
would tell, but an owner may be busy with a backlog, restoring its state, or gone; and
to wait for it would be to wait for each other. So whoever meets a new machine looks
for itself: at what the group has not committed yet, to the end. What lies before that
was claimed by its owner before it was committed.

The look is cheap where it is usually needed, for a machine put into service while all
owners are up to date. Of a long backlog it reads the newest part alone, or a cold start
would cost each worker one more reading of it all: a machine that has changed partitions
long ago is found out when its older readings are reached.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from stream.core.decode import Decoder
from stream.core.machines import Machines
from stream.core.readings import RawRecord
from stream.worker.assets import Assets
from stream.worker.bus import TopicReader
from stream.worker.plant import kinds_of, rules_of, type_of
from stream.worker.settings import Settings

_NEWEST = 50_000
"""Records of each partition, counted from its end, that are looked at."""

_REMEMBERED = 100_000
"""Names that one partition's decoder remembers at once."""


class Elsewhere:
    """Finds machines on partitions of the source.

    Args:
        reader: Reads the source.
        settings: The plant's.
        source: Topic of the readings.
        group: Group of the owners.
        assets: The register of machines, if there is one.
    """

    def __init__(
        self,
        reader: TopicReader,
        settings: Settings,
        source: str,
        group: str,
        assets: Assets | None = None,
    ) -> None:
        """Look at nothing yet."""
        self._reader = reader
        self._source = source
        self._group = group
        self._kinds = kinds_of(settings)
        self._type_of = type_of(settings, assets)
        self._rules = rules_of(settings)
        self._seen: dict[int, int] = {}
        self._known: dict[int, tuple[Machines, Decoder]] = {}
        self._looking = asyncio.Lock()

    async def machines(self, but: int) -> AsyncIterator[list[tuple[str, int]]]:
        """Yield machines and their partitions, as found on all partitions but one.

        Each is found once in the life of this object. May be ended at any time.
        """
        async with self._looking:
            committed = await self._reader.committed(self._group, self._source)
            count = await self._reader.partitions(self._source)
            starts = {
                number: max(committed.get(number, 0), self._seen.get(number, 0))
                for number in range(count)
                if number != but
            }
            tails = self._reader.tails(self._source, starts, _NEWEST)
            async for number, records, following in tails:
                found = await asyncio.to_thread(self._names, number, records)
                if found:
                    yield [(name, number) for name in found]
                self._seen[number] = following

    def _names(self, number: int, records: Sequence[RawRecord]) -> list[str]:
        machines, decoder = self._known.get(number) or self._fresh()
        if len(machines.lookup) > _REMEMBERED:
            machines, decoder = self._fresh()
        self._known[number] = machines, decoder
        decoder.decode(records)
        return machines.take_new()

    def _fresh(self) -> tuple[Machines, Decoder]:
        machines = Machines(len(self._kinds), self._type_of)
        lookup, admit = machines.lookup, machines.admit
        return machines, Decoder(self._kinds, self._rules, lookup, admit)
