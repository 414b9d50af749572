"""The topic of events, read whole and followed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
import structlog

from connectors.memory_log import Log
from connectors.memory_reader import MemoryReader
from stream.core.alert import Event
from stream.worker.event_log import EventLog
from tests.worker.tiny import time_of


def event(machine: str, kind: str = "failure") -> bytes:
    return msgspec.json.encode(Event(machine, kind, time_of(1)))


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0)


async def test_what_is_there_is_read_first_and_what_comes_is_followed() -> None:
    log = Log()
    log.create_topic("events", 2)
    log.append("events", 0, b"p1", event("p1"))
    log.append("events", 1, b"p2", event("p2"))
    events = EventLog(MemoryReader(log), "events")
    following = asyncio.create_task(events.follow())
    await events.ready()
    assert {t.event.machine for t in events.told} == {"p1", "p2"}
    log.append("events", 1, b"p2", event("p2", "return"))
    await until(lambda: len(events.told) == 3)
    told = events.of(["p2", "stranger"])
    assert [(t.partition, t.offset, t.event.kind) for t in told] == [
        (1, 0, "failure"),
        (1, 1, "return"),
    ]
    following.cancel()


async def test_what_is_no_event_is_said_and_left_out() -> None:
    log = Log()
    log.create_topic("events", 1)
    log.append("events", 0, b"p1", b"junk")
    log.append("events", 0, b"p1", event("p1"))
    events = EventLog(MemoryReader(log), "events")
    with structlog.testing.capture_logs() as logged:
        following = asyncio.create_task(events.follow())
        await events.ready()
    following.cancel()
    assert [t.offset for t in events.told] == [1]
    (line,) = logged
    assert (line["event"], line["offset"]) == ("event not understood", 0)


async def test_without_the_topic_nothing_is_waited_for() -> None:
    events = EventLog(MemoryReader(Log()), "events")
    await events.follow()
    await events.ready()
    assert events.told == []
