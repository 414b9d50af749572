"""Learning what is usual of instruments, from training windows of all machines.

Training histories hold faults of instruments too, and nobody marked them. Limits are
therefore never the largest value seen: of each machine the largest counts, and of the
machines the most extreme twentieth is left out, from twenty machines on. Failing
machines are among them, so what wear does to a sensor lies within the limits.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from models import features, instruments, instruments_drift, instruments_rough
from models.features import FeatureSpec
from models.instruments import InstrumentSpec
from models.instruments_drift import DriftSpec
from models.instruments_rough import RoughSpec
from models.windows import Doubles, Floats, WindowArrays

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Machines = npt.NDArray[np.int32]

# A limit stands so far beyond what was seen.
MARGIN = 1.25
# No limit is lower than these, see `RoughSpec` and `DriftSpec`.
LEAST_SPIKE, LEAST_NOISE, LEAST_DRIFT = 6.0, 0.5, 7.5
# A run is too long from this many times the longest one, a gap from so many.
RUNS, GAPS = 3, 2
# What is seen in more machines than this share of them is usual.
USUAL = 0.95
# Of healthy windows, so many have others that say nothing when one sensor is left out.
QUIET = 0.975
# Others that say more than this share of what one sensor says do not leave it alone.
MOST_ALONE = 0.5
# Share of the correlation that is replaced by its diagonal.
SHRINK = 0.1
# Values beyond this many standard deviations count as being there.
FAR = 4.0
# Fewer healthy windows than this, and per sensor so many, teach no drift.
LEAST_WINDOWS, PER_SENSOR = 200, 10
# Windows that are enough to learn row-to-row behaviour from.
ENOUGH = 12_000


def fit(
    spec: FeatureSpec, windows: WindowArrays, machine: Machines, healthy: Bools
) -> InstrumentSpec:
    """Learn from all windows of the training machines.

    Args:
        spec: what was learned of the sensors.
        windows: n windows, those of a machine together, in order of time.
        machine: (n,) machine of each.
        healthy: (n,) windows of machines that had long to live.
    """
    n, width = len(machine), len(spec.columns)
    some = np.unique(np.linspace(0, n - 1, min(n, ENOUGH)).astype(np.intp))
    few = windows.take(some)
    found = InstrumentSpec(
        gap=_gaps(few),
        run=_runs(few, machine[some]),
        rough=_rough(spec, few, machine[some]),
        drift=_unjudged(np.zeros(width), np.zeros(width), np.eye(width)),
    )
    recent = _recent(found, spec, windows)
    return replace(found, drift=_drift(recent, machine, healthy))


def usual(values: npt.NDArray[Any], machine: Machines) -> Doubles:
    """The most that is usual of a machine, (k,), from (n, k) values."""
    _, which = np.unique(machine, return_inverse=True)
    most = np.full((which.max() + 1, values.shape[1]), -np.inf)
    np.maximum.at(most, which, values)
    return np.asarray(np.quantile(most, USUAL, axis=0, method="higher"), np.float64)


def _gaps(windows: WindowArrays) -> Ints:
    """Rows without a value that are too many; 0 where that is usual throughout."""
    gap = instruments.trailing_gap(windows.values, windows.filled)
    seen = np.quantile(gap, 0.99, axis=0, method="higher").astype(np.int64)
    limit = np.maximum(instruments.LEAST_GAP, GAPS * seen + 1)
    return np.where(limit <= windows.values.shape[1], limit, 0)


def _runs(windows: WindowArrays, machine: Machines) -> Ints:
    longest = usual(longest_run(windows.values, windows.filled), machine)
    limit = np.maximum(instruments.LEAST_RUN, RUNS * longest).astype(np.int64)
    usable = (longest > 0) & (limit <= windows.values.shape[1])
    return np.where(usable, limit, 0)


def longest_run(values: Floats, filled: npt.NDArray[np.int32]) -> Ints:
    """How often one value of each sensor comes in a row, (n, S), in real rows."""
    n, width, sensors = values.shape
    run = np.zeros((n, sensors), np.int64)
    longest = np.zeros_like(run)
    last = np.full((n, sensors), np.nan, np.float32)
    for t in range(width):
        now = values[:, t]
        there = np.isfinite(now) & (t >= width - filled)[:, None]
        run = np.where(there, np.where(now == last, run + 1, 1), run)
        last = np.where(there, now, last)
        np.maximum(longest, run, out=longest)
    return longest


def _rough(spec: FeatureSpec, windows: WindowArrays, machine: Machines) -> RoughSpec:
    width = len(spec.columns)
    regimes = len(spec.mean)
    none = np.zeros(width)
    ones = RoughSpec(np.ones((regimes, width)), none, none, none)
    scale = _scale(ones, spec, windows)
    inverse = np.where(scale > 0, 1.0 / np.where(scale > 0, scale, 1.0), 0.0)
    flat = replace(ones, inverse=inverse)
    known = replace(flat, growth=_growth(flat, spec, windows))
    third, share = [], []
    for part in _parts(windows):
        far = instruments_rough.distances(known, features.prepare(spec, part))
        ordered = np.sort(far, axis=1)
        third.append(ordered[:, -min(instruments_rough.SPIKES, far.shape[1])])
        restless = far > instruments_rough.RESTLESS
        share.append(instruments_rough.restless_share(restless, part.filled))
    judged = (inverse > 0).any(axis=0)
    spike = MARGIN * usual(np.concatenate(third), machine)
    noise = MARGIN * usual(np.concatenate(share), machine)
    return replace(
        known,
        spike=np.where(judged, np.maximum(LEAST_SPIKE, spike), 0.0),
        noise=np.where(judged & (noise <= 1.0), np.maximum(LEAST_NOISE, noise), 0.0),
    )


def _scale(ones: RoughSpec, spec: FeatureSpec, windows: WindowArrays) -> Doubles:
    """Usual distance from the median of five, (R, F), as a Gaussian's sigma.

    By the 90 % quantile, which neither a tenth of faulty rows nor the many rows that
    are their own median move much; where that is 0 by the 99.5 % quantile.
    """
    regimes, width = spec.mean.shape
    far, code = [], []
    for part in _parts(windows):
        rows = features.prepare(spec, part)
        gaps = ~np.isfinite(rows.scores)
        found = instruments_rough.distances(ones, rows)
        found[gaps] = np.nan
        middle = slice(found.shape[1] // 2, -2) if found.shape[1] >= 10 else slice(None)
        far.append(found[:, middle].reshape(-1, width))
        code.append(rows.code[:, middle].reshape(-1))
    every, which = np.concatenate(far), np.concatenate(code)
    scale = np.zeros((regimes, width))
    for f in range(width):
        there = np.isfinite(every[:, f])
        pooled = _sigma(every[there, f])
        for r in range(regimes):
            mine = every[there & (which == r), f]
            scale[r, f] = _sigma(mine) if len(mine) >= LEAST_WINDOWS else pooled
    return scale


def _growth(flat: RoughSpec, spec: FeatureSpec, windows: WindowArrays) -> Doubles:
    """By how much distances grow with the level, (F,): a line through all windows."""
    level, size = [], []
    for part in _parts(windows):
        rows = features.prepare(spec, part)
        far = np.minimum(instruments_rough.distances(flat, rows), FAR)
        size.append(far.mean(axis=1, dtype=np.float64))
        features.hold(rows.scores, rows.own)
        level.append(instruments_rough.level(rows.scores))
    x, y = np.concatenate(level), np.concatenate(size)
    slope = ((x - x.mean(axis=0)) * y).mean(axis=0) / np.maximum(x.var(axis=0), 1e-9)
    middle = y.mean(axis=0) - slope * x.mean(axis=0)
    grows = middle > 0.2 * y.mean(axis=0)
    return np.where(grows, slope / np.where(grows, middle, 1.0), 0.0)


def _sigma(far: Floats) -> float:
    if len(far) == 0:
        return 0.0
    body, tail = np.quantile(far.astype(np.float64), (0.9, 0.995))
    return float(body / 1.54 if body > 0 else tail / 2.7)


@dataclass(frozen=True)
class _Recent:
    """Newest quarters of all windows; see `instruments.Recent`."""

    z: Doubles
    known: Bools

    def take(self, index: npt.NDArray[np.intp] | Bools) -> _Recent:
        return _Recent(self.z[index], self.known[index])


def _recent(found: InstrumentSpec, spec: FeatureSpec, windows: WindowArrays) -> _Recent:
    z, known = [], []
    for part in _parts(windows):
        rows = features.prepare(spec, part)
        n = len(part)
        judged = instruments.Judged.nothing(spec, n)
        given = instruments.Part.of(part, rows, slice(0, n))
        recent = instruments.masked(found, spec, given, judged)
        z.append(recent.z)
        known.append(recent.known & recent.ready[:, None])
    return _Recent(np.concatenate(z), np.concatenate(known))


def _drift(recent: _Recent, machine: Machines, healthy: Bools) -> DriftSpec:
    width = recent.z.shape[1]
    whole = gaussian(recent.take(healthy))
    enough = recent.known[healthy].all(axis=1).sum()
    if width < 3 or enough < max(LEAST_WINDOWS, PER_SENSOR * width):
        return whole
    # Each half of the machines is judged by what the other half taught.
    _, number = np.unique(machine, return_inverse=True)
    half = number % 2 if number.max() >= 3 else np.zeros(len(machine), np.intp)
    far, second = np.zeros(recent.z.shape), np.zeros(len(machine))
    for k in np.unique(half):
        here = half == k
        others = ~here if (~here).any() else here
        taught = gaussian(recent.take(healthy & others))
        far[here], second[here] = instruments_drift.distances(
            taught, recent.z[here], recent.known[here]
        )
    quiet = float(np.quantile(second[healthy & recent.known.any(axis=1)], QUIET))
    farthest = np.argmax(far, axis=1)
    distance = far[np.arange(len(far)), farthest]
    mine = np.arange(width) == farthest[:, None]
    alone = second <= np.maximum(quiet, instruments_drift.ALONE * distance)
    lone = np.where(mine & alone[:, None], far, 0.0)
    # What wear does counts in full: a kind of wear may show in few machines only.
    sound = usual(np.where(healthy[:, None], lone, 0.0), machine)
    worn = np.where(healthy[:, None], 0.0, lone).max(axis=0)
    limit = np.maximum(LEAST_DRIFT, MARGIN * np.maximum(sound, worn))
    # Beyond the limit others had more to say whenever it was wear.
    beyond = mine & (far >= limit) & ~healthy[:, None]
    share = second / np.maximum(distance, 1.0)
    least = np.where(beyond, share[:, None], MOST_ALONE).min(axis=0) / MARGIN**2
    return replace(
        whole,
        quiet=quiet,
        limit=limit,
        alone=np.clip(least, instruments_drift.ALONE, MOST_ALONE),
    )


def _unjudged(center: Doubles, spread: Doubles, precision: Doubles) -> DriftSpec:
    none = np.zeros(len(center))
    return DriftSpec(center, spread, precision, 0.0, none, none)


def gaussian(recent: _Recent) -> DriftSpec:
    """Mean, spread and correlation of newest quarters; no limits yet."""
    z, known = recent.z, recent.known
    width = z.shape[1]
    center, spread = np.zeros(width), np.zeros(width)
    for f in range(width):
        mine = z[known[:, f], f]
        if len(mine) >= 20:
            center[f], spread[f] = _moments(mine)
    there = spread > 0
    some = np.where(there, spread, 1.0)
    scaled = np.where(known & there, np.clip((z - center) / some, -FAR, FAR), 0.0)
    pairs = known.astype(np.float64).T @ known.astype(np.float64)
    covariance = scaled.T @ scaled / np.maximum(pairs, 1.0)
    size = np.sqrt(np.where(np.diag(covariance) > 0, np.diag(covariance), 1.0))
    correlation = covariance / size / size[:, None]
    np.fill_diagonal(correlation, 1.0)
    mixed = (1 - SHRINK) * correlation + SHRINK * np.eye(width)
    low, axes = np.linalg.eigh(mixed)
    # Pairs that were not seen together can leave a hair of negative variance.
    precision = (axes / np.maximum(low, SHRINK / 2)) @ axes.T
    return _unjudged(center, spread, precision)


def _moments(values: Doubles) -> tuple[float, float]:
    """Mean and standard deviation, without what lies far out."""
    middle = float(np.median(values))
    wide = 1.4826 * float(np.median(np.abs(values - middle)))
    if wide > 0:
        values = np.clip(values, middle - FAR * wide, middle + FAR * wide)
    return float(values.mean()), float(values.std())


def _parts(windows: WindowArrays) -> list[WindowArrays]:
    size = instruments.CHUNK
    n = len(windows)
    return [windows.take(np.arange(a, min(a + size, n))) for a in range(0, n, size)]
