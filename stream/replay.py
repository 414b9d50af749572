"""A history becomes readings: which rows, in which order, when, and as which bytes.

Pure: the clock and the bus belong to the caller.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from math import isnan
from typing import Literal, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

_CHUNK_ROWS = 4096
_MS = 1_000_000
# float32 holds 7 digits for certain; a text of 7 is short and usually exact.
_DIGITS = 7


class History(Protocol):
    """What happened to machines: one row per machine and time.

    Attributes:
        machines: Names of lives; `code` counts into them.
        groups: Shape (lives,), number of the machine behind each life; its first
            life bears its name.
        code: Shape (rows,), index of each row's life.
        time_ns: Shape (rows,), int64, UTC nanoseconds since 1970.
        values: Shape (rows, sensors), float32 as the instruments sent them, NaN for
            absent.
        sensors: Names of the columns of `values`.
    """

    @property
    def machines(self) -> Sequence[str]: ...  # noqa: D102 - described above
    @property
    def groups(self) -> NDArray[np.int32]: ...  # noqa: D102
    @property
    def code(self) -> NDArray[np.int32]: ...  # noqa: D102
    @property
    def time_ns(self) -> NDArray[np.int64]: ...  # noqa: D102
    @property
    def values(self) -> NDArray[np.float32]: ...  # noqa: D102
    @property
    def sensors(self) -> Sequence[str]: ...  # noqa: D102


@dataclass(frozen=True)
class Reading:
    """One record to send.

    Attributes:
        at_ns: Its event time.
        key: The machine's name, UTF-8.
        value: The JSON of the reading.
    """

    at_ns: int
    key: bytes
    value: bytes


@dataclass(frozen=True)
class Selection:
    """Rows of a history in the order in which they happened.

    Attributes:
        rows: Indices into the history, by time, ties by machine.
        machines: How many machines have rows here.
        first_ns: Time of the first row.
        last_ns: Time of the last row.
    """

    rows: NDArray[np.intp]
    machines: int
    first_ns: int
    last_ns: int


def select(
    history: History, pattern: str | None = None, limit: int | None = None
) -> Selection | None:
    """Choose the rows to send.

    Args:
        history: All rows, in any order.
        pattern: Glob on the machine's name, case counts; None takes all.
        limit: The first so many rows in time; None takes all.

    Returns:
        The rows, or None if there are none.
    """
    names = machine_names(history)
    wanted = [pattern is None or fnmatchcase(name, pattern) for name in names]
    rows = np.flatnonzero(np.array(wanted, bool)[history.code])
    # Stable, so that rows of one machine at one time keep the order of the file.
    rows = rows[np.lexsort((history.code[rows], history.time_ns[rows]))][:limit]
    if rows.size == 0:
        return None
    times = history.time_ns[rows]
    count = np.unique(history.groups[history.code[rows]]).size
    return Selection(rows, int(count), int(times[0]), int(times[-1]))


def machine_names(history: History) -> list[str]:
    """The machine's name of each life: that of the machine's first one."""
    groups = history.groups.tolist()
    first = {group: i for i, group in reversed(list(enumerate(groups)))}
    return [history.machines[first[group]] for group in groups]


def readings(
    history: History, selection: Selection, shift_ns: int = 0
) -> Iterator[Reading]:
    """Encode the selected rows, in their order.

    Args:
        history: The rows.
        selection: Which of them.
        shift_ns: Added to every time.

    Yields:
        One reading per row, as the README describes the format. Numbers are written
        so that reading them as float32 gives the history's value to the bit; absent
        ones are left out.
    """
    encode = msgspec.json.Encoder().encode
    sensors, machines = list(history.sensors), machine_names(history)
    keys = [name.encode() for name in machines]
    for start in range(0, selection.rows.size, _CHUNK_ROWS):
        rows = selection.rows[start : start + _CHUNK_ROWS]
        at_ns = history.time_ns[rows] + shift_ns
        who = history.code[rows].tolist()
        values = history.values[rows]
        absent: NDArray[np.bool_] = np.isnan(values)
        columns = zip(
            who,
            at_ns.tolist(),
            _iso(at_ns),
            _short(values),
            np.atleast_1d(absent.any(axis=1)),
            strict=True,
        )
        for machine, at, time, row, gap in columns:
            fields = zip(sensors, row, strict=True)
            record = {
                "machine": machines[machine],
                "time": time,
                "values": {k: v for k, v in fields if not (gap and isnan(v))},
            }
            yield Reading(at, keys[machine], encode(record))


def _iso(at_ns: NDArray[np.int64]) -> list[str]:
    unit: Literal["ms", "ns"] = "ns" if (at_ns % _MS).any() else "ms"
    moments: NDArray[np.datetime64] = at_ns.astype("datetime64[ns]")
    texts: list[str] = np.datetime_as_string(moments, unit, "UTC").tolist()
    return texts


def _short(values: NDArray[np.float32]) -> list[list[float]]:
    exact = values.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        power = np.floor(np.log10(np.abs(exact)))
        scale = 10.0 ** np.clip(_DIGITS - 1 - power, -_DIGITS, 300)
        short = np.round(exact * scale) / scale
        same = short.astype(np.float32) == values
    result: list[list[float]] = np.where(same, short, exact).tolist()
    return result


def due_s(at_ns: int, first_ns: int, speed: float) -> float:
    """Seconds after the start at which a row is due.

    Args:
        at_ns: The row's time.
        first_ns: The first row's time.
        speed: 1 is real time, 10 ten times as fast; infinity sends at once.

    Example:
        >>> due_s(10_000_000_000, 0, 2.0)
        5.0
    """
    return (at_ns - first_ns) / 1e9 / speed


def retention_warning(
    first_ns: int, retention_ns: int | None, now_ns: int, bucket: str
) -> str | None:
    """A sentence, if times lie outside of what the bucket keeps; else None."""
    if retention_ns is None or now_ns - first_ns <= retention_ns:
        return None
    days = (now_ns - first_ns) / 86_400e9
    kept = retention_ns / 86_400e9
    return (
        f"the first readings are {days:,.1f} days old and bucket {bucket} keeps"
        f" {kept:,.1f} days: InfluxDB will drop their scores; use --shift-to-now"
    )
