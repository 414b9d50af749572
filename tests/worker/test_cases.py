"""Which notification follows from which alerts."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.memory_log import Record
from connectors.notices import fingerprint
from stream.core.alert import Alert
from stream.core.readings import SEVERITIES
from stream.worker import cases as cases_module
from stream.worker.cases import Cases, Notification, Wanted, rank
from stream.worker.notices import alert_of, notice_of
from tests.worker.case_alerts import LATER, NOTED, ONSET, SHELF, alert, cleared, wire

ALL = Wanted(("machine", "sensor", "pipeline"))


def steps(alerts: list[Alert], wanted: Wanted = ALL) -> list[str | None]:
    """Return what follows from each alert."""
    cases = Cases(wanted)
    found = [cases.push(one) for one in alerts]
    return [one.step if one else None for one in found]


def test_a_hundred_alerts_of_one_case_are_one_notification() -> None:
    alerts = [alert(f"a{n % 10}", n // 10 + 1) for n in range(100)]
    assert steps(alerts) == ["opened"] + [None] * 99


def test_a_case_opens_rises_and_closes_with_its_last_alarm() -> None:
    told = [
        alert("a1", severity="medium"),
        alert("a2", severity="medium"),
        alert("a2", 2, severity="critical"),
        alert("a1", 2, severity="high"),
        cleared("a2", 3),
        alert("a1", 3, severity="critical"),
        cleared("a1", 4),
    ]
    none = None
    assert steps(told) == ["opened", none, "rose", none, none, none, "closed"]


@pytest.mark.parametrize(
    "silence",
    [
        {"backfill": True},
        {"shelved": SHELF},
        {"acknowledged": NOTED},
        {"out_of_service": True},
    ],
    ids=lambda silence: next(iter(silence)),
)
def test_a_silenced_alarm_is_told_only_once_it_speaks_again(
    silence: dict[str, Any],
) -> None:
    assert steps([alert(**silence), cleared()]) == [None, None]
    assert steps([alert(**silence), alert(seq=2), cleared(seq=3)]) == [
        None,
        "opened",
        "closed",
    ]
    # What was told is closed even if somebody has silenced it meanwhile.
    noted = [alert(), alert(seq=2, severity="critical", **silence)]
    assert steps([*noted, cleared(seq=3, **silence)]) == ["opened", None, "closed"]


def test_another_alarm_of_a_silenced_case_speaks() -> None:
    told = [alert(acknowledged=NOTED), alert("a2"), cleared("a2"), cleared("a1")]
    assert steps(told) == [None, "opened", None, "closed"]


def test_what_is_told_again_changes_nothing() -> None:
    once = [alert(), alert(seq=2, severity="critical"), cleared(seq=3)]
    assert steps([*once, *once]) == ["opened", "rose", "closed", None, None, None]
    assert steps([once[0], once[1], *once]) == [
        "opened",
        "rose",
        None,
        None,
        "closed",
    ]


def test_the_end_of_an_alarm_that_nobody_knew_of_is_no_news() -> None:
    assert steps([cleared()]) == [None]


def test_the_memory_of_ended_alarms_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cases_module, "_ENDED", 2)
    cases = Cases(ALL)
    for name in ("a1", "a2", "a3"):
        cases.push(alert(name))
        cases.push(cleared(name))
    assert cases.push(alert("a3")) is None
    assert cases.push(alert("a1")) is not None


def test_a_receiver_hears_of_what_it_wants() -> None:
    wanted = Wanted(("machine",), "high")
    told = [
        alert("s1", subject="sensor", kind="sensor.stuck", severity="critical"),
        alert("a1", severity="medium"),
        alert("a1", 2, severity="high"),
        alert("s1", 2, subject="sensor", severity="critical"),
        cleared("a1", 3),
        cleared("s1", 3, subject="sensor"),
    ]
    assert steps(told, wanted) == [None, None, "opened", None, "closed", None]


def test_a_case_that_opens_anew_is_told_anew() -> None:
    cases = Cases(Wanted(("machine",)))
    told = [
        alert("s1", subject="sensor"),
        alert("a1"),
        cleared("a1"),
        alert("a2", kind="anomaly"),
        cleared("a2"),
    ]
    found = [n for n in map(cases.push, told) if n is not None]
    assert [n.step for n in found] == ["opened", "closed", "opened", "closed"]
    notices = [notice_of(n) for n in found]
    assert len({n.key for n in notices}) == 4
    assert len({n.fingerprint for n in notices}) == 1


def test_an_alert_without_a_case_stands_for_one_and_is_no_state() -> None:
    cases = Cases(ALL)
    found = cases.push(alert("split", case_id="", subject="pipeline"))
    assert found is not None
    assert (found.step, found.case) == ("opened", "split")
    assert cases.push(alert("split", case_id="", subject="pipeline")) is None
    assert list(cases.open()) == []


def test_open_cases_are_shown_as_they_stand() -> None:
    cases = Cases(ALL)
    for one in (
        alert("b1", case_id="case-2", machine="pump-08", shelved=SHELF),
        alert("a1"),
        alert("a2", severity="critical", kind="rul"),
        alert("c1", case_id="case-3"),
        cleared("c1", case_id="case-3"),
    ):
        cases.push(one)
    (shown,) = cases.open()
    assert (shown.case, shown.face.kind, shown.alert.kind) == ("case-1", "risk", "rul")
    cases.push(alert("a1", 2, acknowledged=NOTED))
    cases.push(alert("a2", 2, acknowledged=NOTED))
    (shown,) = cases.open()
    assert (shown.alert.id, shown.alert.seq) == ("a1", 2)


def test_a_receiver_that_is_new_is_told_what_is_open() -> None:
    cases = Cases(ALL)
    past = [alert("o1", case_id="old"), cleared("o1", case_id="old")]
    now = [alert("a1", severity="medium"), alert("a2"), alert("b1", case_id="b")]
    for one in [*past, *now, alert("c1", case_id="c", backfill=True)]:
        assert cases.push(one, tell=False) is None
    found = cases.waiting()
    assert [(n.step, n.case, n.alert.id) for n in found] == [
        ("opened", "case-1", "a2"),
        ("opened", "b", "b1"),
    ]
    assert cases.waiting() == []
    # Had it been told in time, its first notice would have been the same one.
    in_time = Cases(ALL).push(now[0])
    assert in_time is not None
    assert notice_of(in_time).key == notice_of(found[0]).key
    assert notice_of(in_time).labels == notice_of(found[0]).labels
    assert cases.push(alert("a3")) is None
    assert cases.push(alert("a3", 2, severity="critical")) is not None


ALARMS = st.tuples(
    st.integers(0, 5),
    st.sampled_from(SEVERITIES),
    st.sampled_from(["machine", "sensor"]),
    st.booleans(),
    st.booleans(),
)


def _history(drawn: list[tuple[int, str, str, bool, bool]]) -> list[Alert]:
    seq = [0] * 6
    told = []
    for number, severity, subject, quiet, ends in drawn:
        seq[number] += 1
        made = alert(
            f"a{number}",
            seq[number],
            case_id=f"case-{number % 2}",
            severity=severity,
            subject=subject,
            shelved=SHELF if quiet else None,
        )
        told.append(replace_state(made) if ends else made)
    return told


def replace_state(one: Alert) -> Alert:
    return msgspec.structs.replace(one, state="cleared", event="cleared")


@given(st.lists(ALARMS, max_size=40), st.integers(0, 40), st.integers(0, 40))
def test_reading_anew_leads_to_the_same_notifications(
    drawn: list[tuple[int, str, str, bool, bool]], cut: int, back: int
) -> None:
    history, wanted = _history(drawn), Wanted(("machine", "sensor"), "medium")
    whole, anew = Cases(wanted), Cases(wanted)
    expected = [whole.push(one) for one in history]
    for one in history[:cut]:
        anew.push(one)
    # What was sent just before is sent again.
    for one in history[max(0, cut - back) : cut]:
        assert anew.push(one) is None
    assert [anew.push(one) for one in history[cut:]] == expected[cut:]
    # A case is told in turns: opened, rises, closed.
    for name in ("case-0", "case-1"):
        mine = [n.step for n in expected if n is not None and n.case == name]
        text = "".join(step[0] for step in mine)
        assert all(part.strip("r") in ("o", "") for part in text.split("c"))


def test_severities_have_ranks_and_unknown_ones_are_grave() -> None:
    assert [rank(s) for s in (*SEVERITIES, "unheard of")] == [0, 1, 2, 3, 0]


def _record(value: bytes | None, timestamp: int = 1_772_356_320_000) -> Record:
    return Record(7, timestamp, None, value, ())


def test_an_alert_is_read_as_it_was_told() -> None:
    assert alert_of(_record(wire(alert()))) == alert()


def test_a_simpler_alert_is_read_with_the_records_time() -> None:
    told = {
        "id": "split",
        "machine": "pump-07",
        "kind": "second_partition",
        "subject": "pipeline",
        "severity": "high",
        "evidence": {"topic": "readings", "partitions": [0, 1]},
        "message": "Machine pump-07 sends to partitions 0, 1.",
        "later": "unknown",
    }
    found = alert_of(_record(json.dumps(told).encode()))
    assert (found.case_id, found.onset, found.state) == ("", ONSET, "active")
    notification = Cases(ALL).push(found)
    assert notification is not None
    notice = notice_of(notification)
    assert notice.labels == {
        "alertname": "second_partition",
        "machine": "pump-07",
        "case_id": "split",
    }
    assert notice.title == "[HIGH] pump-07: second_partition"


@pytest.mark.parametrize(
    "value",
    [None, b"", b"[]", b"{}", b"\xff", b'{"id": "", "machine": "m", "kind": "k"}'],
)
def test_what_is_no_alert_is_refused(value: bytes | None) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any text
        alert_of(_record(value))


def _told() -> list[Notification]:
    cases = Cases(ALL)
    alerts = [
        alert(severity="medium", asset={"site": "north"}),
        alert(seq=2, severity="critical", asset={"site": "moved"}, kind="risk"),
        cleared(seq=3, message="The alarm has ended."),
    ]
    return [n for n in map(cases.push, alerts) if n is not None]


def test_the_labels_of_a_case_stay_whatever_happens() -> None:
    opened, rose, closed = map(notice_of, _told())
    assert opened.labels == rose.labels == closed.labels
    assert opened.labels == {
        "alertname": "risk",
        "machine": "pump-07",
        "machine_type": "pump",
        "site": "north",
        "case_id": "case-1",
    }
    assert [n.annotations["severity"] for n in (opened, rose)] == ["medium", "critical"]
    assert (opened.starts_at, opened.ends_at) == (ONSET, "")
    assert (closed.starts_at, closed.ends_at) == (ONSET, LATER)
    assert len({opened.key, rose.key, closed.key}) == 3
    assert closed.title == "[CLOSED] pump-07: risk"


def test_a_notice_says_what_happened_what_to_do_and_why() -> None:
    body = notice_of(_told()[1]).body
    assert body.startswith("Pump pump-07: bearing temperature above normal")
    for line in (
        "Action: Check the bearing.",
        "Failure mode: OHE",
        "Severity: critical",
        f"Since: {ONSET}",
        "  risk of failure within 24 hours: 84%",
        "  remaining life in hours: 9 to 31, median 16",
        f"  bearing_temperature +4.1 sigma since {ONSET}",
        "Case: case-1",
    ):
        assert line in body.splitlines()
    assert f"Until: {LATER}" in notice_of(_told()[2]).body


def test_an_action_that_the_sentence_tells_is_not_told_twice() -> None:
    said = "Pump pump-07: risk. Action: Check the bearing."
    found = Cases(ALL).push(alert(message=said))
    assert found is not None
    assert notice_of(found).body.count("Check the bearing.") == 1
    faulty = alert(kind="sensor.stuck", subject="sensor", sensor="flow")
    assert notice_of(replace(found, alert=faulty)).title == (
        "[HIGH] pump-07: sensor.stuck flow"
    )
    bare = notice_of(replace(found, alert=alert(message="", kind="risk")))
    assert bare.body.startswith("pump-07: risk\n")


def test_a_fingerprint_is_of_names_and_values_in_any_order() -> None:
    one = fingerprint({"a": "1", "b": "2"})
    assert one == fingerprint({"b": "2", "a": "1"})
    assert one != fingerprint({"a": "12", "b": ""})
    assert one != fingerprint({"a": "1"})
