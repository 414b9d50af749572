"""A made-up plant whose instruments break: two loads, six sensors, two wears."""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import numpy.typing as npt

from models import features_fit, instruments_fit
from models.features import FeatureSpec
from models.instruments import InstrumentSpec
from models.windows import WindowArrays

SENSORS = ("load", "heat", "oil", "noise", "flow", "power", "level", "serial")
WINDOW, BASELINE = 30, 30
ROWS = 420
# How far wear has moved each sensor at the failure, in sigma of its noise.
BEARING = np.array([30.0, 14.0, 22.0, 0.0, 0.0, 0.0])
IMPELLER = np.array([0.0, 0.0, 14.0, -26.0, 12.0, 0.0])

Rows = npt.NDArray[np.float32]


def life(rng: np.random.Generator, wear: npt.NDArray[np.float64]) -> Rows:
    """(ROWS, S) readings of one machine; it fails at its last row if it wears."""
    left = np.arange(ROWS)[::-1]
    load = np.repeat(rng.random(ROWS // 20) < 0.5, 20)
    own = rng.normal(0, 3, 6)
    slow = np.zeros((ROWS, 6))
    for t in range(1, ROWS):
        slow[t] = 0.95 * slow[t - 1] + rng.normal(0, 0.15, 6)
    white = rng.normal(0, 1, (ROWS, 6))
    values = own + slow + white + np.exp(-left / 40.0)[:, None] * wear
    # A gauge in whole steps, seen to repeat itself.
    values[:, 5] = np.round(values[:, 5])
    shift = np.where(load, 90.0, 50.0)[:, None]
    setting = np.where(load, 80.0, 20.0) + rng.normal(0, 0.1, ROWS)
    return np.column_stack([setting, values + shift, np.full(ROWS, 7.0)]).astype("f4")


def windows(values: Rows, outside: npt.NDArray[np.bool_] | None = None) -> WindowArrays:
    """Every window of one machine, stride 1, the first row repeated to the left."""
    n = len(values)
    padded = np.concatenate([np.repeat(values[:1], WINDOW - 1, axis=0), values])
    view = np.lib.stride_tricks.sliding_window_view(padded, WINDOW, axis=0)
    seen = np.arange(n) + 1
    return WindowArrays(
        values=np.ascontiguousarray(view.transpose(0, 2, 1)),
        filled=np.minimum(seen, WINDOW).astype(np.int32),
        times_ns=np.zeros((n, WINDOW), np.int64),
        baseline=np.repeat(values[None, :BASELINE], n, axis=0),
        n_base=np.minimum(seen, BASELINE).astype(np.int32),
        age=seen.astype(np.float64),
        outside=outside,
    )


def joined(parts: list[WindowArrays]) -> WindowArrays:
    names = [n for n in WindowArrays.__annotations__ if n != "outside"]
    return WindowArrays(
        **{name: np.concatenate([getattr(p, name) for p in parts]) for name in names}
    )


@dataclass(frozen=True)
class Learned:
    """What training on 24 machines gave."""

    spec: FeatureSpec
    health: InstrumentSpec


@cache
def learned() -> Learned:
    rng = np.random.default_rng(11)
    lives = [life(rng, (BEARING, IMPELLER, 0 * BEARING)[m % 3]) for m in range(24)]
    every = joined([windows(values) for values in lives])
    machine = np.repeat(np.arange(24), ROWS).astype(np.int32)
    left = np.tile(np.arange(ROWS)[::-1], 24)
    last = np.arange(1, 25) * ROWS - 1
    spec = features_fit.fit(
        every.values[:, -1],
        every.baseline[last],
        every.n_base[last],
        every.age,
        sensors=SENSORS,
        settings=("load",),
        window=WINDOW,
    )
    healthy = (left > 200) | (machine % 3 == 2)
    return Learned(spec, instruments_fit.fit(spec, every, machine, healthy))


def broken(kind: str, values: Rows, sensor: int, start: int, seed: int) -> WindowArrays:
    """Windows of a machine whose instrument breaks at a row, as decoded."""
    rng = np.random.default_rng(seed)
    values = values.copy()
    column = values[start:, sensor]
    count = len(column)
    outside = np.zeros((len(values), len(SENSORS)), np.bool_)
    if kind in {"no_data", "out_of_range"}:
        column[:] = np.nan
        outside[start:, sensor] = kind == "out_of_range"
    elif kind == "stuck":
        column[:] = column[0]
    elif kind == "spiking":
        column += (rng.random(count) < 0.12) * rng.choice([-25.0, 25.0], count)
    elif kind == "noisy":
        column += rng.normal(0, 8, count)
    elif kind == "drifting":
        column += np.linspace(0, rng.choice([-45.0, 45.0]), count)
    return windows(values, outside)


def sound(found: WindowArrays) -> WindowArrays:
    """The same windows, nothing said of values out of range."""
    return replace(found, outside=None)
