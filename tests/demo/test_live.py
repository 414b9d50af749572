"""A small fleet through the real scoring agent, on a log in memory."""

from __future__ import annotations

import signal
from collections import Counter
from typing import Any

import numpy as np
import pytest

from connectors import memory_log
from stream.demo.board import Board
from stream.demo.fleet import Fleet, time_of
from stream.demo.live import CHUNK_NS, Step, play, steps
from stream.demo.parameters import Parameters
from stream.errors import OutsideError
from stream.worker.words import sentence
from tests.demo.oracle import Oracle
from tests.demo.small import demo_settings, small_fleet
from tests.worker.tiny import TinyScorer


@pytest.fixture(scope="module")
def fleet(laws: Parameters) -> Fleet:
    return small_fleet(laws)


@pytest.fixture(scope="module")
def board(fleet: Fleet) -> Board:
    board = Board(fleet.machines)
    played = play(fleet, demo_settings(), [Oracle(fleet)], board)
    assert played.readings == len(fleet) == board.sent
    assert played.per_second > 0
    return board


def test_every_machine_is_scored_at_every_stride_until_the_end(
    fleet: Fleet, board: Board
) -> None:
    rows = Counter(fleet.machine.tolist())
    for number, machine in enumerate(board.machines.values()):
        # A row that falls due while the machine is out for repair gives no score.
        assert rows[number] // 6 - 1 <= len(machine.times) <= rows[number] // 6
        assert (np.diff(machine.times) > 0).all()
    assert board.time_ns == fleet.end_ns
    assert board.scores == sum(len(m.times) for m in board.machines.values())


def test_a_failure_ends_the_alarms_at_its_own_time(fleet: Fleet, board: Board) -> None:
    failing = {f.machine: f for f in fleet.failures if f.foreseeable}
    raised = {a.id for a in board.raised() if a.machine in failing}
    assert raised
    ended = [a for a in board.alerts if a.cleared_by == "failure"]
    assert ended
    for alert in ended:
        assert time_of(alert.time) == failing[alert.machine].at_ns


def test_nothing_is_said_of_a_machine_under_repair(fleet: Fleet, board: Board) -> None:
    back = {e.machine: time_of(e.time) for e in fleet.events if e.kind == "return"}
    assert back, "the fleet must have a machine that comes back"
    for failure in fleet.failures:
        until = back.get(failure.machine, fleet.end_ns)
        for at in board.machines[failure.machine].times:
            assert not failure.at_ns < at < until
    down = {f.machine for f in fleet.failures} - set(back)
    assert {m.name for m in board.machines.values() if m.state == "failed"} == down


def test_it_can_be_played_again_in_another_language(fleet: Fleet, board: Board) -> None:
    settings = demo_settings("alerts.language=zh")
    again = Board(fleet.machines)
    play(fleet, settings, [Oracle(fleet)], again)
    assert [(a.id, a.seq) for a in again.alerts] == [
        (a.id, a.seq) for a in board.alerts
    ]
    for alert in again.alerts:
        # The past is played as if it were now: nobody sleeps through it as backlog.
        assert not alert.backfill
        assert alert.message == sentence(alert, "zh", labels=settings.alerts.labels)


def test_steps_stand_between_the_rows_before_and_after_what_happens(
    fleet: Fleet,
) -> None:
    found = steps(fleet, CHUNK_NS)
    assert found[-1] == Step(len(fleet), fleet.end_ns)
    assert [s.event for s in found if s.event >= 0] == list(range(len(fleet.events)))
    assert [s.rows for s in found] == sorted(s.rows for s in found)
    for step in found:
        if step.event < 0:
            continue
        event = fleet.events[step.event]
        mine = fleet.machine == fleet.machines.index(event.machine)
        sent = fleet.time_ns[: step.rows][mine[: step.rows]]
        assert sent.max() == step.at_ns or event.kind == "return"
        assert (sent <= step.at_ns).all()
        if event.kind == "return":
            assert (sent < step.at_ns).all()


def test_an_interrupt_ends_it_and_leaves_no_log_behind(fleet: Fleet) -> None:
    class Impatient(Board):
        def moved(self, time_ns: int, sent: int, busy_s: float) -> None:
            super().moved(time_ns, sent, busy_s)
            signal.raise_signal(signal.SIGINT)

    board = Impatient(fleet.machines)
    logs = dict(memory_log._LOGS)
    with pytest.raises(KeyboardInterrupt):
        play(fleet, demo_settings(), [TinyScorer()], board, pace_s=60)
    assert 0 < board.sent < len(fleet)
    assert logs == memory_log._LOGS


def test_an_agent_that_breaks_is_reported(fleet: Fleet) -> None:
    class Broken:
        name, version, digest, reasons = "broken", "1", "00", ("",)

        def __init__(self) -> None:
            self.about: dict[str, Any] = {}

        def predict(self, windows: Any) -> Any:
            raise RuntimeError("out of memory")

    with pytest.raises(OutsideError, match="stopped"):
        play(fleet, demo_settings(), [Broken()], Board(fleet.machines))
