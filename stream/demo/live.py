"""A fleet through the very scoring agent of a worker, on a log in memory.

The producer writes readings as any producer would, keyed by machine and in order of
time, a quarter of a day at once, and tells what happened to machines (a failure, a
return) between the readings before and those after. Nothing else is made easier for
the agent: it decodes JSON, keeps state, makes checkpoints, and writes scores, alarms
and alerts to topics, from where a follower reads them like anybody else.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from connectors.faust_run import serve
from connectors.memory_log import Log, drop_log, open_log
from stream.core.alert import Event
from stream.core.scoring import Scorer
from stream.demo.board import Played
from stream.demo.fleet import Fleet, time_of
from stream.errors import OutsideError
from stream.replay import Reading, Selection, readings
from stream.topics import plan
from stream.worker.app import make_role
from stream.worker.buses import Bus, memory_bus
from stream.worker.score import ScoreRole
from stream.worker.settings import Settings

CHUNK_NS = 6 * 3_600 * 10**9
"""Event time of the readings that are written at once."""

_LOOK_S = 0.001
_STOP_WITHIN_S = 20.0


class _Interrupted(Exception):
    """The user has asked to stop; travels through asyncio, unlike the real one."""


class Watcher(Protocol):
    """Is told what comes of the readings, from the event loop."""

    def score(self, value: bytes) -> None:
        """A score came."""

    def alert(self, value: bytes) -> None:
        """A change of an alarm came."""

    def happened(self, event: Event) -> None:
        """Something happened to a machine, and the agent has taken it in."""

    def moved(self, time_ns: int, sent: int, busy_s: float) -> None:
        """All readings up to a time are scored.

        Args:
            time_ns: Event time.
            sent: Readings so far.
            busy_s: What they took, without pauses.
        """


@dataclass(frozen=True, order=True)
class Step:
    """Readings to send, and then perhaps an event.

    Attributes:
        rows: How many rows of the fleet have been sent after it.
        at_ns: Event time reached.
        event: Position in the fleet's events; -1 for none.
    """

    rows: int
    at_ns: int
    event: int = -1


@dataclass(frozen=True)
class _Rows:
    """A fleet as `stream.replay` reads histories."""

    machines: Sequence[str]
    groups: NDArray[np.int32]
    code: NDArray[np.int32]
    time_ns: NDArray[np.int64]
    values: NDArray[np.float32]
    sensors: Sequence[str]


def play(
    fleet: Fleet,
    settings: Settings,
    scorers: Sequence[Scorer],
    watcher: Watcher,
    pace_s: float = 0.0,
) -> Played:
    """Stream a fleet through the scoring agent.

    Args:
        fleet: Whose readings and events are sent.
        settings: The plant's.
        scorers: One model per machine type, warmed up.
        watcher: Is told what comes of it.
        pace_s: The whole takes at least so long, in s, evenly; 0 is flat out.

    Raises:
        KeyboardInterrupt: The user has asked to stop, and the agent has stopped.
        OutsideError: The agent has stopped by itself.
    """
    partitions = settings.topics.partitions
    name = f"demo-{id(fleet)}"
    log = open_log(name, partitions)
    for topic in plan(settings):
        compacted = topic.config["cleanup.policy"] == "compact"
        log.create_topic(topic.name, topic.partitions, compacted=compacted)
    try:
        bus = memory_bus(name, partitions)
        return asyncio.run(_play(fleet, settings, scorers, watcher, pace_s, log, bus))
    except _Interrupted:
        raise KeyboardInterrupt from None
    finally:
        drop_log(name)


async def _play(
    fleet: Fleet,
    settings: Settings,
    scorers: Sequence[Scorer],
    watcher: Watcher,
    pace_s: float,
    log: Log,
    bus: Bus,
) -> Played:
    role = make_role("score", settings, bus, scorers)
    assert isinstance(role, ScoreRole)  # noqa: S101 - that is what "score" makes
    stop = asyncio.Event()
    server = asyncio.ensure_future(
        serve(role.app, stop=stop, stop_within_s=_STOP_WITHIN_S)
    )
    player = _Player(fleet, settings, watcher, log, role, server, stop)
    followers = [
        asyncio.ensure_future(player.follow(bus, topic, partition, take))
        for topic, take in (
            (settings.topics.scores, watcher.score),
            (settings.topics.alerts, watcher.alert),
        )
        for partition in range(settings.topics.partitions)
    ]
    try:
        played = await player.run(pace_s)
    finally:
        stop.set()
        for follower in followers:
            follower.cancel()
        code = await server
    if code:
        raise OutsideError("the scoring agent did not stop as it should")
    return played


class _Player:
    """Writes a fleet to the log, step by step, and sees that each has been taken in."""

    def __init__(
        self,
        fleet: Fleet,
        settings: Settings,
        watcher: Watcher,
        log: Log,
        role: ScoreRole,
        server: asyncio.Future[int],
        stop: asyncio.Event,
    ) -> None:
        self._fleet = fleet
        self._watcher = watcher
        self._log = log
        self._topics = settings.topics
        self._role = role
        self._server = server
        self._stop = stop
        self._seen: dict[tuple[str, int], int] = {}
        self._events = 0

    async def follow(
        self, bus: Bus, topic: str, partition: int, take: Callable[[bytes], None]
    ) -> None:
        """Hand over all records of a partition as they come."""
        async for records, following in bus.reader.follow(topic, partition):
            for record in records:
                if record.value is not None:
                    take(record.value)
            self._seen[topic, partition] = following

    async def run(self, pace_s: float) -> Played:
        """Send everything."""
        fleet, sent, busy = self._fleet, 0, 0.0
        source = _readings(fleet)
        span = max(fleet.end_ns - fleet.start_ns, 1)
        await self._until(self._read)
        began = time.perf_counter()
        for step in steps(fleet, CHUNK_NS):
            at = time.perf_counter()
            for reading in islice(source, step.rows - sent):
                ms = reading.at_ns // 1_000_000
                topic = self._topics.readings
                self._log.append(topic, None, reading.key, reading.value, (), ms)
            sent = step.rows
            await self._until(self._scored)
            if step.event >= 0:
                await self._tell(fleet.events[step.event])
            await self._until(self._read)
            busy += time.perf_counter() - at
            self._watcher.moved(step.at_ns, sent, busy)
            due = began + pace_s * (step.at_ns - fleet.start_ns) / span
            await self._pause(due - time.perf_counter())
        return Played(sent, busy)

    async def _tell(self, event: Event) -> None:
        value = msgspec.json.encode(event)
        ms = time_of(event.time) // 1_000_000
        self._log.append(
            self._topics.events, None, event.machine.encode(), value, (), ms
        )
        self._events += 1
        await self._until(lambda: self._role.events_read() == self._events)
        # It would look by itself within a second.
        await self._role.look_for_events()
        self._watcher.happened(event)

    def _scored(self) -> bool:
        reached = self._role.reached()
        source = self._log.topic(self._topics.readings)
        return all(reached.get(n, -1) + 1 >= p.end for n, p in enumerate(source))

    def _read(self) -> bool:
        return all(
            self._seen.get((topic, n), -1) >= partition.end
            for topic in (self._topics.scores, self._topics.alerts)
            for n, partition in enumerate(self._log.topic(topic))
        )

    async def _until(self, true: Callable[[], bool]) -> None:
        while not true():
            self._check()
            await asyncio.sleep(_LOOK_S)
        self._check()

    async def _pause(self, longest_s: float) -> None:
        if longest_s > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), longest_s)
        self._check()

    def _check(self) -> None:
        if self._stop.is_set():
            raise _Interrupted
        if self._server.done():
            raise OutsideError("the scoring agent has stopped by itself")


def steps(fleet: Fleet, every_ns: int) -> list[Step]:
    """Cut a fleet's rows in time, and where something happens to a machine.

    A failure comes after the machine's last row, a return before its first one.
    """
    ends = np.arange(fleet.start_ns + every_ns, fleet.end_ns, every_ns).tolist()
    ends.append(fleet.end_ns)
    found = [Step(int(np.searchsorted(fleet.time_ns, end)), end) for end in ends]
    for number, event in enumerate(fleet.events):
        at = time_of(event.time)
        before = event.kind in {"return", "replacement"}
        rows = np.searchsorted(fleet.time_ns, at, "left" if before else "right")
        found.append(Step(int(rows), at, number))
    return sorted(found)


def _readings(fleet: Fleet) -> Iterator[Reading]:
    machines = fleet.machines
    groups = np.arange(len(machines), dtype=np.int32)
    rows = _Rows(
        machines, groups, fleet.machine, fleet.time_ns, fleet.values, fleet.sensors
    )
    everything = np.arange(len(fleet))
    chosen = Selection(everything, len(machines), fleet.start_ns, fleet.end_ns)
    return readings(rows, chosen)
