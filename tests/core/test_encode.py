"""Scores to messages."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core.encode import encode, iso_times, score_id
from stream.core.readings import FAULTS
from stream.core.scoring import Scores
from tests.core.helpers import NAN, NS, T0, HashingScorer, kind
from tests.core.test_scoring import windows

PUMP = kind("pump", "tv")


def scores(**parts: Any) -> Scores:
    """Return one score of machine 0, with parts replaced."""
    one = windows([[1, 2]])
    one.time_ns[:] = T0 * NS + 250_000_000
    one.offset[:] = 77
    usual: dict[str, Any] = {
        "risk": [0.125],
        "rul": [[10, 20.5, 30]],
        "anomaly": [0.25],
        "health": [87.5],
        "contributions": [[0.75, 0.25]],
        "deviation": [[1.5, -0.5]],
        "why": [""],
    }
    columns: dict[str, Any] = {
        name: value if name == "why" else np.array(value, np.float64)
        for name, value in (usual | parts).items()
    }
    faults = columns.pop("faults", np.zeros_like(columns["deviation"]))
    columns["faults"] = faults.astype(np.int8)
    return Scores(windows=one, **columns)


def message(given: Scores) -> dict[str, Any]:
    ((key, value),) = encode(PUMP, given, ["p 7"], HashingScorer(), ("readings", 3))
    assert key == b"p 7"
    parsed: dict[str, Any] = json.loads(value)
    return parsed


def test_a_score_as_its_readers_see_it() -> None:
    assert message(scores()) == {
        "schema": 1,
        "id": score_id("p 7", T0 * NS + 250_000_000, "abcd"),
        "machine": "p 7",
        "type": "pump",
        "time": "2023-11-14T22:13:20.250Z",
        "risk": 0.125,
        "rul": {"p05": 10.0, "p50": 20.5, "p95": 30.0},
        "anomaly": 0.25,
        "health": 87.5,
        "contributions": {"t": 0.75, "v": 0.25},
        "why": None,
        "model": {"name": "hashes", "version": "3", "horizon": 30},
        "source": {"topic": "readings", "partition": 3, "offset": 77},
    }


def test_without_an_estimate_there_is_a_reason_and_no_number() -> None:
    nothing = scores(
        risk=[NAN],
        rul=[[NAN] * 3],
        anomaly=[NAN],
        health=[NAN],
        contributions=[[NAN] * 2],
        why=["masked"],
    )
    told = message(nothing)
    fields = ("risk", "rul", "anomaly", "health", "contributions")
    assert [told[name] for name in fields] == [None] * 5
    assert told["why"] == "masked"


def test_a_bundle_without_a_risk_model_gives_neither_risk_nor_rul() -> None:
    told = message(scores(risk=[NAN], rul=[[NAN] * 3]))
    assert (told["risk"], told["rul"]) == (None, None)
    assert (told["anomaly"], told["health"]) == (0.25, 87.5)
    assert told["contributions"] == {"t": 0.75, "v": 0.25}
    assert told["why"] is None


@pytest.mark.parametrize("why", ["", "masked"])
def test_instruments_at_fault_are_named_with_an_estimate_or_without(why: str) -> None:
    told = message(scores(faults=[[0, FAULTS.index("stuck")]], why=[why]))
    assert told["faults"] == {"v": "stuck"}
    assert {name: told[name] for name in message(scores(why=[why]))} == message(
        scores(why=[why])
    )


def test_equal_scores_are_equal_bytes() -> None:
    one, two = (
        encode(PUMP, scores(), ["p"], HashingScorer(), ("readings", 3))
        for _ in range(2)
    )
    assert one == two


def test_each_score_is_keyed_by_its_machine() -> None:
    three = scores(
        risk=[0.1, 0.2, 0.3],
        rul=[[1, 2, 3]] * 3,
        anomaly=[1] * 3,
        health=[1] * 3,
        contributions=[[0.5, 0.5]] * 3,
        deviation=[[1, 2]] * 3,
        why=[""] * 3,
    )
    three.windows = windows(*[[[1, 2]]] * 3)
    three.windows.machine[:] = [2, 0, 2]
    found = encode(PUMP, three, ["p", "q", "ü"], HashingScorer(), ("readings", 3))
    assert [key for key, _ in found] == ["ü".encode(), b"p", "ü".encode()]
    assert [json.loads(value)["risk"] for _, value in found] == [0.1, 0.2, 0.3]


def test_an_id_never_changes_from_release_to_release() -> None:
    known = "d09da81ea4dff932e8043b942a457070"
    assert score_id("pump-07", 1_700_000_000_000_000_000, "ab") == known


def test_an_id_depends_on_machine_end_and_model() -> None:
    ids = {
        score_id(machine, end, digest)
        for machine in ("p", "q", "1\np")
        for end in (1, 12)
        for digest in ("ab", "b", "2\nab")
    }
    assert len(ids) == 18


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_500_000_000, "1970-01-01T00:00:01.500Z"),
        (1_500_001_000, "1970-01-01T00:00:01.500001Z"),
        (1_000_000_001, "1970-01-01T00:00:01.000000001Z"),
        (T0 * NS, "2023-11-14T22:13:20.000Z"),
    ],
)
def test_times_have_as_many_digits_as_they_need_but_at_least_ms(
    ns: int, text: str
) -> None:
    assert iso_times(np.array([ns, ns])) == [text, text]


@given(st.integers(0, 9_214_646_399_999_999_999))
def test_times_can_be_read_back(ns: int) -> None:
    (text,) = iso_times(np.array([ns]))
    whole, fraction = text.removesuffix("Z").split(".")
    moment = dt.datetime.fromisoformat(whole + "+00:00")
    since = moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    seconds = since.days * 86_400 + since.seconds
    assert seconds * NS + int(fraction.ljust(9, "0")) == ns
