"""The batches of one partition that wait for their turn."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from connectors.memory_log import Record
from stream.worker import score
from tests.worker.bench import Event, batch


def records(first: int, count: int) -> list[Record]:
    return [Record(i, 0, b"k", b"v", ()) for i in range(first, first + count)]


@pytest.fixture
def lane(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(score, "_WAITING", 5)
    return score._Lane(cast("Any", None))


async def test_all_that_waits_is_taken_together(lane: Any) -> None:
    events: list[Event] = [batch(records(0, 2)), batch(records(2, 2))]
    for event in events:
        await lane.put(event)
    assert await lane.take() == events


async def test_batches_wait_for_room_and_takers_for_batches(lane: Any) -> None:
    taking = asyncio.create_task(lane.take())
    await asyncio.sleep(0)
    assert not taking.done()
    first, second = batch(records(0, 7)), batch(records(7, 1))
    await lane.put(first)
    putting = asyncio.create_task(lane.put(second))
    await asyncio.sleep(0)
    assert await taking == [first]
    await putting
    assert await lane.take() == [second]


async def test_a_lane_that_is_dropped_holds_up_nobody(lane: Any) -> None:
    await lane.put(batch(records(0, 7)))
    putting = asyncio.create_task(lane.put(batch(records(7, 1))))
    await asyncio.sleep(0)
    assert not putting.done()
    lane.clear()
    await asyncio.wait_for(putting, 5)
