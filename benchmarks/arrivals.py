"""When scores and alerts come to whoever reads their topics.

    python -m benchmarks.arrivals BROKER SCORES ALERTS UNTIL_MS FILE

Reads both topics from their ends on, and notes of each message when it came and the
event time of which it speaks, which is the time of the reading that completed the
window. Prints "ready" once nothing can be missed any more.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from aiokafka import AIOKafkaConsumer, TopicPartition
from numpy.typing import NDArray

SCORE, ALERT = 0, 1
READY = "ready"
_FETCH = 4 << 20


class _Told(msgspec.Struct, gc=False):
    """What is needed of a score or an alert."""

    id: str
    time: str
    seq: int = 0


@dataclass(frozen=True)
class Arrivals:
    """Messages, one entry each; of equal ones the first alone.

    Attributes:
        what: (n,) `SCORE` or `ALERT`.
        time_ms: (n,) event time, in ms since 1970.
        at_ms: (n,) when it came.
        repeated: how many came again.
    """

    what: NDArray[np.int8]
    time_ms: NDArray[np.float64]
    at_ms: NDArray[np.float64]
    repeated: int

    def delays(
        self, what: int, spans: list[tuple[float, float]]
    ) -> NDArray[np.float64]:
        """Return the delays in ms of what speaks of times within [from, to) spans."""
        inside = np.zeros(len(self.what), np.bool_)
        for begin, end in spans:
            inside |= (self.time_ms >= begin) & (self.time_ms < end)
        chosen = inside & (self.what == what)
        delays: NDArray[np.float64] = self.at_ms[chosen] - self.time_ms[chosen]
        return delays


def once(
    what: NDArray[np.int8],
    who: NDArray[np.int64],
    time_ms: NDArray[np.float64],
    at_ms: NDArray[np.float64],
) -> Arrivals:
    """Leave out what came again; `who` tells messages of one kind apart."""
    order = np.lexsort((at_ms, who, what))
    new = np.ones(len(order), np.bool_)
    new[1:] = (np.diff(what[order]) != 0) | (np.diff(who[order]) != 0)
    kept = order[new]
    return Arrivals(what[kept], time_ms[kept], at_ms[kept], len(order) - len(kept))


def load(file: Path) -> Arrivals:
    """Return what a listener has written."""
    with np.load(file) as found:
        return once(found["what"], found["who"], found["time_ms"], found["at_ms"])


class _Notes:
    """Grows by a message without work that could wait until the end."""

    def __init__(self) -> None:
        self._what, self._who, self._at = array("b"), array("q"), array("q")
        self._times: list[str] = []
        self._decode = msgspec.json.Decoder(_Told).decode

    def take(self, what: int, records: list[Any], at_ns: int) -> None:
        for record in records:
            told = self._decode(record.value)
            self._what.append(what)
            self._who.append(hash((told.id, told.seq)))
            self._at.append(at_ns)
            self._times.append(told.time)

    def save(self, file: Path) -> None:
        times = [text.rstrip("Z") for text in self._times]
        since_1970 = np.array(times, "datetime64[ns]").astype(np.int64)
        np.savez(
            file,
            what=np.array(self._what, np.int8),
            who=np.array(self._who, np.int64),
            time_ms=since_1970 / 1e6,
            at_ms=np.array(self._at, np.int64) / 1e6,
        )


async def listen(broker: str, topics: list[str], until_ms: int, file: Path) -> None:
    """Note what comes to the topics of scores and of alerts until a time."""
    consumer = AIOKafkaConsumer(
        *topics,
        bootstrap_servers=broker,
        group_id=None,
        max_partition_fetch_bytes=_FETCH,
        auto_offset_reset="latest",
    )
    await consumer.start()
    notes = _Notes()
    try:
        parts: list[TopicPartition] = list(consumer.assignment())
        await consumer.seek_to_end(*parts)
        for part in parts:
            await consumer.position(part)
        print(READY, flush=True)
        while time.time_ns() < until_ms * 1_000_000:
            got = await consumer.getmany(timeout_ms=200)
            at_ns = time.time_ns()
            for part, records in got.items():
                notes.take(topics.index(part.topic), records, at_ns)
    finally:
        await consumer.stop()
    notes.save(file)


def main() -> None:
    """Listen."""
    broker, scores, alerts, until_ms, file = sys.argv[1:]
    gc.disable()  # nothing here makes cycles, and a pause would count as a delay
    asyncio.run(listen(broker, [scores, alerts], int(until_ms), Path(file)))


if __name__ == "__main__":
    main()
