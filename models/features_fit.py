"""Learning the preprocessing from training rows: regimes, scales, fleet baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from models import regimes
from models.features import FeatureSpec, normalise
from models.windows import Doubles, Floats

# A sensor that shows one value in this share of the rows says nothing by z-score.
DOMINANT = 0.9


def fit(
    rows: Floats,
    baseline: Floats,
    n_base: npt.NDArray[np.int32],
    age: Doubles,
    *,
    sensors: Sequence[str],
    settings: Sequence[str],
    window: int,
) -> FeatureSpec:
    """Learn the frozen numbers from training machines only.

    Args:
        rows: (N, S) raw rows of the training machines.
        baseline: (m, B, S) raw first rows, one entry per training machine.
        n_base: (m,) rows of each that exist.
        age: (N,) age at each row, NaN unknown.
        sensors: names of the S columns.
        settings: those of them that describe the operating regime, not the machine.
        window: rows of a window.

    Raises:
        ValueError: if no sensor varies.
    """
    at = [sensors.index(name) for name in settings]
    measured = [i for i in range(len(sensors)) if i not in at]
    found = regimes.find(rows, at, measured)
    code = regimes.assign(found, rows)
    columns = _varying(rows, code, measured)
    if not columns:
        msg = "no sensor varies in the training rows, there is nothing to learn from"
        raise ValueError(msg)
    mean, inverse = _moments(rows[:, columns], code, len(found.low))
    known = age[np.isfinite(age)]
    spec = FeatureSpec(
        sensors=tuple(sensors),
        window=window,
        baseline_rows=baseline.shape[1],
        columns=tuple(columns),
        regimes=found,
        mean=mean,
        inverse=inverse,
        fleet=np.zeros(len(columns)),
        shrink=np.ones(len(columns)),
        age_scale=float(max(known.max(initial=1.0), 1.0)),
    )
    fleet, shrink = _fleet(spec, baseline, n_base)
    return replace(spec, fleet=fleet, shrink=shrink)


def _varying(
    rows: Floats, code: npt.NDArray[np.int32], measured: Sequence[int]
) -> list[int]:
    """Sensors of which at least one regime shows more than a single level."""
    return [
        i
        for i in measured
        if any(
            _dominance(rows[code == r, i]) < DOMINANT
            for r in range(int(code.max(initial=0)) + 1)
        )
    ]


def _dominance(column: Floats) -> float:
    column = column[np.isfinite(column)]
    if len(column) < 2:
        return 1.0
    counts = np.unique(column, return_counts=True)[1]
    return float(counts.max() / len(column))


def _moments(
    rows: Floats, code: npt.NDArray[np.int32], count: int
) -> tuple[Doubles, Doubles]:
    mean = np.zeros((count, rows.shape[1]))
    inverse = np.zeros_like(mean)
    for r in range(count):
        for f in range(rows.shape[1]):
            column = rows[code == r, f].astype(np.float64)
            column = column[np.isfinite(column)]
            if len(column) == 0:
                continue
            mean[r, f] = column.mean()
            if _dominance(column.astype(np.float32)) < DOMINANT:
                inverse[r, f] = 1.0 / column.std()
    return mean, inverse


def _fleet(
    spec: FeatureSpec, baseline: Floats, n_base: npt.NDArray[np.int32]
) -> tuple[Doubles, Doubles]:
    """The fleet's baseline, and how many own rows outweigh it (empirical Bayes)."""
    width = len(spec.columns)
    scores, _ = normalise(spec, baseline)
    scores[np.arange(scores.shape[1])[None, :] >= n_base[:, None]] = np.nan
    count = np.isfinite(scores).sum(axis=1)
    rows = np.maximum(count, 1)
    means = np.where(count > 0, np.nansum(scores, axis=1) / rows, 0.0)
    seen = count.min(axis=1) > 0
    if seen.sum() < 3:
        return np.zeros(width), np.ones(width)
    spread = np.nansum((scores - means[:, None]) ** 2, axis=1) / np.maximum(rows - 1, 1)
    noise = spread[seen].mean(axis=0)
    between = means[seen].var(axis=0, ddof=1) - noise / rows[seen].mean(axis=0)
    shrink = noise / np.maximum(between, 0.02 * noise + 1e-9)
    return means[seen].mean(axis=0), np.clip(shrink, 0.1, 50.0)
