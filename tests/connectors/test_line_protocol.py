"""Scores and readings as text; that a real server reads it so stands in test_influx."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.line_protocol import (
    alert_line,
    point,
    reading_line,
    score_line,
    time_ns,
)

NS = 1_795_251_600_123_000_000
SCORE: dict[str, Any] = {
    "schema": 1,
    "id": "abc",
    "machine": "pump-07",
    "type": "pump",
    "time": "2026-11-21T09:00:00.123Z",
    "risk": 0.25,
    "rul": {"p05": 10.0, "p50": 20.5, "p95": 125.0},
    "anomaly": 0.001,
    "health": 88,
    "contributions": {"T24": 0.75, "P 2": 0.25},
    "why": None,
    "model": {"name": "fleet", "version": "3"},
    "source": {"topic": "t", "partition": 0, "offset": 5},
}


def test_a_score() -> None:
    assert score_line(SCORE) == (
        "score,machine=pump-07,model=fleet,type=pump"
        " risk=0.25,rul_p05=10.0,rul_p50=20.5,rul_p95=125.0,anomaly=0.001,health=88.0,"
        r'id="abc",contribution_T24=0.75,contribution_P\ 2=0.25'
        f" {NS}"
    )


def test_a_score_with_its_place_in_the_plant() -> None:
    line = score_line(SCORE, {"site": "Kiel", "line": "L 2"})
    assert line.startswith(
        r"score,line=L\ 2,machine=pump-07,model=fleet,site=Kiel,type=pump "
    )


def test_a_score_without_an_estimate_says_why() -> None:
    none = {"risk": None, "rul": None, "anomaly": None, "health": None}
    line = score_line(SCORE | none | {"contributions": None, "why": "min_context"})
    assert line == (
        f'score,machine=pump-07,model=fleet,type=pump why="min_context",id="abc" {NS}'
    )


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"time": "yesterday"}, "Invalid isoformat"),
        ({"time": "2026-11-21T09:00:00"}, "a time with offset"),
        ({"time": None}, "not a score"),
        ({"risk": "high"}, "expected a number, found str"),
        ({"risk": True}, "expected a number, found bool"),
        ({"rul": 5}, "not a score"),
        ({"machine": 7}, "not a score"),
        ({"contributions": [1]}, "not a score"),
    ],
)
def test_what_is_no_score_is_said(change: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        score_line(SCORE | change)


@pytest.mark.parametrize("key", ["machine", "type", "id", "time"])
def test_a_score_needs_its_names(key: str) -> None:
    with pytest.raises(ValueError, match=f"not a score: KeyError: '{key}'"):
        score_line({k: v for k, v in SCORE.items() if k != key})


def test_a_reading() -> None:
    line = reading_line("p 1", "pump", 5, {"a": 1, "b": None, "c": float("nan")})
    assert line == r"reading,machine=p\ 1,type=pump a=1.0 5"
    assert reading_line("p", "pump", 5, {"b": None}) is None
    assert reading_line("p", "pump", 5, {}) is None


def test_a_reading_with_its_place_in_the_plant() -> None:
    line = reading_line("p", "pump", 5, {"a": 1}, {"site": "Kiel"})
    assert line == "reading,machine=p,site=Kiel,type=pump a=1.0 5"


ALERT: dict[str, Any] = {
    "id": "a1",
    "case_id": "c1",
    "machine": "pump-07",
    "type": "pump",
    "kind": "sensor.stuck",
    "subject": "sensor",
    "sensor": "P 2",
    "event": "cleared",
    "seq": 2,
    "state": "cleared",
    "severity": "low",
    "onset": "2026-11-21T08:00:00Z",
    "time": "2026-11-21T09:00:00.123Z",
    "cleared_by": "limit",
    "backfill": True,
    "out_of_service": False,
    "action": "",
    "failure_mode": "AIR",
    "message": "P 2 is stuck.",
    "evidence": {
        "value": None,
        "limit": 0.5,
        "risk": 0.25,
        "rul": [1, 2, 3],
        "anomaly": 0.1,
        "reasons": [],
    },
}


def test_an_alert() -> None:
    assert alert_line(ALERT, {"site": "Kiel", "line": "L 2"}) == (
        r"alert,event=cleared,kind=sensor.stuck,line=L\ 2,machine=pump-07,"
        r"sensor=P\ 2,severity=low,site=Kiel,subject=sensor,type=pump"
        ' case_id="c1",state="cleared",message="P 2 is stuck.",'
        'onset="2026-11-21T08:00:00Z",cleared_by="limit",failure_mode="AIR",'
        'id="a1",seq=2.0,limit=0.5,risk=0.25,rul_p05=1.0,rul_p50=2.0,rul_p95=3.0,'
        f"anomaly=0.1,backfill=true,out_of_service=false {NS}"
    )


def test_an_alert_of_nothing_but_its_names_is_dated_by_its_record() -> None:
    few = {name: ALERT[name] for name in ("id", "machine", "kind", "seq")}
    line = alert_line(few, {}, 5)
    assert line == (
        "alert,kind=sensor.stuck,machine=pump-07"
        ' id="a1",seq=2.0,backfill=false,out_of_service=false 5'
    )
    # One that has a time keeps it.
    assert alert_line(ALERT, {}, 5).endswith(f" {NS}")
    with pytest.raises(ValueError, match="not an alert: KeyError: 'time'"):
        alert_line(few)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"time": "yesterday"}, "Invalid isoformat"),
        ({"time": None}, "not an alert"),
        ({"machine": 7}, "not an alert"),
        ({"kind": ["risk"]}, "not an alert"),
        ({"seq": "2"}, "expected a number, found str"),
        ({"message": 5}, "expected a text, found int"),
        ({"evidence": 5}, "not an alert"),
        ({"evidence": {"rul": [1, 2]}}, "not enough values"),
        ({"evidence": {"risk": "high"}}, "expected a number, found str"),
    ],
)
def test_what_is_no_alert_is_said(change: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        alert_line(ALERT | change)


@pytest.mark.parametrize("key", ["machine", "kind", "id", "seq", "time"])
def test_an_alert_needs_its_names(key: str) -> None:
    with pytest.raises(ValueError, match=f"not an alert: KeyError: '{key}'"):
        alert_line({k: v for k, v in ALERT.items() if k != key})


def test_tags_are_sorted_and_empty_ones_left_out() -> None:
    assert point("m", {"z": "1", "a": "2", "e": "", "n": None}, {"f": 0.5}, 1) == (
        "m,a=2,z=1 f=0.5 1"
    )
    assert point("m", {}, {"f": 0.5}, 1) == "m f=0.5 1"


def test_special_characters() -> None:
    line = point("m ,x", {"k=, ": "v=, \t\n"}, {"f=, ": 'say "hi" \\ and\nmore'}, 1)
    assert line == (
        r"m\ \,x,k\=\,\ =v\=\,\ \ \  f\=\,\ =" r'"say \"hi\" \\ and more" 1'
    )


def test_infinite_values_are_left_out() -> None:
    assert point("m", {}, {"f": float("inf"), "g": float("-inf")}, 1) is None


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1)


# A quote in a tag means nothing to the server (see test_influx), but much to this test.
plain = texts.map(lambda text: text.replace('"', "'"))


@given(plain, texts, st.floats(allow_nan=False, allow_infinity=False), texts)
def test_any_text_gives_one_line_of_three_parts(
    tag: str, key: str, number: float, text: str
) -> None:
    line = point("m", {"t": tag}, {key: number, "s": text}, 7)
    assert line is not None
    assert "\n" not in line
    # Take away what is escaped or quoted: the bones of one point remain.
    bare = re.sub(r'"(\\.|[^"\\])*"', "Q", line)
    bones = re.sub(r"\\[,= ]", "x", bare)
    assert bones.count(" ") == 2
    head, fields, at = bones.split(" ")
    assert head.count(",") == 1
    assert head.count("=") == 1
    assert fields.count("=") == (1 if key == "s" else 2)
    assert at == "7"


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:01.000000001Z", 1_000_000_001),
        ("1970-01-01T01:00:00.5+01:00", 500_000_000),
        ("1969-12-31T23:59:59.999999999Z", -1),
        ("2026-11-21T09:00:00.123Z", NS),
    ],
)
def test_times(text: str, ns: int) -> None:
    assert time_ns(text) == ns


@pytest.mark.parametrize(
    "text", ["", "x", "2026-11-21", "2026-11-21T09:00:00.Z", "2026-11-21T09:00:00.1"]
)
def test_no_times(text: str) -> None:
    with pytest.raises(ValueError, match=r"time with offset|isoformat"):
        time_ns(text)


def test_more_than_nanoseconds_is_no_time() -> None:
    with pytest.raises(ValueError, match="at most 9 decimals"):
        time_ns("2026-11-21T09:00:00.1234567891Z")


@given(st.integers(-(2**61), 2**62))
def test_times_are_exact(ns: int) -> None:
    seconds, rest = divmod(ns, 10**9)
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    text = moment.strftime("%Y-%m-%dT%H:%M:%S")
    assert time_ns(f"{text}.{rest:09}Z") == ns
