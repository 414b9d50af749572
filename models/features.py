"""Raw windows to network inputs: frozen numbers, numpy alone, causal.

`models.features_fit` reads training rows once and leaves a `FeatureSpec`, plain
numbers that go into the bundle as JSON. `transform` applies it to any windows, in
training, in a backtest and live alike. Every step is elementwise, or a sum in a fixed
order, so a window's inputs are the same bits whatever stands beside it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from models import regimes
from models.windows import Doubles, Floats, Windows

# One broken value must not swamp a window; healthy and worn rows stay within 6.
CLIP = 8.0
STATIC_EXTRA = 4


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


@dataclass(frozen=True)
class Rows:
    """Windows on their way to network inputs.

    Attributes:
        scores: (n, W, F) float32 z-scores per regime, NaN where there is none; what
            is masked becomes NaN here.
        code: (n, W) int32 regime of each row, -1 unknown.
        own: (n, F) own baseline in z-scores.
        share: (n,) share of the baseline seen.
    """

    scores: Floats
    code: npt.NDArray[np.int32]
    own: Doubles
    share: Doubles


def transform(spec: FeatureSpec, windows: Windows) -> Inputs:
    """Network inputs; a window's result does not depend on the other windows.

    Args:
        spec: what `fit` learned.
        windows: raw windows of the spec's geometry; never altered.

    Returns:
        Inputs of the same order and number, always finite.
    """
    return finish(spec, windows, prepare(spec, windows))


def prepare(spec: FeatureSpec, windows: Windows) -> Rows:
    """The first half of `transform`: z-scores, gaps still open."""
    scores, code = normalise(spec, windows.values)
    own, share = _own_baseline(spec, windows.baseline, windows.n_base)
    return Rows(scores, code, own, share)


def finish(spec: FeatureSpec, windows: Windows, rows: Rows) -> Inputs:
    """The second half of `transform`; closes the gaps of `rows` in place."""
    own, share = rows.own, rows.share
    hold(rows.scores, own)
    age = np.asarray(windows.age, np.float64) / spec.age_scale
    seen = np.isfinite(age)
    static = np.empty((len(own), spec.static_width), np.float32)
    width = len(spec.columns)
    static[:, :width] = own
    static[:, width] = share
    static[:, width + 1] = np.clip(np.where(seen, age, 0.0), 0.0, 1.5)
    static[:, width + 2] = seen
    static[:, width + 3] = windows.filled / spec.window
    return Inputs(rows.scores, static, rows.code[:, -1] >= 0)


def normalise(spec: FeatureSpec, rows: Floats) -> tuple[Floats, npt.NDArray[np.int32]]:
    """Z-scores of raw rows (..., S) by each row's regime.

    Returns:
        (..., F) float32 with NaN where the value is absent or the regime unknown,
        and (...) the regime's index, -1 unknown.
    """
    code = regimes.assign(spec.regimes, rows)
    mean, inverse = spec.mean.astype(np.float32), spec.inverse.astype(np.float32)
    values = rows[..., list(spec.columns)]
    # A reading near the largest float overflows here, and is clipped just below.
    with np.errstate(over="ignore", invalid="ignore"):
        if len(mean) == 1:
            scores = (values - mean[0]) * inverse[0]
        else:
            scores = (values - mean[code]) * inverse[code]
    np.clip(scores, -CLIP, CLIP, out=scores)
    if (code < 0).any():
        scores[code < 0] = np.nan
    return scores, code


def hold(scores: Floats, own: Doubles) -> npt.NDArray[np.bool_] | None:
    """Close gaps in (n, W, F) z-scores in place, by the last value before each.

    Before the first value stands the machine's own normal, so that a sensor of which
    nothing is known looks as it always did.

    Args:
        scores: NaN where something lacks.
        own: (n, F) own baseline.

    Returns:
        (n, W, F) where gaps were; None where there was none at all.
    """
    gaps = ~np.isfinite(scores)
    if not gaps.any():
        return None
    np.copyto(scores[:, 0], own, where=gaps[:, 0], casting="same_kind")
    for t in range(1, scores.shape[1]):
        np.copyto(scores[:, t], scores[:, t - 1], where=gaps[:, t])
    return gaps


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
