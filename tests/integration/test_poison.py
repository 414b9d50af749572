"""Poison among readings: each record ends in its one right state, and costs itself."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from aiokafka import AIOKafkaProducer

from tests.integration.plant import Plant, wait_until
from tests.worker.tiny import expected_scores, pump_readings, reading

MACHINES, ROWS, POISON = 99, 100, 100
OLD_MS = 86_400_000
KIND = "kind"


class Kind(NamedTuple):
    """A kind of poison: the record, and how each of its readings must end.

    Attributes:
        value: The payload.
        ends: Terminal states of its readings, in order; one that starts with
            ``quarantined.`` puts the record on the quarantine topic once.
        key: Its key; ours by default.
        stamp_ms: The record's own timestamp; now by default.
    """

    value: bytes | None
    ends: Sequence[str]
    key: bytes | None = b"poison"
    stamp_ms: int | None = None


def bad(value: bytes | str, reason: str) -> Kind:
    raw = value.encode() if isinstance(value, str) else value
    return Kind(raw, [f"quarantined.{reason}"])


def fit(value: bytes | str, state: str) -> Kind:
    raw = value.encode() if isinstance(value, str) else value
    return Kind(raw, [state])


def body(machine: str = '"pump-odd"', time: str = "1767225600", **more: str) -> str:
    """Return a reading as JSON text, each part as it is given."""
    parts = {"machine": machine, "time": time, "values": '{"pressure": 1}'} | more
    return "{" + ", ".join(f'"{k}": {v}' for k, v in parts.items() if v) + "}"


def odd(name: str, values: str) -> str:
    """Return a reading of a machine of its own: what it holds moves no other score."""
    return body(machine=f'"pump-odd-{name}"', values=values)


def telegraf(*metrics: str) -> str:
    return '{"metrics": [' + ", ".join(metrics) + "]}"


def metric(tags: str, timestamp: str = "1767225600", fields: str = "") -> str:
    told = fields or '{"pressure": 1}'
    return (
        f'{{"name": "m", "tags": {tags}, "timestamp": {timestamp}, "fields": {told}}}'
    )


TAGS = '{"machine": "pump-odd-telegraf"}'
DEEP = 100_000


def kinds(largest: int) -> dict[str, Kind]:
    """Return every kind of poison, by name; ``largest`` is the bus's own limit."""
    ahead = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    return {
        # Bytes that are no JSON text.
        "text": bad("pressure=3", "not_json"),
        "cut": bad(body()[:-9], "not_json"),
        "two values": bad("{} {}", "not_json"),
        "byte order mark": bad(b"\xef\xbb\xbf" + body().encode(), "not_json"),
        "single quotes": bad(body().replace('"', "'"), "not_json"),
        "trailing comma": bad(body()[:-1] + ",}", "not_json"),
        "nul bytes": bad(b"\0" * 40, "not_json"),
        "latin-1": bad(body(machine='"pump-é"').encode("latin-1"), "not_utf8"),
        "utf-16": bad(body().encode("utf-16"), "not_utf8"),
        "gzip": bad(b"\x1f\x8b\x08\0\0\0\0\0\0\xff" * 3, "not_utf8"),
        "avro": bad(b"\0\0\0\0\x2a\xf0\x28\x8c\x28", "not_utf8"),
        "empty": bad("", "empty"),
        "tombstone": Kind(None, ["quarantined.empty"]),
        "blank": bad("   ", "not_json"),
        "too large": bad(body(note=f'"{"x" * (1 << 20)}"'), "too_large"),
        "as large as the bus takes": bad(b"x" * largest, "too_large"),
        "deep arrays": bad("[" * DEEP + "]" * DEEP, "too_deep"),
        "deep objects": bad('{"a":' * DEEP + "1" + "}" * DEEP, "too_deep"),
        "deep and open": bad("[" * DEEP, "too_deep"),
        "deep in a reading": bad(body(note="[" * DEEP + "]" * DEEP), "too_deep"),
        # JSON, but no reading.
        "array": bad(f"[{body()}]", "not_object"),
        "number": bad("42", "not_object"),
        "null": bad("null", "not_object"),
        "string": bad('"reading"', "not_object"),
        "empty object": bad("{}", "no_machine"),
        "other object": bad('{"hello": "world"}', "no_machine"),
        "no machine": bad(body(machine=""), "no_machine"),
        "number as machine": bad(body(machine="7"), "no_machine"),
        "null as machine": bad(body(machine="null"), "no_machine"),
        "list as machine": bad(body(machine='["pump-1"]'), "no_machine"),
        "nameless": bad(body(machine='""'), "bad_machine"),
        "half a surrogate": bad(body(machine=r'"pump-\ud800"'), "bad_machine"),
        "bell": bad(body(machine=r'"pump-\u0007"'), "bad_machine"),
        "nul in the name": bad(body(machine=r'"pump-\u0000"'), "bad_machine"),
        "two lines": bad(body(machine=r'"pump-1\npump-2"'), "bad_machine"),
        "129 characters": bad(body(machine=f'"pump-{"x" * 124}"'), "bad_machine"),
        "128 characters": fit(body(machine=f'"pump-{"x" * 123}"'), "used"),
        "stranger": fit(body(machine='"boiler-1"'), "refused.no_type"),
        # Times.
        "no time": bad(body(time=""), "no_time"),
        "null as time": bad(body(time="null"), "no_time"),
        "naive": bad(body(time='"2026-01-01T00:00:00"'), "naive_time"),
        "garbage as time": bad(body(time='"yesterday"'), "bad_time"),
        "no such day": bad(body(time='"2026-02-30T00:00:00Z"'), "bad_time"),
        "far": bad(body(time='"9999-12-31T23:59:59Z"'), "bad_time"),
        "true as time": bad(body(time="true"), "bad_time"),
        "list as time": bad(body(time="[1767225600]"), "bad_time"),
        "NaN as time": bad(body(time="NaN"), "bad_time"),
        "Infinity as time": bad(body(time="Infinity"), "bad_time"),
        "1e400 as time": bad(body(time="1e400"), "bad_time"),
        "2**53 + 1 as time": bad(body(time=str(2**53 + 1)), "bad_time"),
        "400 digits as time": bad(body(time="9" * 400), "bad_time"),
        "negative time": bad(body(time="-1"), "bad_time"),
        "future": bad(body(time=f'"{ahead}"'), "future"),
        "stamped long ago": Kind(
            body().encode(), ["quarantined.future"], stamp_ms=OLD_MS
        ),
        "late": fit(reading("pump-000", -5, pressure=1), "late"),
        # Values.
        "no values": bad(body(values=""), "no_values"),
        "null as values": bad(body(values="null"), "no_values"),
        "array as values": bad(body(values="[1, 2]"), "no_values"),
        "empty values": fit(odd("empty", "{}"), "masked_only"),
        "nested": fit(odd("nested", '{"pressure": {"value": 1}}'), "masked_only"),
        "text as value": fit(odd("text", '{"pressure": "3.2"}'), "masked_only"),
        "true as value": fit(odd("true", '{"pressure": true}'), "masked_only"),
        "NaN as value": fit(odd("nan", '{"speed": NaN}'), "masked_only"),
        "Infinity as value": fit(odd("inf", '{"speed": -Infinity}'), "masked_only"),
        "1e400 as value": fit(odd("1e400", '{"speed": 1e400}'), "masked_only"),
        "1e39 as value": fit(odd("1e39", '{"speed": 1e39}'), "masked_only"),
        "400 digits": fit(odd("400", f'{{"speed": {"9" * 400}}}'), "masked_only"),
        "5000 digits": bad(odd("5000", f'{{"speed": {"9" * 5000}}}'), "not_json"),
        "2**53 + 1": fit(odd("2-53", f'{{"speed": {2**53 + 1}}}'), "used"),
        "NaN beside a value": fit(odd("half", '{"speed": NaN, "pressure": 1}'), "used"),
        "out of range": fit(odd("range", '{"pressure": 1e6}'), "masked_only"),
        "surrogate as sensor": fit(odd("s", r'{"\ud800": 1, "pressure": 1}'), "used"),
        "only strangers": fit(odd("unknown", '{"smell": 1}'), "masked_only"),
        "bad quality": fit(
            body(machine='"pump-odd-quality"', quality='{"pressure": "bad"}'),
            "masked_only",
        ),
        "text as quality": bad(body(quality='"bad"'), "not_object"),
        # Keys that stand twice.
        "two machines": bad(body(note='1, "machine": "a"'), "duplicate_key"),
        "two times": bad(body(note='1, "time": 1'), "duplicate_key"),
        "two values objects": bad(body(note='1, "values": {}'), "duplicate_key"),
        "two notes": bad(body(note='1, "note": 2'), "duplicate_key"),
        "two qualities": bad(
            body(quality='{"speed": "bad", "speed": "good"}'), "duplicate_key"
        ),
        "a sensor twice": fit(odd("twice", '{"speed": 1, "speed": 2}'), "used"),
        # Schemas.
        "schema 2": bad(body(schema="2"), "unknown_schema"),
        "schema as text": bad(body(schema='"1"'), "unknown_schema"),
        "schema true": bad(body(schema="true"), "unknown_schema"),
        # Telegraf.
        "one bad metric": Kind(
            telegraf(metric(TAGS), metric("{}"), metric(TAGS, "1767225601")).encode(),
            ["used", "quarantined.no_machine", "used"],
        ),
        "two bad metrics": Kind(
            telegraf(metric(TAGS, '"now"'), "7").encode(),
            ["quarantined.bad_time", "quarantined.not_object"],
        ),
        "no metrics": bad(telegraf(), "not_object"),
        "metrics as text": bad('{"metrics": "none"}', "not_object"),
        "no tags": bad('{"fields": {"pressure": 1}, "timestamp": 1}', "no_machine"),
        "tag twice": bad(
            metric('{"machine": "pump-1", "machine": "pump-2"}'), "duplicate_key"
        ),
        # What surrounds the payload.
        "no key, no value": Kind(None, ["quarantined.empty"], key=None),
        "no key": Kind(b"{", ["quarantined.not_json"], key=None),
        "empty key": Kind(b"{", ["quarantined.not_json"], key=b""),
        "bytes as key": Kind(b"{", ["quarantined.not_json"], key=b"\xff\0\xfe"),
    }


