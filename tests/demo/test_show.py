"""What the demo shows: on terminals of all sizes, and where there is none."""

from __future__ import annotations

import io
import re
from itertools import pairwise
from string import Formatter

import msgspec
import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console

from stream.core.alert import Alert, Event, Evidence, Reason
from stream.demo.board import Board
from stream.demo.fleet import Fleet, iso
from stream.demo.frame import opening
from stream.demo.glyphs import bar, plot, spark, thinned
from stream.demo.learning import Learning
from stream.demo.parameters import Parameters
from stream.demo.phrases import EN, ZH, Phrases
from stream.demo.show import View
from stream.demo.signals import chosen
from tests.demo.small import small_fleet

_HOUR_NS = 3_600 * 10**9
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


@pytest.fixture(scope="module")
def fleet(laws: Parameters) -> Fleet:
    return small_fleet(laws)


def terminal(width: int, height: int) -> Console:
    return Console(
        file=io.StringIO(),
        force_terminal=True,
        width=width,
        height=height,
        record=True,
        markup=False,
        emoji=False,
        highlight=False,
    )


def pipe() -> Console:
    return Console(
        file=io.StringIO(), width=80, markup=False, emoji=False, highlight=False
    )


def text_of(console: Console) -> str:
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def score(machine: str, at_ns: int, **other: object) -> bytes:
    told: dict[str, object] = {
        "machine": machine,
        "time": iso(at_ns),
        "risk": 0.25,
        "rul": {"p05": 12.0, "p50": 40.4, "p95": 240.0},
        "anomaly": 0.0004,
        "health": 62.0,
        "contributions": {"vibration": 0.7, "flow": 0.3},
        "why": None,
        "model": {"cap": 240.0},
    }
    return msgspec.json.encode(told | other)


def alert(machine: str, at_ns: int, **other: object) -> bytes:
    told = Alert(
        id=f"{machine}-risk",
        case_id=f"{machine}-case",
        machine=machine,
        type="pump",
        kind="risk",
        subject="machine",
        sensor="",
        event="raised",
        seq=1,
        state="active",
        severity="high",
        onset=iso(at_ns),
        time=iso(at_ns),
        message=f"Pump {machine}: vibration above normal. [bold]42 % risk.",
        evidence=Evidence(reasons=[Reason("vibration", 4.1, 0.5)]),
    )
    return msgspec.json.encode(msgspec.structs.replace(told, **other))


def busy_board(fleet: Fleet) -> Board:
    """One machine in each state."""
    board = Board(fleet.machines)
    names, now = fleet.machines, fleet.start_ns + 50 * _HOUR_NS
    board.score(score(names[0], now))
    board.score(score(names[1], now))
    board.alert(alert(names[1], now))
    nothing = dict.fromkeys(("risk", "rul", "anomaly", "health", "contributions"))
    board.score(score(names[2], now, why="not_running", **nothing))
    board.happened(Event(names[3], "failure", iso(now), mode="bearing_wear"))
    board.alert(
        alert(
            names[4], now, subject="sensor", sensor="flow", kind="sensor.stuck", id="s"
        )
    )
    board.moved(now, 1_000, 0.5)
    return board


def test_machines_are_in_the_state_that_matters_most(fleet: Fleet) -> None:
    board = busy_board(fleet)
    states = [machine.state for machine in board.machines.values()]
    assert states == ["watch", "alarm", "standby", "failed", "sensor", "waiting"]
    first, second, *_, fifth, _ = board.machines.values()
    say = Phrases("en", {"vibration": {"en": "shaking"}})
    told = [machine.reason().told(say) for machine in (first, second, fifth)]
    assert told == ["shaking", "shaking +4.1 sigma", "flow: stuck"]
    assert board.machines[fleet.machines[2]].reason().told(say) == ""
    now = fleet.start_ns + 60 * _HOUR_NS
    board.alert(alert(second.name, now, event="cleared", state="cleared", seq=2))
    board.happened(Event(fleet.machines[3], "return", iso(now)))
    states = [machine.state for machine in board.machines.values()]
    assert states == ["watch", "watch", "standby", "waiting", "sensor", "waiting"]


