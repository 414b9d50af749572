"""A history through the pipeline: what is told as events, and how alarms are judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from models.datasets import History, assemble
from stream import backtest as task
from stream.core.alert import Alert
from stream.core.event_time import to_text
from stream.errors import InputError
from stream.lives import Life, events_of, judge, lives_of
from stream.replay import select
from stream.worker.settings import Settings, load_settings
from tests.worker.tiny import TinyPrediction, TinyScorer

H = 3_600 * 10**9
START = 1_767_225_600 * 10**9
HORIZON = 10
CONFIG = """
machine_types:
  pump:
    match: "pump-*"
    life: {axis: hours, horizon: 10, cap: 100}
    sensors: {wear: {unit: "%"}}
    alarms: {risk: {}}
    window: {rows: 2}
  fan:
    match: "fan-*"
    life: {axis: hours, horizon: 10, cap: 100}
    sensors: {wear: {unit: "%"}}
    window: {rows: 2}
"""


@dataclass(frozen=True, slots=True)
class Gauge(TinyScorer):
    """Takes a window's newest value for the risk in percent."""

    told: bool = True

    def predict(self, windows: Any) -> TinyPrediction:
        said = TinyScorer.predict(self, windows)
        said.anomaly[:] = 1e6
        said.risk[:] = windows.values[:, -1, 0] / 100 if self.told else np.nan
        if not self.told:
            said.rul[:] = np.nan
        return said


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(tmp_path)


def load(folder: Path, *overrides: str) -> Settings:
    path = folder / "pumps.yaml"
    path.write_text(CONFIG)
    return load_settings(path, overrides, environ={})


def history(
    lines: dict[str, Sequence[float]], events: Sequence[tuple[str, float, str]] = ()
) -> History:
    """Machines by name with a value each hour, and what happened to them when."""
    names = list(lines)
    code = np.repeat(np.arange(len(names)), [len(line) for line in lines.values()])
    hours = np.concatenate([np.arange(len(line)) for line in lines.values()])
    return assemble(
        ("wear",),
        names,
        code.astype(np.int32),
        START + hours * H,
        np.concatenate(list(lines.values())).astype(np.float32)[:, None],
        [(names.index(m), START + round(at * H), kind, None) for m, at, kind in events],
    )


def run(
    settings: Settings, given: History, scorer: TinyScorer | None = None, **more: Any
) -> tuple[dict[str, Any], list[Alert]]:
    alerts: list[Alert] = []
    told = task.backtest(
        settings, "pump", scorer or Gauge(), given, tell=alerts.append, **more
    )
    return told, alerts


def seen(alerts: Sequence[Alert]) -> list[tuple[str, str, str, str]]:
    return [(a.machine, a.event, a.time, a.cleared_by) for a in alerts]


def at(hours: float) -> str:
    return to_text(START + round(hours * H))


def test_a_failure_is_foreseen_and_ends_its_alarm(settings: Settings) -> None:
    worn = [0.0] * 30 + [90.0] * 6  # raised 6 h before it fails
    given = history(
        {"pump-1": worn, "pump-2": [0.0] * 50}, [("pump-1", 36.0, "failure")]
    )
    told, alerts = run(settings, given)
    assert seen(alerts) == [
        ("pump-1", "raised", at(30), ""),
        ("pump-1", "cleared", at(36), "failure"),
    ]
    figures = {
        "machines": 2,
        "failures": 1,
        "foreseen": 1,
        "missed": 0,
        "cases": 1,
        "false_cases": 0,
        "undecided_cases": 0,
        "healthy_machines": 1,
        "median_lead_time_s": 6 * 3600.0,
        "scores": 86,
        "readings": 86,
        "readings_ended": {"used": 86},
        "risk_told": True,
        "from": at(0),
        "to": at(49),
    }
    assert {name: told[name] for name in figures} == figures
    assert told["by_failure"] == [
        {
            "machine": "pump-1",
            "time": at(36),
            "mode": None,
            "alarm": at(30),
            "lead_time_s": 6 * 3600.0,
        }
    ]


