"""A partition by hand: every step may be the last one, and nothing shows it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.memory_log import Log, Record
from stream.core.alert import Alert, Event
from stream.core.decode import Decoded
from stream.core.pipeline import Pipeline
from stream.worker.order import Halt
from stream.worker.partition import Partition
from stream.worker.settings import Settings
from stream.worker.state_topic import understood
from tests.worker.bench import Bench, CrashedError, Free, batch
from tests.worker.tiny import expected_scores, reading, time_of, tiny_settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return tiny_settings(tmp_path)


@pytest.fixture
def bench(settings: Settings) -> Bench:
    return Bench(settings, Log())


def readings(first: int, rows: int) -> list[bytes]:
    """Return readings of two pumps and a fan, and some poison."""
    found = []
    for row in range(first, first + rows):
        values = {"pressure": row % 50, "speed": 100 + row}
        found += [reading(name, row, **values) for name in ("pump-1", "pump-2")]
        found.append(reading("fan-1", 10 * row + 3, temperature=20 + row % 7))
    return [*found, b"poison"]


def wanted(bench: Bench) -> dict[str, dict[str, Any]]:
    """Return what one undisturbed run gives, without the offsets of its causes."""
    records = [_in_partition_0(r) for r in bench.log.topic("readings")[0].records]
    scores = expected_scores(bench.settings, records, "readings")
    return {i: without_source(payload) for i, payload in scores.items()}


def _in_partition_0(record: Record) -> Any:
    class Placed(Record):
        partition = 0

    return Placed(*record)


def without_source(payload: bytes) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(payload)
    del told["source"]
    return told


def blocks(bench: Bench) -> list[bytes | None]:
    return [record.key for record in bench.log.topic("state")[0].records]


async def test_a_batch_is_acknowledged_by_the_checkpoint_and_not_before(
    bench: Bench,
) -> None:
    partition, event = bench.partition(), batch(bench.write(readings(0, 4)))
    await partition.batch(event)
    assert bench.payloads()
    assert not event.acked
    assert await partition.checkpoint()
    assert event.acked
    assert blocks(bench)[-1] == b"\0pos"
    written = len(blocks(bench))
    # Nothing new: nothing to write.
    assert await partition.checkpoint()
    assert len(blocks(bench)) == written
    assert bench.audited() == Counter(used=8, merged=4, **{"quarantined.not_json": 1})
    assert partition.totals.records == 13
    found = {i: without_source(p) for i, (p,) in bench.payloads().items()}
    assert found == wanted(bench)


PIECES = (readings(0, 4), readings(4, 4))


async def story(bench: Bench) -> None:
    """Live one life: two batches with a checkpoint, a silence and events in between."""
    partition = bench.partition()
    await partition.batch(batch(bench.write(PIECES[0])))
    await partition.checkpoint()
    await partition.release_silent([0.0, 0.0])
    tell(bench)
    await partition.take_events()
    await partition.checkpoint()
    await partition.batch(batch(bench.write(PIECES[1])))
    await partition.close()


def whole_story(bench: Bench) -> list[Record]:
    """Let everything happen that a crash has kept from happening."""
    if not bench.events.told:
        tell(bench)
    if len(bench.log.topic("readings")[0].records) <= len(PIECES[0]):
        bench.write(PIECES[1])
    return list(bench.log.topic("readings")[0].records)


def tell(bench: Bench) -> None:
    """Tell of the machines what happens after row 3 and before row 4."""
    at, far = time_of(3.5), time_of(1e6)
    bench.tell(Event("pump-1", "acknowledge", at, by="ann", why="on my way"))
    bench.tell(Event("pump-2", "maintenance", at, by="bob"))
    bench.tell(Event("fan-1", "shelve", time_of(35), until=far, why="known"))


def alerts(bench: Bench) -> dict[tuple[str, int], set[bytes]]:
    """Return by alarm and number what was told of alarms, without offsets.

    Silence is left out: who ends before it could be noted takes it along.
    """
    found: dict[tuple[str, int], set[bytes]] = {}
    for record in bench.log.topic("alarms")[0].records:
        alert = msgspec.json.decode(record.value or b"", type=Alert)
        if alert.kind == "no_data":
            continue
        alert.source = {}
        told = msgspec.json.encode(alert)
        found.setdefault((alert.id, alert.seq), set()).add(told)
    return found


async def test_a_crash_before_any_message_shows_in_nothing_but_repetitions(
    settings: Settings,
) -> None:
    whole = Bench(settings, Log())
    await story(whole)
    messages = whole.producer.sent
    assert messages > 20
    calm = {i: without_source(p) for i, (p,) in whole.payloads().items()}
    # Maintenance empties a window: but for that, these are the scores of one pipeline.
    differing = {i for i, one in calm.items() if one != wanted(whole).get(i)}
    assert {calm[i]["machine"] for i in differing} == {"pump-2"}
    told = alerts(whole)
    assert {len(payloads) for payloads in told.values()} == {1}
    kinds = {json.loads(p)["event"] for payloads in told.values() for p in payloads}
    assert {"raised", "acknowledged", "shelved", "cleared"} <= kinds
    for crash_at in range(messages):
        bench = Bench(settings, Log())
        bench.producer.crash_at = crash_at
        with pytest.raises(CrashedError):
            await story(bench)
        bench.producer.crash_at = None
        # The next owner: nothing was committed, so it reads all of it, cut elsewhere.
        records = whole_story(bench)
        partition = bench.partition(2)
        await partition.start()
        await partition.batch(batch(records[:7], 2))
        await partition.checkpoint()
        await partition.batch(batch(records[7:], 2))
        await partition.close()
        contradicting = [i for i, p in bench.payloads().items() if len(p) > 1]
        assert contradicting == [], crash_at
        found = {i: without_source(p) for i, (p,) in bench.payloads().items()}
        assert found == calm, crash_at
        assert alerts(bench) == told, crash_at
        # All ends are told once; only a row's release may hide a reading of its time.
        assert bench.audited() == whole.audited(), crash_at
        assert understood(bench.log.topic("state")[0].records).position.offset == 25


async def test_nothing_is_acknowledged_before_the_bus_has_acknowledged(
    bench: Bench,
) -> None:
    partition, event = bench.partition(), batch(bench.write(readings(0, 4)))
    bench.producer.gate.clear()
    await partition.batch(event)
    checkpoint = asyncio.create_task(partition.checkpoint())
    for _ in range(20):
        await asyncio.sleep(0)
    assert not checkpoint.done()
    assert blocks(bench) == []
    bench.producer.gate.set()
    assert await checkpoint
    assert event.acked


async def test_batches_go_on_while_a_checkpoint_is_made_durable(bench: Bench) -> None:
    partition = bench.partition()
    first, second = (batch(bench.write(readings(at, 4))) for at in (0, 4))
    await partition.batch(first)
    bench.producer.gate.clear()
    saving = asyncio.create_task(partition.checkpoint())
    await asyncio.sleep(0)
    await asyncio.wait_for(partition.batch(second), 5)
    scores = len(bench.payloads())
    assert not first.acked
    bench.producer.gate.set()
    assert await saving
    # The first batch alone is durable: the position says so, and so does the audit.
    assert first.acked
    assert not second.acked
    assert bench.audited().total() == 13
    again = bench.partition(2)
    await again.start()
    assert again.reached == first.message.offset
    # The worker ends here; what it had sent comes again, and the rest with it.
    await again.batch(batch(bench.log.topic("readings")[0].read(13, 13), 2))
    await again.close()
    assert len(bench.payloads()) == scores
    found = {i: without_source(p) for i, (p,) in bench.payloads().items()}
    assert found == wanted(bench)


async def test_a_partition_is_left_when_the_checkpoint_under_way_is_through(
    bench: Bench,
) -> None:
    partition = bench.partition()
    first, second = (batch(bench.write(readings(at, 4))) for at in (0, 4))
    await partition.batch(first)
    bench.producer.gate.clear()
    saving = asyncio.create_task(partition.checkpoint())
    await asyncio.sleep(0)
    await partition.batch(second)
    closing = asyncio.create_task(partition.close())
    await asyncio.sleep(0)
    assert not closing.done()
    bench.producer.gate.set()
    await closing
    assert await saving
    assert first.acked
    assert second.acked
    assert bench.audited().total() == 26


async def test_what_waits_is_scored_together(bench: Bench) -> None:
    one, two = bench.partition(), Bench(bench.settings, Log())
    events = [batch(bench.write(readings(at, 2))) for at in (0, 2, 4)]
    await one.batch(*events)
    assert await one.checkpoint()
    assert all(event.acked for event in events)
    alone = two.partition()
    for at in (0, 2, 4):
        await alone.batch(batch(two.write(readings(at, 2))))
    assert bench.payloads() == two.payloads()
    with pytest.raises(Halt, match=r"expected a batch from offset 21"):
        await one.batch(batch(bench.write(readings(6, 1))[1:]))


@pytest.mark.parametrize("topic", ["scores", "quarantine", "state", "audit"])
async def test_a_message_that_is_not_taken_stops_the_checkpoint(
    bench: Bench, topic: str
) -> None:
    partition, event = bench.partition(), batch(bench.write(readings(0, 4)))
    bench.producer.refuse = lambda to, _: OSError("full") if to == topic else None
    await partition.batch(event)
    with pytest.raises(OSError, match="full"):
        await partition.checkpoint()
    assert not event.acked
    assert b"\0pos" not in blocks(bench)


async def test_a_partition_that_is_lost_writes_and_acknowledges_nothing(
    bench: Bench,
) -> None:
    partition, event = bench.partition(), batch(bench.write(readings(0, 4)))
    await partition.batch(event)
    bench.owner = False
    assert not await partition.checkpoint()
    assert partition.closed
    assert not event.acked
    assert blocks(bench) == []
    sent = bench.producer.sent
    await partition.batch(batch(bench.write(readings(4, 1))))
    await partition.release_silent([0.0, 0.0])
    await partition.close()
    assert bench.producer.sent == sent


async def test_silence_is_not_told_for_a_partition_that_is_lost(bench: Bench) -> None:
    partition = bench.partition()
    await partition.batch(batch(bench.write(readings(0, 4))))
    assert await partition.checkpoint()
    bench.owner = False
    await partition.release_silent([0.0, 0.0])
    assert partition.closed
    assert b"\0idle" not in blocks(bench)


async def test_a_recorded_release_is_repeated_without_any_reading(
    bench: Bench,
) -> None:
    partition = bench.partition()
    await partition.batch(batch(bench.write(readings(0, 4))))
    await partition.release_silent([0.0, 0.0])
    before = bench.log.topic("scores")[0].records[-1].value
    assert json.loads(before or b"")["machine"] == "fan-1"
    # No checkpoint: the process has ended.
    await bench.partition(2).start()
    records = bench.log.topic("scores")[0].records
    assert [r.value for r in records[-2:]] == [before, before]


async def test_batches_must_follow_one_another(bench: Bench) -> None:
    partition, records = bench.partition(), bench.write(readings(0, 4))
    await partition.batch(batch(records[:3]))
    with pytest.raises(Halt, match="expected a batch from offset 3"):
        await partition.batch(batch(records[4:]))


async def test_offsets_that_the_broker_never_had_are_no_hole(bench: Bench) -> None:
    partition, records = bench.partition(), bench.write(readings(0, 4))
    await partition.batch(batch(records[:3]))
    await partition.batch(batch(records[4:], skipped=1))
    assert await partition.checkpoint()


async def test_a_state_topic_that_lacks_what_was_committed_stops_the_worker(
    bench: Bench,
) -> None:
    partition, records = bench.partition(), bench.write(readings(0, 4))
    await partition.batch(batch(records[:3]))
    await partition.close()
    with pytest.raises(Halt, match="the state topic lacks the rest"):
        await bench.partition(2).batch(batch(records[6:], 2))


async def test_readings_that_expired_are_passed_over(bench: Bench) -> None:
    partition, records = bench.partition(), bench.write(readings(0, 4))
    await partition.batch(batch(records[:3]))
    await partition.close()
    bench.log.topic("readings")[0].trim(6)
    later = bench.partition(2)
    await later.batch(batch(records[6:], 2))
    assert await later.checkpoint()


async def test_batches_of_another_generation_are_left_alone(bench: Bench) -> None:
    partition, event = bench.partition(1), batch(bench.write(readings(0, 4)), 2)
    await partition.batch(event)
    assert await partition.checkpoint()
    assert bench.producer.sent == 0
    assert not event.acked


class Pensive(Free):
    """A register that never comes to a conclusion."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def settle(self, partition: int, machines: Any) -> None:
        self.asked += machines
        await asyncio.Event().wait()


