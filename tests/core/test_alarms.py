"""Alarms from scores: limits, delays, cases, severities, changes, and the state."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.core import alarms as alarms_module
from stream.core.alarms import Alarms
from stream.core.alert import Alert
from stream.core.readings import NEVER, SEVERITIES, AlarmRule
from stream.core.reasons import Look
from stream.core.trackers import digest
from tests.core.alarm_helpers import (
    ANOMALY,
    MODEL,
    NAMES,
    RISK,
    RUL,
    SENSOR,
    Bench,
    Score,
    at,
    brief,
    iso,
    judged,
    plain,
    pumps,
)
from tests.core.helpers import NAN, NS

SLOW = replace(RISK, on_delay_ns=60 * NS, off_delay_ns=120 * NS)


# Limits


def test_an_alarm_is_raised_at_its_limit_and_cleared_beyond_clear() -> None:
    bench = Bench(RISK)
    assert bench.risk((0, 0.49)) == []
    assert bench.risk((1, 0.5)) == ["raised risk"]
    assert bench.risk((2, 0.6), (3, 0.45), (4, 0.4)) == []
    assert bench.risk((5, 0.39)) == ["cleared risk"]
    assert bench.risk((6, 0.45)) == []


def test_little_remaining_life_is_beyond_its_limit() -> None:
    bench = Bench(RUL)
    assert [brief(a) for a in bench(Score(0, rul=10.1))] == []
    assert [brief(a) for a in bench(Score(1, rul=10.0))] == ["raised rul"]
    assert [brief(a) for a in bench(Score(2, rul=12.0))] == []
    assert [brief(a) for a in bench(Score(3, rul=12.1))] == ["cleared rul"]


def test_few_false_alarms_are_beyond_their_limit() -> None:
    bench = Bench(ANOMALY)
    assert [brief(a) for a in bench(Score(0, anomaly=1.1))] == []
    assert [brief(a) for a in bench(Score(1, anomaly=1.0))] == ["raised anomaly"]
    assert [brief(a) for a in bench(Score(2, anomaly=2.0))] == []
    assert [brief(a) for a in bench(Score(3, anomaly=2.1))] == ["cleared anomaly"]


def test_a_thousand_crossings_inside_the_hysteresis_are_one_alarm() -> None:
    bench = Bench(RISK)
    bench(*(Score(s, risk=0.51 if s % 2 else 0.41) for s in range(2000)))
    assert [alert.event for alert in bench.told] == ["raised"]


def test_a_thousand_crossings_do_not_outlast_an_on_delay() -> None:
    bench = Bench(SLOW)
    bench(*(Score(30 * s, risk=0.51 if s % 2 else 0.41) for s in range(2000)))
    assert bench.told == []


def test_rules_do_not_disturb_each_other() -> None:
    bench = Bench(RISK, RUL, ANOMALY)
    first = bench(Score(0, risk=0.9, rul=5.0))
    assert [brief(a) for a in first] == ["raised risk", "raised rul"]
    second = bench(Score(1, risk=0.1, rul=5.0, anomaly=0.5))
    assert [brief(a) for a in second] == ["cleared risk", "raised anomaly"]


# Delays


def test_the_on_delay_is_over_when_it_has_been_beyond_for_so_long() -> None:
    bench = Bench(SLOW)
    assert bench.risk((0, 0.9), (59, 0.9)) == []
    assert bench.risk((60, 0.9)) == ["raised risk"]
    assert (bench.told[0].onset, bench.told[0].time) == (iso(0), iso(60))


@pytest.mark.parametrize("value", [0.45, 0.1])
def test_a_window_within_the_limit_begins_the_on_delay_anew(value: float) -> None:
    bench = Bench(SLOW)
    assert bench.risk((0, 0.9), (40, value), (50, 0.9), (100, 0.9)) == []
    assert bench.risk((110, 0.9)) == ["raised risk"]
    assert bench.told[0].onset == iso(50)


def test_the_off_delay_is_over_when_it_has_been_back_for_so_long() -> None:
    bench = Bench(SLOW)
    bench.risk((0, 0.9), (60, 0.9))
    assert bench.risk((100, 0.1), (219, 0.1)) == []
    assert bench.risk((220, 0.1)) == ["cleared risk"]
    last = bench.told[-1]
    assert (last.state, last.cleared_by, last.time) == ("cleared", "limit", iso(220))


@pytest.mark.parametrize("value", [0.45, 0.9])
def test_a_value_that_is_not_back_begins_the_off_delay_anew(value: float) -> None:
    bench = Bench(SLOW)
    bench.risk((0, 0.9), (60, 0.9))
    assert bench.risk((100, 0.1), (200, value), (210, 0.1), (329, 0.1)) == []
    assert bench.risk((330, 0.1)) == ["cleared risk"]


def test_windows_without_an_estimate_neither_run_a_delay_on_nor_reset_it() -> None:
    bench = Bench(SLOW)
    bench(Score(0, risk=0.9), Score(40, risk=0.9))  # 40 s
    bench(Score(50, given=False), Score(1000, risk=NAN, given=False))
    assert bench.risk((2000, 0.9), (2019, 0.9)) == []  # and 19 s
    assert bench.risk((2020, 0.9)) == ["raised risk"]
    assert bench.told[0].onset == iso(0)


def test_a_value_that_is_not_there_holds_its_rule_alone() -> None:
    bench = Bench(SLOW, replace(ANOMALY, on_delay_ns=60 * NS))
    bench(Score(0, risk=0.9, anomaly=0.1), Score(30, risk=NAN, anomaly=0.1))
    told = bench(Score(60, risk=0.9, anomaly=0.1))
    assert [brief(a) for a in told] == ["raised anomaly"]
    told = bench(*(Score(s, risk=0.9, anomaly=0.1) for s in (119, 120)))
    assert [(brief(a), a.time) for a in told] == [("raised risk", iso(120))]


def test_a_gap_without_an_estimate_does_not_clear_either() -> None:
    bench = Bench(SLOW)
    bench.risk((0, 0.9), (60, 0.9), (70, 0.1))
    bench(Score(80, given=False))
    assert bench.risk((1000, 0.1), (1119, 0.1)) == []
    assert bench.risk((1120, 0.1)) == ["cleared risk"]


def test_a_window_without_an_estimate_raises_nothing() -> None:
    bench = Bench(RISK, SENSOR)
    assert bench(Score(0, risk=0.9, given=False)) == []


# What an alert says


def test_an_alert_tells_what_is_known() -> None:
    rule = replace(RISK, action="Look at the bearing", failure_mode="VIB")
    bench = Bench(rule, asset={"site": "north"})
    score = Score(
        7, risk=0.84, rul=16.0, anomaly=0.2, share=(0.7, 0.3, 0.0), sigma=(4.1, 3.2, 0)
    )
    (alert,) = bench(score)
    alarm = digest(at(7), "risk", "pump-0")
    assert plain([alert]) == [
        {
            "id": alarm,
            "case_id": digest(at(7), "case", "pump-0"),
            "machine": "pump-0",
            "type": "pump",
            "kind": "risk",
            "subject": "machine",
            "sensor": "",
            "event": "raised",
            "seq": 1,
            "state": "active",
            "severity": "medium",
            "onset": iso(7),
            "time": iso(7),
            "cleared_by": "",
            "acknowledged": None,
            "shelved": None,
            "out_of_service": False,
            "feedback": "",
            "backfill": False,
            "action": "Look at the bearing",
            "failure_mode": "VIB",
            "message": "",
            "evidence": {
                "value": 0.84,
                "limit": 0.5,
                "risk": 0.84,
                "rul": [8.0, 16.0, 32.0],
                "anomaly": 0.2,
                "reasons": [
                    {"sensor": "t", "sigma": 4.1, "share": 0.7, "since": iso(7)},
                    {"sensor": "v", "sigma": 3.2, "share": 0.3, "since": iso(7)},
                ],
                "axis": "hours",
                "horizon": 24.0,
                "cap": 100.0,
            },
            "model": MODEL,
            "source": {"topic": "readings", "partition": 3, "offset": 7},
            "asset": {"site": "north"},
            "schema": 1,
        }
    ]


def test_what_no_model_gives_is_null() -> None:
    (alert,) = Bench(ANOMALY)(Score(0, risk=NAN, anomaly=0.5))
    evidence = alert.evidence
    assert (evidence.value, evidence.risk, evidence.rul) == (0.5, None, None)
    assert evidence.reasons == []


def test_an_alert_that_is_filled_in_outside_does_not_change_the_next() -> None:
    bench = Bench(RISK)
    (first,) = bench(Score(0, risk=0.9))
    first.message, first.backfill = "a sentence", True
    bench.act("acknowledge", 1)
    bench.told[-1].message = "another"
    (last,) = bench(Score(2, risk=0.1))
    assert (last.message, last.backfill) == ("", False)


def test_a_cleared_alert_tells_of_the_window_that_cleared_it() -> None:
    bench = Bench(RISK)
    bench(Score(0, risk=0.9))
    (last,) = bench(Score(5, risk=0.1))
    assert (last.evidence.value, last.source["offset"], last.seq) == (0.1, 5, 2)


# Ids and cases


def test_alarms_of_a_machine_that_are_open_together_are_one_case() -> None:
    bench = Bench(replace(RISK, severity="low"), RUL)
    first, second = bench(Score(0, risk=0.9)) + bench(Score(5, risk=0.9, rul=5.0))
    assert first.id != second.id
    assert first.case_id == second.case_id == digest(at(0), "case", "pump-0")
    bench(Score(6, risk=0.1, rul=5.0), Score(7, risk=0.9, rul=5.0))
    assert {alert.case_id for alert in bench.told} == {first.case_id}
    bench(Score(8, rul=50.0))
    (later,) = bench(Score(9, risk=0.9))
    assert later.case_id == digest(at(9), "case", "pump-0")


def test_alarms_of_instruments_do_not_join_the_case_of_their_machine() -> None:
    bench = Bench(RISK, SENSOR)
    told = bench(Score(0, risk=0.9, faults={"t": "stuck", "p": "noisy"}))
    risk, noisy, stuck = told
    assert noisy.case_id == stuck.case_id == digest(at(0), "sensors", "pump-0")
    assert risk.case_id == digest(at(0), "case", "pump-0")
    assert stuck.id == digest(at(0), "sensor.stuck/t", "pump-0")


def test_an_alarm_that_comes_again_has_another_id() -> None:
    bench = Bench(RISK)
    bench.risk((0, 0.9), (1, 0.1), (2, 0.9))
    first, last, again = bench.told
    assert first.id == last.id == digest(at(0), "risk", "pump-0")
    assert again.id == digest(at(2), "risk", "pump-0")
    assert [alert.seq for alert in bench.told] == [1, 2, 1]


def test_machines_do_not_disturb_each_other() -> None:
    bench = Bench(SLOW)
    told = bench(
        Score(0, 0, risk=0.9),
        Score(60, 0, risk=0.9),
        Score(0, 1, risk=0.9),
        Score(30, 1),
        Score(60, 1, risk=0.9),
        Score(0, 2),
    )
    assert [(brief(a), a.machine) for a in told] == [("raised risk", "pump-0")]


# Instruments


def test_each_fault_of_each_sensor_is_an_alarm_of_its_own() -> None:
    bench = Bench(RISK, SENSOR)
    told = bench(Score(0, faults={"v": "stuck", "t": "stuck"}))
    assert [brief(a) for a in told] == [
        "raised sensor.stuck/t",
        "raised sensor.stuck/v",
    ]
    assert {(a.subject, a.severity) for a in told} == {("sensor", "low")}
    told = bench(Score(1, faults={"t": "noisy"}))
    assert sorted(map(brief, told)) == [
        "cleared sensor.stuck/t",
        "cleared sensor.stuck/v",
        "raised sensor.noisy/t",
    ]


def test_faults_have_delays_too() -> None:
    rule = replace(SENSOR, on_delay_ns=60 * NS, off_delay_ns=60 * NS)
    bench = Bench(rule)
    stuck = {"t": "stuck"}
    assert bench(Score(0, faults=stuck), Score(30), Score(40, faults=stuck)) == []
    assert [brief(a) for a in bench(Score(100, faults=stuck))] == [
        "raised sensor.stuck/t"
    ]
    assert bench(Score(110), Score(140, faults=stuck), Score(150), Score(209)) == []
    assert [brief(a) for a in bench(Score(210))] == ["cleared sensor.stuck/t"]


def test_faults_are_told_even_where_they_leave_no_estimate() -> None:
    slow = replace(RISK, on_delay_ns=20 * NS)
    bench = Bench(slow, replace(SENSOR, on_delay_ns=20 * NS, off_delay_ns=20 * NS))
    stuck = {"t": "stuck"}
    masked = [Score(s, risk=0.9, faults=stuck, given=False) for s in (10, 20, 30)]
    bench(Score(0, risk=0.9), *masked[:2])
    assert [brief(a) for a in bench(masked[2])] == ["raised sensor.stuck/t"]
    # Without a fault it is not known why there is no estimate: nothing moves.
    assert bench(*(Score(s, given=False) for s in (40, 90))) == []
    assert bench(Score(100, risk=0.9), Score(119, risk=0.9)) == []
    told = bench(Score(120, risk=0.9))
    assert [brief(a) for a in told] == ["raised risk", "cleared sensor.stuck/t"]


def test_a_fault_without_an_estimate_is_enough_to_look_at_a_machine() -> None:
    told = Bench(SENSOR)(Score(0, faults={"t": "stuck"}, given=False))
    assert [brief(a) for a in told] == ["raised sensor.stuck/t"]


def test_a_fault_that_is_found_speaks_of_the_other_instruments_too() -> None:
    bench = Bench(SENSOR)
    bench(Score(0, faults={"t": "stuck"}))
    told = bench(Score(1, faults={"v": "noisy"}, given=False))
    assert [brief(a) for a in told] == [
        "raised sensor.noisy/v",
        "cleared sensor.stuck/t",
    ]


def test_an_alarm_of_an_instrument_tells_of_its_sensor_alone() -> None:
    (alert,) = Bench(SENSOR)(
        Score(0, risk=0.9, sigma=(0.1, 9.0, 0), share=(0, 1, 0), faults={"t": "stuck"})
    )
    evidence = alert.evidence
    assert [reason.sensor for reason in evidence.reasons] == ["t"]
    assert (evidence.value, evidence.limit, evidence.risk) == (None, None, None)


def test_without_a_rule_on_instruments_faults_are_no_alarms() -> None:
    bench = Bench(RISK)
    assert bench(Score(0, faults={"t": "stuck"})) == []
    assert [brief(a) for a in bench(Score(1, risk=0.9, faults={"t": "stuck"}))] == [
        "raised risk"
    ]


def test_a_broken_sensor_changes_nothing_about_an_alarm_of_the_machine() -> None:
    bench = Bench(RISK, SENSOR)
    bench(Score(0, faults={"t": "stuck"}))
    (alert,) = bench(Score(1, risk=0.9, faults={"t": "stuck"}))
    assert (brief(alert), alert.seq) == ("raised risk", 1)


# Silence


def resting(second: float, *, on: str, fault: str = "", risk: float = 0.9) -> Score:
    """Return a score whose main reason is one sensor."""
    share = [0.9 if name == on else 0.05 for name in "tvp"]
    faults = {fault: "drifting"} if fault else {}
    return Score(second, risk=risk, share=share, sigma=[5, 5, 5], faults=faults)


def test_a_machine_alarm_that_rests_on_a_broken_sensor_is_not_raised() -> None:
    bench = Bench(RISK, SENSOR)
    assert [a.kind for a in bench(resting(0, on="t", fault="t", risk=0.1))] == [
        "sensor.drifting"
    ]
    assert bench(resting(1, on="t", fault="t")) == []
    # Of another sensor it is as good as ever.
    assert [a.kind for a in bench(resting(2, on="v", fault="t"))] == ["risk"]


def test_a_machine_alarm_that_is_open_outlives_a_sensor_that_breaks() -> None:
    bench = Bench(RISK, SENSOR)
    assert [a.kind for a in bench(resting(0, on="t"))] == ["risk"]
    assert [a.kind for a in bench(resting(1, on="t", fault="t"))] == ["sensor.drifting"]
    (cleared,) = bench(resting(2, on="t", fault="t", risk=0.1))
    assert (cleared.kind, cleared.event) == ("risk", "cleared")


def test_a_delay_stands_still_while_its_reason_is_a_broken_sensor() -> None:
    bench = Bench(replace(RISK, on_delay_ns=3 * NS), SENSOR)
    bench(resting(0, on="v"), resting(1, on="v", fault="t"))
    assert bench(*(resting(s, on="t", fault="t") for s in range(2, 20))) == []
    bench(*(resting(s, on="v", fault="t") for s in range(20, 22)))
    told = bench(*(resting(s, on="v", fault="t") for s in range(22, 25)))
    assert [(a.kind, a.event) for a in told] == [("risk", "raised")]


def test_silence_is_told_once_and_ends_with_the_next_window() -> None:
    bench = Bench(RISK)
    assert bench.silent(5) == ["raised no_data"]
    assert bench.silent(5) == bench.silent(9) == []
    told = bench(Score(100, given=False))
    assert [brief(a) for a in told] == ["cleared no_data"]
    first, last = bench.told
    assert (first.subject, first.sensor, first.severity) == ("sensor", "", "low")
    assert (first.onset, first.time) == (iso(5), iso(5))
    assert first.case_id == digest(at(5), "sensors", "pump-0")
    assert first.source == {"topic": "readings", "partition": 3, "offset": 5}
    assert (last.time, last.cleared_by, last.source["offset"]) == (
        iso(100),
        "limit",
        100,
    )
    assert last.evidence == first.evidence
    assert (first.evidence.axis, first.evidence.cap) == ("hours", 100.0)
    assert bench.silent(100) == ["raised no_data"]


def test_silence_has_the_severity_and_action_of_the_rule_on_instruments() -> None:
    rule = replace(SENSOR, severity="high", action="Look at the cable", on_delay_ns=NS)
    bench = Bench(rule)
    bench.silent(5)
    assert (bench.told[0].severity, bench.told[0].action) == (
        "high",
        "Look at the cable",
    )
    assert [brief(a) for a in bench(Score(6))] == ["cleared no_data"]


def test_a_machine_that_never_spoke_is_not_silent() -> None:
    bench = Bench(RISK)
    assert bench.alarms.silent(0, "pump-0", NEVER, 0) == []


def test_silence_runs_no_delay_on() -> None:
    bench = Bench(SLOW)
    bench.risk((0, 0.9), (40, 0.9))
    bench.silent(40)
    assert bench.risk((1000, 0.9), (1019, 0.9)) == ["cleared no_data"]
    assert bench.risk((1020, 0.9)) == ["raised risk"]


def test_silence_clears_no_other_alarm() -> None:
    bench = Bench(RISK)
    bench.risk((0, 0.9))
    bench.silent(5)
    assert bench.risk((100, 0.9)) == ["cleared no_data"]


# Severity


@pytest.mark.parametrize(
    ("rul", "severity"),
    [
        (0.0, "critical"),
        (6.0, "critical"),
        (6.1, "high"),
        (12.0, "high"),
        (12.1, "medium"),
        (24.0, "medium"),
        (24.1, "low"),
    ],
)
def test_severity_follows_the_remaining_life_over_the_horizon(
    rul: float, severity: str
) -> None:
    (alert,) = Bench(RISK)(Score(0, risk=0.9, rul=rul))
    assert alert.severity == severity


@pytest.mark.parametrize(
    ("risk", "severity"), [(0.5, "medium"), (0.74, "medium"), (0.75, "high")]
)
def test_without_remaining_life_severity_follows_the_risk(
    risk: float, severity: str
) -> None:
    (alert,) = Bench(RISK)(Score(0, risk=risk))
    assert alert.severity == severity


def test_an_anomaly_alone_is_of_medium_severity() -> None:
    (alert,) = Bench(ANOMALY)(Score(0, risk=NAN, anomaly=0.5))
    assert alert.severity == "medium"


@pytest.mark.parametrize(
    ("criticality", "risk", "rul", "severity"),
    [
        ("high", 0.9, 15.0, "high"),
        ("High", 0.9, 15.0, "high"),
        ("A", 0.9, 1.0, "critical"),
        ("low", 0.9, 15.0, "low"),
        ("C", 0.9, 50.0, "low"),
        ("B", 0.9, 15.0, "medium"),
        ("medium", 0.9, 15.0, "medium"),
    ],
)
def test_criticality_shifts_the_severity_by_one_step(
    criticality: str, risk: float, rul: float, severity: str
) -> None:
    bench = Bench(RISK, asset={"criticality": criticality})
    (alert,) = bench(Score(0, risk=risk, rul=rul))
    assert alert.severity == severity


def test_criticality_shifts_instruments_too() -> None:
    (alert,) = Bench(SENSOR, asset={"criticality": "A"})(
        Score(0, rul=1.0, faults={"t": "stuck"})
    )
    assert alert.severity == "medium"


@pytest.mark.parametrize("severity", SEVERITIES)
def test_a_rule_may_name_its_severity(severity: str) -> None:
    bench = Bench(replace(RISK, severity=severity), asset={"criticality": "A"})
    (alert,) = bench(Score(0, risk=0.9, rul=15.0))
    assert alert.severity == severity
    assert bench(Score(1, risk=0.9, rul=1.0)) == []


# Changes of an open alarm


def severities(alerts: list[Alert]) -> list[tuple[str, str]]:
    return [(alert.event, alert.severity) for alert in alerts]


def test_a_rising_severity_is_told_at_once() -> None:
    bench = Bench(SLOW)
    told = bench(*(Score(30 * i, risk=0.9, rul=20.0) for i in range(3)))
    told += bench(Score(70, risk=0.9, rul=11.0), Score(71, risk=0.9, rul=2.0))
    assert severities(told) == [
        ("raised", "medium"),
        ("updated", "high"),
        ("updated", "critical"),
    ]
    assert [alert.seq for alert in told] == [1, 2, 3]
    assert told[-1].evidence.rul == (1.0, 2.0, 4.0)


def test_a_lower_severity_is_told_when_it_has_stood_for_the_on_delay() -> None:
    bench = Bench(SLOW)
    bench(*(Score(s, risk=0.9, rul=2.0) for s in (0, 60)))
    assert bench(Score(70, risk=0.9, rul=20.0), Score(100, risk=0.9, rul=2.0)) == []
    assert bench(Score(110, risk=0.9, rul=20.0), Score(169, risk=0.9, rul=20.0)) == []
    told = bench(Score(170, risk=0.9, rul=20.0), Score(171, risk=0.9, rul=20.0))
    assert severities(told) == [("updated", "medium")]


def test_of_several_lower_severities_the_most_urgent_is_told() -> None:
    bench = Bench(SLOW)
    bench(*(Score(s, risk=0.9, rul=2.0) for s in (0, 60)))
    ruls = [20.0, 50.0, 11.0, 50.0]
    told = bench(*(Score(70 + 20 * i, risk=0.9, rul=r) for i, r in enumerate(ruls)))
    assert severities(told) == [("updated", "high")]
    again = [50.0, 11.0, 50.0, 11.0, 50.0]
    told = bench(*(Score(140 + 30 * i, risk=0.9, rul=r) for i, r in enumerate(again)))
    assert told == []


def test_another_top_reason_is_told_when_it_has_stood_for_the_on_delay() -> None:
    bench = Bench(SLOW)
    first, second = (3.0, 1.0, 0.0), (1.0, 3.0, 0.0)
    bench(*(Score(s, risk=0.9, sigma=first) for s in (0, 60)))
    assert bench(Score(70, risk=0.9, sigma=second)) == []
    assert bench(Score(120, risk=0.9, sigma=first)) == []
    assert bench(Score(130, risk=0.9, sigma=second)) == []
    assert bench(Score(160, risk=0.9, sigma=(0, 0, 5.0))) == []
    assert bench(Score(190, risk=0.9, sigma=second)) == []
    assert bench(Score(220, risk=0.9)) == []  # unknown: no time passes
    assert bench(Score(250, risk=0.9, sigma=second)) == []
    (told,) = bench(Score(280, risk=0.9, sigma=second))
    assert [reason.sensor for reason in told.evidence.reasons] == ["v", "t"]
    assert bench(*(Score(300 + s, risk=0.9, sigma=second) for s in (0, 90))) == []


def test_an_alarm_without_reasons_is_not_changed_by_the_first() -> None:
    bench = Bench(RISK)
    bench(Score(0, risk=0.9))
    assert bench(Score(1, risk=0.9, sigma=(3.0, 0, 0))) == []


def test_an_alarm_about_to_clear_is_not_updated() -> None:
    bench = Bench(replace(RISK, off_delay_ns=60 * NS))
    bench(Score(0, risk=0.9, rul=20.0))
    assert bench(Score(10, risk=0.1, rul=90.0), Score(20, risk=0.1, rul=1.0)) == []


def test_without_an_on_delay_every_change_is_told() -> None:
    bench = Bench(RISK)
    bench(Score(0, risk=0.9))
    told = bench(Score(1, risk=0.6), Score(2, risk=0.8))
    assert severities(told) == [("updated", "medium"), ("updated", "high")]


# State


def test_forgotten_machines_start_anew() -> None:
    bench = Bench(RISK)
    bench(Score(0, risk=0.9, sigma=(5.0, 0, 0)), Score(0, 1, risk=0.9))
    bench.act("out_of_service", 1)
    bench.alarms.forget(np.array([0, 2]))
    assert (bench.alarms.since[0] == NEVER).all()
    assert bench.risk((5, 0.9)) == ["raised risk"]
    assert bench(Score(5, 1, risk=0.9)) == []


def test_room_never_shrinks() -> None:
    bench = Bench(RISK)
    bench(Score(0, risk=0.9))
    bench.alarms.grow(100)
    bench.alarms.grow(3)
    assert bench.alarms.since.shape == (100, 3)
    assert bench.risk((1, 0.1)) == ["cleared risk"]


def test_an_empty_push_is_nothing() -> None:
    assert Bench(RISK)() == []


def test_a_type_without_rules_and_sensors_raises_nothing() -> None:
    engine = Alarms(pumps(sensors=""), ("readings", 0))
    assert engine.push(judged([Score(0, risk=1.0)], ""), NAMES) == []
    engine = Alarms(pumps(RISK, sensors=""), ("readings", 0))
    (alert,) = engine.push(judged([Score(0, risk=1.0)], ""), NAMES)
    assert (alert.evidence.reasons, alert.asset) == ([], {})


def test_places_that_are_not_taken_over_are_left_out() -> None:
    bench = Bench(RISK)
    bench(*(Score(0, m, risk=0.9, sigma=(5.0, 0, 0)) for m in range(3)))
    saved = bench.alarms.dump(np.array([2, 1, 0]))
    bench.alarms = Alarms(pumps(RISK), ("readings", 3))
    bench.alarms.load(np.array([4, -1, 0]), saved)
    assert bench.alarms.since[:, 0].tolist() == [at(0), NEVER, NEVER, NEVER, at(0)]
    names = [*NAMES, "", "pump-2"]
    last = judged([Score(1, m, risk=0.1) for m in (0, 1, 4)])
    told = bench.alarms.push(last, names)
    assert [alert.machine for alert in told] == ["pump-0", "pump-2"]


def test_the_state_is_plain() -> None:
    bench = Bench(RISK, SENSOR)
    bench(Score(0, risk=0.9, faults={"t": "stuck"}))
    bench.act("shelve", 1, until=iso(100))
    saved = bench.alarms.dump(np.array([1, 0]))
    assert (
        msgspec.msgpack.decode(msgspec.msgpack.encode(saved["open"])) == saved["open"]
    )
    assert [one["place"] for one in saved["open"]] == [1]
    assert saved["arrays"]["since"].shape == (2, 3)


def test_nothing_is_kept_of_machines_that_have_nothing() -> None:
    bench = Bench(SLOW)
    bench.risk((0, 0.9), (1, 0.1))
    bench.act("unshelve", 2)
    assert bench.alarms.dump(np.array([0]))["open"] == []


def test_an_alarm_whose_rule_is_gone_is_cleared_by_the_next_window() -> None:
    bench = Bench(RISK, SENSOR)
    bench(Score(0, risk=0.9, faults={"t": "stuck"}))
    bench.restart(ANOMALY)
    told = bench(Score(5, risk=0.9, faults={"t": "stuck"}))
    assert [brief(a) for a in told] == ["cleared risk", "cleared sensor.stuck/t"]
    assert [a.seq for a in told] == [2, 2]


def test_sensors_are_matched_by_name_when_the_settings_change() -> None:
    bench = Bench(RISK, SENSOR)
    score = Score(0, risk=0.9, sigma=(0, 5.0, 5.0), faults={"t": "stuck"})
    bench(score)
    bench.restart(sensors="pv")
    assert bench.alarms.since.tolist() == [[at(0), at(0)], [NEVER, NEVER]]
    told = bench.alarms.push(judged([Score(5, risk=0.9)], "pv"), NAMES)
    assert [brief(a) for a in told] == ["cleared sensor.stuck/t"]
    assert told[0].evidence.reasons == []


def test_an_alarm_is_judged_anew_under_changed_rules() -> None:
    bench = Bench(SLOW)
    bench.risk((0, 0.9), (60, 0.9), (70, 0.6))
    bench.restart(replace(RISK, limit=0.8, clear=0.7))
    assert bench.risk((80, 0.6)) == ["cleared risk"]


# However it is cut

SCORES = st.builds(
    Score,
    second=st.just(0.0),
    risk=st.sampled_from([0.1, 0.45, 0.6, 0.9, NAN]),
    rul=st.sampled_from([3.0, 11.0, 20.0, 60.0, NAN]),
    anomaly=st.sampled_from([0.5, 1.5, 9.0]),
    sigma=st.lists(st.sampled_from([0.0, 1.5, 2.0, -3.0, NAN]), min_size=3, max_size=3),
    share=st.lists(st.sampled_from([0.0, 0.3, 0.6, NAN]), min_size=3, max_size=3),
    faults=st.dictionaries(
        st.sampled_from("tv"), st.sampled_from(["stuck", "noisy"]), max_size=1
    ),
    given=st.sampled_from([True, True, True, False]),
)
ACTS = st.tuples(
    st.sampled_from(["acknowledge", "shelve", "unshelve", "failure", "return"])
    | st.sampled_from(["out_of_service", "silent"]),
    st.integers(0, 1),
)
RULES = (
    replace(RISK, on_delay_ns=2 * NS, off_delay_ns=NS),
    RUL,
    replace(ANOMALY, off_delay_ns=2 * NS),
    replace(SENSOR, on_delay_ns=NS),
)


def _live(
    bench: Bench,
    lives: list[list[Score]],
    acts: list[tuple[int, tuple[str, int]]],
    cuts: set[int],
    restarts: set[int],
) -> None:
    """Push a window per machine and second, in as few calls as cuts and acts allow."""
    waiting: list[Score] = []
    for second in range(13):
        mine = [act for when, act in acts if when == second]
        if mine or second in cuts | restarts or second == 12:
            bench(*sorted(waiting, key=lambda s: (s.machine, s.second)))
            waiting = []
        if second in restarts:
            bench.restart()
        for kind, machine in mine:
            _happen(bench, kind, machine, second)
        waiting += [
            replace(life[second], second=second, machine=machine)
            for machine, life in enumerate(lives)
            if second < len(life)
        ]


def _happen(bench: Bench, kind: str, machine: int, second: int) -> None:
    if kind == "silent":
        bench.silent(second - 0.5, machine)
    elif kind == "shelve":
        bench.act(kind, second - 0.5, machine, until=iso(second + 3))
    else:
        bench.act(kind, second - 0.5, machine)


@settings(max_examples=150)
@given(
    st.lists(st.lists(SCORES, max_size=12), min_size=2, max_size=2),
    st.lists(st.tuples(st.integers(0, 12), ACTS), max_size=4),
    st.sets(st.integers(1, 12)),
    st.sets(st.integers(1, 12)),
)
def test_neither_cuts_nor_restarts_change_what_is_told(
    lives: list[list[Score]],
    acts: list[tuple[int, tuple[str, int]]],
    cuts: set[int],
    restarts: set[int],
) -> None:
    whole, cut = Bench(*RULES), Bench(*RULES)
    _live(whole, lives, acts, set(), set())
    _live(cut, lives, acts, cuts, restarts)
    for name in NAMES:
        mine, theirs = (
            [alert for alert in bench.told if alert.machine == name]
            for bench in (whole, cut)
        )
        assert plain(mine) == plain(theirs)
    both = np.array([0, 1])
    assert plain(cut.alarms.dump(both)["open"]) == plain(
        whole.alarms.dump(both)["open"]
    )
    cut_since, since = (b.alarms.dump(both)["arrays"]["since"] for b in (cut, whole))
    assert cut_since.tolist() == since.tolist()


# Speed


def test_quiet_windows_are_not_looked_at_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sensors = "abcdefghijklmn"
    rules: tuple[AlarmRule, ...] = (RISK, RUL, ANOMALY, SENSOR)
    engine = Alarms(pumps(*rules, sensors=sensors), ("readings", 0))
    rng = np.random.default_rng(5)
    quiet = judged([Score(s % 4, machine=s // 4) for s in range(4000)], sensors)
    quiet.deviation[:] = rng.normal(size=quiet.deviation.shape)
    names = [f"m{i}" for i in range(1000)]
    monkeypatch.delattr(alarms_module, "Look")
    engine.grow(1000)
    started = time.perf_counter()
    for _ in range(10):
        assert engine.push(quiet, names) == []
        quiet.time_ns += 4 * NS
    # A guard with much room against a loop over windows, not a measurement.
    assert time.perf_counter() - started < 2.0


def test_only_machines_with_something_are_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked = []

    class Spy(Look):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            looked.append(len(self.time_ns))

    monkeypatch.setattr(alarms_module, "Look", Spy)
    bench = Bench(RISK)
    bench(*(Score(s, 1, risk=0.9 * (s == 3)) for s in range(9)), Score(0, 2))
    assert looked == [6]
    assert [brief(a) for a in bench.told] == ["raised risk", "cleared risk"]
