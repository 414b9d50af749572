"""Sensors that scatter from row to row as they never did: noise, and spikes.

Both are told by how far a row is from the median of the five rows around it, in units
of what is usual for the sensor and regime. A level that moves and stays is its own
median, so a change of load is neither. Noise is far away in most rows, spikes are very
far away in a few. The newest two rows are compared with the newest five: a jump there
is taken out until the next rows show whether it stays, and counts as nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.features import Rows, hold
from models.windows import Doubles, Floats

Bools = npt.NDArray[np.bool_]

# Usual distances beyond which a row is restless; of Gaussian ones 5 % are.
RESTLESS = 2.0
# Spikes in a window that make a sensor spike; fewer are taken out in silence.
SPIKES = 3
# More restless rows than this share, from the first spike to the last: no spikes.
DENSE = 0.4
# Of fewer rows chance alone may make such a share restless.
LEAST_HALF = 18
# Half of so many newest rows restless: it may be noise that begins.
NEWEST = 6
# The usual distance grows to so many times the usual one, at most.
MOST_GROWN = 4.0
# What another sensor does at once, from this share of its own limit, is the machine's.
TOGETHER = 0.75


@dataclass(frozen=True)
class RoughSpec:
    """How much sensors scatter; a limit of 0 means that it is never judged.

    Attributes:
        inverse: (R, F) 1 / usual distance from the median, per regime, of z-scores; 0
            unknown.
        spike: (F,) limit of a distance, as a multiple of the usual one.
        noise: (F,) limit of the share of restless rows in the newer half.
        growth: (F,) by how much the usual distance grows with each z-score of the
            window's level: the noise of many sensors is a share of what they show.
    """

    inverse: Doubles
    growth: Doubles
    spike: Doubles
    noise: Doubles

    def to_json(self) -> dict[str, Any]:
        """Plain lists, exact for float64."""
        return {
            "inverse": self.inverse.tolist(),
            "growth": self.growth.tolist(),
            "spike": self.spike.tolist(),
            "noise": self.noise.tolist(),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any], regimes: int, width: int) -> RoughSpec:
        """The inverse of `to_json`; ValueError where the tables do not fit."""
        wanted: dict[str, tuple[int, ...]] = {
            "inverse": (regimes, width),
            "growth": (width,),
            "spike": (width,),
            "noise": (width,),
        }
        tables = {name: np.asarray(data[name], np.float64) for name in wanted}
        for name, table in tables.items():
            good = table.shape == wanted[name] and np.isfinite(table).all()
            if not good or (name != "growth" and (table < 0).any()):
                raise ValueError(
                    f"instruments.rough.{name}: expected numbers of {wanted[name]}, "
                    f"found {table.shape}"
                )
        return cls(**tables)


@dataclass(frozen=True)
class Rough:
    """Which of n windows' F sensors are noisy or spiking, (n, F) each.

    Attributes:
        noisy: noise through the newer half.
        spiking: several spikes; they have been taken out.
        unsure: noise that begins, or has ended: not called a fault, and not believed.
    """

    noisy: Bools
    spiking: Bools
    unsure: Bools


def find(spec: RoughSpec, rows: Rows, filled: npt.NDArray[np.int32]) -> Rough:
    """Find noise and spikes, and take the spikes out of `rows.scores`.

    Args:
        spec: what is usual.
        rows: z-scores; spikes become NaN.
        filled: (n,) real rows of each window.
    """
    far = distances(spec, rows)
    restless = far > RESTLESS
    noisy = _noisy(spec, restless, filled)
    limit = np.where(spec.spike > 0, spec.spike, np.inf).astype(np.float32)
    jumps = far > limit
    spiking = np.zeros_like(noisy)
    at = np.flatnonzero(jumps.any(axis=(1, 2)))
    if len(at):
        jumps = jumps[at] & ~_together(far[at] > np.float32(TOGETHER) * limit)
        spiking[at] = _spiking(jumps, restless[at]) & ~noisy[at]
        part = rows.scores[at]
        part[jumps] = np.nan
        rows.scores[at] = part
    return Rough(noisy, spiking, _unsure(spec, restless, filled) & ~noisy & ~spiking)


def distances(spec: RoughSpec, rows: Rows) -> Floats:
    """(n, W, F) distances from the median of the rows around, in usual ones."""
    held = rows.scores.copy()
    gaps = hold(held, rows.own)
    far = from_median(held)
    inverse = spec.inverse.astype(np.float32)
    far *= inverse[0] if len(inverse) == 1 else inverse[rows.code]
    grown = np.clip(1.0 + spec.growth * level(held), 1.0, MOST_GROWN)
    far /= grown.astype(np.float32)[:, None]
    if gaps is not None:
        far[gaps] = 0.0
    return far


def level(held: Floats) -> Doubles:
    """(n, F) about the mean of the windows: of every fourth row, in a fixed order."""
    total = np.zeros((len(held), held.shape[2]))
    picked = range(0, held.shape[1], 4)
    for t in picked:
        total += held[:, t]
    return total / len(picked)


def from_median(held: Floats) -> Floats:
    """(n, W, F) distances from the median of five; 0 in windows of fewer rows."""
    far = np.zeros_like(held)
    width = held.shape[1]
    if width < 5:
        return far
    a, b, c, d, e = (held[:, k : width - 4 + k] for k in range(5))
    # The median of five by comparisons alone: neither sort nor copy.
    low = np.maximum(np.minimum(a, b), np.minimum(c, d))
    high = np.minimum(np.maximum(a, b), np.maximum(c, d))
    top = np.minimum(e, np.maximum(low, high))
    middle = np.maximum(np.minimum(low, high), top)
    np.subtract(c, middle, out=far[:, 2:-2])
    np.subtract(held[:, :2], middle[:, :1], out=far[:, :2])
    np.subtract(held[:, -2:], middle[:, -1:], out=far[:, -2:])
    return np.abs(far, out=far)


def restless_share(restless: Bools, filled: npt.NDArray[np.int32]) -> Doubles:
    """(n, F) share of restless rows in the newer half of the real rows."""
    width = restless.shape[1]
    half = np.minimum(np.maximum(filled // 2, LEAST_HALF), width)
    newer = np.arange(width) >= (width - half)[:, None]
    count = (restless & newer[:, :, None]).sum(axis=1, dtype=np.int32)
    return np.asarray(count / half[:, None], np.float64)


def _noisy(spec: RoughSpec, restless: Bools, filled: npt.NDArray[np.int32]) -> Bools:
    share = restless_share(restless, filled)
    limit = np.where(spec.noise > 0, spec.noise, np.inf)
    noisy = share >= limit
    if noisy.any():
        # Several sensors at once: it is the machine that is restless.
        noisy &= (share >= TOGETHER * limit).sum(axis=1, keepdims=True) < 2
    return np.asarray(noisy)


def _unsure(spec: RoughSpec, restless: Bools, filled: npt.NDArray[np.int32]) -> Bools:
    """(n, F) sensors of which the newest rows, or many of all rows, are restless."""
    newest = restless[:, -NEWEST:].sum(axis=1, dtype=np.int32)
    every = restless.sum(axis=1, dtype=np.int32)
    limit = np.where(spec.noise > 0, spec.noise, np.inf)
    begins = 2 * newest >= NEWEST
    ended = every >= 0.4 * limit * np.maximum(filled, 2 * LEAST_HALF)[:, None]
    unsure = (begins | ended) & (spec.noise > 0)
    return np.asarray(unsure & (unsure.sum(axis=1, keepdims=True) < 2))


def _together(near: Bools) -> Bools:
    """(n, W, 1) rows in which more than one sensor jumps."""
    return np.asarray(np.count_nonzero(near, axis=2, keepdims=True) > 1)


def _spiking(jumps: Bools, restless: Bools) -> Bools:
    """(n, F) sensors with several spikes, the rows between them as usual."""
    count = np.count_nonzero(jumps[:, 2:-2], axis=1)
    before = np.logical_or.accumulate(jumps, axis=1)
    after = np.logical_or.accumulate(jumps[:, ::-1], axis=1)[:, ::-1]
    between = before & after
    span = np.count_nonzero(between, axis=1)
    busy = np.count_nonzero(between & restless, axis=1)
    return np.asarray((count >= SPIKES) & (busy <= DENSE * span))