async def test_a_partition_leaves_without_waiting_for_claims(
    settings: Settings,
) -> None:
    register = Pensive()
    bench = Bench(settings, Log(), register)
    partition, event = bench.partition(), batch(bench.write(readings(0, 4)))
    work = asyncio.create_task(partition.batch(event))
    while not register.asked:
        await asyncio.sleep(0)
    await asyncio.wait_for(partition.close(), 5)
    await work
    assert not event.acked
    assert bench.payloads() == {}
    # Machines that have not settled are not in the state, or they never would settle.
    bench.register = Free()
    later = bench.partition(2)
    await later.start()
    assert later.machines == 0
    await later.batch(batch(bench.log.topic("readings")[0].records, 2))
    assert await later.checkpoint()
    assert {i: without_source(p) for i, (p,) in bench.payloads().items()} == (
        wanted(bench)
    )


class Strict(Free):
    """A register that refuses some machines once they have been asked for."""

    def __init__(self, *names: str) -> None:
        self.names, self.known = names, set[str]()

    async def settle(self, partition: int, machines: Any) -> None:
        self.known |= set(machines) & set(self.names)

    def refused(self, partition: int) -> list[str]:
        return sorted(self.known)


async def test_refused_machines_are_neither_scored_nor_kept(settings: Settings) -> None:
    bench = Bench(settings, Log(), Strict("pump-2"))
    partition = bench.partition()
    await partition.batch(batch(bench.write(readings(0, 4))))
    await partition.close()
    ends = bench.audited()
    assert (ends["used"], ends["refused.second_partition"]) == (4, 4)
    scored = {json.loads(p)["machine"] for (p,) in bench.payloads().values()}
    assert scored == {"pump-1", "fan-1"}
    bench.register = Free()
    later = bench.partition(2)
    await later.start()
    assert later._pipeline is not None
    assert set(later._pipeline.machines.lookup) == {"pump-1", "fan-1"}


