"""Since when a sensor is away from its normal, and which sensors are named."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core.alert import Reason
from stream.core.readings import NEVER
from stream.core.reasons import Look, follow, levels
from tests.core.alarm_helpers import RISK, Score, iso, judged, pumps
from tests.core.helpers import NAN

SIGMA = st.sampled_from([0.0, 1.99, 2.0, -2.0, 7.0, NAN])
ROWS = st.lists(
    st.tuples(st.integers(0, 2), SIGMA, SIGMA, st.sampled_from([True, True, False])),
    min_size=1,
    max_size=20,
)


@pytest.mark.parametrize("seed", range(5))
def test_since_takes_many_rows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = [
        (int(m), *rng.choice([0.0, 2.0, NAN], 2, p=[0.2, 0.6, 0.2]), bool(g))
        for m, g in zip(rng.integers(0, 3, 200), rng.random(200) < 0.8, strict=True)
    ]
    _compare(rows, [[NEVER, 1], [2, NEVER], [3, 4]])


@given(ROWS, st.lists(st.sampled_from([NEVER, -5, -3]), min_size=6, max_size=6))
def test_since_is_the_first_of_an_unbroken_run(
    rows: list[tuple[int, float, float, bool]], state: list[int]
) -> None:
    _compare(rows, [state[:2], state[2:4], state[4:]])


def _compare(
    rows: list[tuple[int, float, float, bool]], state: list[list[int]]
) -> None:
    rows = sorted(rows, key=lambda row: row[0])
    have = np.array(state, np.int64)
    machine = np.array([row[0] for row in rows], np.int64)
    sigma = np.array([row[1:3] for row in rows], np.float64)
    counts = np.array([row[3] for row in rows], np.bool_)
    found = follow(have, machine, np.arange(len(rows)), sigma, counts)
    expected, now = [], [list(one) for one in state]
    for second, (number, *sigmas, count) in enumerate(rows):
        for sensor, value in enumerate(sigmas):
            mine = now[number]
            if count and abs(value) >= 2 and mine[sensor] == NEVER:
                mine[sensor] = second
            if count and abs(value) < 2:
                mine[sensor] = NEVER
        expected.append(list(now[number]))
    assert found.tolist() == expected
    assert have.tolist() == now


def reasons(share: list[float], sigma: list[float]) -> list[str]:
    """Return the names of the reasons of one window."""
    sensors = "abcdef"[: len(share)]
    scores = judged([Score(0, risk=0.9, share=share, sigma=sigma)], sensors)
    kind = pumps(RISK, sensors=sensors)
    level = levels(kind.alarms, scores)
    since = np.full((1, len(sensors)), NEVER)
    look = Look(kind, scores, level, since)
    evidence = look.of_machine(0, RISK)
    names = [reason.sensor for reason in evidence.reasons]
    assert look.top_name(0) == (names[0] if names else "")
    return names


@pytest.mark.parametrize(
    ("share", "sigma", "names"),
    [
        ([0.5, 0.3, 0.2], [1.0, 3.0, 1.1], "bac"),  # share times sigma
        ([0.5, 0.3, 0.2], [1.0, -3.0, 1.1], "bac"),  # either side of normal
        ([0.5, 0.3, 0.2], [NAN, NAN, NAN], "abc"),  # what is known
        ([NAN, NAN, NAN], [1.0, -3.0, 1.1], "bca"),
        ([0.5, NAN, 0.2], [4.0, 3.0, NAN], "bac"),
        ([0.9, 0.09, 0.1], [0.99, 0.99, 0.99], "ac"),  # enough of either
        ([0.09, 0.01, 0.0], [0.5, 1.0, 0.9], "ba"[:1]),
        ([0.05, 0.06, 0.06], [0.5, 0.5, 0.5], "b"),  # at least one, the first of equals
        ([NAN, 0.0, NAN], [NAN, 0.0, NAN], "b"),
        ([NAN, NAN, NAN], [NAN, NAN, NAN], ""),
        ([0.2] * 6, [2.0, 3.0, 1.0, 6.0, 5.0, 4.0], "defb"),  # at most four
        ([0.2] * 6, [2.0] * 6, "abcd"),  # of equals the first
        ([0.5, 0.05], [0.9, 50.0], "ba"),
        ([0.05, 0.01], [0.9, 1.0], "b"),  # the heaviest may be too little to be named
    ],
)
def test_sensors_are_named_by_the_stated_rule(
    share: list[float], sigma: list[float], names: str
) -> None:
    assert reasons(share, sigma) == list(names)


def test_a_reason_says_what_is_known_of_it() -> None:
    scores = judged([Score(0, risk=0.9, share=(0.6, 0.4, NAN), sigma=(NAN, -2.5, 2.0))])
    kind = pumps(RISK)
    since = np.array([[scores.time_ns[0], scores.time_ns[0], NEVER]])
    evidence = Look(kind, scores, levels(kind.alarms, scores), since).of_machine(
        0, RISK
    )
    assert evidence.reasons == [
        Reason("p", 2.0, None, None),
        Reason("v", -2.5, 0.4, iso(0)),
        Reason("t", None, 0.6, None),
    ]