HEADERS = [(KIND, b""), ("trace", b"\0\xff"), ("trace", b"twice"), ("", b"nameless")]


async def send(plant: Plant, records: Sequence[tuple[str | None, Kind]]) -> None:
    """Send good readings (kind None) and poison, in order."""
    async with AIOKafkaProducer(
        bootstrap_servers=plant.broker,
        max_request_size=8 << 20,
        max_batch_size=1 << 18,
        linger_ms=5,
    ) as producer:
        # The client would not send a record without key and value; brokers take it.
        plain = producer._message_accumulator.add_message
        sent = []
        for name, kind in records:
            if kind.key is None and kind.value is None:
                (first,) = {
                    p for p in await producer.partitions_for(_to(plant)) if not p
                }
                at = _tp(_to(plant), first)
                future = await plain(at, None, None, 60, headers=_headers(name))
            else:
                future = await producer.send(
                    _to(plant),
                    kind.value,
                    kind.key,
                    timestamp_ms=kind.stamp_ms,
                    headers=_headers(name),
                )
            sent.append(future)
        await asyncio.gather(*sent)


def _to(plant: Plant) -> str:
    return plant.settings.topics.readings


def _tp(topic: str, partition: int) -> Any:
    from aiokafka import TopicPartition

    return TopicPartition(topic, partition)


