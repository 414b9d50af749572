"""A history through the pipeline of the worker: what alarms it would have raised.

The records that a producer would send are decoded, cut into windows, scored and judged
by the very `Pipeline` that a worker runs, and failures, returns and replacements reach
it as events. Nothing is kept and no server is needed. What only a clock can tell, that
a machine has fallen silent, is left out.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.datasets import History
from stream import histories
from stream.core.alert import Alert
from stream.core.event_time import TimeRule, parse, to_text
from stream.core.outcome import Outcome
from stream.core.pipeline import Pipeline
from stream.core.scoring import Scorer
from stream.core.service import FOREVER, Told
from stream.core.trackers import NO_DATA
from stream.errors import InputError
from stream.lives import events_of, judge, lives_of
from stream.replay import Selection, machine_names, readings, select
from stream.worker.assets import Assets
from stream.worker.plant import kinds_of, rules_of
from stream.worker.settings import Settings

_CHUNK = 4096

Split = Literal["train", "test"]


class _Record(NamedTuple):
    """A record as a bus would deliver it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


class _Said(msgspec.Struct):
    """What is counted of a score."""

    risk: float | None
    why: str | None


@dataclass(slots=True)
class _Count:
    """What came of the readings.

    Attributes:
        alerts: Changes of alarms, in order of time.
        waiting: Those that older ones may still come before, with their times.
        scores: How many.
        no_estimate: Why a score has no estimate, and how many have not.
        risks: Scores that tell a risk.
        readings: How the readings ended.
    """

    alerts: list[Alert] = field(default_factory=list)
    waiting: list[tuple[int, Alert]] = field(default_factory=list)
    scores: int = 0
    no_estimate: Counter[str] = field(default_factory=Counter)
    risks: int = 0
    readings: Counter[str] = field(default_factory=Counter)

    def take(self, outcome: Outcome, until_ns: int) -> list[Alert]:
        """Count what a step gave.

        Args:
            outcome: Of the step.
            until_ns: What is told later is not older than this.

        Returns:
            The alerts that are due, in order of time.
        """
        self.scores += len(outcome.messages)
        for _, value in outcome.messages:
            said = msgspec.json.decode(value, type=_Said)
            self.risks += said.risk is not None
            if said.why:
                self.no_estimate[said.why] += 1
        self.readings.update(outcome.tally.readings)
        came = [(parse(alert.time, TimeRule()), alert) for alert in outcome.alerts]
        both = sorted([*self.waiting, *came], key=lambda one: one[0])
        self.waiting = [one for one in both if one[0] >= until_ns]
        due = [alert for at, alert in both if at < until_ns]
        self.alerts += due
        return due


def split_of(settings: Settings, name: str, asked: Split | None) -> Split:
    """Return the part of a data set to send: as asked, else the one set apart.

    Raises:
        InputError: There is no such part.
    """
    apart = histories.has_test(settings, name)
    if asked == "test" and not apart:
        raise InputError(
            f"machine type {name!r}: expected a data set with machines set apart for"
            " the test, found one without; leave out --split, and give newer readings"
            " with --set dataset.path=FILE"
        )
    return asked or ("test" if apart else "train")


