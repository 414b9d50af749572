"""Records of several partitions, back in the order in which they were written.

Partitions are read one beside the other, so what was written later may be read first.
A record goes on when every partition has been read up to its time or to its end: then
nothing that was written before it is still to come. The time is the one that stands
on the record itself (set by producer or broker), and of equal ones the event time.

Pure: which partitions have been read to their end is told by the caller.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from stream.worker.cut import Keyed


@dataclass(slots=True)
class _Batch:
    """A batch that was read, and how many of its parts have not gone on yet."""

    event: Any
    left: int


_Entry = tuple[tuple[int, int], int, Keyed, _Batch]
_FIRST = -2
"""Before any time: -1 stands for none."""


@dataclass(slots=True)
class Merge:
    """Parts that wait until what was written before them has been read.

    Attributes:
        waiting: How many parts wait, by partition.
    """

    waiting: Counter[int] = field(default_factory=Counter)
    _parts: list[_Entry] = field(default_factory=list)
    _read: dict[int, int] = field(default_factory=dict)

    def __len__(self) -> int:
        """Count of parts that wait."""
        return len(self._parts)

    def take(self, partition: int, event: Any, parts: Sequence[Keyed]) -> None:
        """Take in a batch of a partition, in the order of its records."""
        batch = _Batch(event, len(parts))
        for part in parts:
            order = part.source.timestamp, part.time_ns
            self._parts.append((order, partition, part, batch))
        self.waiting[partition] += len(parts)
        self._read[partition] = parts[-1].source.timestamp

    def _upto(self, partition: int) -> int:
        # A partition that has not been read at all holds everything back.
        return self._read.get(partition, _FIRST)

    def slowest(self, behind: Collection[int]) -> int:
        """Return the partition, of one or more, that has been read the least far."""
        return min(behind, key=self._upto)

    def release(self, behind: Collection[int]) -> tuple[list[Keyed], list[Any]]:
        """Return parts that may go on, in order, and events that are done with them.

        Args:
            behind: Partitions that have not been read to their end.
        """
        # Stable: of equal times the one that was read first comes first.
        self._parts.sort(key=_order)
        go = len(self._parts)
        if behind:
            # One of equal time may still come, and before it: wait for that, too.
            until = min(self._upto(partition) for partition in behind), _FIRST
            go = bisect_left(self._parts, until, key=_order)
        gone, self._parts = self._parts[:go], self._parts[go:]
        done = []
        for _, partition, _, batch in gone:
            self.waiting[partition] -= 1
            batch.left -= 1
            if not batch.left:
                done.append(batch.event)
        return [part for _, _, part, _ in gone], done


def _order(entry: _Entry) -> tuple[int, int]:
    return entry[0]
