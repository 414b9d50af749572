"""Operating regimes, found from the setting columns.

A regime is a box over the settings. Candidate boxes come from gaps between the
values of each setting, and a setting's gaps count only if the groups they make
explain how the sensors move: the ticks of a nearly constant setting do not.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

# A gap between neighbouring values that is at least this share of the range.
GAP = 0.03
# Groups must explain this share of some sensor's variance to count as regimes.
EXPLAINED = 0.3
# A regime seen in a smaller share of the rows cannot be normalised by itself.
RARE = 0.002
MAX_REGIMES = 64
# Edges are compared with float32 readings, and must fit one.
LARGEST = 3.4e38


@dataclass(frozen=True)
class RegimeSpec:
    """R boxes over the setting columns.

    Attributes:
        columns: indices of the setting columns, among all S columns.
        low: R lists of lower edges, inclusive, one per setting column.
        high: R lists of upper edges, inclusive.
    """

    columns: tuple[int, ...]
    low: tuple[tuple[float, ...], ...]
    high: tuple[tuple[float, ...], ...]

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> RegimeSpec:
        """Rebuild from plain lists; ValueError where the edges do not fit."""
        spec = cls(
            columns=tuple(int(i) for i in data["columns"]),
            low=tuple(tuple(float(v) for v in row) for row in data["low"]),
            high=tuple(tuple(float(v) for v in row) for row in data["high"]),
        )
        rows = (*spec.low, *spec.high)
        bad = any(len(row) != len(spec.columns) for row in rows)
        if not spec.low or len(spec.low) != len(spec.high) or bad:
            msg = f"regimes: expected boxes over {len(spec.columns)} settings"
            raise ValueError(msg)
        return spec


def find(
    rows: npt.NDArray[np.float32], settings: Sequence[int], measured: Sequence[int]
) -> RegimeSpec:
    """Find the regimes in training rows.

    Args:
        rows: (N, S) raw rows.
        settings: indices of the setting columns, possibly none.
        measured: indices of the sensor columns.

    Returns:
        At least one regime. Without settings, or where they do not move the
        sensors, exactly one.
    """
    groups = {}
    for column in settings:
        cuts = _cuts(rows[:, column])
        label = np.searchsorted(cuts, rows[:, column])
        useful = len(cuts) > 0 and _explained(rows[:, list(measured)], label)
        groups[column] = cuts if useful else np.empty(0)
    edges = [_boxes(rows[:, c], groups[c]) for c in settings]
    boxes = [
        box for box in itertools.product(*edges) if _share(rows, settings, box) > RARE
    ]
    if not boxes or len(boxes) > MAX_REGIMES:
        boxes = [tuple(_boxes(rows[:, c], np.empty(0))[0] for c in settings)]
    return RegimeSpec(
        columns=tuple(settings),
        low=tuple(tuple(float(edge[0]) for edge in box) for box in boxes),
        high=tuple(tuple(float(edge[1]) for edge in box) for box in boxes),
    )


def assign(spec: RegimeSpec, rows: npt.NDArray[np.float32]) -> npt.NDArray[np.int32]:
    """Index of each row's regime, -1 where it lies in none.

    Args:
        spec: the boxes.
        rows: (..., S) raw rows; a setting that is absent (NaN) is in no box,
            unless there is a single regime, where it cannot matter.
    """
    code = np.full(rows.shape[:-1], -1, np.int32)
    single = len(spec.low) == 1
    for index, (low, high) in enumerate(zip(spec.low, spec.high, strict=True)):
        inside = np.ones(code.shape, bool)
        for column, lo, hi in zip(spec.columns, low, high, strict=True):
            value = rows[..., column]
            within = (value >= lo) & (value <= hi)
            inside &= within | np.isnan(value) if single else within
        code[inside] = index
    return code


def _cuts(column: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    levels = np.unique(column[np.isfinite(column)]).astype(np.float64)
    if len(levels) < 2:
        return np.empty(0)
    wide = np.diff(levels) >= GAP * (levels[-1] - levels[0])
    return np.asarray((levels[:-1] + levels[1:])[wide] / 2, np.float64)


def _explained(sensors: npt.NDArray[np.float32], label: npt.NDArray[np.int64]) -> bool:
    values = np.nan_to_num(sensors.astype(np.float64))
    total = values.var(axis=0)
    within = np.zeros_like(total)
    for group in np.unique(label):
        part = values[label == group]
        within += part.var(axis=0) * len(part) / len(values)
    moving = total > 1e-12 * (1.0 + values.mean(axis=0) ** 2)
    return bool((1 - within[moving] / total[moving] > EXPLAINED).any())


def _boxes(
    column: npt.NDArray[np.float32], cuts: npt.NDArray[np.float64]
) -> list[tuple[float, float]]:
    """Edges of each group, with room around it: new rows are never quite inside."""
    finite = column[np.isfinite(column)].astype(np.float64)
    if len(finite) == 0:
        return [(-LARGEST, LARGEST)]
    label = np.searchsorted(cuts, finite)
    found = []
    for group in np.unique(label):
        part = finite[label == group]
        low, high = float(part.min()), float(part.max())
        room = max(high - low, 0.01 * max(abs(low), abs(high)), 1e-6)
        if group > 0:
            room = min(room, low - float(cuts[group - 1]))
        if group < len(cuts):
            room = min(room, float(cuts[group]) - high)
        found.append((max(low - room, -LARGEST), min(high + room, LARGEST)))
    return found


def _share(
    rows: npt.NDArray[np.float32],
    settings: Sequence[int],
    box: tuple[tuple[float, float], ...],
) -> float:
    inside = np.ones(len(rows), bool)
    for column, (low, high) in zip(settings, box, strict=True):
        inside &= (rows[:, column] >= low) & (rows[:, column] <= high)
    return float(inside.mean())
