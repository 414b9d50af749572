"""Raw windows to network inputs: frozen numbers, numpy alone, causal.

`fit` reads training rows once and leaves a `FeatureSpec`, plain numbers that go
into the bundle as JSON. `transform` applies it to any windows, in training, in a
backtest and live alike. Every step is elementwise, or a sum in a fixed order, so a
window's inputs are the same bits whatever other windows stand beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from models import regimes

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

# A sensor that shows one value in this share of the rows says nothing by z-score.
DOMINANT = 0.9
# One broken value must not swamp a window; healthy and worn rows stay within 6.
CLIP = 8.0
STATIC_EXTRA = 4


class Windows(Protocol):
    """What this package reads of a batch of windows; all aligned on axis 0.

    Attributes:
        values: (n, W, S) float32, raw engineering units, NaN where absent.
        filled: (n,) int32, real rows, 1..W; the first one is repeated on the left.
        times_ns: (n, W) int64, UTC nanoseconds.
        baseline: (n, B, S) float32, the machine's own first rows.
        n_base: (n,) int32, how many of them exist, 0..B; the rest is garbage.
        age: (n,) float64, rows or cycles since the machine was new, NaN unknown.
    """

    @property
    def values(self) -> Floats: ...
    @property
    def filled(self) -> npt.NDArray[np.int32]: ...
    @property
    def times_ns(self) -> npt.NDArray[np.int64]: ...
    @property
    def baseline(self) -> Floats: ...
    @property
    def n_base(self) -> npt.NDArray[np.int32]: ...
    @property
    def age(self) -> Doubles: ...


@dataclass(frozen=True)
class FeatureSpec:
    """Everything `transform` needs, frozen at training.

    Attributes:
        sensors: names of the S raw columns, in order.
        window: rows W of a window.
        baseline_rows: rows B of the baseline.
        columns: indices of the F sensors that vary, ascending.
        regimes: the operating regimes, as boxes over the setting columns.
        mean: (R, F) mean per regime, raw units.
        inverse: (R, F) 1 / standard deviation, 0 where the sensor is constant.
        fleet: (F,) mean normalised baseline of the fleet, for machines without one.
        shrink: (F,) rows of own baseline that weigh as much as the fleet's.
        age_scale: age at which the age input is 1; it is held at 1.5 beyond.
    """

    sensors: tuple[str, ...]
    window: int
    baseline_rows: int
    columns: tuple[int, ...]
    regimes: regimes.RegimeSpec
    mean: Doubles
    inverse: Doubles
    fleet: Doubles
    shrink: Doubles
    age_scale: float

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the F sensors that vary."""
        return tuple(self.sensors[i] for i in self.columns)

    @property
    def static_width(self) -> int:
        """Width of `Inputs.static`."""
        return len(self.columns) + STATIC_EXTRA

    def to_json(self) -> dict[str, Any]:
        """Plain lists and numbers, exact for float64."""
        out = {f.name: getattr(self, f.name) for f in fields(self)}
        out["regimes"] = asdict(self.regimes)
        for name in ("mean", "inverse", "fleet", "shrink"):
            out[name] = out[name].tolist()
        return out

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> FeatureSpec:
        """The inverse of `to_json`.

        Raises:
            ValueError: if a table's shape does not fit the columns and regimes.
        """
        arrays = {
            k: np.asarray(data[k], np.float64)
            for k in ("mean", "inverse", "fleet", "shrink")
        }
        spec = cls(
            sensors=tuple(data["sensors"]),
            window=int(data["window"]),
            baseline_rows=int(data["baseline_rows"]),
            columns=tuple(int(i) for i in data["columns"]),
            regimes=regimes.RegimeSpec.from_json(data["regimes"]),
            age_scale=float(data["age_scale"]),
            **arrays,
        )
        spec.check()
        return spec

    def check(self) -> None:
        """Raise ValueError unless the tables fit together."""
        r, f = len(self.regimes.low), len(self.columns)
        for name, want in (
            ("mean", (r, f)),
            ("inverse", (r, f)),
            ("fleet", (f,)),
            ("shrink", (f,)),
        ):
            found = getattr(self, name)
            if found.shape != want or not np.isfinite(found).all():
                msg = f"features.{name}: expected finite {want}, found {found.shape}"
                raise ValueError(msg)
        if f == 0 or not all(0 <= i < len(self.sensors) for i in self.columns):
            msg = f"features.columns: expected sensor indices, found {self.columns}"
            raise ValueError(msg)