def test_a_score_is_told_in_few_letters() -> None:
    board = Board(("p",))
    board.score(score("p", 0))
    told = board.machines["p"].score
    assert told is not None
    assert told.life() == "40 h [12, >240]"
    assert told.rarity() == "<0.001"
    board.score(score("p", 0, rul=None, risk=None, anomaly=2.345))
    told = board.machines["p"].score
    assert told is not None
    assert (told.life(), told.rarity()) == ("", "2.3")


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(
    ("width", "height"), [(140, 45), (100, 30), (80, 24), (60, 16), (40, 12)]
)
def test_the_picture_fits_the_terminal(
    fleet: Fleet, width: int, height: int, language: str
) -> None:
    console, board = terminal(width, height), busy_board(fleet)
    for number in range(12):
        at = fleet.start_ns + (60 + number) * _HOUR_NS
        board.alert(alert(fleet.machines[1], at, id=str(number)))
    view = View(board, fleet, console, Phrases(language), 72.0)
    console.print(view.picture())
    lines = console.export_text().rstrip("\n").split("\n")
    assert len(lines) <= height
    assert max(map(cell_len, lines)) <= width
    text = "\n".join(lines)
    # What matters most is there however small it is.
    assert fleet.machines[3] in text
    assert fleet.machines[1] in text
    assert Phrases(language)("state.alarm") in text
    if width >= 80:
        assert "vibration" in text
    if width >= 100:
        assert "vibration +4.1 sigma" in text
        # Brackets are no markup.
        assert "[bold]" in text


def test_a_machine_that_does_not_fit_is_counted(fleet: Fleet) -> None:
    console = terminal(80, 12)
    console.print(View(busy_board(fleet), fleet, console, Phrases(), 72.0).picture())
    text = console.export_text()
    hidden = [name for name in fleet.machines if name not in text]
    assert hidden
    assert f"and {len(hidden)} more" in text


def test_a_pipe_gets_plain_lines(fleet: Fleet) -> None:
    console, board = pipe(), Board(fleet.machines)
    day = 24 * _HOUR_NS
    with View(board, fleet, console, Phrases(), 72.0) as view:
        view.alert(alert(fleet.machines[1], fleet.start_ns + day))
        view.alert(alert(fleet.machines[1], fleet.start_ns + day, event="updated"))
        for number in range(15):
            view.moved(fleet.start_ns + number * day, number, number / 2)
        view.happened(Event(fleet.machines[3], "failure", "2026-03-16T00:00:00Z"))
        view.happened(Event(fleet.machines[3], "return", "2026-03-17T00:00:00Z"))
    text = text_of(console)
    assert not _CONTROL.search(text)
    lines = text.splitlines()
    assert lines[0] == (
        f"2026-03-03 00:00  Pump {fleet.machines[1]}: vibration above normal."
        " [bold]42 % risk."
    )
    assert lines[1].startswith("2026-03-09  week 1: 7 readings, 0 scores, 1 alarms")
    assert lines[2].startswith("2026-03-16  week 2: 14 readings")
    assert f"{fleet.machines[3]} has failed" in lines[3]
    assert f"{fleet.machines[3]} is back" in lines[4]
    assert len(lines) == 5


def test_a_terminal_gets_a_picture_that_moves(fleet: Fleet) -> None:
    console = terminal(100, 30)
    with View(Board(fleet.machines), fleet, console, Phrases(), 72.0) as view:
        view.moved(fleet.start_ns + _HOUR_NS, 1, 1.0)
        once = text_of(console)
        view.moved(fleet.start_ns + 30 * _HOUR_NS, 2, 1.0)
    assert "day 0 of 15" in once
    assert "day 1 of 15" in text_of(console)[len(once) :]
    assert "\x1b" in once


