"""Decoding: every record ends in one state, and in the right one."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import numpy as np
import pytest

from stream.core.event_time import TimeRule
from stream.core.exact import REASONS, Rules, Telegraf, is_machine_name
from stream.core.readings import MachineType, Sensor
from tests.core.helpers import T0, Bench, Record, ends, kind, plain

PUMP = kind(sensors="tv")
GOOD = b'{"machine":"p","time":1700000000,"values":{"t":1}}'


def one(**parts: Any) -> bytes:
    """Return a usual record with parts replaced; None leaves one out."""
    usual = {"machine": "p", "time": T0, "values": {"t": 1}} | parts
    return json.dumps({k: v for k, v in usual.items() if v is not ...}).encode()


def raw(machine: str = '"p"', time: str = str(T0), values: str = '{"t":1}') -> bytes:
    """Return a record whose parts are JSON as given."""
    return f'{{"machine":{machine},"time":{time},"values":{values}}}'.encode()


POISON = {
    "None": (None, "empty"),
    "no bytes": (b"", "empty"),
    "blanks": (b"  ", "not_json"),
    "no JSON": (b"t=1", "not_json"),
    "half a record": (GOOD[:-1], "not_json"),
    "trailing garbage": (GOOD + b"x", "not_json"),
    "two records": (GOOD + GOOD, "not_json"),
    "BOM": (b"\xef\xbb\xbf" + GOOD, "not_json"),
    "UTF-16": (GOOD.decode().encode("utf-16"), "not_utf8"),
    "Latin-1": (raw(machine='"p\xfc"').decode().encode("latin-1"), "not_utf8"),
    "too large": (GOOD + b" " * 2000, "too_large"),
    "too large and no JSON": (b"x" * 2000, "too_large"),
    "array": (b"[1]", "not_object"),
    "text": (b'"p"', "not_object"),
    "null": (b"null", "not_object"),
    "number": (b"1", "not_object"),
    "no keys": (b"{}", "no_machine"),
    "no machine": (one(machine=...), "no_machine"),
    "machine null": (one(machine=None), "no_machine"),
    "machine a number": (one(machine=7), "no_machine"),
    "machine an array": (one(machine=["p"]), "no_machine"),
    "machine empty": (one(machine=""), "bad_machine"),
    "machine too long": (one(machine="p" * 129), "bad_machine"),
    "machine with a line break": (one(machine="p\n"), "bad_machine"),
    "machine with a raw line break": (raw(machine='"p\n"'), "not_json"),
    "machine with NUL": (one(machine="p\0"), "bad_machine"),
    "machine with a lone surrogate": (raw(machine='"\\ud800"'), "bad_machine"),
    "machine twice": (b'{"machine":"p",' + GOOD[1:], "duplicate_key"),
    # The blank before the colon once hid the second key from the fast path.
    "machine twice, with blanks": (b'{"machine" : "q",' + GOOD[1:], "duplicate_key"),
    "time twice": (raw(time='1,"time":1700000000'), "duplicate_key"),
    "values twice": (raw(values='{},"values":{"t":1}'), "duplicate_key"),
    "unknown key twice": (raw(values='{"t":1},"x":1,"x":2'), "duplicate_key"),
    "quality twice": (
        raw(values='{"t":1},"quality":{"t":"bad","t":"good"}'),
        "duplicate_key",
    ),
    "unknown schema": (one(schema=2), "unknown_schema"),
    "schema 0": (one(schema=0), "unknown_schema"),
    "schema true": (one(schema=True), "unknown_schema"),
    "schema null": (one(schema=None), "unknown_schema"),
    "schema a text": (one(schema="1"), "unknown_schema"),
    "no time": (one(time=...), "no_time"),
    "time null": (one(time=None), "no_time"),
    "time true": (one(time=True), "bad_time"),
    "time an object": (one(time={}), "bad_time"),
    "time no time": (one(time="soon"), "bad_time"),
    "time naive": (one(time="2026-01-01T00:00:00"), "naive_time"),
    "time NaN": (raw(time="NaN"), "bad_time"),
    "time infinite": (raw(time="1e400"), "bad_time"),
    "time beyond floats of ns": (raw(time="1e308"), "bad_time"),
    "time of 400 digits": (raw(time="9" * 400), "bad_time"),
    "time negative": (one(time=-1), "bad_time"),
    "time out of the auto range": (one(time=4_102_444_800), "bad_time"),
    "time in the year 9999": (one(time="9999-12-31T23:59:59Z"), "bad_time"),
    "time a leap second": (one(time="2016-12-31T23:59:60Z"), "bad_time"),
    "time with NUL": (one(time="2026-01-01T00:00:00Z\0"), "bad_time"),
    "no values": (one(values=...), "no_values"),
    "values null": (one(values=None), "no_values"),
    "values an array": (one(values=[1]), "no_values"),
    "quality a text": (one(quality="good"), "not_object"),
    # Python refuses to read such a number at all, so the record is not understood.
    "value of 5000 digits": (raw(values='{"t":' + "9" * 5000 + "}"), "not_json"),
    "value with a leading zero": (raw(values='{"t":01}'), "not_json"),
    "too deep an array": (b"[" * 100_000, "too_deep"),
    "too deep a value": (b'{"t":' * 100_000, "too_deep"),
}


@pytest.mark.parametrize(("value", "reason"), POISON.values(), ids=POISON)
def test_poison_is_quarantined_whole_with_its_reason(
    value: bytes | None, reason: str
) -> None:
    room = 10**6 if reason in ("too_deep", "not_json") else 1000
    record = Record(value, offset=5)
    decoded = Bench([PUMP], Rules(max_bytes=room))(record)
    assert ends(decoded.tally) == {f"quarantined.{reason}": 1}
    (reject,) = decoded.rejects
    assert (reject.record, reject.reason, reject.position) == (record, reason, 0)
    assert reject.reason in REASONS
    assert reject.detail
    assert len(decoded.readings[0]) == 0


def test_poison_costs_itself_alone() -> None:
    values = [value for value, _ in POISON.values()]
    mixed = [part for value in values for part in (value, GOOD)]
    decoded = Bench([PUMP])(*mixed)
    used = len(decoded.readings[0])
    assert used + sum(decoded.tally.readings.values()) == len(mixed)
    assert used >= len(values)
    assert decoded.tally.records == len(mixed)
    offsets = [reject.record.offset for reject in decoded.rejects]
    assert offsets == sorted(offsets)
    assert len(offsets) == len(mixed) - used


VALUES = {
    "null": ("null", "null"),
    "true": ("true", "not_a_number"),
    "text": ('"1"', "not_a_number"),
    "array": ("[1]", "not_a_number"),
    "object": ('{"t":1}', "not_a_number"),
    "NaN": ("NaN", "non_finite"),
    "Infinity": ("Infinity", "non_finite"),
    "-Infinity": ("-Infinity", "non_finite"),
    "1e400": ("1e400", "non_finite"),
    "beyond float32": ("1e39", "non_finite"),
    "below float32": ("-1e39", "non_finite"),
    "integer of 400 digits": ("9" * 400, "non_finite"),
    "too high": ("100.5", "out_of_range"),
    "too low": ("-0.5", "out_of_range"),
}
BOUND = MachineType("pump", (Sensor("t", low=0, high=100), Sensor("v")))
FREE = MachineType("pump", (Sensor("t"), Sensor("v")))


@pytest.mark.parametrize(("value", "why"), VALUES.values(), ids=VALUES)
def test_a_value_that_cannot_be_used_is_masked_and_counted(
    value: str, why: str
) -> None:
    alone = raw(values=f'{{"t":{value}}}')
    beside = raw(values=f'{{"t":{value},"v":2}}')
    bench = Bench([BOUND if why == "out_of_range" else FREE])
    decoded = bench(alone, beside)
    assert ends(decoded.tally) == {"masked_only": 1}
    assert decoded.tally.values == {why: 2}
    assert plain(decoded.readings[0].values) == [[None, 2]]
    assert decoded.readings[0].offset.tolist() == [1]
    assert decoded.rejects == []


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("1", 1.0),
        ("-0.5", -0.5),
        ("1E2", 100.0),
        ("0", 0.0),
        # float32 keeps 24 bits, so that 2 ** 53 + 1 is rounded.
        ("9007199254740993", 9007199254740992.0),
        ("340282346638528859811704183484516925440", float(np.finfo(np.float32).max)),
        ("1e-60", 0.0),
    ],
)
def test_a_number_is_read_as_float32(value: str, read: float) -> None:
    decoded = Bench([FREE])(raw(values=f'{{"t":{value}}}'))
    assert decoded.readings[0].values[0, 0] == np.float32(read)
    assert decoded.readings[0].values.dtype == np.float32


def test_the_range_is_inclusive_and_in_the_sensor_s_unit() -> None:
    # 0..100 degC on an instrument that sends degF.
    celsius = Sensor("t", low=0, high=100, scale=5 / 9, offset=-160 / 9)
    bench = Bench([MachineType("pump", (celsius,))])
    decoded = bench(*(raw(values=f'{{"t":{x}}}') for x in (31, 41, 122, 203, 213)))
    assert decoded.tally.values == {"out_of_range": 2}
    assert decoded.readings[0].values[:, 0].round(3).tolist() == [5, 50, 95]
    edge = Bench([MachineType("pump", (Sensor("t", low=-1, high=1),))])
    assert len(edge(raw(values='{"t":-1}'), raw(values='{"t":1}')).readings[0]) == 2


def test_a_value_that_only_scaling_makes_too_large_is_non_finite() -> None:
    bench = Bench([MachineType("pump", (Sensor("t", scale=1e300),))])
    decoded = bench(raw(values='{"t":1e300}'), raw(values='{"t":1e10}'))
    assert decoded.tally.values == {"non_finite": 2}


def test_sensors_have_their_column_whatever_the_order_of_keys() -> None:
    decoded = Bench([kind(sensors="tv")])(raw(values='{"v":2,"t":1}'))
    assert plain(decoded.readings[0].values) == [[1, 2]]


def test_unknown_sensors_are_ignored_and_counted() -> None:
    decoded = Bench([PUMP])(raw(values='{"t":1,"x":2}'), raw(values='{"x":2}'))
    assert plain(decoded.readings[0].values) == [[1, None]]
    assert ends(decoded.tally) == {"masked_only": 1}
    assert decoded.tally.values == {"unknown_sensor": 2}


def test_a_sensor_of_another_type_is_unknown_to_this_one() -> None:
    kinds = [kind("a", "tv"), kind("b", "vw")]
    decoded = Bench(kinds)(
        raw(machine='"a"', values='{"t":1,"v":2,"w":3}'),
        raw(machine='"b"', values='{"t":1,"v":2,"w":3}'),
    )
    assert plain(decoded.readings[0].values) == [[1, 2]]
    assert plain(decoded.readings[1].values) == [[2, 3]]
    assert decoded.tally.values == {"unknown_sensor": 2}


def test_a_sensor_named_twice_keeps_its_first_value() -> None:
    decoded = Bench([PUMP])(raw(values='{"t":1,"v":3,"t":2,"t":4}'))
    assert plain(decoded.readings[0].values) == [[1, 3]]
    assert decoded.tally.values == {"duplicate": 2}


@pytest.mark.parametrize(
    ("quality", "values", "masked"),
    [
        ({"t": "good", "v": "uncertain"}, [1, 2], 0),
        ({"t": "bad"}, [None, 2], 1),
        ({"t": "BAD", "v": "Good"}, None, 2),
        ({"t": None, "v": 192}, None, 2),
        ({"x": "bad"}, [1, 2], 0),
        ({}, [1, 2], 0),
        (None, [1, 2], 0),
    ],
)
def test_only_good_and_uncertain_values_are_used(
    quality: dict[str, str] | None, values: list[float | None] | None, masked: int
) -> None:
    decoded = Bench([PUMP])(one(values={"t": 1, "v": 2}, quality=quality))
    assert plain(decoded.readings[0].values) == ([values] if values else [])
    assert decoded.tally.values == ({"bad_quality": masked} if masked else {})


def test_quality_without_a_value_masks_nothing() -> None:
    decoded = Bench([PUMP])(one(quality={"v": "bad"}))
    assert plain(decoded.readings[0].values) == [[1, None]]
    assert decoded.tally.values == {}


def test_further_keys_and_schema_1_are_fine() -> None:
    decoded = Bench([PUMP])(one(schema=1), one(schema=1, site="north"), one(site=[{}]))
    assert len(decoded.readings[0]) == 3
    assert ends(decoded.tally) == {}


@pytest.mark.parametrize("name", ["p", "p" * 128, "Pumpe Süd 7", "泵", "a/b:c"])
def test_a_machine_s_name_is_any_printable_text(name: str) -> None:
    assert is_machine_name(name)
    bench = Bench([PUMP])
    assert len(bench(one(machine=name)).readings[0]) == 1
    assert bench.machines.names == [[name]]


@pytest.mark.parametrize("usual", [GOOD, one(site="n")], ids=["usual", "odd"])
def test_a_record_may_be_as_large_as_the_limit(usual: bytes) -> None:
    bench = Bench([PUMP], Rules(max_bytes=len(usual)))
    assert bench.state(usual) == "read"
    assert bench.state(usual + b" ") == "quarantined.too_large"


def test_machine_names_differ_in_case() -> None:
    bench = Bench([PUMP])
    assert bench(one(machine="P"), GOOD).readings[0].machine.tolist() == [0, 1]


def test_the_payload_names_the_machine_and_a_differing_key_is_counted() -> None:
    bench = Bench([PUMP])
    keys = [b"p", b"q", b"", None, b"\xff"]
    decoded = bench(*(Record(GOOD, i, key=key) for i, key in enumerate(keys)))
    assert len(decoded.readings[0]) == 5
    assert decoded.tally.values == {"key_differs": 2}
    assert bench.machines.names == [["p"]]


def test_the_future_begins_beyond_five_minutes_after_the_record_s_timestamp() -> None:
    stamp = T0 * 1000
    at = [one(time=T0 + 300), one(time=T0 * 1000 + 300_001), one(time=T0 + 900)]
    decoded = Bench([PUMP])(*(Record(v, i, stamp) for i, v in enumerate(at)))
    assert decoded.readings[0].offset.tolist() == [0]
    assert ends(decoded.tally) == {"quarantined.future": 2}
    assert [reject.record.offset for reject in decoded.rejects] == [1, 2]
    assert "900 s" in decoded.rejects[1].detail


def test_the_future_tolerance_is_a_setting() -> None:
    record = Record(one(time=T0 + 2), 0, T0 * 1000)
    assert Bench([PUMP], Rules(future_ns=10**9)).state(record) == "quarantined.future"
    assert Bench([PUMP], Rules(future_ns=2 * 10**9)).state(record) == "read"


@pytest.mark.parametrize("stamp", [-1, 2**63 - 1, 2**53, 9_300_000_000_000])
def test_without_a_usable_timestamp_nothing_is_in_the_future(stamp: int) -> None:
    record = Record(one(time="2099-01-01T00:00:00Z"), 0, stamp)
    assert Bench([PUMP]).state(record) == "read"


def test_a_timestamp_of_zero_is_one() -> None:
    assert Bench([PUMP]).state(Record(GOOD, 0, 0)) == "quarantined.future"


def test_rejects_stand_in_arrival_order() -> None:
    future = Record(one(time=T0 + 999), 0, T0 * 1000)
    decoded = Bench([PUMP])(future, Record(b"x", 1), Record(future.value, 2, T0 * 1000))
    assert [reject.reason for reject in decoded.rejects] == [
        "future",
        "not_json",
        "future",
    ]


def test_machines_without_a_type_are_refused_and_not_remembered() -> None:
    bench = Bench([kind("a"), kind("b")])
    decoded = bench(one(machine="x"), one(machine="a"), one(machine="x"))
    assert ends(decoded.tally) == {"refused.no_type": 2}
    assert list(bench.machines.lookup) == ["a"]


def test_readings_keep_arrival_order_on_both_paths() -> None:
    odd = one(site="north", time=T0 + 1)
    decoded = Bench([PUMP])(GOOD, odd, one(machine="q", time=T0 + 2), odd, GOOD)
    (found,) = decoded.readings
    assert found.offset.tolist() == [0, 1, 2, 3, 4]
    assert found.machine.tolist() == [0, 0, 1, 0, 0]
    assert (found.time_ns // 10**9 - T0).tolist() == [0, 1, 2, 1, 0]


def test_no_records_are_no_readings() -> None:
    decoded = Bench([PUMP, kind("b", "x")])()
    assert [len(batch) for batch in decoded.readings] == [0, 0]
    assert [batch.values.shape for batch in decoded.readings] == [(0, 2), (0, 1)]
    assert decoded.tally.records == 0


def test_a_naive_time_is_in_the_zone_that_is_set() -> None:
    rules = Rules(time=TimeRule(zone=dt.timezone(dt.timedelta(hours=1))))
    decoded = Bench([PUMP], rules)(one(time="2023-11-14T23:13:20"))
    assert decoded.readings[0].time_ns.tolist() == [T0 * 10**9]


def test_numbers_are_in_the_unit_that_is_set() -> None:
    decoded = Bench([PUMP], Rules(time=TimeRule("ms")))(one(time=1500), one(time=2.5))
    assert decoded.readings[0].time_ns.tolist() == [1_500_000_000, 2_500_000]


class TestTelegraf:
    """JSON as Telegraf writes it: {name, tags, fields, timestamp}, or metrics."""

    @staticmethod
    def metric(**parts: Any) -> dict[str, Any]:
        usual = {
            "name": "modbus",
            "tags": {"machine": "p", "host": "h"},
            "fields": {"t": 1, "v": 2.5},
            "timestamp": T0,
        }
        return {k: v for k, v in (usual | parts).items() if v is not ...}

    def send(self, parsed: Any, rules: Rules | None = None) -> Any:
        return Bench([PUMP], rules or Rules())(json.dumps(parsed).encode())

    def test_a_single_metric(self) -> None:
        decoded = self.send(self.metric())
        assert plain(decoded.readings[0].values) == [[1, 2.5]]
        assert decoded.readings[0].time_ns.tolist() == [T0 * 10**9]
        assert ends(decoded.tally) == {}

    def test_one_bad_metric_of_a_batch_costs_itself_alone(self) -> None:
        metrics = [
            self.metric(),
            self.metric(tags={}),
            7,
            self.metric(timestamp=...),
            self.metric(fields={"t": 5}, timestamp=T0 + 1),
        ]
        decoded = self.send({"metrics": metrics})
        assert plain(decoded.readings[0].values) == [[1, 2.5], [5, None]]
        assert decoded.readings[0].offset.tolist() == [0, 0]
        found = [(reject.reason, reject.position) for reject in decoded.rejects]
        assert found == [("no_machine", 1), ("not_object", 2), ("no_time", 3)]
        assert sum(decoded.tally.readings.values()) == 3
        assert decoded.tally.records == 1

    @pytest.mark.parametrize(
        ("parts", "reason"),
        [
            ({"tags": ...}, "no_machine"),
            ({"tags": "p"}, "no_machine"),
            ({"tags": {"machine": 7}}, "no_machine"),
            ({"tags": {"machine": ""}}, "bad_machine"),
            ({"timestamp": None}, "no_time"),
            ({"timestamp": "soon"}, "bad_time"),
            ({"fields": [1]}, "no_values"),
        ],
    )
    def test_poison(self, parts: dict[str, Any], reason: str) -> None:
        decoded = self.send(self.metric(**parts), Rules(form="telegraf"))
        assert ends(decoded.tally) == {f"quarantined.{reason}": 1}

    @pytest.mark.parametrize("metrics", [[], {}, None, "x"])
    def test_metrics_must_be_a_list_that_is_not_empty(self, metrics: Any) -> None:
        decoded = self.send({"metrics": metrics})
        assert ends(decoded.tally) == {"quarantined.not_object": 1}

    @pytest.mark.parametrize(
        "text",
        [
            '{"tags":{"machine":"p","machine":"q"},"fields":{},"timestamp":1}',
            '{"tags":{"machine":"p"},"fields":{},"timestamp":1,"timestamp":2}',
            '{"metrics":[],"metrics":[]}',
        ],
    )
    def test_keys_that_stand_twice_are_ambiguous(self, text: str) -> None:
        assert Bench([PUMP]).state(text.encode()) == "quarantined.duplicate_key"

    def test_a_field_named_twice_keeps_its_first_value(self) -> None:
        text = '{"tags":{"machine":"p"},"fields":{"t":1,"t":2},"timestamp":1700000000}'
        decoded = Bench([PUMP])(text.encode())
        assert plain(decoded.readings[0].values) == [[1, None]]
        assert decoded.tally.values == {"duplicate": 1}

    @pytest.mark.parametrize(("unit", "ns"), [("s", 10**9), ("ms", 10**6), ("ns", 1)])
    def test_timestamps_are_in_telegraf_s_unit(self, unit: str, ns: int) -> None:
        # Not in that of input.time_unit.
        rules = Rules(time=TimeRule("us"), telegraf=Telegraf(unit=unit))
        decoded = self.send(self.metric(timestamp=1234), rules)
        assert decoded.readings[0].time_ns.tolist() == [1234 * ns]

    def test_the_machine_s_tag_and_prefixed_names_are_settings(self) -> None:
        rules = Rules(telegraf=Telegraf(machine_tag="asset", prefix_name=True))
        sensors = (Sensor("modbus_t"), Sensor("t"))
        bench = Bench([MachineType("pump", sensors)], rules)
        decoded = bench(json.dumps(self.metric(tags={"asset": "q"})).encode())
        assert plain(decoded.readings[0].values) == [[1, None]]
        assert decoded.tally.values == {"unknown_sensor": 1}
        assert bench.machines.names == [["q"]]

    def test_the_form_may_be_set(self) -> None:
        ours, theirs = json.loads(GOOD), self.metric()
        foreshock, telegraf = Rules(form="foreshock"), Rules(form="telegraf")
        assert ends(self.send(ours, foreshock).tally) == {}
        assert ends(self.send(theirs, telegraf).tally) == {}
        no_machine = {"quarantined.no_machine": 1}
        assert ends(self.send(theirs, foreshock).tally) == no_machine
        assert ends(self.send(ours, telegraf).tally) == no_machine
        batch = {"metrics": [theirs]}
        assert ends(self.send(batch, telegraf).tally) == {}
        assert ends(self.send(batch, foreshock).tally) == no_machine

    def test_a_record_with_a_machine_is_ours_whatever_else_it_has(self) -> None:
        decoded = self.send(json.loads(GOOD) | {"fields": {}, "metrics": [1]})
        assert plain(decoded.readings[0].values) == [[1, None]]
