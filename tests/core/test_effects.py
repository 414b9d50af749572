"""What events and silence do to machines, through the whole data path."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core.alert import Event
from stream.core.outcome import Outcome
from stream.core.pipeline import Pipeline
from stream.core.readings import NEVER, AlarmRule, Condition, MachineType
from stream.core.service import FOREVER, Told
from tests.core.helpers import NS, T0, Record, body, kind, pipeline, through

ALWAYS = AlarmRule("risk", "risk", limit=1e-9, clear=0.0)
"""A rule beyond whose limit every estimate of the tests' model is."""


def one_type(**more: Any) -> MachineType:
    given: dict[str, Any] = {"rows": 3, "baseline_rows": 2, "new_at_first_row": True}
    given["max_masked"] = 0.5
    return kind("a", "tv", **given | more)


def records(first: int, end: int, machine: str = "a1") -> list[Record]:
    return [Record(body(machine, i, t=i), i) for i in range(first, end)]


def told(
    second: float, event: str, machine: str = "a1", offset: int = 0, **more: str
) -> Told:
    at = round((T0 + second) * NS)
    text = f"{np.datetime64(at, 'ns')}Z"
    return Told(0, offset, at, Event(machine, event, text, **more))  # type: ignore[arg-type]


def take(path: Pipeline, *events: Told, until_ns: int = NEVER, at: int = 0) -> Outcome:
    return path.take_events(events, until_ns, at)


def scores(outcome: Outcome) -> list[dict[str, Any]]:
    return [json.loads(value) for _, value in outcome.messages]


def why(outcome: Outcome) -> list[str | None]:
    return [score["why"] for score in scores(outcome)]


def life(*events: Told, rows: int = 8, **more: Any) -> list[str | None]:
    """Return why a machine has no score, row by row, with events known beforehand."""
    path = pipeline(one_type(**more))
    first = through(path, records(0, 1))
    take(path, *events)
    return why(first) + why(through(path, records(1, rows)))


NOT = "out_of_service"


class TestService:
    """Machines out of service, and those that come back."""

    def test_between_leaving_and_returning_there_are_no_scores(self) -> None:
        found = life(told(2, "out_of_service"), told(5, "return", offset=1))
        assert [reason == NOT for reason in found] == [i in (2, 3, 4) for i in range(8)]

    def test_a_row_of_the_event_s_own_time_sees_it(self) -> None:
        found = life(told(2.5, "failure"))
        assert [reason == NOT for reason in found] == [i >= 3 for i in range(8)]

    def test_what_comes_back_from_a_failure_is_new(self) -> None:
        path = pipeline(one_type())
        through(path, records(0, 4))
        take(path, told(4, "failure"), told(6, "return", offset=1))
        through(path, records(4, 7))
        rings = path.states[0].rings
        assert rings.count.tolist()[:1] == [1]
        assert rings.seen.tolist()[:1] == [7]
        assert rings.aged.tolist()[:1] == [0]

    def test_what_was_only_out_of_service_goes_on(self) -> None:
        path = pipeline(one_type())
        through(path, records(0, 4))
        take(path, told(4, "out_of_service"), told(6, "return", offset=1))
        through(path, records(4, 7))
        assert path.states[0].rings.count.tolist()[:1] == [5]

    def test_maintenance_empties_the_window_and_the_age_goes_on(self) -> None:
        path = pipeline(one_type())
        through(path, records(0, 4))
        take(path, told(4, "maintenance"))
        through(path, records(4, 6))
        rings = path.states[0].rings
        assert (rings.count[0], rings.aged[0], rings.have[0]) == (2, 4, 2)

    def test_of_unknown_age_maintenance_makes_none(self) -> None:
        path = pipeline(one_type(new_at_first_row=False))
        through(path, records(0, 4))
        take(path, told(4, "maintenance"), told(5, "replacement", offset=1))
        through(path, records(4, 6))
        rings = path.states[0].rings
        assert (rings.count[0], rings.aged[0]) == (1, -1)

    def test_a_replaced_machine_is_new(self) -> None:
        path = pipeline(one_type())
        through(path, records(0, 4))
        take(path, told(4, "replacement"))
        through(path, records(4, 6))
        rings = path.states[0].rings
        assert (rings.count[0], rings.aged[0]) == (2, 0)