@dataclass(frozen=True)
class Inputs:
    """Network inputs of n windows, float32.

    Attributes:
        sequence: (n, W, F) z-scores per regime, gaps held, clipped to +-8.
        static: (n, F + 4) own baseline in z-scores, then share of the baseline
            seen, age, 1 if the age is known, share of the window that is real.
        known: (n,) bool, False where the last row is in no known regime.
    """

    sequence: Floats
    static: Floats
    known: npt.NDArray[np.bool_]


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
    return FeatureSpec(**{**_shallow(spec), "fleet": fleet, "shrink": shrink})


def transform(spec: FeatureSpec, windows: Windows) -> Inputs:
    """Network inputs; a window's result does not depend on the other windows.

    Args:
        spec: what `fit` learned.
        windows: raw windows of the spec's geometry; never altered.

    Returns:
        Inputs of the same order and number, always finite.
    """
    sequence, known = _sequence(spec, windows.values)
    own, share = _own_baseline(spec, windows.baseline, windows.n_base)
    age = np.asarray(windows.age, np.float64) / spec.age_scale
    seen = np.isfinite(age)
    static = np.empty((len(own), spec.static_width), np.float32)
    width = len(spec.columns)
    static[:, :width] = own
    static[:, width] = share
    static[:, width + 1] = np.clip(np.where(seen, age, 0.0), 0.0, 1.5)
    static[:, width + 2] = seen
    static[:, width + 3] = windows.filled / spec.window
    return Inputs(sequence, static, known)


def normalise(spec: FeatureSpec, rows: Floats) -> tuple[Floats, npt.NDArray[np.int32]]:
    """Z-scores of raw rows (..., S) by each row's regime.

    Returns:
        (..., F) float32 with NaN where the value is absent or the regime unknown,
        and (...) the regime's index, -1 unknown.
    """
    code = regimes.assign(spec.regimes, rows)
    mean, inverse = spec.mean.astype(np.float32), spec.inverse.astype(np.float32)
    values = rows[..., list(spec.columns)]
    if len(mean) == 1:
        scores = (values - mean[0]) * inverse[0]
    else:
        scores = (values - mean[code]) * inverse[code]
    np.clip(scores, -CLIP, CLIP, out=scores)
    if (code < 0).any():
        scores[code < 0] = np.nan
    return scores, code


def _sequence(
    spec: FeatureSpec, values: Floats
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    scores, code = normalise(spec, values)
    gaps = ~np.isfinite(scores)
    if gaps.any():
        # Hold the last value; before the first one the regime's mean, which is 0.
        scores[:, 0][gaps[:, 0]] = 0.0
        for t in range(1, scores.shape[1]):
            np.copyto(scores[:, t], scores[:, t - 1], where=gaps[:, t])
    return scores, code[:, -1] >= 0


def _own_baseline(
    spec: FeatureSpec, baseline: Floats, n_base: npt.NDArray[np.int32]
) -> tuple[Doubles, Doubles]:
    """Baseline mean (n, F), drawn to the fleet's while few rows exist."""
    n, rows = baseline.shape[:2]
    if rows == 0:
        return np.broadcast_to(spec.fleet, (n, len(spec.fleet))), np.zeros(n)
    scores, _ = normalise(spec, baseline)
    total = np.zeros((n, scores.shape[2]))
    count = np.zeros_like(total)
    for b in range(rows):  # a fixed order of sums, whatever n is
        usable = np.isfinite(scores[:, b]) & (b < n_base)[:, None]
        total += np.where(usable, scores[:, b], 0.0)
        count += usable
    own = (total + spec.shrink * spec.fleet) / (count + spec.shrink)
    return own, np.minimum(n_base, rows) / rows


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


def _shallow(spec: FeatureSpec) -> dict[str, Any]:
    return {f.name: getattr(spec, f.name) for f in fields(spec)}
