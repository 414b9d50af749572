"""The roles on a log in memory: whole Faust apps, no server."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from connectors.faust_run import running
from connectors.memory_log import Log, drop_log, open_log
from connectors.sinks import Refused, Retryable
from stream.worker.archive import ArchiveRole
from stream.worker.buses import Bus, memory_bus
from stream.worker.repartition import RepartitionRole
from stream.worker.score import ScoreRole
from stream.worker.settings import Settings
from tests.worker.tiny import (
    TinyScorer,
    expected_scores,
    pump_readings,
    reading,
    tiny_settings,
)

PATIENCE_S = 20.0


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not true():
            await asyncio.sleep(0.01)


class Site:
    """A log with the topics of a plant, and what runs on it."""

    def __init__(self, name: str, folder: Path, *overrides: str) -> None:
        own = ["state.interval=100ms", "machine_types.fan.idle_after=1h", *overrides]
        self.settings: Settings = tiny_settings(folder, *own)
        self.topics = self.settings.topics
        self.log: Log = open_log(name, self.topics.partitions)
        for topic in self.topics.names().values():
            self.log.create_topic(topic)
        self.name = name

    @property
    def bus(self) -> Bus:
        return memory_bus(self.name, self.topics.partitions)

    def scorer(self, settle_s: float = 0.0) -> ScoreRole:
        scorers = [TinyScorer() for _ in self.settings.machine_types]
        return ScoreRole(self.settings, self.bus, scorers, settle_s)

    def write(
        self, name: str, value: bytes | None, partition: int | None = None
    ) -> None:
        key = name.encode()
        self.log.append(self.topics.readings, partition, key, value)

    def values(self, topic: str) -> list[Any]:
        return [json.loads(r.value or b"") for r in self.records(topic)]

    def records(self, topic: str) -> list[Any]:
        name = self.topics.names()[topic]
        return [r for partition in self.log.topic(name) for r in partition.records]

    def has_ended(self, count: int) -> bool:
        return self.ended() == count

    def ended(self) -> int:
        return sum(sum(told["readings"].values()) for told in self.values("audit"))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    names: list[str] = []

    def make(*overrides: str) -> Site:
        names.append(f"t-{uuid.uuid4().hex}")
        return Site(names[-1], tmp_path, *overrides)

    yield make
    for name in names:
        drop_log(name)


@asynccontextmanager
async def all_of(*roles: Any) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for role in roles:
            await stack.enter_async_context(running(role.app))
        yield


async def test_a_scorer_that_follows_another_goes_on_where_it_ended(
    site: Callable[..., Site],
) -> None:
    plant = site()
    told = list(pump_readings(6, 20))
    for half in (told[:60], told[60:]):
        count = plant.ended() + 61
        for name, value in half:
            plant.write(name, value)
        plant.write("pump-000", b"poison")
        async with all_of(plant.scorer()):
            await until(partial(plant.has_ended, count))
    expected: dict[str, bytes] = {}
    for number, partition in enumerate(plant.log.topic(plant.topics.readings)):
        records = [_placed(r, number) for r in partition.records]
        expected |= expected_scores(plant.settings, records, plant.topics.readings)
    found = {json.loads(r.value)["id"]: r.value for r in plant.records("scores")}
    assert found == expected
    assert len(plant.records("scores")) == len(found) == 60
    assert [r.value for r in plant.records("quarantine")] == [b"poison", b"poison"]
    # Everything is committed: a third one would find nothing to do.
    committed = plant.log.group("tiny-score").offsets
    ends = [p.end for p in plant.log.topic(plant.topics.readings)]
    assert [committed[plant.topics.readings, n] for n in (0, 1)] == ends


def _placed(record: Any, number: int) -> Any:
    class Placed(type(record)):  # type: ignore[misc]  # a NamedTuple with one more name
        partition = number

    return Placed(*record)


async def test_a_split_machine_is_reported_by_the_role(
    site: Callable[..., Site],
) -> None:
    plant = site()
    for number in range(8):
        plant.write("pump-1", reading("pump-1", number, pressure=1), number % 2)
        plant.write("pump-2", reading("pump-2", number, pressure=1), 0)
    async with all_of(plant.scorer(settle_s=0.05)):
        await until(lambda: bool(plant.records("alerts")) and plant.ended() == 16)
    (alert,) = plant.values("alerts")
    assert (alert["machine"], alert["kind"]) == ("pump-1", "second_partition")
    assert {score["machine"] for score in plant.values("scores")} == {"pump-2"}


async def test_a_scorer_that_cannot_read_its_state_crashes_and_harms_nothing(
    site: Callable[..., Site],
) -> None:
    plant = site()
    plant.log.append(plant.topics.state, 0, b"pump/0", b"junk")
    plant.write("pump-1", reading("pump-1", 1, pressure=1), 0)
    role = plant.scorer()
    async with all_of(role):
        await until(lambda: bool(role.app.crashed))
    assert plant.records("scores") == []
    assert plant.log.group("tiny-score").offsets == {}


async def test_repartitioned_readings_are_scored_in_order(
    site: Callable[..., Site],
) -> None:
    plant = site("input.repartition=true")
    told = list(pump_readings(6, 20))
    stamps = [1_767_225_600_000 + at for at in range(len(told))]
    for at, (name, value) in enumerate(told):
        # Each machine's readings in turn on both partitions, written in order.
        place, headers = (at // 6) % 2, ((name, b""),)
        topic = plant.topics.readings
        plant.log.append(topic, place, None, value, headers, stamps[at])
    plant.log.append(plant.topics.readings, 1, None, None)
    async with all_of(RepartitionRole(plant.settings, plant.bus), plant.scorer()):
        await until(lambda: plant.ended() == len(told) + 1)
    forwarded = plant.records("keyed")
    assert {r.value for r in forwarded if r.value} == {value for _, value in told}
    good = [r for r in forwarded if r.value]
    assert {r.timestamp for r in good} == set(stamps)
    assert all(r.headers[0][0].encode() == r.key for r in good)
    scored = sorted((s["machine"], s["time"]) for s in plant.values("scores"))
    assert len(scored) == len(set(scored)) == 60
    (poison,) = plant.records("quarantine")
    assert dict(poison.headers)["foreshock-reason"] == b"empty"
    committed = plant.log.group("tiny-repartition").offsets
    ends = [p.end for p in plant.log.topic(plant.topics.readings)]
    assert [committed[plant.topics.readings, n] for n in (0, 1)] == ends


async def test_strangers_on_the_keyed_topic_are_refused(
    site: Callable[..., Site],
) -> None:
    plant = site("input.repartition=true")
    home = plant.log.place(plant.topics.keyed, b"pump-1")
    for number in range(4):
        value = reading("pump-1", number, pressure=1)
        plant.log.append(plant.topics.keyed, home, b"pump-1", value)
        plant.log.append(plant.topics.keyed, 1 - home, b"pump-1", value)
    async with all_of(plant.scorer()):
        await until(lambda: plant.ended() == 8)
    ends = [told["readings"] for told in plant.values("audit")]
    assert {"used": 4} in ends
    assert {"refused.second_partition": 4} in ends


class Shelf:
    """An archive that is away or picky when told to.

    Attributes:
        lines: What it keeps.
        away: Whether it cannot be reached.
        refuses: A text; lines that hold it are never taken.
        asked: How often it was written to.
    """

    def __init__(self, refuses: str = "\0") -> None:
        self.lines: list[str] = []
        self.away = False
        self.refuses = refuses
        self.asked = 0

    def open(self) -> None:
        """Be ready at once."""

    def write(self, lines: Sequence[str]) -> list[Refused]:
        self.asked += 1
        if self.away:
            raise Retryable("it is away", 0.01)
        self.lines += [line for line in lines if self.refuses not in line]
        return [
            Refused(i, "points beyond retention")
            for i, line in enumerate(lines)
            if self.refuses in line
        ]

    def flush(self) -> None:
        """Keep nothing back."""

    def close(self) -> None:
        """Hold nothing."""


def scores(plant: Site, count: int) -> list[bytes]:
    records = []
    for number in range(count):
        value = reading("pump-1", number, pressure=float(number))
        records.append(_placed(_record(number, value), 0))
    expected = expected_scores(plant.settings, records, plant.topics.readings)
    return list(expected.values())


def _record(offset: int, value: bytes) -> Any:
    from connectors.memory_log import Record

    return Record(offset, -1, b"pump-1", value, ())


async def test_an_archive_that_comes_back_gets_everything(
    site: Callable[..., Site],
) -> None:
    plant, shelf = site(), Shelf()
    shelf.away = True
    for value in scores(plant, 20):
        plant.log.append(plant.topics.scores, 0, b"pump-1", value)
    group = plant.log.group("tiny-archive")
    async with all_of(ArchiveRole(plant.settings, plant.bus, shelf)):
        await until(lambda: shelf.asked > 3)
        assert shelf.lines == []
        assert not group.offsets.get((plant.topics.scores, 0))
        shelf.away = False
        await until(lambda: group.offsets.get((plant.topics.scores, 0)) == 10)
    assert len(shelf.lines) == 10
    assert plant.records("quarantine") == []


async def test_an_archive_that_stays_away_does_not_hold_the_worker_up(
    site: Callable[..., Site],
) -> None:
    plant, shelf = site(), Shelf()
    shelf.away = True
    plant.log.append(plant.topics.scores, 0, b"pump-1", scores(plant, 2)[0])
    async with asyncio.timeout(PATIENCE_S):
        async with all_of(ArchiveRole(plant.settings, plant.bus, shelf)):
            await until(lambda: shelf.asked > 0)
    shelf.away = False
    async with all_of(ArchiveRole(plant.settings, plant.bus, shelf)):
        await until(lambda: len(shelf.lines) == 1)


async def test_a_refused_line_and_what_is_no_score_go_to_quarantine(
    site: Callable[..., Site],
) -> None:
    plant = site()
    good = scores(plant, 8)
    refused = json.loads(good[1])["id"]
    shelf = Shelf(refuses=refused)
    bad = [b"junk", b"{}", b"", None]
    for value in [*good, *bad]:
        plant.log.append(plant.topics.scores, 0, b"pump-1", value)
    async with all_of(ArchiveRole(plant.settings, plant.bus, shelf)):
        await until(lambda: len(plant.records("quarantine")) == 5)
    assert len(shelf.lines) == len(good) - 1
    reasons = {
        (r.value, dict(r.headers)["foreshock-reason"])
        for r in plant.records("quarantine")
    }
    assert reasons == {(value, b"not_a_score") for value in bad} | {
        (good[1], b"archive_refused")
    }
    (told,) = (
        dict(r.headers) for r in plant.records("quarantine") if r.value == good[1]
    )
    assert told["foreshock-topic"] == plant.topics.scores.encode()
    assert told["foreshock-detail"] == b"archive: points beyond retention"


async def test_readings_are_archived_where_that_is_asked_for(
    site: Callable[..., Site],
) -> None:
    plant, shelf = site("influx.write_readings=true"), Shelf()
    plant.write("pump-1", reading("pump-1", 1, pressure=5.0, speed=1e6))
    plant.write("fan-1", reading("fan-1", 2, temperature=1e9))
    plant.write("boiler-1", reading("boiler-1", 3, heat=1.0))
    plant.write("pump-1", b"poison")
    async with all_of(ArchiveRole(plant.settings, plant.bus, shelf)):
        group = plant.log.group("tiny-archive")
        ends = {
            (plant.topics.readings, n): p.end
            for n, p in enumerate(plant.log.topic(plant.topics.readings))
            if p.end
        }
        await until(lambda: ends.items() <= group.offsets.items())
    # Out of range and strangers are left out; poison the scoring agent quarantines.
    (line,) = shelf.lines
    assert line.startswith("reading,machine=pump-1,type=pump pressure=5")
    assert line.endswith(" 1767225601000000000")
    assert plant.records("quarantine") == []
