"""What the demo is held against: fixed limits and PCA, at as many false alarms.

Both learn from the healthy rows of the training fleet and watch the raw readings of
running machines. Neither is crippled: instruments at fault are hidden from them by
the truth (a single broken one would use up their false alarms), each takes the best of
several ways to set its limits and of several on-delays, chosen by what it foresees in
the very runs that it is judged by, and its overall limit is moved until it has as many
false alarms as allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream.demo.fleet import Fleet, time_of
from stream.demo.judge import Raised, Verdict, verdict

Doubles = NDArray[np.float64]
Score = Callable[[NDArray[np.float32]], Doubles]
"""Raw rows (n, S) to how strange each is, (n,); above 1 would be strange."""

ON_ROWS = (1, 3, 6, 18, 36)
"""On-delays, in rows."""
OFF_ROWS = 72
"""Rows below the limit after which an alarm is over: twelve hours."""
_QUANTILES = (0.95, 0.99, 0.999, 0.9999)
_AWAY_NS = 240 * 3_600 * 10**9


@dataclass(frozen=True)
class Baseline:
    """A baseline at its best.

    Attributes:
        name: Which.
        how: The way of setting limits that was best.
        on_rows: Its on-delay.
        limit: Its overall limit.
        foreseen: Failures foreseen, over all runs.
        foreseeable: Failures that could be, over all runs.
        false_alarms: Over all runs.
    """

    name: str
    how: str
    on_rows: int
    limit: float
    foreseen: int
    foreseeable: int
    false_alarms: int


def healthy_rows(fleet: Fleet, settle_rows: int = 12) -> NDArray[np.float32]:
    """Rows of a fleet without wear: running, settled, far from any failure."""
    keep = settled(fleet, settle_rows)
    for failure in fleet.failures:
        mine = fleet.machine == fleet.machines.index(failure.machine)
        left = failure.at_ns - fleet.time_ns
        keep &= ~(mine & (left >= 0) & (left < _AWAY_NS))
    return fleet.values[keep]


def settled(fleet: Fleet, rows: int) -> NDArray[np.bool_]:
    """Which rows show a machine that has been running for some rows, (n,)."""
    found = np.zeros(len(fleet), bool)
    for m in range(len(fleet.machines)):
        mine = np.flatnonzero(fleet.machine == m)
        step = np.diff(fleet.time_ns[mine], prepend=fleet.time_ns[mine[:1]])
        # A gap is a repair, from which the machine starts as from any stop.
        still = ~fleet.running[mine] | (step > 2 * np.median(step))
        stopped = np.where(still, np.arange(len(mine)), -rows - 1)
        found[mine] = np.arange(len(mine)) - np.maximum.accumulate(stopped) > rows
    return found


def fixed_limits(healthy: NDArray[np.float32], quantile: float) -> Score:
    """A low and a high limit for each sensor, by quantiles of healthy rows."""
    values = healthy[:, 1:].astype(np.float64)
    middle = np.median(values, axis=0)
    low = np.quantile(values, 1 - quantile, axis=0)
    high = np.quantile(values, quantile, axis=0)

    def score(rows: NDArray[np.float32]) -> Doubles:
        off = rows[:, 1:].astype(np.float64) - middle
        share = np.where(off > 0, off / (high - middle), off / (low - middle))
        return np.asarray(np.nan_to_num(share, nan=0.0).max(axis=1))

    return score


def pca(healthy: NDArray[np.float32]) -> Score:
    """Hotelling's T2 and Q of standardised raw rows, speed among them."""
    from models import baselines  # noqa: PLC0415 - loads scikit-learn

    mean = healthy.mean(axis=0, dtype=np.float64)
    size = healthy.std(axis=0, dtype=np.float64)
    model = baselines.fit_pca((healthy - mean) / size)

    def score(rows: NDArray[np.float32]) -> Doubles:
        return model.score(np.nan_to_num((rows - mean) / size, nan=0.0))

    return score