async def test_silence_of_a_machine_found_split_is_not_told(settings: Settings) -> None:
    register = Strict("fan-1")
    bench = Bench(settings, Log(), register)
    register.names = ()
    partition = bench.partition()
    await partition.batch(batch(bench.write(readings(0, 4))))
    before = len(bench.payloads())
    register.known = {"fan-1"}
    await partition.release_silent([1e9, 0.0])
    assert len(bench.payloads()) == before
    assert b"\0idle" not in blocks(bench)


class Forgetful(Free):
    """A register that has lost its claims."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def settle(self, partition: int, machines: Any) -> None:
        self.asked += machines

    def unclaimed(self, partition: int, machines: Any) -> list[str]:
        return list(machines)


async def test_restored_machines_without_a_claim_settle_anew(
    settings: Settings,
) -> None:
    bench = Bench(settings, Log())
    partition = bench.partition()
    await partition.batch(batch(bench.write(readings(0, 4))))
    await partition.close()
    bench.register = register = Forgetful()
    later = bench.partition(2)
    await later.batch(batch(bench.write(readings(4, 1)), 2))
    assert sorted(register.asked) == ["fan-1", "pump-1", "pump-2"]


async def test_a_record_that_trips_the_decoder_costs_itself_alone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Pipeline.decode

    def trips(self: Pipeline, records: Sequence[Record]) -> Decoded:
        if any(record.value == b"poison" for record in records):
            raise ZeroDivisionError("a bug of ours")
        return plain(self, records)

    monkeypatch.setattr(Pipeline, "decode", trips)
    partition = bench.partition()
    await partition.batch(batch(bench.write(readings(0, 4))))
    assert await partition.checkpoint()
    ends = bench.audited()
    assert ends == Counter(used=8, merged=4, **{"quarantined.internal_error": 1})
    (record,) = bench.log.topic("quarantine")[0].records
    assert record.value == b"poison"
    assert dict(record.headers)["foreshock-detail"] == b"ZeroDivisionError"


async def test_a_partition_that_was_never_used_closes_quietly(bench: Bench) -> None:
    partition: Partition = bench.partition()
    await partition.release_silent([0.0, 0.0])
    await partition.forget_silent(0.0)
    await partition.close()
    await partition.start()
    assert partition.machines == 0
    assert bench.producer.sent == 0
