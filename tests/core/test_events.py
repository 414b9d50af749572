"""Records of the topic of events: what is taken, and what is wrong in words."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core.alert import EVENT_KINDS, Event
from stream.core.event_time import BadTime
from stream.core.events import LONGEST, MOST_BYTES, parse, time_ns

TIME = "2026-01-31T10:00:00+01:00"


def record(**changes: Any) -> bytes:
    """Return a record, by default of a feedback that may also shelve."""
    plain = {
        "machine": "pump-07",
        "kind": "feedback",
        "time": TIME,
        "until": "2026-01-31T09:00:00.001Z",
        "verdict": "true",
    }
    kept = {name: value for name, value in (plain | changes).items() if value != ...}
    return json.dumps(kept).encode()


def fault(value: bytes | None) -> str:
    found = parse(value)
    assert isinstance(found, str)
    return found


def test_what_people_can_tell() -> None:
    told = "failure replacement maintenance out_of_service return"
    assert set(EVENT_KINDS) == {
        *told.split(),
        *("acknowledge", "shelve", "unshelve", "feedback"),
    }


@pytest.mark.parametrize("kind", EVENT_KINDS)
def test_every_kind_of_event_is_taken(kind: str) -> None:
    found = parse(record(kind=kind, by="ann", why="as told", mode="VIB", rule="risk"))
    assert isinstance(found, Event)
    assert (found.kind, found.by, found.why) == (kind, "ann", "as told")
    assert (found.mode, found.rule, found.schema) == ("VIB", "risk", 1)
    assert time_ns(found) == 1_769_850_000_000_000_000


def test_an_event_goes_out_and_in() -> None:
    event = Event("pump-07", "failure", TIME, mode="BRD")
    assert parse(msgspec.json.encode(event)) == event


def test_keys_that_are_not_known_are_ignored() -> None:
    assert isinstance(parse(record(ticket=17)), Event)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "the record has no value"),
        (b"", "the record has no value"),
        (b" " * (MOST_BYTES + 1), "expected at most 16384 bytes, found 16385"),
        (b"{", "the record is no event: "),
        (b"\xff", "the record is no event: "),
        (b'{"machine": "\xff"}', "the record is no event: "),
        (b"[" * 10_000, "the record is no event: "),
        (b"[]", "the record is no event: Expected `object`, got `array`"),
        (record(machine=...), "missing required field `machine`"),
        (record(kind=...), "missing required field `kind`"),
        (record(time=...), "missing required field `time`"),
        (record(time=17), "Expected `str`, got `int` - at `$.time`"),
        (record(verdict=True), "Expected `str`, got `bool` - at `$.verdict`"),
        (record(schema=2), "schema: expected 1, found 2"),
        (record(machine=""), "machine: expected 1 to 128 printable characters"),
        (record(machine="x" * 129), "machine: expected 1 to 128 printable"),
        (record(machine="a\nb"), "machine: expected 1 to 128 printable"),
        (record(kind="explosion"), "kind: expected one of failure, replacement, "),
        (record(kind="explosion"), "found 'explosion'"),
        (record(time="yesterday"), "time: expected an ISO 8601 time"),
        (record(time="2026-01-31T09:00:00"), "time: expected an offset"),
        (record(time="1969-01-31T09:00:00Z"), "time: expected a time from 1970"),
        (record(kind="shelve", until=""), "until: a shelf needs an end later"),
        (record(kind="shelve", until="2026-01-31T09:00:00Z"), "until: a shelf needs"),
        (record(kind="shelve", until="2026-02-01T09:00:00"), "until: a shelf needs"),
        (record(verdict=...), "verdict: expected 'true' or 'false', found ''"),
        (record(verdict="maybe"), "found 'maybe'"),
    ],
)
def test_what_is_wrong_is_said_in_words(value: bytes | None, words: str) -> None:
    assert words in fault(value)


@pytest.mark.parametrize("name", LONGEST)
def test_texts_are_bounded_and_printable(name: str) -> None:
    most = LONGEST[name]
    assert isinstance(parse(record(**{name: "x" * most})), Event)
    assert fault(record(**{name: "x" * (most + 1)})) == (
        f"{name}: expected at most {most} characters, found {most + 1}"
    )
    words = fault(record(**{name: "\x1b[2J"}))
    assert words == f"{name}: expected printable characters, found '\\x1b[2J'"


def test_the_largest_record_is_taken() -> None:
    whole = record().ljust(MOST_BYTES)
    assert isinstance(parse(whole), Event)


@given(st.binary(max_size=40))
def test_no_bytes_raise(value: bytes) -> None:
    assert isinstance(parse(value), str)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            name: st.text(max_size=5) | st.none() | st.integers() | st.just(TIME)
            for name in ("machine", "kind", "time", "until", "verdict", "by", "schema")
        },
    )
)
def test_no_values_raise(changes: dict[str, Any]) -> None:
    assert isinstance(parse(record(**changes)), str | Event)


def test_the_time_of_an_event_that_was_not_parsed_may_be_bad() -> None:
    with pytest.raises(BadTime):
        time_ns(Event("p", "failure", "now"))
