"""What events do to alarms, and what they are refused for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from stream.core.alert import EVENT_KINDS, Mark
from stream.core.readings import NEVER
from tests.core.alarm_helpers import RISK, RUL, SENSOR, Bench, Score, brief, iso
from tests.core.helpers import NS

FIXED = replace(RISK, severity="high")
SLOW = replace(FIXED, on_delay_ns=60 * NS)


def fresh() -> Bench:
    """Return a bench on whose machine an alarm of each kind is open."""
    bench = Bench(FIXED, RUL, SENSOR)
    bench(Score(0, risk=0.9, rul=5.0, faults={"t": "stuck"}))
    return bench


ALL = ["risk", "rul", "sensor.stuck/t"]


@pytest.mark.parametrize(
    ("kind", "event", "more"),
    [
        ("acknowledge", "acknowledged", {}),
        ("shelve", "shelved", {"until": iso(100)}),
        ("feedback", "feedback", {"verdict": "false"}),
    ],
)
def test_an_event_means_one_alarm_one_kind_or_all(
    kind: str, event: str, more: dict[str, Any]
) -> None:
    assert fresh().act(kind, 1, **more) == [f"{event} {name}" for name in ALL]
    assert fresh().act(kind, 1, rule="rul", **more) == [f"{event} rul"]
    bench = fresh()
    one = f"{event} sensor.stuck/t"
    assert bench.act(kind, 1, rule="sensor.stuck", **more) == [one]
    assert bench.act(kind, 2, rule="instruments", **more) in ([one], [])
    bench = fresh()
    alarm = bench.told[1].id
    assert bench.act(kind, 1, alarm=alarm, **more) == [f"{event} rul"]
    assert not bench.refused()


@pytest.mark.parametrize("kind", ["acknowledge", "shelve", "unshelve", "feedback"])
def test_an_event_may_not_mean_what_is_not_there(kind: str) -> None:
    bench = fresh()
    more: dict[str, Any] = {"until": iso(100), "verdict": "true"}
    assert bench.act(kind, 1, alarm="0f", **more) == []
    assert bench.refused() == "no open alarm has the id '0f'"
    assert bench.act(kind, 1, rule="riks", **more) == []
    assert bench.refused() == "there is no alarm of kind 'riks'"
    assert bench.act(kind, 1, rule="rul", alarm=bench.told[0].id, **more) == []
    assert bench.refused().startswith("no open alarm has the id")


@pytest.mark.parametrize("kind", ["acknowledge", "unshelve", "feedback"])
def test_without_an_open_alarm_there_is_nothing_to_do(kind: str) -> None:
    bench = Bench(SLOW)
    bench.risk((0, 0.9))  # pending
    assert bench.act(kind, 1, verdict="true") == []
    assert bench.refused() == "no alarm is open"


def test_an_unknown_event_is_refused() -> None:
    bench = fresh()
    assert bench.act("explosion", 1) == []
    assert bench.refused().startswith("nothing is known of 'explosion'")


def test_a_refused_event_changes_nothing() -> None:
    bench = fresh()
    before = bench.alarms.dump(np.array([0]))["open"]
    for kind in EVENT_KINDS:
        if kind in {"failure", "replacement", "maintenance", "out_of_service"}:
            continue
        bench.act(kind, 1, alarm="none", rule="none")
        assert bench.refused()
    assert bench.alarms.dump(np.array([0]))["open"] == before


# Acknowledge, feedback


def test_an_acknowledged_alarm_says_who_why_and_when() -> None:
    bench = fresh()
    bench.act("acknowledge", 5, rule="risk", by="ann", why="on my way")
    alert = bench.told[-1]
    assert alert.acknowledged == Mark("ann", "on my way", iso(5))
    assert (alert.seq, alert.time, alert.state) == (2, iso(5), "active")
    (last,) = bench(Score(6, rul=5.0, faults={"t": "stuck"}))
    assert last.acknowledged == Mark("ann", "on my way", iso(5))


def test_an_alarm_is_acknowledged_once() -> None:
    bench = fresh()
    bench.act("acknowledge", 5, rule="risk")
    assert bench.act("acknowledge", 6, rule="risk") == []
    assert bench.refused() == "the alarm is acknowledged already"
    assert bench.act("acknowledge", 7) == [
        "acknowledged rul",
        "acknowledged sensor.stuck/t",
    ]


def test_an_alarm_that_comes_again_is_not_acknowledged() -> None:
    bench = Bench(FIXED)
    bench.risk((0, 0.9))
    bench.act("acknowledge", 1)
    bench.risk((2, 0.1), (3, 0.9))
    assert bench.told[-1].acknowledged is None


@pytest.mark.parametrize("verdict", ["", "yes", "True"])
def test_a_feedback_needs_a_verdict(verdict: str) -> None:
    bench = fresh()
    assert bench.act("feedback", 1, verdict=verdict) == []
    assert bench.refused() == "a feedback needs a verdict, true or false"


def test_feedback_may_be_given_again() -> None:
    bench = fresh()
    bench.act("feedback", 1, rule="risk", verdict="false")
    bench.act("feedback", 2, rule="risk", verdict="true")
    assert [a.feedback for a in bench.told[-2:]] == ["false", "true"]


def test_feedback_reaches_the_last_four_alarms_that_are_over() -> None:
    bench = Bench(FIXED)
    bench.risk(*((s, 0.1 if s % 2 else 0.9) for s in range(10)))
    raised = [alert for alert in bench.told if alert.event == "raised"]
    assert bench.act("feedback", 20, alarm=raised[0].id, verdict="true") == []
    assert bench.refused()
    bench.restart()
    for alert in raised[1:]:
        told = bench.act("feedback", 20, alarm=alert.id, verdict="true")
        assert told == ["feedback risk"]
    last = bench.told[-1]
    assert (last.state, last.seq, last.feedback) == ("cleared", 3, "true")
    assert bench.act("feedback", 21, verdict="true") == []


def test_an_alarm_that_is_over_is_not_acknowledged() -> None:
    bench = Bench(FIXED)
    bench.risk((0, 0.9), (1, 0.1))
    assert bench.act("acknowledge", 2, alarm=bench.told[0].id) == []
    assert bench.refused().startswith("no open alarm has the id")


# Shelves


def test_a_shelf_ends_with_the_first_window_at_its_end() -> None:
    bench = Bench(FIXED)
    bench.risk((0, 0.9))
    bench.act("shelve", 1, until=iso(100), by="ann", why="known")
    assert bench.told[-1].shelved == Mark("ann", "known", iso(1), iso(100))
    assert bench.risk((50, 0.9), (99, 0.9)) == []
    assert bench.risk((100, 0.9)) == ["unshelved risk", "updated risk"]
    assert [(a.shelved, a.time, a.seq) for a in bench.told[-2:]] == [
        (None, iso(100), 3),
        (None, iso(100), 4),
    ]
    assert bench.risk((101, 0.9)) == []


def test_a_shelf_ends_without_an_estimate_too() -> None:
    bench = Bench(FIXED)
    bench.risk((0, 0.9))
    bench.act("shelve", 1, until=iso(100))
    told = bench(Score(200, given=False))
    assert [brief(a) for a in told] == ["unshelved risk", "updated risk"]


def test_an_alarm_that_clears_as_its_shelf_ends_is_not_updated() -> None:
    bench = Bench(FIXED)
    bench.risk((0, 0.9))
    bench.act("shelve", 1, until=iso(100))
    assert bench.risk((100, 0.1)) == ["unshelved risk", "cleared risk"]


def test_an_alarm_that_changes_as_its_shelf_ends_is_updated_once() -> None:
    bench = Bench(RISK)
    bench(Score(0, risk=0.9, rul=20.0))
    bench.act("shelve", 1, until=iso(100))
    told = bench(Score(100, risk=0.9, rul=2.0))
    assert [brief(a) for a in told] == ["unshelved risk", "updated risk"]
    assert told[-1].severity == "critical"


def test_a_shelved_alarm_goes_on() -> None:
    bench = Bench(RISK)
    bench(Score(0, risk=0.9, rul=20.0))
    bench.act("shelve", 1, until=iso(100))
    told = bench(Score(2, risk=0.9, rul=2.0), Score(3, risk=0.1))
    assert [brief(a) for a in told] == ["updated risk", "cleared risk"]
    assert all(alert.shelved for alert in told)


@pytest.mark.parametrize(
    "until", [iso(5), iso(4), "", "tomorrow", "2030-01-01T00:00:00"]
)
def test_a_shelf_needs_an_end_later_than_its_time(until: str) -> None:
    bench = fresh()
    assert bench.act("shelve", 5, until=until) == []
    assert "a shelf needs an end" in bench.refused()


def test_a_shelf_may_be_given_another_end() -> None:
    bench = Bench(FIXED)
    bench.risk((0, 0.9))
    bench.act("shelve", 1, until=iso(100))
    assert bench.act("shelve", 2, until=iso(50)) == ["shelved risk"]
    assert bench.risk((50, 0.9)) == ["unshelved risk", "updated risk"]


def test_alarms_that_rise_while_a_shelf_waits_are_born_shelved() -> None:
    bench = Bench(FIXED, RUL)
    assert bench.act("shelve", 1, rule="risk", until=iso(100), by="ann") == []
    assert not bench.refused()
    told = bench(Score(2, risk=0.9, rul=5.0))
    assert [(brief(a), bool(a.shelved)) for a in told] == [
        ("raised risk", True),
        ("raised rul", False),
    ]
    bench.restart()
    told = bench(Score(3, rul=5.0), Score(99, risk=0.9, rul=5.0))
    assert [(brief(a), bool(a.shelved)) for a in told] == [
        ("cleared risk", True),
        ("raised risk", True),
    ]
    told = bench(Score(100, risk=0.9, rul=5.0), Score(101, rul=5.0))
    told += bench(Score(102, risk=0.9, rul=5.0))
    assert [(brief(a), bool(a.shelved)) for a in told] == [
        ("unshelved risk", False),
        ("updated risk", False),
        ("cleared risk", False),
        ("raised risk", False),
    ]


def test_a_shelf_of_the_machine_waits_for_all_its_alarms() -> None:
    bench = Bench(FIXED, SENSOR)
    bench.act("shelve", 1, until=iso(100))
    told = bench(Score(2, risk=0.9, faults={"t": "stuck"}))
    assert [bool(alert.shelved) for alert in told] == [True, True]


def test_a_shelf_by_the_rule_on_instruments_waits_for_all_faults() -> None:
    bench = Bench(FIXED, SENSOR)
    bench.act("shelve", 1, rule="instruments", until=iso(100))
    told = bench(Score(2, risk=0.9, faults={"t": "stuck"}))
    assert [bool(alert.shelved) for alert in told] == [False, True]


def test_of_two_shelves_the_longer_holds() -> None:
    bench = Bench(FIXED)
    bench.act("shelve", 1, rule="risk", until=iso(50))
    bench.act("shelve", 1, until=iso(100))
    assert bench.risk((2, 0.9), (60, 0.9)) == ["raised risk"]
    assert bench.risk((100, 0.9)) == ["unshelved risk", "updated risk"]


def test_a_shelf_of_one_alarm_waits_for_no_other() -> None:
    bench = Bench(FIXED)
    bench.risk((0, 0.9))
    bench.act("shelve", 1, alarm=bench.told[0].id, until=iso(100))
    bench.risk((2, 0.1), (3, 0.9))
    assert bench.told[-1].shelved is None


def test_a_shelf_that_has_ended_waits_no_longer() -> None:
    bench = Bench(FIXED)
    bench.act("shelve", 1, until=iso(100))
    assert bench.risk((100, 0.9)) == ["raised risk"]
    assert bench.told[-1].shelved is None


def test_an_alarm_that_is_taken_off_its_shelf_is_told_anew() -> None:
    bench = Bench(FIXED, RUL)
    bench(Score(0, risk=0.9, rul=5.0))
    bench.act("shelve", 1, rule="risk", until=iso(100))
    assert bench.act("unshelve", 2) == ["unshelved risk", "updated risk"]
    assert bench.told[-1].shelved is None
    assert bench(Score(100, risk=0.9, rul=5.0)) == []
    assert bench.act("unshelve", 101) == []
    assert bench.refused() == "the alarm is not shelved"


def test_unshelve_ends_waiting_shelves_of_its_kind() -> None:
    bench = Bench(FIXED, RUL)
    bench.act("shelve", 1, rule="risk", until=iso(100))
    bench.act("shelve", 1, rule="rul", until=iso(100))
    assert bench.act("unshelve", 2, rule="risk") == []
    assert not bench.refused()
    told = bench(Score(3, risk=0.9, rul=5.0))
    assert [bool(alert.shelved) for alert in told] == [False, True]
    assert bench.act("unshelve", 4, rule="risk") == []
    assert bench.refused() == "the alarm is not shelved"
    bench.act("unshelve", 5)
    assert not bench.refused()
    bench(Score(6, risk=0.1), Score(7, risk=0.9, rul=5.0))
    assert bench.told[-1].shelved is None


def test_unshelve_of_one_alarm_leaves_waiting_shelves() -> None:
    bench = Bench(FIXED)
    bench.act("shelve", 1, until=iso(100))
    bench.risk((2, 0.9))
    told = bench.act("unshelve", 3, alarm=bench.told[-1].id)
    assert told == ["unshelved risk", "updated risk"]
    bench.risk((4, 0.1), (5, 0.9))
    assert bench.told[-1].shelved is not None


def test_a_shelf_that_has_ended_by_the_time_of_an_event_ends_before_it() -> None:
    bench = Bench(FIXED)
    bench.risk((0, 0.9))
    bench.act("shelve", 1, until=iso(100))
    assert bench.act("unshelve", 100) == ["unshelved risk", "updated risk"]
    assert bench.refused() == "the alarm is not shelved"


# In and out of service


def test_out_of_service_holds_everything() -> None:
    bench = Bench(SLOW, RUL, SENSOR)
    bench(Score(0, risk=0.9, rul=5.0, sigma=(3.0, 0, 0)), Score(40, risk=0.9, rul=5.0))
    assert bench.act("out_of_service", 41, by="ann") == ["suppressed rul"]
    assert bench.told[-1].out_of_service
    since = bench.alarms.since.copy()
    loud = Score(100, faults={"t": "stuck"}, sigma=(0.0, 9.0, 0))
    assert bench(loud, Score(200, risk=0.9)) == []
    assert bench.silent(200) == []
    assert (bench.alarms.since == since).all()
    bench.restart()
    assert bench(Score(300)) == []
    assert bench.act("return", 400) == ["returned rul", "updated rul"]
    assert not bench.told[-1].out_of_service
    assert bench(Score(500, risk=0.9, rul=5.0), Score(519, risk=0.9, rul=5.0)) == []
    told = bench(Score(520, risk=0.9, rul=5.0))
    assert [brief(a) for a in told] == ["raised risk"]


def test_a_machine_goes_out_of_service_once() -> None:
    bench = Bench(FIXED)
    assert bench.act("return", 1) == []
    assert bench.refused() == "the machine is in service"
    bench.act("out_of_service", 2)
    assert not bench.refused()
    bench.act("out_of_service", 3)
    assert bench.refused() == "the machine is out of service already"


def test_one_machine_out_of_service_does_not_hold_the_others() -> None:
    bench = Bench(FIXED)
    bench.act("out_of_service", 1)
    told = bench(Score(2, risk=0.9), Score(2, 1, risk=0.9))
    assert [alert.machine for alert in told] == ["pump-1"]


def test_alarms_may_be_worked_on_while_out_of_service() -> None:
    bench = fresh()
    bench.act("out_of_service", 1)
    assert len(bench.act("acknowledge", 2)) == 3
    assert bench.told[-1].out_of_service
    assert bench.act("maintenance", 3) == ["cleared risk", "cleared rul"]


def test_a_machine_that_has_failed_may_return() -> None:
    bench = Bench(FIXED, SENSOR)
    bench(Score(0, faults={"t": "stuck"}))
    bench.act("failure", 1)
    bench.act("failure", 2)
    assert not bench.refused()
    bench.restart()
    assert bench.act("return", 3) == []
    assert not bench.refused()
    assert bench.act("return", 4) == []
    assert bench.refused() == "the machine is in service"


def test_a_machine_may_fail_while_it_is_out_of_service() -> None:
    bench = Bench(FIXED, SENSOR)
    bench(Score(0, faults={"t": "stuck"}))
    bench.act("out_of_service", 1)
    assert bench.act("failure", 2) == []
    assert bench(Score(3, risk=0.9)) == []
    told = bench.act("return", 4)
    assert told == ["returned sensor.stuck/t", "updated sensor.stuck/t"]


# Failure, replacement, maintenance


@pytest.mark.parametrize("kind", ["failure", "replacement", "maintenance"])
def test_a_machine_is_judged_anew_after_its_repair(kind: str) -> None:
    bench = Bench(FIXED, replace(RUL, on_delay_ns=60 * NS), SENSOR)
    stuck = {"v": "stuck"}
    bench(Score(0, risk=0.9, rul=5.0, sigma=(3.0, 0, 0), faults=stuck))
    bench.silent(0)
    assert bench.act(kind, 30) == ["cleared risk"]
    last = bench.told[-1]
    assert (last.cleared_by, last.state, last.time) == (kind, "cleared", iso(30))
    assert (bench.alarms.since == NEVER).all()
    told = bench(Score(40, risk=0.9, rul=5.0, sigma=(3.0, 0, 0), faults=stuck))
    assert [brief(a) for a in told] == ["cleared no_data", "raised risk"]
    assert told[-1].onset == iso(40)
    assert told[-1].evidence.reasons[0].since == iso(40)
    assert bench(Score(99, risk=0.9, rul=5.0, faults=stuck)) == []
    (alert,) = bench(Score(100, risk=0.9, rul=5.0, faults=stuck))
    assert alert.onset == iso(40)


def test_a_repair_without_alarms_is_no_fault() -> None:
    bench = Bench(FIXED)
    assert bench.act("maintenance", 1, machine=2) == []
    assert not bench.refused()


def test_a_repair_touches_no_other_machine() -> None:
    bench = Bench(FIXED)
    bench(Score(0, risk=0.9), Score(0, 1, risk=0.9, sigma=(3.0, 0, 0)))
    bench.act("failure", 5)
    assert bench.alarms.since[1, 0] != NEVER
    told = bench(Score(6, 1, risk=0.1))
    assert [(brief(a), a.seq) for a in told] == [("cleared risk", 2)]