def test_a_machine_that_returns_is_judged_anew(settings: Settings) -> None:
    # Fails in hour 20, is back in hour 25, and fails again with its last reading.
    line = [0.0] * 15 + [90.0] * 6 + [50.0] * 4 + [0.0] * 20 + [90.0] * 6
    told, alerts = run(
        settings,
        history(
            {"pump-1": line},
            [
                ("pump-1", 20.0, "failure"),
                ("pump-1", 24.5, "return"),
                ("pump-1", 50.0, "failure"),
            ],
        ),
    )
    assert [(event, time[:19]) for _, event, time, _ in seen(alerts)] == [
        ("raised", at(15)[:19]),
        ("cleared", at(20)[:19]),
        ("raised", at(45)[:19]),
        ("cleared", at(50)[:19]),
    ]
    assert (told["failures"], told["foreseen"], told["healthy_machines"]) == (2, 2, 0)
    assert told["no_estimate"] == {}  # the row of the failure was before it


def test_cuts_between_batches_change_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(5)
    lines = {f"pump-{n}": rng.choice([0.0, 90.0], 60).tolist() for n in range(4)}
    events = [("pump-0", 20.0, "failure"), ("pump-1", 30.5, "replacement")]
    events += [("pump-0", 23.0, "return"), ("pump-2", 40.5, "failure")]
    # One stops for good: its alarm ends although no row of its comes any more.
    lines["pump-3"] = [*lines["pump-3"][:20], 90.0]
    given = history(lines, [*events, ("pump-3", 21.0, "failure")])
    whole, alerts = run(settings, given)
    assert len(alerts) > 50
    for size in (1, 7, 4096):
        monkeypatch.setattr(task, "_CHUNK", size)
        told, others = run(settings, given)
        assert sorted(seen(others)) == sorted(seen(alerts))
        assert [a.time[:19] for a in others] == sorted(a.time[:19] for a in others)
        differ = {name for name in whole if whole[name] != told[name]}
        assert differ <= {"seconds", "readings_per_second"}


def test_what_comes_after_the_limit_is_not_known(settings: Settings) -> None:
    given = history({"pump-1": [0.0] * 30 + [90.0] * 6}, [("pump-1", 36, "failure")])
    told, alerts = run(settings, given, limit=32)
    assert (told["readings"], told["failures"], told["undecided_cases"]) == (32, 0, 1)
    assert [alert.event for alert in alerts] == ["raised"]
    told, _ = run(settings, given, limit=36)
    assert told["failures"] == 1


def test_machines_of_other_types_are_left_out(settings: Settings) -> None:
    given = history(
        {"fan-1": [90.0] * 9, "pump-1": [0.0] * 5}, [("fan-1", 9, "failure")]
    )
    told, alerts = run(settings, given)
    assert (told["machines"], told["readings"], told["failures"]) == (1, 5, 0)
    assert alerts == []
    with pytest.raises(InputError, match=r"fits its pattern pump-\*; .* 'fan-1'"):
        run(settings, history({"fan-1": [90.0] * 9}))


def test_models_without_risk_raise_no_alarm_of_it(settings: Settings) -> None:
    told, alerts = run(settings, history({"pump-1": [99.0] * 9}), Gauge(told=False))
    assert (told["risk_told"], told["scores"], alerts) == (False, 9, [])


def test_rows_held_back_are_released_and_the_end_is_no_silence(tmp_path: Path) -> None:
    every = ("machine_types.pump.rows.every=1h", "machine_types.pump.rows.max_age=2h")
    plain = load(tmp_path, *every, "machine_types.pump.allowed_lateness=3h")
    told, alerts = run(plain, history({"pump-1": [0.0] * 9 + [90.0]}))
    assert told["scores"] == 10
    assert seen(alerts) == [("pump-1", "raised", at(9), "")]


def test_producers_may_send_another_format(tmp_path: Path) -> None:
    told, _ = run(load(tmp_path, "input.format=telegraf"), history({"pump-1": [1.0]}))
    assert told["readings_ended"] == {"used": 1}


