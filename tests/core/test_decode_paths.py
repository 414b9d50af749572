"""Properties of decoding: the fast path is the careful one, and nothing ever raises."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stream.core.decode import Decoded, Decoder
from stream.core.event_time import TimeRule
from stream.core.exact import Rejected, Rules, readings_of
from stream.core.readings import MachineType, RawRecord, Sensor
from tests.core.helpers import T0, Bench, Record, kind, plain

KINDS = (
    MachineType("a", (Sensor("t", low=-5, high=1e6), Sensor("v", scale=0.5, offset=1))),
    kind("b", "vw"),
)


class Careful(Decoder):
    """A decoder that knows no fast path."""

    def _usual(self, records: Sequence[RawRecord]) -> tuple[Any, list[int]]:
        return self._nothing(), list(range(len(records)))


NUMBERS = st.one_of(
    st.integers().map(str),
    st.floats().map(str),
    st.floats(width=32, allow_nan=False, allow_infinity=False).map(str),
    st.sampled_from(["0", "-0", "1e400", "-1e39", "01", "1.", ".5", "+1", "1e5"]),
    st.sampled_from(["9007199254740993", "9" * 30, "9" * 400, "2e-320", "NaN"]),
    st.sampled_from(["1.7976931348623159e308", "Infinity", "null", "true", '"1"', ""]),
    st.decimals(allow_nan=False, allow_infinity=False, places=20).map(str),
)
TIMES = st.one_of(
    st.sampled_from([str(T0), str(T0 * 1000), f"{T0}.25", "1.7e9", "1e308", "-1", "0"]),
    st.sampled_from(["18446744073709551616", "9" * 400, "1e400", "true", "null"]),
    st.sampled_from(
        [
            '"2026-01-01T00:00:00Z"',
            '"2026-01-01T00:00:00.123456789Z"',
            '"2026-01-01T00:00:00+01:00"',
            '"2026-01-01T00:00:00"',
            '"2026-01-01T00:00:60Z"',
            '"2026-01-01T00:00:00Z\\u0000"',
            '"2026-01-01T00:00:00\\u005a"',
            '"2261-12-31T23:59:59Z"',
            '"2262-01-01T00:00:00Z"',
        ]
    ),
)
NAMES = st.one_of(
    st.sampled_from(['"a"', '"b1"', '"\\u0061"', '"x"', '""', '"a\\"b"', '"ä"', "7"]),
    st.sampled_from(['"a\\n"', '"a\x7f"', '"a\n"', '"a\\ud800"', '"a\\":"']),
    st.sampled_from([f'"{"a" * 128}"', f'"{"a" * 129}"']),
)
BLANKS = st.sampled_from(["", "", "", " ", "\n\t"])


@st.composite
def texts(draw: st.DrawFn) -> str:
    """A record by hand: blanks anywhere, keys missing, odd, escaped or twice."""

    def pairs(parts: list[tuple[str, str]]) -> str:
        made = [
            f"{draw(BLANKS)}{key}{draw(BLANKS)}:{draw(BLANKS)}{value}"
            for key, value in parts
        ]
        return "{" + ",".join(made) + "}"

    sensors = st.sampled_from(['"t"', '"v"', '"w"', '"\\u0074"', '"x"', '"t"'])
    unique = draw(st.booleans())
    values = draw(
        st.lists(
            st.tuples(sensors, NUMBERS),
            max_size=3,
            unique_by=(lambda pair: pair[0]) if unique else None,
        )
    )
    parts = [
        ('"machine"', draw(NAMES)),
        ('"time"', draw(TIMES)),
        ('"values"', pairs(values)),
    ]
    more = st.sampled_from(
        [
            ('"schema"', "1"),
            ('"schema"', "0"),
            ('"schema"', "1.0"),
            ('"schema"', "2"),
            ('"quality"', '{"t":"bad"}'),
            ('"site"', '"n"'),
            ('"machine"', '"b2"'),
            ('"time"', str(T0 + 1)),
            ('"values"', '{"v":7}'),
        ]
    )
    parts += draw(st.lists(more, max_size=2)) if draw(st.booleans()) else []
    return pairs(draw(st.permutations(parts)))


@st.composite
def payloads(draw: st.DrawFn) -> bytes:
    """A record, sometimes with one byte put in, taken out or changed."""
    made = draw(texts()).encode("utf-8", "surrogatepass")
    if not draw(st.integers(0, 3)):
        at = draw(st.integers(0, len(made)))
        put = draw(st.sampled_from([b"", b"\0", b"\xff", b'"', b":", b"{", b"\\"]))
        made = made[:at] + put + made[at + draw(st.integers(0, 1)) :]
    return made


KEYS = st.sampled_from([None, b"", b"a", b"b1"])
STAMPS = st.sampled_from([-1, 0, T0 * 1000, T0 * 1000 - 300_000, 2**63 - 1])


def told(decoded: Decoded) -> dict[str, Any]:
    """Return all that decoding came to, as plain values."""
    return {
        "readings": [
            [
                batch.machine.tolist(),
                batch.time_ns.tolist(),
                batch.values.tobytes(),
                batch.offset.tolist(),
            ]
            for batch in decoded.readings
        ],
        "rejects": [
            (reject.record.offset, reject.reason, reject.detail, reject.position)
            for reject in decoded.rejects
        ],
        "ends": decoded.tally.readings,
        "values": decoded.tally.values,
        "records": decoded.tally.records,
    }


RULES = st.sampled_from(
    [Rules(), Rules(time=TimeRule("s")), Rules(form="foreshock"), Rules(max_bytes=60)]
)


@settings(max_examples=200)
@given(st.lists(st.tuples(payloads(), KEYS, STAMPS), max_size=5), RULES)
@example([(b'{"machine" : "a","machine":"b","time":1,"values":{}}', None, -1)], Rules())
def test_the_fast_path_comes_to_what_the_careful_one_does(
    parts: list[tuple[bytes, bytes | None, int]], rules: Rules
) -> None:
    records = [
        Record(value, 10 + i, stamp, key) for i, (value, key, stamp) in enumerate(parts)
    ]
    fast, careful = Bench(KINDS, rules), Bench(KINDS, rules, Careful)
    assert told(fast(*records)) == told(careful(*records))
    assert fast.machines.lookup == careful.machines.lookup


def test_usual_records_take_the_fast_path() -> None:
    values = [
        b'{"machine":"a","time":1700000000,"values":{"t":1,"v":2.5}}',
        b'{"machine": "b", "time": 1700000000.5, "values": {"w": -1e3}}',
        '{"time":"2026-01-01T00:00:00Z","values":{},"machine":"b ä"}'.encode(),
        b'{"schema":1,"machine":"a","time":1700000000000,"values":{"t":1}}',
    ]
    column, odd = Bench(KINDS).decoder._usual([Record(value) for value in values])
    assert odd == []
    assert column.machine == ["a", "b", "b ä", "a"]
    assert column.record.tolist() == [0, 1, 2, 3]


HALVES = [b'{"machine":"a","time":1700000000', b'"values":{"t":1}}']
TWO = b'{"machine":"a","time":1700000001,"values":{"t":1}}' * 2
TWO = TWO.replace(b"}}{", b"}},{")
CUT = [
    b'{"machine":"a},',
    b'{b","time":1700000000,"values":{"t":1}}',
    TWO,
]
GOOD = b'{"machine":"a","time":%d,"values":{"t":1,"v":2}}'


@pytest.mark.parametrize(
    "values",
    [
        [TWO],
        [b" " + GOOD % 1700000000],
        # Together they would be as many objects, and as many quotes, as records.
        [*HALVES, TWO],
        [GOOD % 1700000000, *HALVES, TWO],
        CUT,
        [b'{"machine":"a}', *CUT[1:]],
        [GOOD % 1700000000, b'{"machine":"a","time":1,"time":1,"values":{"t":1}}'],
        [GOOD % 1700000000, GOOD % 1700000001 + b" " * 200],
        [GOOD % 1700000000 + b" " * 200],
    ],
)
def test_records_are_judged_as_if_each_came_alone(values: list[bytes]) -> None:
    rules = Rules(max_bytes=200)
    records = [Record(value, 10 + i) for i, value in enumerate(values)]
    fast, careful = Bench(KINDS, rules), Bench(KINDS, rules, Careful)
    assert told(fast(*records)) == told(careful(*records))


def test_many_records_are_told_apart() -> None:
    values = [GOOD % (1700000000 + i) for i in range(700)]
    values[300] = b"no record"
    values[650] = values[650].replace(b'"t":1', b'"t":1,"t":1')
    records = [Record(value, 10 + i) for i, value in enumerate(values)]
    fast, careful = Bench(KINDS), Bench(KINDS, Rules(), Careful)
    assert told(fast(*records)) == told(careful(*records))
    column, odd = Bench(KINDS).decoder._usual(records)
    assert odd == [300, 650]
    assert column.record.tolist() == [i for i in range(700) if i not in odd]


def test_the_ends_of_a_range_are_within_it_beside_values_that_are_not() -> None:
    values = [
        b'{"machine":"a","time":1700000000,"values":{"t":%d}}' % t
        for t in (-5, -6, 1_000_000, 1_000_001)
    ]
    decoded = Bench(KINDS)(*values)
    assert decoded.readings[0].values[:, 0].tolist() == [-5, 1_000_000]
    assert decoded.tally.values == {"out_of_range": 2}
    assert decoded.tally.readings == {"masked_only": 2}


def in_the_record(value: bytes | None, rules: Rules) -> int:
    """Return how many readings a record is made of; 1 where that cannot be told."""
    try:
        parsed = json.loads((value or b"").decode())
    except (ValueError, RecursionError):
        return 1
    if not isinstance(parsed, dict) or not isinstance(parsed.get("metrics"), list):
        return 1
    ours = rules.form == "foreshock" or (rules.form == "auto" and "machine" in parsed)
    return 1 if ours else max(len(parsed["metrics"]), 1)


METRIC = st.sampled_from(
    [
        {"tags": {"machine": "a"}, "fields": {"t": 1, "v": 2}, "timestamp": T0},
        {"tags": {"machine": "a"}, "fields": {"t": None}, "timestamp": T0},
        {"tags": {"machine": "z"}, "fields": {"t": 1}, "timestamp": T0},
        {"tags": {}, "fields": {}, "timestamp": T0},
        {"tags": {"machine": "b"}, "fields": 7, "timestamp": T0},
        {"tags": {"machine": "b"}, "fields": {}, "timestamp": T0 + 9_000_000},
        5,
        None,
    ]
)
BATCHES = st.lists(METRIC, max_size=5).map(lambda m: json.dumps({"metrics": m}))
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["machine", "time", "values", "tags", "fields", "metrics"])
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
).map(json.dumps)
ANY = st.one_of(
    st.none(),
    st.binary(max_size=40),
    payloads(),
    BATCHES.map(str.encode),
    JSON.map(str.encode),
)


@settings(max_examples=200)
@given(st.lists(ANY, max_size=6), st.sampled_from(["auto", "foreshock", "telegraf"]))
def test_any_bytes_end_in_exactly_one_counted_state(
    values: list[bytes | None], form: str
) -> None:
    rules = Rules(form=form)
    decoded = Bench(KINDS, rules)(
        *(Record(value, i, T0 * 1000) for i, value in enumerate(values))
    )
    used = sum(map(len, decoded.readings))
    came = sum(in_the_record(value, rules) for value in values)
    assert used + sum(decoded.tally.readings.values()) == came
    quarantined = [
        count
        for state, count in decoded.tally.readings.items()
        if state.startswith("quarantined.")
    ]
    assert sum(quarantined) == len(decoded.rejects)
    for batch in decoded.readings:
        assert not [row for row in plain(batch.values) if set(row) == {None}]


@given(ANY)
def test_a_record_is_one_reading_or_reject_after_the_other(
    value: bytes | None,
) -> None:
    results = list(readings_of(Record(value), Rules()))
    assert len(results) == in_the_record(value, Rules())
    for result in results:
        if isinstance(result, Rejected):
            assert str(result)
        else:
            assert result.machine.isprintable()
            assert 0 <= result.time_ns < 2**63
