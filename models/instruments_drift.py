"""A sensor that slowly leaves what the other sensors say.

Of a window counts the mean of its newest quarter less the machine's own baseline, one
number a sensor. Healthy machines give these a covariance, and with it what each sensor
is expected to say, given the others, and how well. A sensor drifts when it is far from
that and the others, judged among themselves, say that nothing has happened. What has
several sensors speak is the machine. How far wear moves a sensor before a second one
speaks was measured on failing machines, and a drift must be beyond it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.windows import Doubles

Bools = npt.NDArray[np.bool_]

# A sensor so far from what the others say, and alone in it, is not believed.
SUSPECT = 3.5
# Of others, this share of the sensor's own distance is silence in any case: it was
# expected of them to move along if it were the machine. A drift is told up to SURE.
ALONE, SURE = 0.05, 0.2


@dataclass(frozen=True)
class DriftSpec:
    """What sensors say of each other; F sensors.

    Attributes:
        center: (F,) mean of healthy windows, z-scores less the own baseline.
        spread: (F,) their standard deviation; 0 unknown.
        precision: (F, F) inverse of the correlation of healthy windows.
        quiet: how far the farthest sensor of healthy windows is from what the others
            say, with the farthest of all left out.
        limit: (F,) distance of a lone sensor that is a drift; 0 never.
        alone: (F,) from that limit on, which share of the sensor's own distance still
            leaves it alone: less than wear ever made the others say.
    """

    center: Doubles
    spread: Doubles
    precision: Doubles
    quiet: float
    limit: Doubles
    alone: Doubles

    def to_json(self) -> dict[str, Any]:
        """Plain lists and numbers, exact for float64."""
        return {
            "center": self.center.tolist(),
            "spread": self.spread.tolist(),
            "precision": self.precision.tolist(),
            "quiet": self.quiet,
            "limit": self.limit.tolist(),
            "alone": self.alone.tolist(),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any], width: int) -> DriftSpec:
        """The inverse of `to_json`; ValueError where the tables do not fit."""
        wanted = {
            "center": (width,),
            "spread": (width,),
            "precision": (width, width),
            "limit": (width,),
            "alone": (width,),
        }
        tables = {name: np.asarray(data[name], np.float64) for name in wanted}
        for name, table in tables.items():
            if table.shape != wanted[name] or not np.isfinite(table).all():
                raise ValueError(
                    f"instruments.drift.{name}: expected finite {wanted[name]}, "
                    f"found {table.shape}"
                )
        if (np.diag(tables["precision"]) <= 0).any() or (tables["spread"] < 0).any():
            raise ValueError("instruments.drift: expected positive variances")
        return cls(quiet=float(data["quiet"]), **tables)

    @property
    def usable(self) -> Bools:
        """(F,) sensors whose spread is known."""
        return np.asarray(self.spread > 0)


@dataclass(frozen=True)
class Alone:
    """Which sensors of n windows stand alone, (n, F): at most one in each window.

    Attributes:
        lone: it is not believed.
        drifting: it is beyond what wear was ever seen to do to it alone.
    """

    lone: Bools
    drifting: Bools


def sigmas(spec: DriftSpec, z: Doubles, known: Bools) -> Doubles:
    """Deviations in standard deviations, 2 decimals, NaN where unknown."""
    told = np.where(known & spec.usable, _scaled(spec, z), np.nan)
    return np.asarray(np.round(told, 2), np.float64)


def find(spec: DriftSpec, z: Doubles, known: Bools, ready: Bools) -> Alone:
    """Find the sensors that stand alone.

    Args:
        spec: what was learned.
        z: (n, F) newest quarter less the own baseline.
        known: (n, F) which of these are to be believed.
        ready: (n,) windows that may be judged.
    """
    far, second = distances(spec, z, known & ready[:, None])
    at = np.arange(len(z))
    farthest = np.argmax(far, axis=1)
    distance = far[at, farthest]
    limit = np.where(spec.limit > 0, spec.limit, np.inf)[farthest]
    beyond = distance >= limit
    share = np.where(beyond, spec.alone[farthest], ALONE)
    alone = (distance >= SUSPECT) & (second <= np.maximum(spec.quiet, share * distance))
    # A kind of fault that nobody has seen has the others say more than this.
    sure = second <= SURE * distance
    lone, drifting = np.zeros(z.shape, np.bool_), np.zeros(z.shape, np.bool_)
    lone[at, farthest] = alone
    drifting[at, farthest] = alone & beyond & sure
    return Alone(lone, drifting)


def distances(spec: DriftSpec, z: Doubles, known: Bools) -> tuple[Doubles, Doubles]:
    """How far sensors are from what the others say, in standard deviations.

    Args:
        spec: what was learned; `limit` and `quiet` are not used.
        z: (n, F) newest quarter less the own baseline.
        known: (n, F) sensors that count; a window of fewer than 3 has none.

    Returns:
        (n, F) distances of the sensors that count, else 0; and (n,) the largest of
        the others among themselves, with the farthest left out.
    """
    known = known & spec.usable
    known &= known.sum(axis=1, keepdims=True) >= 3
    far, second = np.zeros(z.shape), np.zeros(len(z))
    some = np.flatnonzero(known.any(axis=1))
    if len(some) == 0:
        return far, second
    scaled = np.where(known, _scaled(spec, z), 0.0)
    patterns, which = np.unique(known[some], axis=0, return_inverse=True)
    for k, pattern in enumerate(patterns):
        here = some[which.reshape(-1) == k]
        precision = without(spec.precision, ~pattern)
        far[here], second[here] = _of_pattern(precision, pattern, scaled[here])
    return far, second


def without(precision: Doubles, gone: Bools) -> Doubles:
    """The precision of the other sensors; rows and columns of those gone are 0."""
    left = precision.copy()
    for k in np.flatnonzero(gone):
        left = left - left[:, k, None] * left[k] / left[k, k]
        left[k], left[:, k] = 0.0, 0.0
    return left


def _of_pattern(
    precision: Doubles, there: Bools, scaled: Doubles
) -> tuple[Doubles, Doubles]:
    # Conditional residuals of a Gaussian are u / P_ii with variance 1 / P_ii, where
    # u = P z; leaving a sensor out is one step of elimination.
    u = np.zeros_like(scaled)
    for k in np.flatnonzero(there):  # a fixed order of sums, whatever n is
        u += scaled[:, k, None] * precision[k]
    own = np.diag(precision)
    size = np.where(there, own, 1.0)
    far = np.where(there, np.abs(u) / np.sqrt(size), 0.0)
    j = np.argmax(far, axis=1)
    across = precision[j]
    share = u[np.arange(len(u)), j] / own[j]
    other = np.abs(u - across * share[:, None])
    # Rounding may leave the farthest itself a hair from 0 / 0: it is left out below.
    rest = np.maximum(size - across**2 / own[j, None], 1e-9)
    others = np.where(there, other / np.sqrt(rest), 0.0)
    others[np.arange(len(u)), j] = 0.0
    return far, others.max(axis=1)


def _scaled(spec: DriftSpec, z: Doubles) -> Doubles:
    return np.asarray((z - spec.center) / np.where(spec.usable, spec.spread, 1.0))
