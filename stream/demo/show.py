"""The fleet in a terminal while it is watched: the live table, or plain lines.

On a terminal things move; anywhere else everything comes as plain lines, without
control characters, so that logs and pipes can be read.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Literal, Self

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from stream.core.alert import Event as Happened
from stream.demo.board import STATES, Board, Machine
from stream.demo.fleet import Fleet, iso
from stream.demo.frame import lively
from stream.demo.glyphs import bar, spark
from stream.demo.phrases import Phrases

_DAY_NS = 86_400 * 10**9
_COLOUR = {
    "failed": "bold white on red",
    "alarm": "bold red",
    "sensor": "magenta",
    "watch": "yellow",
    "normal": "green",
    "blind": "dim",
    "standby": "dim",
    "waiting": "dim",
}
_WIDE, _MIDDLE, _NARROW, _TINY = 110, 94, 76, 62
"""Widths from which the trend, the anomaly, the reason, and the life are shown."""

_TALL = 32
_ALERT_LINES = 10
_LEAST_REASON = 8
_TREND_NS = 5 * _DAY_NS
_AROUND = 5
"""Lines of the live view that are neither machines nor alerts."""


class View:
    """Shows a board as it moves; a watcher of `stream.demo.live`.

    Args:
        board: What is shown.
        fleet: Whose it is.
        console: Where.
        say: In which words.
        horizon_h: Of the risk.
    """

    def __init__(
        self,
        board: Board,
        fleet: Fleet,
        console: Console,
        say: Phrases,
        horizon_h: float,
    ) -> None:
        """Show nothing yet."""
        self._board = board
        self._fleet = fleet
        self._console = console
        self._say = say
        self._horizon_h = horizon_h
        self._week = 0
        self._live: Live | None = None

    def __enter__(self) -> Self:
        """Begin to show."""
        if lively(self._console):
            self._live = Live(
                console=self._console, auto_refresh=False, vertical_overflow="crop"
            )
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the last picture standing."""
        if self._live is not None:
            self._live.stop()

    def score(self, value: bytes) -> None:
        """Take a score."""
        self._board.score(value)

    def alert(self, value: bytes) -> None:
        """Take an alert; a plain terminal gets its sentence at once."""
        self._board.alert(value)
        alert = self._board.alerts[-1]
        if self._live is None and alert.event != "updated":
            self._line(f"{_at(alert.time)}  {alert.message}")

    def happened(self, event: Happened) -> None:
        """Take what happened to a machine."""
        self._board.happened(event)
        if self._live is None:
            self._line(f"{_at(event.time)}  {self._event(event)}")

    def moved(self, time_ns: int, sent: int, busy_s: float) -> None:
        """Draw anew, or tell of a week that has passed."""
        self._board.moved(time_ns, sent, busy_s)
        if self._live is not None:
            self._live.update(self.picture(), refresh=True)
            return
        week = (time_ns - self._fleet.start_ns) // (7 * _DAY_NS)
        if week > self._week:
            self._week = week
            self._line(self._told())

    def picture(self) -> RenderableType:
        """The live view, as large as the console."""
        height = self._console.height
        # Whole sentences where there is room, else the beginning of each.
        alerts = _ALERT_LINES if height >= _TALL else 3
        room = max(4, height - _AROUND - alerts)
        return Group(self._header(), self._machines(room), *self._last(alerts), "")

    def _line(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)

    def _told(self) -> str:
        board, count = self._board, self._board.count()
        return self._say(
            "week",
            date=iso(board.time_ns)[:10],
            week=self._week,
            readings=board.sent,
            scores=board.scores,
            open=sum(len(m.open) for m in board.machines.values()),
            failed=count["failed"],
        )

    def _event(self, event: Happened) -> str:
        mechanism = self._say.known("mechanism", event.mode)
        key = "failed" if event.kind == "failure" else "returned"
        return self._say(key, machine=event.machine, mechanism=mechanism)

    def _header(self) -> Text:
        board, fleet, say = self._board, self._fleet, self._say
        span = fleet.end_ns - fleet.start_ns
        done = max(board.time_ns - fleet.start_ns, 0)
        width = max(8, min(30, self._console.width - 60))
        told = say("day", day=done / _DAY_NS, days=span / _DAY_NS)
        date = iso(max(board.time_ns, fleet.start_ns))[:16].replace("T", " ")
        return Text.assemble(
            (f"{date}  ", "bold"),
            f"{told}  ",
            (bar(done / max(span, 1), width), "cyan on grey15"),
            f"  {say('rate', rate=board.rate)}",
            no_wrap=True,
            overflow="ellipsis",
        )

    def _machines(self, room: int) -> RenderableType:
        board, say, width = self._board, self._say, self._console.width
        machines = list(board.machines.values())
        shown = machines
        if len(machines) > room:
            urgent = sorted(machines, key=_urgency)[: room - 1]
            shown = [m for m in machines if m in urgent]
        table = self._table(shown, width)
        hidden = [m.state for m in machines if m not in shown]
        if not hidden:
            return table
        states = ", ".join(
            f"{hidden.count(s)} {say(f'state.{s}')}" for s in STATES if s in hidden
        )
        return Group(
            table, Text(say("hidden", count=len(hidden), states=states), "dim")
        )

    def _table(self, machines: Sequence[Machine], width: int) -> Table:
        names = ["machine", "state", "health", "risk"]
        names += ["life"] if width >= _TINY else []
        names += ["anomaly"] if width >= _MIDDLE else []
        names += ["trend"] if width >= _WIDE else []
        long = 10 if width >= _MIDDLE else 6 if width >= _TINY else 0
        rows = [self._cells(machine, long) for machine in machines]
        titles = {n: Text(self._say(n, horizon=self._horizon_h), "dim") for n in names}
        widths = [max(r[n].cell_len for r in [titles, *rows]) for n in names]
        # The last column takes what is left, since columns must not share a shortage.
        room = width - sum(widths) - 2 * len(names) - 1
        if width >= _NARROW and room >= _LEAST_REASON:
            names.append("reason")
            titles["reason"] = Text(self._say("reason"), "dim")
            for cells in (titles, *rows):
                cells["reason"].truncate(room, overflow="ellipsis")
        table = Table(box=None, padding=(0, 1), pad_edge=False)
        for name in names:
            right = name in {"risk", "life", "anomaly"}
            justify: Literal["left", "right"] = "right" if right else "left"
            table.add_column(titles[name], justify=justify, no_wrap=True)
        for cells in rows:
            table.add_row(*(cells[name] for name in names))
        return table

    def _cells(self, machine: Machine, width: int) -> dict[str, Text]:
        score, state = machine.score, machine.state
        colour = _COLOUR[state]
        given = score is not None and score.health is not None and state != "failed"
        cells = {
            "machine": Text(machine.name),
            "state": Text(self._say(f"state.{state}"), colour),
            "trend": self._trend(machine),
            "reason": Text(machine.reason().told(self._say)),
        }
        for name in ("health", "risk", "life", "anomaly"):
            cells[name] = Text("-", "dim")
        if score is None or not given:
            return cells
        health = score.health or 0.0
        tone = "green" if health >= 80 else "yellow" if health >= 50 else "red"
        cells["health"] = Text.assemble(
            (bar(health / 100, width), f"{tone} on grey15"), f" {health:3.0f}"
        )
        cells["anomaly"] = Text(score.rarity())
        if score.risk is not None:
            cells["risk"] = Text(f"{100 * score.risk:.0f} %", _tone(score.risk))
            cells["life"] = Text(score.life())
        return cells

    def _trend(self, machine: Machine) -> Text:
        times, risk = np.array(machine.times[-200:]), np.array(machine.risk[-200:])
        if not len(times):
            return Text("")
        share = (times - (self._board.time_ns - _TREND_NS)) / _TREND_NS
        slots = np.full(120, np.nan)
        inside = share >= 0
        places = np.minimum((share[inside] * 120).astype(int), 119)
        slots[places] = risk[inside]
        return Text(spark(slots, 15, 0.0, 1.0), "cyan")

    def _last(self, room: int) -> list[RenderableType]:
        """The newest alarms in so many lines, those that are over in the background."""
        say, board, console = self._say, self._board, self._console
        found: list[RenderableType] = [Text(say("alerts"), "dim")]
        for alert in reversed(board.raised()[-room:]):
            colour = _COLOUR["alarm" if alert.subject == "machine" else "sensor"]
            over = alert.id not in board.machines[alert.machine].open
            text = Text(f"{_at(alert.time)} {alert.message}", "dim" if over else "")
            text.highlight_words([alert.machine], "dim" if over else colour)
            if room < _ALERT_LINES:
                text.truncate(console.width - 1, overflow="ellipsis")
            found += text.wrap(console, console.width)
        if len(found) == 1:
            found.append(Text(say("no_alerts"), "dim"))
        return found[: 1 + room]


def _urgency(machine: Machine) -> tuple[int, float]:
    score = machine.score
    health = score.health if score is not None and score.health is not None else 100.0
    return STATES.index(machine.state), health


def _tone(risk: float) -> str:
    return "red" if risk >= 0.5 else "yellow" if risk >= 0.2 else ""


def _at(time: str) -> str:
    return time[:16].replace("T", " ")
