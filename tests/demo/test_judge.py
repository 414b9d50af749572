import math

import numpy as np
import pytest

from stream.core.alert import Alert, Event, Evidence, Reason
from stream.demo.fleet import Failure, Fleet, SensorFault, iso
from stream.demo.judge import HOUR_NS, MONTH_NS, Named, Raised, judge, verdict

H = 100.0
DAY_NS = 24 * HOUR_NS
START = 1_767_225_600 * 10**9
FAILS = START + 50 * DAY_NS
HIDDEN = START + 40 * DAY_NS
BROKEN = SensorFault("c", "flow", "stuck", START + 20 * DAY_NS, START + 21 * DAY_NS)


@pytest.fixture
def fleet() -> Fleet:
    none = np.zeros(0)
    return Fleet(
        machines=("a", "b", "c"),
        sensors=("rpm", "flow", "heat"),
        units=("", "", ""),
        time_ns=none.astype(np.int64),
        machine=none.astype(np.int32),
        values=np.zeros((0, 3), np.float32),
        running=none.astype(bool),
        wear=none.astype(np.float32),
        spares=np.zeros(3, bool),
        events=(
            Event("b", "failure", iso(HIDDEN)),
            Event("b", "return", iso(HIDDEN + DAY_NS)),
            Event("a", "failure", iso(FAILS)),
        ),
        failures=(
            Failure("b", HIDDEN, "wear", "heat", foreseeable=False),
            Failure("a", FAILS, "wear", "heat", foreseeable=True),
        ),
        faults=(BROKEN,),
        start_ns=START,
        end_ns=START + 60 * DAY_NS,
    )


def before(hours: float) -> int:
    return FAILS - round(hours * HOUR_NS)


@pytest.mark.parametrize(
    ("hours", "foreseen", "false"),
    [
        (150.01, 0, 1),  # too early: about nothing yet, so false
        (150.0, 1, 0),
        (60.0, 1, 0),
        (10.0, 1, 0),
        (9.99, 0, 0),  # too late to act, but no false alarm
        (-1.0, 0, 1),
    ],
)
def test_an_alarm_foresees_between_one_and_a_half_and_a_tenth_of_the_horizon(
    fleet: Fleet, hours: float, foreseen: int, false: int
) -> None:
    found = verdict(fleet, [Raised("a", before(hours), "1")], [], H)
    assert (found.foreseen, found.missed) == (foreseen, 1 - foreseen)
    assert found.false_alarms == false
    lead = hours * 3600 if foreseen else math.nan
    assert found.median_lead_time_s == pytest.approx(lead, nan_ok=True)


def test_counts_without_alarms(fleet: Fleet) -> None:
    found = verdict(fleet, [], [], H)
    assert (found.failures, found.foreseeable, found.foreseen) == (2, 1, 0)
    assert (found.missed, found.false_alarms, found.healthy_machines) == (1, 0, 1)
    assert found.to_json()["median_lead_time_s"] is None
    assert found.by_mechanism == {"wear": (0, 1)}
    assert found.sensor_faults_missed == ("stuck",)


def test_a_failure_without_warning_is_never_foreseen_and_its_alarm_is_not_false(
    fleet: Fleet,
) -> None:
    found = verdict(fleet, [Raised("b", HIDDEN - 50 * HOUR_NS, "1")], [], H)
    assert (found.foreseen, found.false_alarms) == (0, 0)


def test_alarms_of_one_case_are_one_false_alarm(fleet: Fleet) -> None:
    at = START + 5 * DAY_NS
    same = [Raised("c", at, "1"), Raised("c", at + HOUR_NS, "1")]
    other = [Raised("c", at + DAY_NS, "2"), Raised("b", at, "1")]
    assert verdict(fleet, same, [], H).false_alarms == 1
    assert verdict(fleet, same + other, [], H).false_alarms == 3