class TestTime:
    """When events take effect."""

    def test_what_no_row_reaches_waits_until_it_is_said_that_none_will_come(
        self,
    ) -> None:
        path = pipeline(one_type(alarms=(ALWAYS,)))
        through(path, records(0, 4))
        end = told(9, "failure").time_ns
        assert take(path, told(9, "failure")).alerts == []
        assert not path.effects.is_due(end - 1)
        assert path.effects.is_due(end)
        # A state that is ahead has had this moment already.
        assert take(path, until_ns=end, at=2).alerts == []
        (alert,) = take(path, until_ns=end, at=3).alerts
        assert (alert.event, alert.cleared_by) == ("cleared", "failure")
        assert not path.effects.is_due(FOREVER)

    def test_an_event_is_taken_once_and_strangers_none(self) -> None:
        path = pipeline(one_type(), kind("b"))
        through(path, records(0, 4))
        event = told(9, "failure")
        assert path.effects.is_new(event)
        assert not path.effects.is_new(told(9, "failure", "a2"))
        take(path, event, event, told(9, "failure", "a2"))
        assert not path.effects.is_new(event)
        assert len(path.states[0].service.waiting[0]) == 1

    def test_what_the_table_refuses_is_said(self) -> None:
        path = pipeline(one_type())
        through(path, records(0, 1))
        outcome = take(path, told(0, "acknowledge", by="ann"), until_ns=FOREVER)
        (refusal,) = outcome.refused
        assert refusal.startswith("acknowledge of a1: ")

    def test_events_are_in_the_state(self) -> None:
        path = pipeline(one_type())
        through(path, records(0, 4))
        dict(path.dump(3))
        take(path, told(2, "out_of_service"), told(9, "return", offset=1), until_ns=0)
        # What waits is written, too.
        assert [key for key, _ in path.dump(3)] == ["a/0"]
        take(path, until_ns=told(5, "return").time_ns, at=3)
        other = pipeline(one_type())
        other.load([block for _, block in path.dump(3, 1)])
        found = [through(p, records(4, 12)) for p in (path, other)]
        assert found[0].messages == found[1].messages
        assert [r == NOT for r in why(found[0])] == [i < 9 for i in range(4, 12)]


class TestSilence:
    """Machines of which nothing comes any more."""

    def test_silence_raises_an_alarm_and_the_next_window_ends_it(self) -> None:
        path = pipeline(one_type(), kind("b"))
        through(path, records(0, 3))
        (alert,) = path.release({"a": ["a1"]}, 2).alerts
        assert (alert.kind, alert.event, alert.onset) == (
            "no_data",
            "raised",
            "2023-11-14T22:13:22.000Z",
        )
        assert path.release({"a": ["a1"]}, 2).alerts == []
        (alert,) = through(path, records(3, 4)).alerts
        assert (alert.kind, alert.event) == ("no_data", "cleared")

    @pytest.mark.parametrize("event", ["out_of_service", "failure"])
    def test_what_is_out_of_service_may_be_silent(self, event: str) -> None:
        path = pipeline(one_type())
        through(path, records(0, 3))
        take(path, told(0, event), until_ns=FOREVER, at=2)
        assert path.release({"a": ["a1"]}, 2).alerts == []

    def test_a_state_that_is_ahead_has_its_silence_behind_it(self) -> None:
        path = pipeline(one_type())
        through(path, records(0, 3))
        assert path.release({"a": ["a1"]}, 1).alerts == []


class TestRunning:
    """Rows at which a machine stands still."""

    def test_they_stand_in_no_window_and_are_scored_as_such(self) -> None:
        path = pipeline(one_type(running=(Condition(0, True, 2.0),), rows=4))
        found = why(through(path, records(0, 5)))
        assert found[:3] == ["not_running"] * 3
        assert "not_running" not in found[3:]
        rings = path.states[0].rings
        assert (rings.seen[0], rings.count[0]) == (5, 2)

    def test_out_of_service_is_the_better_reason(self) -> None:
        more = {"running": (Condition(0, True, 99.0),)}
        assert life(told(2, "failure"), rows=4, **more) == [
            "not_running",
            "not_running",
            NOT,
            NOT,
        ]


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(
            ("failure", "return", "maintenance", "replacement", "out_of_service")
        ),
        st.integers(0, 14),
        st.sampled_from(("a1", "a2")),
    ),
    max_size=5,
)


@given(EVENTS, st.sets(st.integers(1, 29)), st.integers(0, 28))
def test_cuts_and_restarts_move_no_effect(
    made: list[tuple[str, int, str]], cuts: set[int], restart: int
) -> None:
    type_ = one_type(alarms=(ALWAYS,), running=(Condition(1, True, 0.0),))
    both = [Record(body(f"a{1 + i % 2}", i // 2, t=i, v=i % 7), i) for i in range(30)]
    events = [told(at, event, name, i) for i, (event, at, name) in enumerate(made)]

    def start() -> Pipeline:
        path = pipeline(type_)
        through(path, both[:2])
        take(path, *events, at=1)
        return path

    whole = through(start(), both[2:])
    path, parts = start(), []
    edges = sorted({2, *(c + 1 for c in cuts if c > 1), restart + 2, 30})
    for first, end in itertools.pairwise(edges):
        if first == restart + 2:
            saved = [block for _, block in path.dump(first - 1)]
            path = pipeline(type_)
            path.load(saved)
        parts.append(through(path, both[first:end]))
    for name in (b"a1", b"a2"):
        mine = [m for part in parts for m in part.messages if m[0] == name]
        assert mine == [m for m in whole.messages if m[0] == name]
        text = name.decode()
        alerts = [a for part in parts for a in part.alerts if a.machine == text]
        assert alerts == [a for a in whole.alerts if a.machine == text]
