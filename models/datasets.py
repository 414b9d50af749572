"""Histories to learn from: rows of readings, and what became of each machine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.errors import DataError

MAX_BYTES = 4 * 2**30


@dataclass(frozen=True)
class Outcome:
    """How one life of a machine ended.

    Attributes:
        at_ns: time of the failure; else the end of observation.
        failed: False where it was replaced in time, or simply still runs (censored).
        mode: mode of failure, None unknown.
    """

    at_ns: int
    failed: bool
    mode: str | None = None


@dataclass(frozen=True)
class History:
    """Rows of many machines, in columns; rows of a life stand together, in order.

    A machine that fails and returns has several lives. Each is an entry of its own
    here, named `pump-07`, then `pump-07#2`: age and own baseline start anew.

    Attributes:
        sensors: names of the S columns.
        machines: (m,) names of the lives.
        groups: (m,) number of the physical machine behind each life.
        code: (n,) int32, life of each row.
        time_ns: (n,) int64 UTC nanoseconds, rising within a life.
        values: (n, S) float32 engineering units, NaN where absent.
        outcomes: (m,) how each life ended.
        truth: (m,) remaining life after the last row where it is known otherwise
            (test sets), on the life axis; NaN elsewhere.
    """

    sensors: tuple[str, ...]
    machines: tuple[str, ...]
    groups: npt.NDArray[np.int32]
    code: npt.NDArray[np.int32]
    time_ns: npt.NDArray[np.int64]
    values: npt.NDArray[np.float32]
    outcomes: tuple[Outcome, ...]
    truth: npt.NDArray[np.float64]

    def rows_of(self, life: int) -> slice:
        """The rows of one life."""
        start, stop = np.searchsorted(self.code, [life, life + 1])
        return slice(int(start), int(stop))


def remaining(
    history: History,
    code: npt.NDArray[np.int32],
    end_ns: npt.NDArray[np.int64],
    period_ns: int,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Remaining life at some times, and whether it is censored; the training labels.

    Args:
        history: where the machines come from.
        code: (n,) life of each.
        end_ns: (n,) the times, such as window ends.
        period_ns: nanoseconds of one unit of the life axis: a cycle, or an hour.

    Returns:
        (n,) remaining life >= 0, on the life axis. Time to the failure; of test
        machines the truth counted back from the last row; else time to the end of
        observation, which is then marked as censored (n,).
    """
    last = np.array([history.time_ns[history.rows_of(i)][-1] for i in _every(history)])
    known = np.isfinite(history.truth)
    ends = np.array([outcome.at_ns for outcome in history.outcomes], np.int64)
    failed = np.array([outcome.failed for outcome in history.outcomes]) | known
    whole = np.where(known, last, ends)
    beyond = np.where(known, np.nan_to_num(history.truth), 0.0)
    left = (whole[code] - end_ns) / period_ns + beyond[code]
    return np.maximum(left, 0.0), ~failed[code]


def _every(history: History) -> range:
    return range(len(history.machines))


def assemble(
    sensors: tuple[str, ...],
    names: list[str],
    code: npt.NDArray[np.int32],
    time_ns: npt.NDArray[np.int64],
    values: npt.NDArray[np.float32],
    events: list[tuple[int, int, str, str | None]],
) -> History:
    """Cut machines into lives at their events.

    Args:
        sensors: names of the columns.
        names: names of the machines.
        code: (n,) machine of each row, in any order.
        time_ns: (n,) times.
        values: (n, S) readings.
        events: (machine, at_ns, kind, mode) with kind failure, replacement or return;
            rows after a failure or replacement begin the next life, those between it
            and a return are dropped.

    Returns:
        Lives by machine and time; lives without rows are left out.

    Raises:
        DataError: if two rows of a machine have the same time.
    """
    order = np.lexsort((time_ns, code))
    code, time_ns, values = code[order], time_ns[order], values[order]
    twice = np.flatnonzero((np.diff(code) == 0) & (np.diff(time_ns) == 0))
    if len(twice):
        name, when = names[code[twice[0]]], int(time_ns[twice[0]])
        raise DataError(
            f"machine {name}: expected one row per time, "
            f"found two at {np.datetime64(when, 'ns')}"
        )
    life = np.full(len(code), -1, np.int32)
    machines: list[str] = []
    groups: list[int] = []
    outcomes: list[Outcome] = []
    for m, name in enumerate(names):
        mine = np.flatnonzero(code == m)
        spans = _spans(sorted(e[1:] for e in events if e[0] == m))
        count = 0
        for start, stop, failed, mode in spans:
            here = mine[(time_ns[mine] > start) & (time_ns[mine] <= stop)]
            if len(here) == 0:
                continue
            count += 1
            life[here] = len(machines)
            machines.append(name if count == 1 else f"{name}#{count}")
            groups.append(m)
            ended = stop < _FOREVER
            at = stop if ended else int(time_ns[here[-1]])
            outcomes.append(Outcome(at, failed, mode))
    kept = life >= 0
    return History(
        sensors=sensors,
        machines=tuple(machines),
        groups=np.array(groups, np.int32),
        code=life[kept],
        time_ns=time_ns[kept],
        values=values[kept],
        outcomes=tuple(outcomes),
        truth=np.full(len(machines), np.nan),
    )


_FOREVER = 2**63 - 1
_Span = tuple[int, int, bool, str | None]


def _spans(events: list[tuple[int, str, str | None]]) -> list[_Span]:
    """(after, until, failed, mode) of each life of one machine, by its events."""
    spans: list[_Span] = []
    start = -(2**63)
    open_ = True
    for at, kind, mode in events:
        if kind == "return":
            # Rows from the very moment of the return belong to the new life.
            start, open_ = at - 1, True
        elif open_:
            spans.append((start, at, kind == "failure", mode))
            start = at
            # Without a return the next rows simply are the next life.
            open_ = not any(e[0] >= at and e[1] == "return" for e in events)
    if open_:
        spans.append((start, _FOREVER, False, None))
    return spans