def test_a_case_that_began_too_early_is_false_even_if_a_later_alarm_foresees(
    fleet: Fleet,
) -> None:
    alarms = [Raised("a", before(200), "1"), Raised("a", before(50), "1")]
    found = verdict(fleet, alarms, [], H)
    assert (found.foreseen, found.false_alarms) == (1, 1)
    assert found.median_lead_time_s == 50 * 3600


def test_false_alarms_are_told_per_healthy_month(fleet: Fleet) -> None:
    lost = 2 * 150 * HOUR_NS + DAY_NS + 10 * DAY_NS  # a never returned
    months = (3 * 60 * DAY_NS - lost) / MONTH_NS
    found = verdict(fleet, [Raised("c", START, "1")], [], H)
    assert found.healthy_months == pytest.approx(months, abs=1e-3)
    assert found.false_alarms_per_machine_month == pytest.approx(1 / months, abs=1e-3)


def test_the_driving_sensor_must_be_among_the_first_two_reasons(fleet: Fleet) -> None:
    alarms = [
        Raised("a", before(60), "1", ("flow", "heat", "rpm")),
        Raised("a", before(50), "1", ("flow", "rpm", "heat")),
        Raised("a", before(5), "1", ("heat",)),
    ]
    found = verdict(fleet, alarms, [], H)
    assert (found.driving_named, found.driving_asked) == (1, 2)


@pytest.mark.parametrize(
    ("alarm", "named", "false"),
    [
        (Named("c", "flow", "stuck", BROKEN.from_ns + HOUR_NS), 1, 0),
        (Named("c", "flow", "noisy", BROKEN.from_ns + HOUR_NS), 0, 0),
        (Named("c", "heat", "stuck", BROKEN.from_ns + HOUR_NS), 0, 1),
        (Named("c", "flow", "stuck", BROKEN.from_ns - 1), 0, 1),
        (Named("a", "flow", "stuck", BROKEN.from_ns + HOUR_NS), 0, 1),
    ],
)
def test_a_fault_is_named_by_its_sensor_and_kind_in_its_time(
    fleet: Fleet, alarm: Named, named: int, false: int
) -> None:
    found = verdict(fleet, [], [alarm], H)
    assert found.sensor_faults_named == named
    assert found.sensor_alarms_false == false


def test_a_case_during_a_fault_of_an_instrument_is_counted_as_caused(
    fleet: Fleet,
) -> None:
    during = Raised("c", BROKEN.to_ns + HOUR_NS, "1")
    later = Raised("c", BROKEN.to_ns + 5 * DAY_NS, "2")
    found = verdict(fleet, [during, later], [], H)
    assert (found.cases_by_sensor_faults, found.false_alarms) == (1, 2)


def test_alerts_are_read_as_they_are_sent(fleet: Fleet) -> None:
    machine = Alert(
        id="1",
        case_id="c1",
        machine="a",
        type="pump",
        kind="risk",
        subject="machine",
        sensor="",
        event="raised",
        seq=1,
        state="active",
        severity="high",
        onset=iso(before(60)),
        time=iso(before(60)),
        evidence=Evidence(reasons=[Reason("heat", 4.0, 0.9)]),
    )
    at = iso(BROKEN.from_ns + HOUR_NS)
    instrument = Alert(
        id="2",
        case_id="c2",
        machine="c",
        type="pump",
        kind="sensor.stuck",
        subject="sensor",
        sensor="flow",
        event="raised",
        seq=1,
        state="active",
        severity="low",
        onset=at,
        time=at,
    )
    cleared = replace_event(machine)
    found = judge(fleet, [machine, instrument, cleared], H)
    assert (found.foreseen, found.false_alarms) == (1, 0)
    assert (found.driving_named, found.driving_asked) == (1, 1)
    assert found.sensor_faults_named == 1


def replace_event(alert: Alert) -> Alert:
    """The same alarm, cleared long after: no alarm of its own."""
    fields = {name: getattr(alert, name) for name in alert.__struct_fields__}
    return Alert(**fields | {"event": "cleared", "time": iso(START), "case_id": "x"})
