"""The lives of a history: what is told of them as events, and what alarms are held to.

A history names lives (``pump-07``, then ``pump-07#2``), and the pipeline knows machines
and what happened to them: a failure and a return, or a replacement, between two lives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import median
from typing import Any

import numpy as np

from models.datasets import History
from stream.core.alert import Alert, Event
from stream.core.event_time import to_text
from stream.core.service import Told
from stream.judging import EARLIEST, Raised, false_cases, foresees, raised_of
from stream.replay import Selection, machine_names


@dataclass(frozen=True)
class Life:
    """One life of a machine, as far as it was sent.

    Attributes:
        machine: Name of the machine, shared by all its lives.
        first_ns: Time of its first row.
        last_ns: Time of its last row.
        until_ns: Until when it is known to have lived: its failure or replacement, else
            its last row.
        failed: Whether it ended in a failure.
        known: Whether it is known when it fails. Of engines that are cut off it is,
            and lies ahead.
        mode: Mode of the failure; None: unknown.
    """

    machine: str
    first_ns: int
    last_ns: int
    until_ns: int
    failed: bool
    known: bool
    mode: str | None = None

    @property
    def at_ns(self) -> int:
        """When it failed."""
        return self.until_ns


def lives_of(
    history: History,
    selection: Selection,
    period_ns: int,
    horizon_ns: int,
    *,
    cut_off: bool,
) -> list[Life]:
    """Return the lives that have rows in a selection, by machine and time.

    Args:
        history: Where they come from.
        selection: Rows of it.
        period_ns: One unit of the life axis.
        horizon_ns: A life of which the truth is told apart, since its readings end
            before its failure, counts as failed if the failure is this near.
        cut_off: Whether the selection leaves out later rows: nothing is known then of
            what came after its end.
    """
    names, found = machine_names(history), []
    for number in np.unique(history.code[selection.rows]).tolist():
        outcome, rows = history.outcomes[number], history.rows_of(number)
        times = history.time_ns[rows]
        times = times[times <= selection.last_ns]
        first, last, mode = int(times[0]), int(times[-1]), outcome.mode
        until, failed, known = max(outcome.at_ns, last), outcome.failed, outcome.failed
        if cut_off and until > selection.last_ns:
            until, failed, known, mode = last, False, False, None
        elif np.isfinite(history.truth[number]):
            ahead = round(history.truth[number] * period_ns)
            until, failed, known = last + ahead, ahead <= horizon_ns, True
        found.append(Life(names[number], first, last, until, failed, known, mode))
    return found


def events_of(lives: Sequence[Life]) -> list[Told]:
    """Return what happened to the machines, in order of time.

    A failure comes after the last row of a life, a return or a replacement with the
    first row of the next one.
    """
    found: list[tuple[int, str, Life]] = []
    for _, own in groupby(lives, key=lambda life: life.machine):
        before: Life | None = None
        for life in own:
            if before is not None:
                kind = "return" if before.failed else "replacement"
                found.append((life.first_ns, kind, life))
            # Of an engine that is cut off the failure lies ahead.
            if life.failed:
                found.append((max(life.until_ns, life.last_ns + 1), "failure", life))
            before = life
    found.sort(key=lambda one: one[0])
    return [
        Told(
            partition=0,
            offset=offset,
            time_ns=at,
            event=Event(
                machine=life.machine,
                kind=kind,
                time=to_text(at),
                by="history",
                mode=(life.mode or "") if kind == "failure" else "",
            ),
        )
        for offset, (at, kind, life) in enumerate(found)
    ]


def judge(
    lives: Sequence[Life], alerts: Sequence[Alert], horizon_ns: int
) -> dict[str, Any]:
    """Hold alerts against what happened; the rules stand in `stream.judging`.

    A case whose machine was replaced, or whose history ends, within 1.5 horizons after
    it, without a failure, is undecided: nobody knows what would have come.

    Returns:
        Plain values: ``failures``, ``foreseen``, ``missed``, ``cases``,
        ``false_cases``, ``undecided_cases``, ``healthy_machines``,
        ``median_lead_time_s`` (None: nothing was foreseen), ``sensor_alarms``,
        ``by_failure``, and ``by_rule``: the same for the alarms of each rule alone.
    """
    raised = raised_of(alerts)
    failures = [life for life in lives if life.failed]
    machines = {life.machine for life in lives}
    kinds = sorted({alert.kind for alert in alerts if alert.subject == "machine"})
    return {
        "failures": len(failures),
        **_figures(lives, raised, horizon_ns),
        "healthy_machines": len(machines - {life.machine for life in failures}),
        "sensor_alarms": sum(
            alert.event == "raised" and alert.subject == "sensor" for alert in alerts
        ),
        "by_rule": {
            kind: _figures(
                lives, raised_of([a for a in alerts if a.kind == kind]), horizon_ns
            )
            for kind in kinds
        },
        "by_failure": [_told(life, raised, horizon_ns) for life in failures],
    }


def _figures(
    lives: Sequence[Life], raised: Sequence[Raised], horizon_ns: int
) -> dict[str, Any]:
    failures = [life for life in lives if life.failed]
    told = [_told(life, raised, horizon_ns)["lead_time_s"] for life in failures]
    leads = [lead for lead in told if lead is not None]
    quiet = false_cases([life for life in lives if life.known], raised, horizon_ns)
    undecided = sum(_open(lives, alarm, horizon_ns) for alarm in quiet)
    return {
        "foreseen": len(leads),
        "missed": len(failures) - len(leads),
        "median_lead_time_s": median(leads) if leads else None,
        "cases": len({(alarm.machine, alarm.case) for alarm in raised}),
        "false_cases": len(quiet) - undecided,
        "undecided_cases": undecided,
    }


def _told(life: Life, raised: Sequence[Raised], horizon_ns: int) -> dict[str, Any]:
    by = [alarm.at_ns for alarm in raised if foresees(life, alarm, horizon_ns)]
    return {
        "machine": life.machine,
        "time": to_text(life.at_ns),
        "mode": life.mode,
        "alarm": to_text(min(by)) if by else None,
        "lead_time_s": (life.at_ns - min(by)) / 1e9 if by else None,
    }


def _open(lives: Sequence[Life], alarm: Raised, horizon_ns: int) -> bool:
    """Tell whether it stays unknown what would have come after an alarm."""
    mine = [
        life
        for life in lives
        if life.machine == alarm.machine and life.first_ns <= alarm.at_ns
    ]
    return bool(mine) and (
        not mine[-1].known
        and mine[-1].until_ns - alarm.at_ns < int(EARLIEST * horizon_ns)
    )
