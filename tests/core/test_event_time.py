"""Event times: numbers and texts, one by one and many at once."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stream.core.encode import iso_times
from stream.core.event_time import (
    BadTime,
    TimeRule,
    parse,
    parse_many,
    parse_or_none,
    to_text,
)

AUTO = TimeRule()
BERLIN = TimeRule(zone=ZoneInfo("Europe/Berlin"))
FIRST = 978_307_200  # 2001-01-01
END = 4_102_444_800  # 2100-01-01
LAST = 9_214_646_400  # 2262-01-01


@pytest.mark.parametrize(
    ("value", "rule", "ns"),
    [
        # Numbers: the unit is the one that gives a time from 2001 to 2100.
        (1_700_000_000, AUTO, 1_700_000_000 * 10**9),
        (1_700_000_000_123, AUTO, 1_700_000_000_123 * 10**6),
        (1_700_000_000_123_456, AUTO, 1_700_000_000_123_456 * 10**3),
        (1_700_000_000_123_456_789, AUTO, 1_700_000_000_123_456_789),
        (FIRST, AUTO, FIRST * 10**9),
        (END - 1, AUTO, (END - 1) * 10**9),
        (1_700_000_000.5, AUTO, 1_700_000_000_500_000_000),
        (1_700_000_000_123.25, AUTO, 1_700_000_000_123_250_000),
        # Floats keep the microsecond: the rest is not in them.
        (1_700_000_000.123456789, AUTO, 1_700_000_000_123_457_000),
        # Whole floats of nanoseconds are as they are.
        (1.7e18, AUTO, 1_700_000_000_000_000_000),
        # With a unit, from 1970 to 2261.
        (0, TimeRule("s"), 0),
        (LAST - 1, TimeRule("s"), (LAST - 1) * 10**9),
        (5, TimeRule("ms"), 5_000_000),
        (5, TimeRule("us"), 5_000),
        (5, TimeRule("ns"), 5),
        (2.9, TimeRule("ns"), 2),
        # Texts.
        ("1970-01-01T00:00:00Z", AUTO, 0),
        ("2023-11-14T22:13:20Z", AUTO, 1_700_000_000 * 10**9),
        ("2023-11-14t22:13:20z", AUTO, 1_700_000_000 * 10**9),
        ("2023-11-14 22:13:20.5Z", AUTO, 1_700_000_000_500_000_000),
        ("2023-11-14T22:13:20,25Z", AUTO, 1_700_000_000_250_000_000),
        ("2023-11-14T22:13:20.123456789Z", AUTO, 1_700_000_000_123_456_789),
        # Digits beyond the nanosecond are cut off, not rounded.
        ("2023-11-14T22:13:20.1234567899Z", AUTO, 1_700_000_000_123_456_789),
        ("2023-11-15T00:13:20+02:00", AUTO, 1_700_000_000 * 10**9),
        ("2023-11-14T16:43:20-0530", AUTO, 1_700_000_000 * 10**9),
        ("2024-02-29T00:00:00Z", AUTO, 1_709_164_800 * 10**9),
        ("2261-12-31T23:59:59.999999999Z", AUTO, LAST * 10**9 - 1),
        # A naive text is in the zone that is set, summer time included.
        ("2023-11-14T23:13:20", BERLIN, 1_700_000_000 * 10**9),
        ("2023-07-01T02:00:00", BERLIN, 1_688_169_600 * 10**9),
        ("2023-11-14T22:13:20Z", BERLIN, 1_700_000_000 * 10**9),
    ],
)
def test_a_time_is_read(value: object, rule: TimeRule, ns: int) -> None:
    assert parse(value, rule) == ns
    assert parse_or_none(value, rule) == ns


@pytest.mark.parametrize(
    ("value", "rule", "reason"),
    [
        (True, AUTO, "bad_time"),
        (None, AUTO, "bad_time"),
        ([], AUTO, "bad_time"),
        (float("nan"), AUTO, "bad_time"),
        (float("inf"), TimeRule("s"), "bad_time"),
        (1e308, AUTO, "bad_time"),
        (-1e308, TimeRule("s"), "bad_time"),
        (10**400, AUTO, "bad_time"),
        (10**400, TimeRule("ns"), "bad_time"),
        (0, AUTO, "bad_time"),
        (FIRST - 1, AUTO, "bad_time"),
        (END, AUTO, "bad_time"),
        (-1, TimeRule("s"), "bad_time"),
        (-0.5, TimeRule("s"), "bad_time"),
        (LAST, TimeRule("s"), "bad_time"),
        ("", AUTO, "bad_time"),
        ("yesterday", AUTO, "bad_time"),
        ("2023-11-14", AUTO, "bad_time"),
        ("2023-11-14T22:13Z", AUTO, "bad_time"),
        ("2023-11-14T22:13:20", AUTO, "naive_time"),
        ("2023-13-01T00:00:00Z", AUTO, "bad_time"),
        ("2023-02-29T00:00:00Z", AUTO, "bad_time"),
        ("2023-11-14T24:00:00Z", AUTO, "bad_time"),
        # A leap second is no time of day here.
        ("2016-12-31T23:59:60Z", AUTO, "bad_time"),
        ("2023-11-14T22:13:20+24:00", AUTO, "bad_time"),
        ("2023-11-14T22:13:20+10:60", AUTO, "bad_time"),
        ("2023-11-14T22:13:20.Z", AUTO, "bad_time"),
        ("2023-11-14T22:13:20Z\0", AUTO, "bad_time"),
        (" 2023-11-14T22:13:20Z", AUTO, "bad_time"),
        ("٢٠٢٣-11-14T22:13:20Z", AUTO, "bad_time"),
        ("1969-12-31T23:59:59Z", AUTO, "bad_time"),
        ("1970-01-01T00:00:00+00:01", AUTO, "bad_time"),
        ("2262-01-01T00:00:00Z", AUTO, "bad_time"),
        ("9999-12-31T23:59:59Z", AUTO, "bad_time"),
        ("0001-01-01T00:00:00+23:59", AUTO, "bad_time"),
        ("0000-01-01T00:00:00Z", AUTO, "bad_time"),
    ],
)
def test_a_time_that_cannot_be_understood_has_a_reason(
    value: object, rule: TimeRule, reason: str
) -> None:
    with pytest.raises(BadTime) as error:
        parse(value, rule)
    assert error.value.reason == reason
    assert str(error.value)
    assert parse_or_none(value, rule) is None


@given(
    st.datetimes(
        min_value=dt.datetime(1970, 1, 2),  # noqa: DTZ001 - the zone is drawn
        max_value=dt.datetime(2261, 12, 30),  # noqa: DTZ001 - the zone is drawn
        timezones=st.timezones() | st.just(dt.UTC),
    )
)
def test_a_text_means_what_datetime_says(moment: dt.datetime) -> None:
    fixed = moment.astimezone(dt.timezone(_whole_minutes(moment)))
    since = fixed - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    ns = (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1000
    assert parse(fixed.isoformat(), AUTO) == ns


def _whole_minutes(moment: dt.datetime) -> dt.timedelta:
    offset = moment.utcoffset() or dt.timedelta(0)
    return dt.timedelta(minutes=offset // dt.timedelta(minutes=1))


USUAL = st.datetimes(
    min_value=dt.datetime(1970, 1, 1),  # noqa: DTZ001 - UTC by its Z
    max_value=dt.datetime(2261, 12, 31),  # noqa: DTZ001 - UTC by its Z
).map(lambda moment: moment.isoformat() + "Z")


@st.composite
def nearly_usual(draw: st.DrawFn) -> str:
    """A usual text with one character changed, put in or taken out."""
    text = draw(USUAL)
    at = draw(st.integers(0, len(text)))
    put = draw(st.sampled_from(["", "Z", "0", "9", ".", "-", "\0", " ", "T", "é"]))
    return text[:at] + put + text[at + draw(st.integers(0, 1)) :]


NUMBERS = st.one_of(
    st.integers(FIRST - 5, FIRST + 5),
    st.integers(END - 5, END + 5),
    st.integers(LAST - 5, LAST + 5),
    st.integers(1_690_000_000_000, 1_700_000_000_000),
    st.integers(-3, 3),
    st.integers(2**63 - 2, 2**64),
)
TIMES = st.one_of(
    st.lists(USUAL | nearly_usual(), min_size=1, max_size=6),
    st.lists(NUMBERS, min_size=1, max_size=4),
    st.lists(NUMBERS | USUAL | st.floats() | st.booleans(), max_size=4),
)
RULES = st.builds(TimeRule, st.sampled_from(["auto", "s", "ms", "us", "ns"]))


@given(TIMES, RULES)
@example(["2026-01-01T00:00:00Z\0"], AUTO)
@example(["2026-01-01T00:00:60Z"], AUTO)
@example(["2026-01-01T00:00:00.Z"], AUTO)
@example(["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.5Z"], AUTO)
def test_many_at_once_are_read_as_one_by_one(
    values: list[object], rule: TimeRule
) -> None:
    many = parse_many(values, rule)
    if many is not None:
        assert many.tolist() == [parse(value, rule) for value in values]


@given(st.lists(USUAL, min_size=1, max_size=5))
def test_usual_texts_are_read_at_once(values: list[str]) -> None:
    many = parse_many(values, AUTO)
    assert many is not None
    assert many.tolist() == [parse(value, AUTO) for value in values]


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ([FIRST, END - 1], AUTO),
        ([FIRST * 1000, END * 1000 - 1], AUTO),
        ([FIRST * 10**6, END * 10**6 - 1], AUTO),
        ([FIRST * 10**9, END * 10**9 - 1], AUTO),
        ([0, LAST - 1], TimeRule("s")),
        ([0, LAST * 10**9 - 1], TimeRule("ns")),
    ],
)
def test_usual_numbers_are_read_at_once(values: list[int], rule: TimeRule) -> None:
    many = parse_many(values, rule)
    assert many is not None
    assert many.tolist() == [parse(value, rule) for value in values]


@pytest.mark.parametrize(
    "values",
    [
        [],
        [1_700_000_000, "2026-01-01T00:00:00Z"],
        [1_700_000_000.0],
        [1_700_000_000, 1_700_000_000_000],  # two units
        [1_700_000_000, END],
        [FIRST - 1, 1_700_000_000],
        [2**63],
        ["2026-01-01T00:00:00+00:00"],
        ["2026-01-01T00:00Z"],
        ["2026-01-01T00:00:00.1234567891Z"],
        ["2026-01-01 00:00:00Z"],
        ["1969-01-01T00:00:00Z"],
        ["2262-01-01T00:00:00Z"],
        ["2026-01-01T00:00:00éZ"],
        ["20x6-01-01T00:00:00Z"],
        ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00ZZ"],
    ],
)
def test_other_forms_are_left_to_one_by_one(values: list[object]) -> None:
    assert parse_many(values, AUTO) is None


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1, "1970-01-01T00:00:00.000000001Z"),
        (1_500_000, "1970-01-01T00:00:00.0015Z"),
        (60_000_000_000, "1970-01-01T00:01:00.000Z"),
    ],
)
def test_a_text_has_as_many_digits_as_its_time_needs(at: int, text: str) -> None:
    assert to_text(at) == text


@given(st.integers(0, LAST * 1_000_000_000 - 1))
def test_a_time_goes_out_as_text_and_in(at: int) -> None:
    assert parse(to_text(at), TimeRule()) == at
    assert [to_text(at)] == iso_times(np.array([at]))