def _headers(name: str | None) -> list[tuple[str, bytes]]:
    if name is None:
        return []
    return [(KIND, name.encode()), *HEADERS[1:]]


def test_each_poison_ends_in_its_one_state_and_harms_nothing_else(
    tiny_plant: Callable[..., Plant],
) -> None:
    plant = tiny_plant("input.settle=0s")
    # What the broker's limit leaves beside the frame of a record with these headers.
    table = kinds(plant.settings.kafka.request_max_bytes - 200)
    names = [*table, *list(table)[: POISON - len(table)]]
    assert len(table) >= 25
    rng = np.random.default_rng(11)
    good = [
        (None, Kind(value, ["used"], machine.encode()))
        for machine, value in pump_readings(MACHINES, ROWS)
    ]
    records: list[tuple[str | None, Kind]] = list(good)
    # Behind the first row of every machine, so that "late" has something to be late to.
    places = np.sort(rng.integers(MACHINES, len(good), len(names)))[::-1]
    for place, name in zip(places.tolist(), rng.permutation(names), strict=True):
        records.insert(place, (str(name), table[str(name)]))
    ends = Counter(end for _, kind in records for end in kind.ends)

    worker = plant.worker()
    asyncio.run(send(plant, records))
    wait_until(
        lambda: (
            sum(plant.audited().values()) >= ends.total()
            or worker.process.poll() is not None
        ),
        lambda: f"{plant.audited()} {worker.told[-3000:]}",
    )
    assert plant.audited() == ends
    assert worker.process.poll() is None
    assert worker.stop() == 0, worker.told
    assert "worker stops" not in worker.told
    assert "decoding failed" not in worker.told

    there = {
        (partition, record.offset): record
        for partition, lying in enumerate(plant.by_partition("readings"))
        for record in lying
    }
    expected = Counter(
        (at, reason)
        for at, record in there.items()
        for reason in _reasons(table, record)
    )
    found: Counter[Any] = Counter()
    for record in plant.read("quarantine"):
        ours = {k: v.decode() for k, v in record.headers if k.startswith("foreshock-")}
        at = int(ours["foreshock-partition"]), int(ours["foreshock-offset"])
        source = there[at]
        assert ours["foreshock-topic"] == _to(plant)
        assert ours["foreshock-detail"]
        theirs = [h for h in record.headers if not h[0].startswith("foreshock-")]
        assert theirs == list(source.headers)
        assert record.key == source.key
        assert (record.value or None) == (source.value or None)
        # Neither key nor value cannot be written: the value is empty and says so.
        nothing = "foreshock-value" in ours
        assert (record.value is None or nothing) == (source.value is None)
        found[at, ours["foreshock-reason"]] += 1
    assert found == expected

    wanted: dict[str, bytes] = {}
    for lying in plant.by_partition("readings"):
        fine = [record for record in lying if not record.headers]
        wanted |= expected_scores(plant.settings, fine, _to(plant))
    assert len(wanted) == MACHINES * ROWS // 2
    scores = {
        i: payloads
        for i, payloads in plant.scores().items()
        if not json.loads(next(iter(payloads)))["machine"].startswith(
            ("pump-odd", "pump-xx")
        )
    }
    assert scores == {i: {payload} for i, payload in wanted.items()}


def _reasons(table: dict[str, Kind], record: Any) -> list[str]:
    name = dict(record.headers).get(KIND)
    if name is None:
        return []
    before = "quarantined."
    ends = table[name.decode()].ends
    return [end.removeprefix(before) for end in ends if end.startswith(before)]
