"""NASA's C-MAPSS turbofans, read from the original text files.

A. Saxena and K. Goebel (2008), Turbofan Engine Degradation Simulation Data Set. Each
line is one flight cycle of one engine: unit, cycle, 3 operational settings, 21
sensors. Training engines run to failure: their last row is the failure's. Test engines
stop before, and RUL_*.txt says how many cycles were left after the last row.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from models.datasets import MAX_BYTES, History, Outcome
from models.errors import DataError

SETTINGS = ("altitude", "mach", "tra")
# fmt: off
SENSORS = (
    "T2", "T24", "T30", "T50", "P2", "P15", "P30", "Nf", "Nc", "epr", "Ps30",
    "phi", "NRf", "NRc", "BPR", "farB", "htBleed", "Nf_dmd", "PCNfR_dmd", "W31", "W32",
)
# fmt: on
COLUMNS = (*SETTINGS, *SENSORS)
HOUR_NS = 3_600 * 10**9

Doubles = npt.NDArray[np.float64]


def load(
    folders: Sequence[Path],
    subset: str,
    split: Literal["train", "test"],
    *,
    epoch_ns: int = 0,
    period_ns: int = HOUR_NS,
) -> History:
    """Read one half of a subset.

    Args:
        folders: where to look, in order; the first that has the file is taken.
        subset: such as FD001.
        split: "train" or "test".
        epoch_ns: time of each engine's first cycle, UTC nanoseconds.
        period_ns: time from one cycle to the next.

    Returns:
        Engines named `FD001-train-001`, … by their number in the file. Training
        engines failed at their last row; test engines are censored there, with the
        remaining cycles as truth.

    Raises:
        DataError: if a file is missing or a line is not as it should be.
    """
    path = find(folders, f"{split}_{subset}.txt")
    table = read_table(path, len(COLUMNS) + 2)
    unit, cycle = table[:, 0].astype(np.int64), table[:, 1].astype(np.int64)
    _check(path, table)
    start = np.flatnonzero(np.diff(unit, prepend=-1))
    code = np.repeat(
        np.arange(len(start)), np.diff(np.append(start, len(unit)))
    ).astype(np.int32)
    time_ns = epoch_ns + (cycle - cycle[start][code]) * period_ns
    last = np.append(start[1:], len(unit)) - 1
    truth = np.full(len(start), np.nan)
    if split == "test":
        truth = _truth(folders, subset, len(start))
    outcomes = [Outcome(int(time_ns[i]), split == "train") for i in last]
    return History(
        sensors=COLUMNS,
        machines=tuple(f"{subset}-{split}-{unit[i]:03d}" for i in start),
        groups=np.arange(len(start), dtype=np.int32),
        code=code,
        time_ns=time_ns,
        values=table[:, 2:].astype(np.float32),
        outcomes=tuple(outcomes),
        truth=truth,
    )


def find(folders: Sequence[Path], name: str) -> Path:
    """The first folder's file of that name.

    Raises:
        DataError: if none has it, naming all places.
    """
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    places = ", ".join(str(folder) for folder in folders) or "no folder"
    raise DataError(
        f"{name}: not found in {places}; it is part of NASA's C-MAPSS turbofan data "
        "set (set FORESHOCK_DATA to the folder that holds it, or dataset.path)"
    )


def read_table(path: Path, width: int) -> Doubles:
    """Numbers separated by blanks, one row per line; empty lines are skipped.

    Raises:
        DataError: naming file and line of the first bad one.
    """
    if path.stat().st_size > MAX_BYTES:
        raise DataError(f"{path}: expected at most {MAX_BYTES} bytes")
    rows: list[list[float]] = []
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, start=1):
            parts = line.split()
            if not parts:
                continue
            if len(parts) != width:
                raise DataError(
                    f"{path}, line {number}: expected {width} numbers, "
                    f"found {len(parts)}"
                )
            try:
                rows.append([float(part) for part in parts])
            except ValueError as problem:
                raise DataError(
                    f"{path}, line {number}: expected numbers, found {problem}"
                ) from problem
    if not rows:
        raise DataError(f"{path}: expected rows of {width} numbers, found none")
    table = np.array(rows, np.float64)
    bad = np.flatnonzero(~np.isfinite(table).all(axis=1))
    if len(bad):
        raise DataError(f"{path}, row {bad[0] + 1}: expected finite numbers")
    return table


def _check(path: Path, table: Doubles) -> None:
    """Whole unit and cycle numbers; each unit in one piece, its cycles rising."""
    head = table[:, :2]
    bad = np.flatnonzero((head != np.floor(head)).any(axis=1) | (head < 0).any(axis=1))
    if len(bad):
        raise DataError(
            f"{path}, row {bad[0] + 1}: expected whole unit and cycle numbers, "
            f"found {head[bad[0]].tolist()}"
        )
    same = np.diff(table[:, 0]) == 0
    back = np.flatnonzero(same & (np.diff(table[:, 1]) <= 0))
    if len(back):
        raise DataError(f"{path}, row {back[0] + 2}: expected a rising cycle number")
    if len(np.unique(table[:, 0])) != 1 + int((~same).sum()):
        raise DataError(f"{path}: expected the rows of each unit in one piece")


def _truth(folders: Sequence[Path], subset: str, engines: int) -> Doubles:
    path = find(folders, f"RUL_{subset}.txt")
    truth = read_table(path, 1)[:, 0]
    if len(truth) != engines or (truth < 0).any():
        raise DataError(
            f"{path}: expected {engines} numbers of 0 or more, one per test engine, "
            f"found {len(truth)}"
        )
    return truth
