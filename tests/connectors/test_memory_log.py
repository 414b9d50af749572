"""The log and its groups, without Faust."""

import asyncio
from typing import Any

import pytest

from connectors.memory_group import Group, Member
from connectors.memory_log import Log, Partition, Record, drop_log, open_log


def _offsets(records: list[Record]) -> list[int]:
    return [record.offset for record in records]


def _filled(count: int = 10, **options: Any) -> tuple[Log, Partition]:
    log = Log(**options)
    log.create_topic("t", 1)
    for number in range(count):
        log.append("t", 0, b"k%d" % (number % 3), b"v", timestamp_ms=number)
    return log, log.topic("t")[0]


def test_read_starts_at_an_offset_and_has_a_limit() -> None:
    _, partition = _filled()
    assert _offsets(partition.read(3, 4)) == [3, 4, 5, 6]
    assert partition.read(10, 4) == []
    assert Partition().read(0, 4) == []


@pytest.mark.parametrize("start", range(11))
def test_read_over_holes_gives_what_is_at_or_after(start: int) -> None:
    _, partition = _filled()
    assert partition.compact() == 7
    expected = [offset for offset in (7, 8, 9) if offset >= start]
    assert _offsets(partition.read(start, 99)) == expected
    partition.trim(8)
    expected = [offset for offset in (8, 9) if offset >= start]
    assert _offsets(partition.read(start, 99)) == expected


def test_trim_moves_the_start_and_never_past_the_end() -> None:
    _, partition = _filled()
    partition.trim(4)
    assert (partition.start, partition.end) == (4, 10)
    assert _offsets(partition.read(0, 2)) == [4, 5]
    partition.trim(2)
    assert partition.start == 4
    partition.trim(99)
    assert (partition.start, partition.end, partition.records) == (10, 10, [])


def test_compaction_keeps_what_has_no_key() -> None:
    log, partition = _filled(3)
    for _ in range(2):
        log.append("t", 0, None, b"v", timestamp_ms=0)
        log.append("t", 0, b"k0", None, timestamp_ms=0)
    partition.compact()
    assert _offsets(partition.records) == [1, 2, 3, 5, 6]


def test_records_without_a_time_get_it_from_the_clock() -> None:
    log = Log(clock_ms=lambda: 77)
    log.append("t", 0, None, b"v")
    assert log.topic("t")[0].records == [Record(0, 77, None, b"v", ())]


def test_records_without_a_key_take_turns() -> None:
    log = Log(partitions=3)
    assert [log.append("t", None, None, b"v")[0] for _ in range(4)] == [0, 1, 2, 0]


def test_one_key_stays_in_one_partition() -> None:
    log = Log(partitions=7)
    assert len({log.append("t", None, b"pump-07", b"v")[0] for _ in range(9)}) == 1


def test_a_bounded_log_keeps_what_a_group_has_not_read() -> None:
    log, partition = _filled(0, keep=10)
    group = log.group("g")
    member = group.join({"t"})
    for _ in range(100):
        log.append("t", 0, None, b"v", timestamp_ms=0)
    assert len(partition.records) == 100
    group.offsets["t", 0] = 95
    for _ in range(100):
        log.append("t", 0, None, b"v", timestamp_ms=0)
    assert partition.start == 95
    assert _offsets(partition.read(95, 1)) == [95]
    group.leave(member)


def test_a_bounded_log_drops_what_no_group_reads() -> None:
    log, partition = _filled(1000, keep=10)
    assert len(partition.records) <= 20
    assert partition.end == 1000
    assert partition.records[-1].offset == 999
    log.group("elsewhere").join({"other"})
    for _ in range(1000):
        log.append("t", 0, None, b"v", timestamp_ms=0)
    assert len(partition.records) <= 20


def test_a_bounded_compacted_topic_keeps_the_last_of_each_key() -> None:
    log = Log(keep=10)
    log.create_topic("state", 1, compacted=True)
    for number in range(1000):
        log.append("state", 0, b"k%d" % (number % 5), b"%d" % number)
    partition = log.topic("state")[0]
    assert len(partition.records) <= 30
    assert {record.value for record in partition.records[-5:]} == {
        b"%d" % number for number in range(995, 1000)
    }


def test_logs_have_names_until_they_are_dropped() -> None:
    first = open_log("named", partitions=3)
    assert open_log("named") is first
    drop_log("named")
    drop_log("named")
    second = open_log("named")
    assert second is not first
    drop_log("named")


async def test_waiting_ends_with_an_append_or_with_time() -> None:
    log = Log()
    await log.wait_append(0.0)
    waiting = asyncio.create_task(log.wait_append(60.0))
    while not log._waiting:
        await asyncio.sleep(0)
    log.append("t", 0, None, b"v", timestamp_ms=0)
    await asyncio.wait_for(waiting, 5)
    assert not log._waiting


def _shares(offers: dict[str, Any]) -> dict[str, Any]:
    return {name: f"{offer}/{len(offers)}" for name, offer in offers.items()}


def _arrive(
    group: Group, member: Member, offer: str
) -> asyncio.Task[tuple[int, Any] | None]:
    return asyncio.create_task(group.arrive(member, lambda: offer, _shares))


async def test_members_meet_before_anyone_gets_a_share() -> None:
    group = Group("g")
    one, two = group.join({"t"}), group.join({"t"})
    assert one.due.is_set()
    first = _arrive(group, one, "a")
    await asyncio.sleep(0)
    assert not first.done()
    second = _arrive(group, two, "b")
    assert await first == (1, "a/2")
    assert await second == (1, "b/2")
    assert not one.due.is_set()


async def test_the_round_ends_without_a_member_that_leaves() -> None:
    group = Group("g")
    one, two = group.join({"t"}), group.join({"t"})
    first = _arrive(group, one, "a")
    await asyncio.sleep(0)
    group.leave(two)
    group.leave(two)
    assert await first == (1, "a/1")
    assert await group.arrive(two, lambda: "b", _shares) is None


async def test_a_member_fenced_at_the_barrier_learns_it() -> None:
    group = Group("g")
    one, _two = group.join({"t"}), group.join({"t"})
    first = _arrive(group, one, "a")
    await asyncio.sleep(0)
    group.leave(one)
    assert await first is None


async def test_commits_count_only_from_members_of_this_generation() -> None:
    group = Group("g")
    one = group.join({"t"})
    assert await group.arrive(one, lambda: "a", _shares) == (1, "a/1")
    assert group.commit(one, 1, {("t", 0): 5})
    assert not group.commit(one, 0, {("t", 0): 9})
    group.on_commit = lambda _name, offsets: offsets["t", 0] < 7
    assert not group.commit(one, 1, {("t", 0): 8})
    group.leave(one)
    assert not group.commit(one, 1, {("t", 0): 6})
    assert group.offsets == {("t", 0): 5}