def lives(given: History, *, cut_off: bool = False, last: int | None = None) -> Any:
    selection = select(given, limit=last)
    assert selection is not None
    return lives_of(given, selection, H, HORIZON * H, cut_off=cut_off)


def test_lives_become_events() -> None:
    given = history(
        {"pump-1": [0.0] * 40, "pump-2": [0.0] * 40},
        [
            ("pump-1", 10.0, "failure"),
            ("pump-2", 20.5, "replacement"),
            ("pump-1", 12.5, "return"),
        ],
    )
    found = [
        (t.event.machine, t.event.kind, t.time_ns) for t in events_of(lives(given))
    ]
    assert found == [
        # Its last reading was made before it failed.
        ("pump-1", "failure", START + 10 * H + 1),
        ("pump-1", "return", START + 13 * H),
        ("pump-2", "replacement", START + 21 * H),
    ]
    assert [told.offset for told in events_of(lives(given))] == [0, 1, 2]


def test_engines_that_are_cut_off_fail_later() -> None:
    given = history({"pump-1": [0.0] * 5, "pump-2": [0.0] * 5, "pump-3": [0.0] * 5})
    given = replace(given, truth=np.array([10.0, 11.0, np.nan]))
    found = [(life.failed, life.known, life.until_ns) for life in lives(given)]
    assert found == [
        (True, True, START + 14 * H),
        (False, True, START + 15 * H),
        (False, False, START + 4 * H),
    ]


LIFE = Life("a", START, START + 99 * H, START + 100 * H, failed=True, known=True)


@pytest.mark.parametrize(
    ("life", "hours", "figures"),
    [
        (LIFE, 84.9, (0, 1, 1, 0)),  # too early to be about this failure
        (LIFE, 85.0, (1, 0, 0, 0)),
        (LIFE, 99.0, (1, 0, 0, 0)),
        (LIFE, 99.1, (0, 1, 0, 0)),  # too late to act, but not false
        (LIFE, 100.1, (0, 1, 1, 0)),  # after it
        (replace(LIFE, failed=False, known=False), 84.9, (0, 0, 1, 0)),
        (replace(LIFE, failed=False, known=False), 86.0, (0, 0, 0, 1)),
        # The truth of an engine that is cut off: far, but known.
        (replace(LIFE, failed=False), 86.0, (0, 0, 0, 0)),
    ],
)
def test_alarms_are_held_against_what_happened(
    life: Life, hours: float, figures: tuple[int, ...]
) -> None:
    alarm = Alert(
        id="1",
        case_id="1",
        machine="a",
        type="pump",
        kind="risk",
        subject="machine",
        sensor="",
        event="raised",
        seq=1,
        state="active",
        severity="high",
        onset=at(hours),
        time=at(hours),
    )
    told = judge([life], [alarm], HORIZON * H)
    names = ("foreseen", "missed", "false_cases", "undecided_cases")
    assert tuple(told[name] for name in names) == figures
    assert tuple(told["by_rule"]["risk"][name] for name in names) == figures
    assert told["cases"] == 1
    on_sensor = msgspec.structs.replace(alarm, subject="sensor", sensor="wear")
    told = judge([life], [on_sensor], HORIZON * H)
    assert (told["cases"], told["sensor_alarms"], told["foreseen"]) == (0, 1, 0)


def test_the_part_of_a_data_set_is_chosen(tmp_path: Path) -> None:
    csv = load(tmp_path, "dataset.kind=csv", "dataset.path=history.csv")
    assert task.split_of(csv, "pump", None) == "train"
    assert task.split_of(csv, "pump", "train") == "train"
    with pytest.raises(InputError, match="leave out --split"):
        task.split_of(csv, "pump", "test")
    engines = load(tmp_path, "dataset.kind=cmapss", "dataset.subset=FD001")
    assert task.split_of(engines, "pump", None) == "test"
    assert task.split_of(engines, "pump", "train") == "train"
