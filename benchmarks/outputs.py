"""What a contestant must write: the models run on the readings directly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.job import ROWS, START, STRIDE, Job, place, values
from models import bundle as bundles
from models.windows import WindowArrays

TOLERANCE = 1e-5
_CHUNK = 4096
_TICKS = 1 << 20
"""More than any run has; a score's key is its machine times this plus its tick."""


@dataclass(frozen=True)
class Wanted:
    """Scores that must be there, by ascending key.

    Attributes:
        keys: (n,) machine and tick in one number.
        numbers: (n, 5) risk, the quantiles of the remaining life, anomaly.
    """

    keys: NDArray[np.int64]
    numbers: NDArray[np.float64]


class _Rul(msgspec.Struct):
    p05: float
    p50: float
    p95: float


class _Score(msgspec.Struct):
    machine: str
    time: str
    risk: float | None
    rul: _Rul | None
    anomaly: float | None


@cache
def expected(folder: Path, job: Job, ticks: int) -> Wanted:
    """Score the windows of the first ticks of a job with a bundle."""
    bundle = bundles.load(folder)
    predictor = bundle.predictor()
    due = np.arange(STRIDE - 1, ticks, STRIDE)
    machine = np.repeat(np.arange(job.machines), len(due))
    tick = np.tile(due, job.machines)
    found = []
    for at in range(0, len(tick), _CHUNK):
        some = slice(at, at + _CHUNK)
        said = predictor.predict(
            _windows(job, machine[some, None], tick[some, None], bundle.baseline_rows)
        )
        found.append(np.column_stack([said.risk, said.rul, said.anomaly]))
    return Wanted(machine * _TICKS + tick, np.concatenate(found))


def _windows(job: Job, machine: Any, tick: Any, baseline: int) -> WindowArrays:
    """Return the windows of (n, 1) machines that end at (n, 1) ticks."""
    table = _table(job.sensors)
    rows: Any = np.maximum(tick - np.arange(ROWS - 1, -1, -1), 0)
    own: Any = np.broadcast_to(np.arange(baseline), (len(tick), baseline))
    real = tick[:, 0] + 1
    return WindowArrays(
        values=table[place(machine, rows)],
        filled=np.minimum(real, ROWS).astype(np.int32),
        times_ns=rows * 1_000_000_000,
        baseline=table[place(machine, own)],
        n_base=np.minimum(real, baseline).astype(np.int32),
        age=np.full(len(tick), np.nan),
    )


@cache
def _table(sensors: int) -> NDArray[np.float32]:
    return values(sensors).astype(np.float32)


def difference(payloads: Sequence[bytes], wanted: Wanted, job: Job) -> str | None:
    """Say in words how score messages differ from those wanted; None: they do not.

    Risk may be off by 1e-5, the others by that share of themselves. A score that is
    there twice is no difference, as long as both are right.
    """
    keys, numbers = _parsed(payloads, job)
    at = np.searchsorted(wanted.keys, keys)
    at[at == len(wanted.keys)] = 0
    foreign = int(np.count_nonzero(wanted.keys[at] != keys))
    missing = len(wanted.keys) - len(np.unique(at[wanted.keys[at] == keys]))
    if foreign or missing:
        return f"{missing} scores are missing, {foreign} are not of any window"
    right = wanted.numbers[at]
    allowed = TOLERANCE * np.where(np.arange(5) == 0, 1.0, np.abs(right))
    off = np.abs(numbers - right)
    wrong = ~((off <= allowed) | (np.isnan(numbers) & np.isnan(right)))
    if not wrong.any():
        return None
    size = np.where(wrong, np.nan_to_num(off, nan=np.inf), -1.0)
    worst = np.unravel_index(np.argmax(size), off.shape)
    return (
        f"{int(wrong.any(axis=1).sum())} scores are off, at the most "
        f"{numbers[worst]} instead of {right[worst]}"
    )


def _parsed(
    payloads: Sequence[bytes], job: Job
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    decode = msgspec.json.Decoder(list[_Score]).decode
    scores = decode(b"[" + b",".join(payloads) + b"]")
    number = {name: i for i, name in enumerate(job.machine_names)}
    machine = np.array([number.get(one.machine, -1) for one in scores], np.int64)
    times = np.array([one.time.rstrip("Z") for one in scores], "datetime64[ms]")
    start = np.datetime64(START.replace(tzinfo=None), "s")
    tick = (times - start).astype("timedelta64[s]").astype(np.int64)
    nothing = _Rul(np.nan, np.nan, np.nan)
    rows = [
        (_or_nan(one.risk), rul.p05, rul.p50, rul.p95, _or_nan(one.anomaly))
        for one in scores
        for rul in (one.rul or nothing,)
    ]
    return machine * _TICKS + tick, np.array(rows, np.float64).reshape(-1, 5)


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else value