@pytest.mark.parametrize("width", [140, 80, 40])
def test_the_opening_fits_and_shows_what_is_known(fleet: Fleet, width: int) -> None:
    console = terminal(width, 40)
    opening(console, chosen(fleet), Phrases(), "six pumps, seed 7")
    lines = console.export_text().splitlines()
    assert max(map(cell_len, lines)) <= width
    assert any("seed 7" in line for line in lines)
    assert any(chr(0x2801) <= letter <= chr(0x28FF) for letter in "".join(lines))
    plain = pipe()
    opening(plain, chosen(fleet), Phrases(), "six pumps, seed 7")
    assert not _CONTROL.search(text_of(plain))


def test_four_signals_are_chosen(fleet: Fleet) -> None:
    found = {signal.kind: signal for signal in chosen(fleet)}
    assert list(found) == ["failing", "healthy", "spare", "fault"]
    failed = {f.machine for f in fleet.failures}
    assert found["failing"].machine in failed
    assert found["failing"].mark_ns[1] == found["failing"].time_ns[-1]
    assert found["healthy"].machine not in failed
    spare = fleet.machines.index(found["spare"].machine)
    assert fleet.spares[spare]
    fault = found["fault"]
    assert fault.time_ns[0] < fault.mark_ns[0] < fault.mark_ns[1]
    for signal in found.values():
        assert signal.machine in signal.title(Phrases())
        assert signal.machine in signal.title(Phrases("zh"))


class _Step:
    def __init__(self, stage: str, done: int, loss: float, held_out: float) -> None:
        self.stage, self.done, self.total = stage, done, 5
        self.loss, self.held_out = loss, held_out


@pytest.mark.parametrize("console", [terminal(100, 30), terminal(60, 20), pipe()])
def test_training_is_shown_stage_by_stage(console: Console) -> None:
    with Learning(console, Phrases()) as learning:
        for stage in ("fold 1 of 1", "autoencoder", "something new"):
            learning.step(_Step(stage, 0, np.nan, np.nan))
            for epoch in range(1, 6):
                learning.step(_Step(stage, epoch, 1 / epoch, np.nan))
    titles = [stage.title for stage in learning.stages.values()]
    assert titles == [
        "risk and life, network 1 of 1",
        "anomaly network",
        "something new",
    ]
    assert learning.stages["autoencoder"].loss == [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5]
    text = text_of(console)
    if not console.is_terminal:
        assert not _CONTROL.search(text)
        assert text.splitlines()[0] == (
            "  risk and life, network 1 of 1, 5/5: loss 0.200"
        )
    assert "loss 0.200" in text
    assert "nan" not in text


def test_both_languages_say_the_same_things() -> None:
    assert EN.keys() == ZH.keys()
    for key, phrase in EN.items():
        named = {name for _, name, _, _ in Formatter().parse(phrase) if name}
        other = {name for _, name, _, _ in Formatter().parse(ZH[key]) if name}
        assert named == other, key


def test_curves_rise_where_values_rise() -> None:
    assert spark([0, 1, 2, 3], 4, 0, 3) == "▁▃▆█"
    assert spark([np.nan, 5.0], 2, 0, 3) == " █"
    assert spark([], 3, 0, 1) == "   "
    assert [bar(share, 4) for share in (-1.0, 0.0, 0.03125, 0.5, 2.0)] == [
        "    ",
        "    ",
        "▏   ",
        "██  ",
        "████",
    ]
    assert thinned([1, 3, np.nan, np.nan], 2).tolist()[0] == 2
    lines = plot(np.arange(64), 8, 4)
    assert [len(line) for line in lines] == [8] * 4
    # Of a rising line the first dot is in the lowest line, the last in the highest.
    blank = chr(0x2800)
    heights = [
        next(i for i, line in enumerate(lines) if line[x] != blank) for x in range(8)
    ]
    assert all(a >= b for a, b in pairwise(heights))
    assert heights[0] == 3
    assert heights[-1] == 0
    assert plot([np.nan] * 9, 3, 2) == [blank * 3] * 2
