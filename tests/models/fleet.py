"""A small made-up fleet: machines wear down, two regimes, one sensor that idles."""

import numpy as np
import numpy.typing as npt

from models.options import Examples, Layout, TrainingOptions
from models.windows import WindowArrays

SENSORS = ("load", "heat", "noise", "flow", "serial")
WINDOW, BASELINE = 12, 5

LAYOUT = Layout(
    sensors=SENSORS,
    units=("%", "Cel", "", "l/min", ""),
    settings=("load",),
    window=WINDOW,
    baseline_rows=BASELINE,
    axis="cycles",
    horizon=10.0,
    cap=30.0,
    step_s=3600.0,
    bins=15,
)

TINY = TrainingOptions(
    epochs=3,
    batch_size=32,
    folds=2,
    units=(8,),
    hidden=8,
    filters=8,
    max_windows=600,
    anomaly_epochs=2,
    learning_rate=0.01,
)


def rows(rng: np.random.Generator, length: int) -> npt.NDArray[np.float32]:
    """(length, S) readings of one machine that fails at its last row."""
    left = np.arange(length)[::-1]
    wear = np.exp(-left / 12.0)
    high = rng.random(length) < 0.5
    own = rng.normal(0, 0.3, 3)
    noise = rng.normal(0, 0.2, (length, 3))
    values = np.stack([wear * 4, wear * 2, -wear * 3], axis=1) + own + noise
    shift = np.where(high, 50.0, 10.0)[:, None]
    load = np.where(high, 80.0, 20.0) + rng.normal(0, 0.01, length)
    serial = np.full(length, 7.0)
    return np.column_stack([load, values + shift, serial]).astype(np.float32)


def windows(values: npt.NDArray[np.float32]) -> WindowArrays:
    """Every window of one machine, stride 1, the first row repeated to the left."""
    n, sensors = values.shape
    padded = np.concatenate([np.repeat(values[:1], WINDOW - 1, axis=0), values])
    view = np.lib.stride_tricks.sliding_window_view(padded, WINDOW, axis=0)
    end = np.arange(n)
    first = np.full((BASELINE, sensors), 1e9, np.float32)
    first[: min(BASELINE, n)] = values[:BASELINE]
    times = (end[:, None] - np.arange(WINDOW)[::-1]) * 3_600 * 10**9
    return WindowArrays(
        values=np.ascontiguousarray(view.transpose(0, 2, 1)),
        filled=np.minimum(end + 1, WINDOW).astype(np.int32),
        times_ns=np.maximum(times, 0).astype(np.int64),
        baseline=np.repeat(first[None], n, axis=0),
        n_base=np.minimum(end + 1, BASELINE).astype(np.int32),
        age=(end + 1).astype(np.float64),
    )


def fleet(machines: int, seed: int, *, failed: bool = True) -> Examples:
    """Windows of a whole fleet with their labels."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(45, 80, machines)
    parts = [windows(rows(rng, int(n))) for n in lengths]
    joined = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in WindowArrays.__annotations__
        if name != "outside"
    }
    life = np.concatenate([np.arange(n)[::-1] for n in lengths])
    return Examples(
        windows=WindowArrays(**joined),
        machine=np.repeat(np.arange(machines), lengths).astype(np.int32),
        life=life.astype(np.float64),
        censored=np.full(len(life), not failed),
        names=tuple(f"m{i}" for i in range(machines)),
    )
