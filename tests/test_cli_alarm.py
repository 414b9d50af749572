"""Alarms at the terminal without servers: what is found, refused, and shown."""

import getpass
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream import alarm_desk, cli, cli_alerts, cli_lines
from stream.alarm_desk import Aim, Standing, moment, refusal, short_ids, standing
from stream.core.alert import Mark
from stream.errors import InputError
from tests.worker.alerts import alert, classic

PLANT = str(Path(__file__).parents[1] / "configs" / "plant.yaml")
UTC = ZoneInfo("UTC")
SHANGHAI = ZoneInfo("Asia/Shanghai")
MARK = Mark("ann", "", "2026-11-21T09:30:00.000Z", "2026-11-22T09:30:00.000Z")

Capture = pytest.CaptureFixture[str]


def of(*alarms: Any) -> Standing:
    return Standing({alarm.id: alarm for alarm in alarms})


def record(**parts: Any) -> tuple[bytes, bytes]:
    one = alert(**parts)
    return one.id.encode(), msgspec.json.encode(one)


# --- the topic of alarms


def test_the_latest_of_each_alarm_stands_and_tombstones_take_it_away() -> None:
    found = standing(
        [
            record(id="a", seq=1),
            record(id="b", seq=1),
            record(id="a", seq=2, state="cleared"),
            (b"b", None),
            (b"never", None),
            (None, b"no alarm"),
            (b"c", b"\xff\xfe"),
            (b"d", b'{"id": "d"}'),
        ]
    )
    assert {name: one.seq for name, one in found.alarms.items()} == {"a": 2}
    assert found.broken == 3


def test_open_alarms_come_first_then_the_urgent_ones_then_the_old_ones() -> None:
    stand = of(
        alert(id="a", severity="low"),
        alert(id="b", severity="critical", state="cleared"),
        alert(id="c", severity="high", onset="2026-11-21T09:00:00.000Z"),
        alert(id="d", severity="high", onset="2026-11-21T08:00:00.000Z", machine="x"),
        alert(id="e", severity="strange"),
    )
    assert [one.id for one in stand.listed()] == ["d", "c", "a", "e"]
    assert [one.id for one in stand.listed(closed=True)] == ["d", "c", "a", "e", "b"]
    assert [one.id for one in stand.listed("x", closed=True)] == ["d"]


def test_an_alarm_is_found_by_as_much_of_its_id_as_is_its_own() -> None:
    stand = of(alert(id="abc1"), alert(id="abc2"), alert(id="abd"))
    assert stand.find("abd").id == "abd"
    assert stand.find("abc2").id == "abc2"
    with pytest.raises(InputError, match=r"2 alarms have .* such as abc1, abc2: give"):
        stand.find("abc")
    with pytest.raises(InputError, match="no alarm has an id that begins with 'x'"):
        stand.find("x")


@given(st.sets(st.text("ab", min_size=12, max_size=12), min_size=1))
def test_short_ids_find_what_they_are_of(names: set[str]) -> None:
    stand = of(*[alert(id=name) for name in names])
    for name, short in short_ids(stand.alarms).items():
        assert len(short) >= alarm_desk.SHORT_ID
        assert stand.find(short).id == name


# --- what may be done


@pytest.mark.parametrize(
    ("parts", "kind", "reason"),
    [
        ({}, "acknowledge", ""),
        ({"acknowledged": MARK}, "acknowledge", "the alarm is acknowledged already"),
        ({"state": "cleared"}, "acknowledge", "the alarm is not active"),
        ({}, "shelve", ""),
        ({"shelved": MARK}, "shelve", ""),
        ({"state": "cleared"}, "shelve", "the alarm is not active"),
        ({"shelved": MARK}, "unshelve", ""),
        ({}, "unshelve", "the alarm is not shelved"),
        ({}, "feedback", ""),
        ({"acknowledged": MARK}, "feedback", ""),
        ({"state": "cleared"}, "feedback", ""),
        ({}, "out_of_service", ""),
        (
            {"out_of_service": True},
            "out_of_service",
            "the machine is out of service already",
        ),
        ({"out_of_service": True}, "return", ""),
        ({}, "return", "the machine is in service"),
    ],
)
def test_what_may_be_done_to_an_alarm(
    parts: dict[str, Any], kind: str, reason: str
) -> None:
    assert refusal(alert(**parts), kind) == reason


