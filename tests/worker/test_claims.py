from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from connectors.memory_log import Log
from connectors.memory_reader import MemoryReader
from stream.worker.claims import Claims
from stream.worker.elsewhere import Elsewhere
from stream.worker.homes import Homes, place
from stream.worker.split import report
from tests.worker.bench import LogProducer
from tests.worker.tiny import reading, tiny_settings


@asynccontextmanager
async def register(
    log: Log, elsewhere: Elsewhere | None = None
) -> AsyncIterator[Claims]:
    """Run a worker's view of the register."""
    log.create_topic("machines", 1)
    looks = elsewhere.machines if elsewhere else None
    claims = Claims(MemoryReader(log), LogProducer(log), "machines", 0.0, looks)
    following = asyncio.create_task(claims.follow())
    await claims.ready()
    try:
        yield claims
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following


def keys(log: Log) -> list[bytes | None]:
    return [record.key for record in log.topic("machines")[0].records]


async def test_a_machine_on_one_partition_is_whole_and_claimed_once() -> None:
    log = Log()
    async with register(log) as claims:
        await claims.settle(2, ["a", "b"])
        await claims.settle(2, ["a"])
        assert claims.split == {}
        assert claims.unclaimed(2, ["a", "c"]) == ["c"]
        assert claims.unclaimed(1, ["a"]) == ["a"]
    assert keys(log) == [b"a\x002", b"b\x002"]


async def test_two_workers_find_a_split_whoever_comes_second() -> None:
    log = Log()
    async with register(log) as one, register(log) as two:
        await one.settle(0, ["a", "b"])
        assert one.refused(0) == set()
        await two.settle(3, ["a"])
        assert set(two.refused(3)) == {"a"}
        # The other worker learns of it by the register, not by asking.
        await one.settle(0, ["c"])
        assert one.split == {"a": (0, 3)}


async def test_the_register_outlives_the_workers_and_can_be_mended() -> None:
    log = Log()
    async with register(log) as claims:
        await claims.settle(0, ["a"])
        await claims.settle(1, ["a"])
        await report(claims, LogProducer(log), "alerts", "readings")
    async with register(log) as claims:
        assert claims.split == {"a": (0, 1)}
        assert claims.unreported() == []
    for key in (b"a\x000", b"\0reported\0a"):
        log.append("machines", 0, key, None)
    async with register(log) as claims:
        assert claims.split == {}
        await claims.settle(0, ["a"])
        assert [name for name, _ in claims.unreported()] == ["a"]


async def test_a_split_is_reported_once_in_words() -> None:
    log = Log()
    async with register(log) as claims:
        await claims.settle(0, ["a"])
        await claims.settle(3, ["a"])
        for _ in range(2):
            await report(claims, LogProducer(log), "alerts", "readings")
    (record,) = log.topic("alerts")[0].records
    alert = json.loads(record.value or b"")
    assert record.key == b"a"
    assert (alert["subject"], alert["kind"]) == ("pipeline", "second_partition")
    assert alert["source"] == {"topic": "readings"}
    assert "partitions 0, 3 of readings" in alert["message"]
    assert "input.repartition" in alert["message"]


async def test_strange_records_in_the_register_are_passed_over() -> None:
    log = Log()
    for key in (None, b"", b"junk", b"\0", b"a\0x", b"\x001"):
        log.append("machines", 0, key, b"{}")
    async with register(log) as claims:
        assert claims.split == {}


class TestElsewhere:
    @pytest.fixture
    def log(self) -> Log:
        log = Log()
        log.create_topic("readings", 3)
        return log

    def look(self, log: Log, folder: Path) -> Elsewhere:
        settings = tiny_settings(folder)
        return Elsewhere(MemoryReader(log), settings, "readings", "tiny-score")

    async def found(self, elsewhere: Elsewhere, but: int) -> set[tuple[str, int]]:
        return {one async for piece in elsewhere.machines(but) for one in piece}

    async def test_it_finds_what_no_owner_has_read(
        self, log: Log, tmp_path: Path
    ) -> None:
        for number in range(3):
            log.append("readings", number, None, reading("pump-1", 0, pressure=1))
        log.append("readings", 2, None, reading("pump-2", 0, pressure=1))
        elsewhere = self.look(log, tmp_path)
        assert await self.found(elsewhere, 0) == {
            ("pump-1", 1),
            ("pump-1", 2),
            ("pump-2", 2),
        }
        # Once is enough: they are in the register now.
        assert await self.found(elsewhere, 0) == set()
        assert await self.found(elsewhere, 1) == {("pump-1", 0)}

    async def test_of_a_long_backlog_it_reads_the_newest_part(
        self, log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("stream.worker.elsewhere._NEWEST", 2)
        for name in ("pump-1", "pump-2", "pump-3"):
            log.append("readings", 1, None, reading(name, 0, pressure=1))
        elsewhere = self.look(log, tmp_path)
        assert await self.found(elsewhere, 0) == {("pump-2", 1), ("pump-3", 1)}
        log.append("readings", 1, None, reading("pump-4", 0, pressure=1))
        assert await self.found(elsewhere, 0) == {("pump-4", 1)}

    async def test_poison_strangers_and_what_is_committed_are_no_machines(
        self, log: Log, tmp_path: Path
    ) -> None:
        log.append("readings", 1, None, reading("pump-1", 0, pressure=1))
        log.group("tiny-score").offsets["readings", 1] = 1
        log.append("readings", 1, None, b'{"machine": "pump-1"')
        log.append("readings", 1, None, reading("boiler-1", 0, pressure=1))
        # Quarantined as from the future, so it is no reading of that machine.
        late = reading("pump-3", 0, pressure=1)
        log.append("readings", 1, None, late, timestamp_ms=1)
        assert await self.found(self.look(log, tmp_path), 0) == set()

    async def test_an_owner_that_is_behind_changes_nothing(
        self, log: Log, tmp_path: Path
    ) -> None:
        for number in (0, 1):
            log.append("readings", number, None, reading("pump-1", 0, pressure=1))
        async with register(log, self.look(log, tmp_path)) as claims:
            await claims.settle(0, ["pump-1"])
            assert claims.split == {"pump-1": (0, 1)}

    async def test_what_an_owner_has_claimed_and_committed_is_known_in_time(
        self, log: Log, tmp_path: Path
    ) -> None:
        async with register(log, self.look(log, tmp_path)) as claims:
            # Written by another worker; this one has not been told yet.
            log.append("machines", 0, b"pump-1\x001", b"{}")
            log.group("tiny-score").offsets["readings", 1] = 0
            await claims.settle(0, ["pump-1"])
            assert claims.split == {"pump-1": (0, 1)}


async def test_machines_are_refused_anywhere_but_at_home() -> None:
    log = Log()
    log.create_topic("keyed", 4)
    homes = Homes(MemoryReader(log), "keyed")
    names = [f"pump-{number}" for number in range(20)]
    home = {name: place(name.encode(), 4) for name in names}
    assert set(home.values()) == {0, 1, 2, 3}
    for number in range(4):
        await homes.settle(number, names)
        assert set(homes.refused(number)) == {n for n in names if home[n] != number}
    assert homes.unclaimed(0, names) == []


def test_places_are_those_of_kafka_s_own_client() -> None:
    # Computed with org.apache.kafka.common.utils.Utils: murmur2 of "21" is -973932308.
    assert place(b"21", 1_000_000) == (-973_932_308 & 0x7FFF_FFFF) % 1_000_000