def best(
    name: str,
    ways: dict[str, Score],
    fleets: Sequence[Fleet],
    horizon_h: float,
    most_false: int,
    settle_rows: int = 12,
) -> Baseline:
    """Return a baseline at the way, on-delay and limit with which it foresees most.

    Args:
        name: Of the baseline.
        ways: How rows are scored, by name.
        fleets: The demo fleets.
        horizon_h: Horizon, hours.
        most_false: False alarms that it may have over all fleets.
        settle_rows: Rows after a start that are not looked at.
    """
    found = []
    for how, score in ways.items():
        watched = [_Watched(fleet, score, settle_rows) for fleet in fleets]
        for on in ON_ROWS:
            for w in watched:
                w.hold(on)
            limit = _lowest(watched, horizon_h, most_false)
            verdicts = [w.verdict(limit, horizon_h) for w in watched]
            found.append(
                Baseline(
                    name,
                    how,
                    on,
                    round(limit, 4),
                    sum(v.foreseen for v in verdicts),
                    sum(v.foreseeable for v in verdicts),
                    sum(v.false_alarms for v in verdicts),
                )
            )
    return max(found, key=lambda b: b.foreseen)


def _lowest(watched: Sequence[_Watched], horizon_h: float, most: int) -> float:
    """The lowest limit with at most so many false alarms, by halving."""
    low, high = 0.0, max(float(w.held.max()) for w in watched) + 1.0
    for _ in range(24):
        middle = (low + high) / 2
        false = sum(w.verdict(middle, horizon_h).false_alarms for w in watched)
        low, high = (low, middle) if false <= most else (middle, high)
    return high


class _Watched:
    """A fleet's scores, row by row, with the on-delay that holds."""

    def __init__(self, fleet: Fleet, score: Score, settle_rows: int) -> None:
        self._fleet = fleet
        keep = settled(fleet, settle_rows)
        strange = np.where(keep, score(_sound(fleet)), 0.0)
        self._rows = []
        self._scores = []
        for m in range(len(fleet.machines)):
            rows = np.flatnonzero((fleet.machine == m) & keep)
            self._rows.append(rows)
            self._scores.append(strange[rows])
        self._held = self._scores

    @property
    def held(self) -> Doubles:
        """All scores with the on-delay."""
        return np.concatenate(self._held)

    def hold(self, rows: int) -> None:
        """Let a score count only once it has been reached for so many rows."""
        self._held = [_sustained(s, rows) for s in self._scores]

    def verdict(self, limit: float, horizon_h: float) -> Verdict:
        """Judge the alarms at a limit."""
        raised = []
        for m, (rows, held) in enumerate(zip(self._rows, self._held, strict=True)):
            name = self._fleet.machines[m]
            back = [
                time_of(e.time)
                for e in self._fleet.events
                if e.machine == name and e.kind == "return"
            ]
            for at in episodes(held > limit, self._fleet.time_ns[rows], back):
                when = int(self._fleet.time_ns[rows[at]])
                raised.append(Raised(name, when, str(when)))
        return verdict(self._fleet, raised, [], horizon_h)


def _sound(fleet: Fleet) -> NDArray[np.float32]:
    """A fleet's readings without those of instruments at fault."""
    values = fleet.values.copy()
    for fault in fleet.faults:
        rows = fleet.machine == fleet.machines.index(fault.machine)
        rows &= (fleet.time_ns >= fault.from_ns) & (fleet.time_ns <= fault.to_ns)
        values[rows, fleet.sensors.index(fault.sensor)] = np.nan
    return values


def _sustained(scores: Doubles, rows: int) -> Doubles:
    """The lowest of the newest so many scores; 0 before there are so many."""
    if len(scores) < rows:
        return np.zeros_like(scores)
    view = np.lib.stride_tricks.sliding_window_view(scores, rows).min(axis=1)
    return np.concatenate([np.zeros(rows - 1), view])


def episodes(
    above: NDArray[np.bool_], time_ns: NDArray[np.int64], renewed: Sequence[int]
) -> list[int]:
    """Where alarms are raised: above the limit after long enough below, or a repair."""
    at = np.flatnonzero(above)
    if not len(at):
        return []
    life = np.searchsorted(np.array(renewed, np.int64), time_ns[at], side="right")
    fresh = np.ones(len(at), bool)
    fresh[1:] = (np.diff(at) > OFF_ROWS) | (np.diff(life) > 0)
    return [int(i) for i in at[fresh]]


def compare(
    train: Fleet, fleets: Sequence[Fleet], horizon_h: float, most_false: int
) -> list[Baseline]:
    """Return both baselines at their best, for some demo fleets."""
    healthy = healthy_rows(train)
    limits = {f"quantile {q:g}": fixed_limits(healthy, q) for q in _QUANTILES}
    return [
        best("fixed limits", limits, fleets, horizon_h, most_false),
        best("pca", {"T2 and Q": pca(healthy)}, fleets, horizon_h, most_false),
    ]