def test_alarms_of_a_machine_are_those_to_which_it_can_be_done() -> None:
    stand = of(
        alert(id="a", acknowledged=MARK),
        alert(id="b", kind="anomaly"),
        alert(id="c", kind="sensor.stuck"),
        alert(id="d", machine="other"),
        alert(id="e", state="cleared"),
    )

    def ids(**aim: Any) -> list[str]:
        found = stand.aimed_at(Aim(machine="pump-07", **aim), "acknowledge")
        return [one.id for one in found]

    assert ids() == ["b", "c"]
    assert ids(rule="anomaly") == ["b"]
    assert ids(rule="wires", instruments=True) == ["c"]
    with pytest.raises(InputError, match=r"alarm a of machine pump-07: .* already"):
        ids(rule="risk")
    with pytest.raises(InputError, match="pump-07 has no open alarm of kind rul"):
        ids(rule="rul")
    with pytest.raises(InputError, match=r"machine pump-99 has no open alarm$"):
        stand.aimed_at(Aim(machine="pump-99"), "acknowledge")


def test_a_shelf_by_machine_waits_for_alarms_to_come() -> None:
    stand = of(alert(id="a"))
    assert stand.aimed_at(Aim(machine="quiet"), "shelve") == []
    # Such a shelf shows nowhere, so its end cannot be refused.
    assert stand.aimed_at(Aim(machine="pump-07"), "unshelve") == []
    assert [a.id for a in stand.aimed_at(Aim(machine="pump-07"), "shelve")] == ["a"]
    with pytest.raises(InputError, match="not shelved"):
        stand.aimed_at(Aim("a"), "unshelve")


@pytest.mark.parametrize(
    ("aim", "why"),
    [
        ({}, "either an ALARM_ID or --machine"),
        ({"alarm": "a", "machine": "m"}, "either an ALARM_ID or --machine"),
        ({"alarm": "a", "rule": "risk"}, "--rule: expected --machine beside it"),
    ],
)
def test_an_aim_must_be_clear(aim: dict[str, Any], why: str) -> None:
    with pytest.raises(InputError, match=why):
        Aim(**aim)


def test_an_event_that_the_worker_would_refuse_is_not_made() -> None:
    made = alarm_desk.event("failure", "pump-07", 10**18, by="ann", mode="VIB")
    assert (made.time, made.mode) == ("2001-09-09T01:46:40.000Z", "VIB")
    with pytest.raises(InputError, match="machine: expected 1 to 128 printable"):
        alarm_desk.event("failure", "pump\n07", 10**18)
    with pytest.raises(InputError, match="why: expected printable"):
        alarm_desk.event("failure", "pump-07", 10**18, why="\x1b[31m")
    with pytest.raises(InputError, match="until: a shelf needs an end"):
        alarm_desk.event("shelve", "pump-07", 10**18)


@pytest.mark.parametrize(
    ("text", "zone", "seconds"),
    [
        ("1970-01-02", UTC, 86_400),
        ("1970-01-01T00:01", UTC, 60),
        ("1970-01-01 08:00:01", SHANGHAI, 1),
        ("1970-01-01T02:00:00+01:00", SHANGHAI, 3_600),
        ("1970-01-01T00:00:00.25Z", SHANGHAI, 0.25),
    ],
)
def test_times_as_people_write_them(text: str, zone: ZoneInfo, seconds: float) -> None:
    assert moment(text, zone, "--at") == int(seconds * 10**9)


@pytest.mark.parametrize("text", ["", "soon", "1969-12-31", "2262-01-01", "08:00"])
def test_what_is_no_time_is_named(text: str) -> None:
    with pytest.raises(InputError, match=f"--at: expected a time .* found '{text}'$"):
        moment(text, UTC, "--at")


# --- the commands


