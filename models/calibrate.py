"""Calibration of the predictive distribution on machines the networks never saw.

Were F perfect, F(true life) would be uniform (the probability integral transform).
Its actual distribution over held-out machines is a map g, and g(F) is calibrated:
the conformal quantiles of the score F(life) are what makes 5 % become 5 %. The map
acts on F itself, so risk and quantiles stay one distribution. It is learnt in bands
of the predicted median, since a model can be sure near the end and unsure early on
(Kuleshov 2018; Chernozhukov 2021, distributional conformal prediction).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.distribution import Doubles, LifeAxis, at_each, quantile

GRID = 65
# The grid is even in log-odds up to here: an overconfident model errs far out.
FARTHEST = 9.0
BANDS = 5
# Held-out machines are few: this many imaginary ones, perfectly uniform, join them.
PRIOR_MACHINES = 4.0


@dataclass(frozen=True)
class PitMap:
    """Monotone maps of [0, 1], one per centre of predicted median, blended between.

    Attributes:
        centres: (b,) predicted medians, ascending.
        grid: (g,) arguments, from 0 to 1.
        values: (b, g) their images, from 0 to 1, never falling.
    """

    centres: Doubles
    grid: Doubles
    values: Doubles

    @classmethod
    def identity(cls) -> PitMap:
        """The map that changes nothing."""
        return cls(np.zeros(1), np.array([0.0, 1.0]), np.array([[0.0, 1.0]]))

    def apply(self, cdf: Doubles, axis: LifeAxis) -> Doubles:
        """Calibrated F, (n, bins + 1); each row by itself."""
        median = quantile(cdf, axis, 0.5)
        result = np.zeros_like(cdf)
        for weight, image in zip(self.weights(median), self.values, strict=True):
            result += weight[:, None] * np.interp(cdf, self.grid, image)
        return np.asarray(np.maximum.accumulate(np.clip(result, 0.0, 1.0), axis=1))

    def weights(self, median: Doubles) -> list[Doubles]:
        """Share of each centre in a row's map; they sum to 1."""
        unit = np.eye(len(self.centres))
        return [np.interp(median, self.centres, row) for row in unit]

    def to_json(self) -> dict[str, Any]:
        """Plain lists."""
        return {name: getattr(self, name).tolist() for name in self.__annotations__}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> PitMap:
        """The inverse of `to_json`; ValueError unless the maps are monotone."""
        parts = {k: np.asarray(data[k], np.float64) for k in cls.__annotations__}
        found = cls(**parts)
        shape = (len(found.centres), len(found.grid))
        good = (
            found.values.shape == shape
            and min(shape) >= 1
            and all(np.isfinite(p).all() for p in parts.values())
            and bool((np.diff(found.grid) > 0).all())
            and bool((np.diff(found.values, axis=1) >= 0).all())
            and bool((np.diff(found.centres) > 0).all())
        )
        if not good:
            raise ValueError("calibration: expected monotone maps over a rising grid")
        return found


def fit(
    cdf: Doubles,
    lives: Doubles,
    censored: npt.NDArray[np.bool_],
    machine: npt.NDArray[np.int32],
    axis: LifeAxis,
) -> PitMap:
    """Learn the map from out-of-fold predictions.

    Args:
        cdf: (n, bins + 1) F at the edges, by networks that never saw the machine.
        lives: (n,) true remaining life, or time to the end of observation.
        censored: (n,) whether it is the latter.
        machine: (n,) which machine; each weighs the same in all.
        axis: the axis of F.
    """
    low, high = pit_interval(cdf, lives, censored, axis)
    weight = 1.0 / np.bincount(machine)[machine]
    median = quantile(cdf, axis, 0.5)
    odds = np.linspace(-FARTHEST, FARTHEST, GRID)
    grid = np.concatenate([[0.0], 1.0 / (1.0 + np.exp(-odds)), [1.0]])
    centres = np.linspace(0.0, axis.cap, BANDS)
    blank = PitMap(centres, grid, np.zeros((BANDS, GRID + 2)))
    images = []
    for share in blank.weights(median):
        each = weight * share
        machines = _machines(each, machine)
        image = grid * PRIOR_MACHINES
        if machines > 0:
            image = image + machines * _spread(grid, low, high, each)
        images.append(image / (machines + PRIOR_MACHINES))
    values = np.maximum.accumulate(np.clip(np.array(images), 0.0, 1.0), axis=1)
    values[:, 0], values[:, -1] = 0.0, 1.0
    return PitMap(centres, grid, values)


def pit_interval(
    cdf: Doubles,
    lives: Doubles,
    censored: npt.NDArray[np.bool_],
    axis: LifeAxis,
) -> tuple[Doubles, Doubles]:
    """Where F(true life) lies: a point, or a stretch where the life is unknown.

    Beyond the cap, or after the end of observation, it is anywhere from F there to 1;
    a machine that fails at this very row, anywhere from 0 to F(0).
    """
    held = np.minimum(lives, axis.cap)
    point = at_each(cdf, axis, held)
    unknown = censored | (lives > axis.cap)
    low = np.where(lives <= 0, 0.0, point)
    return low, np.where(unknown, 1.0, point)


def _machines(each: Doubles, machine: npt.NDArray[np.int32]) -> float:
    """Effective number of machines behind a set of weights (Kish)."""
    sums = np.bincount(machine, each)
    total = float((sums**2).sum())
    return float(sums.sum() ** 2 / total) if total > 0 else 0.0


def _spread(grid: Doubles, low: Doubles, high: Doubles, weight: Doubles) -> Doubles:
    """Weighted share of the mass at or below each grid point."""
    length = high - low
    point = length < 1e-9
    safe = np.where(point, 1.0, length)
    image = np.empty(len(grid))
    for i, u in enumerate(grid):
        share = np.where(point, low <= u, np.clip((u - low) / safe, 0.0, 1.0))
        image[i] = (weight * share).sum()
    return np.asarray(image / weight.sum())
