"""One predictive distribution of the remaining life, and what is read from it.

The network gives the probability of each bin of [0, cap] and of "beyond the cap". Its
running sum is the distribution function F at the edges, linear in between. The risk is
F at the horizon and the quantiles are its inverse, so they cannot disagree:
risk >= q exactly where the q-quantile is at most the horizon.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]

LEVELS = (0.05, 0.5, 0.95)


@dataclass(frozen=True)
class LifeAxis:
    """The axis of remaining life: cycles, hours or running hours.

    Attributes:
        cap: beyond it the model only says "more than the cap"; above 0.
        horizon: the risk is that of failing within it; above 0, at most the cap.
        bins: equal bins of [0, cap]; at least 2.
    """

    cap: float
    horizon: float
    bins: int

    def __post_init__(self) -> None:
        if not (0 < self.horizon <= self.cap < float("inf") and self.bins >= 2):
            msg = f"life axis: expected 0 < horizon <= cap, 2 bins; found {self}"
            raise ValueError(msg)

    @property
    def width(self) -> float:
        """Width of a bin, in units of the axis."""
        return self.cap / self.bins

    @property
    def edges(self) -> Doubles:
        """(bins + 1,) from 0 to the cap. F at 0 is the chance of failing this row."""
        return np.linspace(0.0, self.cap, self.bins + 1)

    @property
    def classes(self) -> int:
        """Outcomes of the network: "now", each bin, "beyond the cap"."""
        return self.bins + 2


def clean(cdf: npt.NDArray[np.float32]) -> Doubles:
    """F at the edges, (n, bins + 1): within [0, 1] and never falling."""
    bounded = np.clip(cdf.astype(np.float64), 0.0, 1.0)
    return np.asarray(np.maximum.accumulate(bounded, axis=1), np.float64)


def at(cdf: Doubles, axis: LifeAxis, life: float) -> Doubles:
    """F at one remaining life, (n,).

    Args:
        cdf: (n, bins + 1) F at the edges.
        axis: the axis it stands on.
        life: within [0, cap].
    """
    place = min(max(life / axis.width, 0.0), float(axis.bins))
    left = min(int(place), axis.bins - 1)
    share = place - left
    return np.asarray(cdf[:, left] + (cdf[:, left + 1] - cdf[:, left]) * share)


def at_each(cdf: Doubles, axis: LifeAxis, lives: Doubles) -> Doubles:
    """F at one remaining life per row, (n,); lives are held within [0, cap]."""
    place = np.clip(lives / axis.width, 0.0, float(axis.bins))
    left = np.minimum(place.astype(np.int64), axis.bins - 1)
    rows = np.arange(len(cdf))
    low, high = cdf[rows, left], cdf[rows, left + 1]
    return np.asarray(low + (high - low) * (place - left))


def quantile(cdf: Doubles, axis: LifeAxis, level: float) -> Doubles:
    """The smallest life at which F reaches `level`, (n,); the cap where it never does.

    Args:
        cdf: (n, bins + 1) F at the edges, never falling.
        axis: the axis it stands on.
        level: within (0, 1).
    """
    index = (cdf < level).sum(axis=1)
    right = np.clip(index, 1, axis.bins)
    rows = np.arange(len(cdf))
    low, high = cdf[rows, right - 1], cdf[rows, right]
    rise = np.where(high > low, high - low, 1.0)
    inside = (right - 1 + np.clip((level - low) / rise, 0.0, 1.0)) * axis.width
    result = np.where(index == 0, 0.0, np.where(index > axis.bins, axis.cap, inside))
    return np.asarray(result, np.float64)


def quantiles(cdf: Doubles, axis: LifeAxis) -> Doubles:
    """The 5, 50 and 95 % quantiles, (n, 3), ascending."""
    return np.stack([quantile(cdf, axis, level) for level in LEVELS], axis=1)