def test_help_of_every_command_has_examples(capsys: Capture) -> None:
    names = ["list", "ack", "shelve", "unshelve", "feedback", "outofservice", "return"]
    commands = [["alarm", name] for name in names] + [["event"], ["alerts"]]
    for command in commands:
        assert cli.run([*command, "--help"]) == 0
        text = capsys.readouterr().out
        assert f"foreshock {' '.join(command)} " in text.split("Examples")[1], command


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["alarm", "ack"], "expected either an ALARM_ID or --machine"),
        (["alarm", "ack", "a", "--rule", "risk"], "--rule: expected --machine"),
        (
            ["alarm", "ack", "--machine", "pump-07", "--rule", "riks"],
            "--rule: expected one of",
        ),
        (["alarm", "ack", "--machine", "x"], "no machine type fits the name 'x'"),
        (["alarm", "shelve", "a", "--why", "w"], "expected either --for or --until"),
        (
            ["alarm", "shelve", "a", "--why", "w", "--for", "8h", "--until", "2030"],
            "expected either --for or --until",
        ),
        (
            ["alarm", "shelve", "a", "--why", "w", "--for", "8"],
            "--for: expected a duration with a unit",
        ),
        (
            ["alarm", "shelve", "a", "--why", "w", "--for", "0s"],
            "--for: expected a duration above 0, found '0s'",
        ),
        (
            ["alarm", "shelve", "a", "--why", "w", "--until", "2020-01-01"],
            "--until: expected a time to come, found '2020-01-01'",
        ),
        (["alarm", "shelve", "a", "--why", " ", "--for", "8h"], "--why: expected a"),
        (["alarm", "shelve", "a", "--for", "8h"], "Missing option '--why'"),
        (["alarm", "outofservice", "pump-07"], "Missing option '--why'"),
        (["alarm", "outofservice", "pump-07", "--why", ""], "--why: expected a reason"),
        (["alarm", "return", "x"], "no machine type fits the name 'x'"),
        (["alarm", "feedback", "a"], "Missing option '--true'"),
        (["event", "pump-07", "failure"], "Missing option '--at'"),
        (["event", "pump-07", "explosion", "--at", "now"], "is not one of"),
        (
            ["event", "pump-07", "failure", "--at", "2200-01-01"],
            "--at: expected a time that has been, found '2200-01-01'",
        ),
        (
            ["event", "pump-07", "maintenance", "--at", "now", "--mode", "VIB"],
            "--mode: only a failure has one",
        ),
        (["event", "x", "failure", "--at", "now"], "no machine type fits the name"),
        (["alerts", "--language", "de"], "is not one of"),
    ],
)
def test_what_cannot_be_is_one_sentence_before_anything_is_asked(
    capsys: Capture, arguments: list[str], sentence: str
) -> None:
    place = 2 if arguments[0] == "alarm" else 1
    arguments = [*arguments[:place], PLANT, *arguments[place:]]
    assert cli.run(arguments) == 2
    said = capsys.readouterr()
    assert sentence in said.err
    assert said.err.startswith("foreshock: ")
    assert said.err.count("\n") == 1
    assert said.out == ""


def test_a_user_without_a_name_must_say_who(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.delenv("FORESHOCK_USER", raising=False)
    monkeypatch.setattr(getpass, "getuser", nobody)
    assert cli.run(["event", PLANT, "pump-07", "failure", "--at", "now"]) == 2
    assert "in --by or FORESHOCK_USER" in capsys.readouterr().err


def test_an_alert_as_a_line() -> None:
    told = msgspec.to_builtins(classic()) | {"message": "Hot.\x1b[31m\nVery."}
    assert cli_lines.line(told, SHANGHAI) == (
        "2026-11-21 17:40  high      raised    Hot. [31m Very."
    )
    bare = {"machine": "m", "event": "raised", "message": ""}
    assert cli_lines.line(bare, UTC).split() == ["-", "-", "raised", "m"]


@pytest.mark.parametrize(
    "value", [None, b"", b"\xff", b"[]", b'{"machine": "m"}', b'{"machine": 1}']
)
def test_what_is_no_alert_cannot_be_told(value: bytes | None) -> None:
    assert cli_alerts.read(value) is None


def test_whoever_acts_is_named_by_option_environment_or_system(
    monkeypatch: pytest.MonkeyPatch, sent: Callable[..., dict[str, Any]]
) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "system")
    monkeypatch.delenv("FORESHOCK_USER", raising=False)
    assert sent()["by"] == "system"
    monkeypatch.setenv("FORESHOCK_USER", "bob")
    assert sent()["by"] == "bob"
    assert sent("--by", "ann")["by"] == "ann"


@pytest.fixture
def sent(
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., dict[str, Any]]:
    """Run an event command up to its sending, and return what would be sent."""
    from stream import cli_event

    caught: list[dict[str, Any]] = []

    def catch(_settings: Any, kind: str, machine: str, at_ns: int, **parts: str) -> Any:
        caught.append(parts)
        return alarm_desk.event(kind, machine, at_ns, **parts)

    monkeypatch.setattr(cli_event, "send", catch)

    def run(*options: str) -> dict[str, Any]:
        command = ["event", PLANT, "pump-07", "failure", "--at", "now", *options]
        assert cli.run(command) == 0
        return caught[-1]

    return run