def backtest(
    settings: Settings,
    name: str,
    scorer: Scorer,
    history: History,
    *,
    limit: int | None = None,
    tell: Callable[[Alert], None] = lambda alert: None,
) -> dict[str, Any]:
    """Send the history of one machine type through the pipeline.

    Args:
        settings: The plant's.
        name: The machine type.
        scorer: Its model, warm.
        history: Its history; machines of other types are left out.
        limit: The first so many rows in time; None takes all.
        tell: Told of each change of an alarm, in order of time.

    Returns:
        Plain values: those of `stream.lives.judge`; how many scores, and by reason
        those without estimate; how many readings, how they ended, and per second.

    Raises:
        InputError: No machine of the history is of this type.
    """
    life = settings.machine_types[name].life
    horizon_ns = life.horizon_ns
    assets = Assets(settings)
    everything = _select(settings, name, assets, history)
    selection = _first(history, everything, limit)
    cut_off = len(selection.rows) < len(everything.rows)
    lives = lives_of(history, selection, life.unit_ns, horizon_ns, cut_off=cut_off)
    pipeline = _pipeline(settings, name, scorer, assets)
    began = time.perf_counter()
    count = _Count()
    for outcome, until_ns in _run(pipeline, history, selection, events_of(lives)):
        for alert in count.take(outcome, until_ns):
            tell(alert)
    seconds = time.perf_counter() - began
    sent = len(selection.rows)
    return {
        "machines": selection.machines,
        "from": to_text(selection.first_ns),
        "to": to_text(selection.last_ns),
        "model": {"name": scorer.name, "version": scorer.version},
        "horizon": {"value": life.horizon, "axis": life.axis, "s": horizon_ns / 1e9},
        **judge(lives, count.alerts, horizon_ns),
        "risk_told": count.risks > 0,
        "scores": count.scores,
        "no_estimate": dict(count.no_estimate.most_common()),
        "readings": sent,
        "readings_ended": dict(count.readings.most_common()),
        "seconds": round(seconds, 3),
        "readings_per_second": round(sent / max(seconds, 1e-9), 1),
    }


def _select(
    settings: Settings, name: str, assets: Assets, history: History
) -> Selection:
    """Return the rows of the machines of a type, in order of time."""
    everything = select(history)
    names = machine_names(history)
    mine = np.array([assets.type_of(machine) == name for machine in names])
    if everything is None or not mine.any():
        patterns = ", ".join(settings.machine_types[name].match) or "(none)"
        raise InputError(
            f"machine type {name!r}: no machine of the history fits its pattern"
            f" {patterns}; the first is {names[0]!r}"
        )
    return _of(history, everything.rows[mine[history.code[everything.rows]]])


def _first(history: History, everything: Selection, limit: int | None) -> Selection:
    return everything if limit is None else _of(history, everything.rows[:limit])


def _of(history: History, rows: NDArray[np.intp]) -> Selection:
    times = history.time_ns[rows]
    machines = np.unique(history.groups[history.code[rows]]).size
    return Selection(rows, int(machines), int(times[0]), int(times[-1]))


def _pipeline(
    settings: Settings, name: str, scorer: Scorer, assets: Assets
) -> Pipeline:
    kind = kinds_of(settings)[list(settings.machine_types).index(name)]
    return Pipeline(
        [kind],
        [scorer],
        # It is our own records that are read, whatever the plant's producers send.
        replace(rules_of(settings), form="foreshock"),
        lambda machine: 0 if assets.type_of(machine) == name else None,
        (settings.topics.readings, 0),
        asset_of=assets.about,
    )


def _run(
    pipeline: Pipeline, history: History, selection: Selection, events: list[Told]
) -> Iterator[tuple[Outcome, int]]:
    """Yield what each step gives, and a time that none of the next ones goes behind."""
    source, sent, told = readings(history, selection), 0, 0
    kind = pipeline.states[0].kind
    past_ns = selection.first_ns
    # Rows as old as this may still be held back.
    held_ns = kind.lateness_ns + kind.every_ns
    while chunk := list(islice(source, _CHUNK)):
        records = [
            _Record(sent + i, r.at_ns // 1_000_000, r.key, r.value)
            for i, r in enumerate(chunk)
        ]
        decoded = pipeline.decode(records)
        pipeline.machines.take_new()
        until = told
        while until < len(events) and events[until].time_ns <= chunk[-1].at_ns:
            until += 1
        # They take effect between the rows, and where none comes any more, later.
        past_ns = chunk[0].at_ns - held_ns
        took = pipeline.take_events(events[told:until], past_ns - 1, sent - 1)
        yield took, past_ns
        yield pipeline.run(decoded), past_ns
        sent, told = sent + len(chunk), until
    released = pipeline.release({kind.name: pipeline.machines.names[0]}, sent - 1)
    # The end of a history is no silence.
    released.alerts = [a for a in released.alerts if a.kind != NO_DATA]
    yield released, past_ns
    yield pipeline.take_events(events[told:], FOREVER, sent - 1), FOREVER
