"""The two models that are benchmarked.

`reference` is fixed for ever, so that figures of different releases can be compared:
an LSTM of 64 and 32 on the normalised rows and a convolutional autoencoder of
14-32-16-32-14 with 5 taps, their weights drawn by a formula, since speed does not
depend on what they have learned. `default` is what `foreshock train` ships, trained
for one epoch on the benchmark's own machines.
"""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.job import ROWS, STRIDE, Job
from models import bundle as bundles
from models.anomaly import Exceedance, Whitening
from models.calibrate import PitMap
from models.features import FeatureSpec
from models.networks_spec import AutoencoderSpec, LifeSpec
from models.options import Layout, TrainingOptions
from models.regimes import RegimeSpec
from models.trained import AnomalyModel, LifeModel, OutOfFold, Trained

BINS = 24
UNITS = (64, 32)
LAYERS = (32, 16, 32)
TAPS = 5
HORIZON, CAP = 30.0, 125.0
BASELINE_ROWS = 20
"""Of `default`; `reference` has no baseline."""

_REPOSITORY = Path(__file__).parents[1]


def reference(folder: Path, sensors: int = 14) -> Path:
    """Write the reference bundle; returns its folder.

    Args:
        folder: where.
        sensors: 14 is the reference itself; the scale part has others.
    """
    names = tuple(Job(sensors=sensors).names)
    layout = Layout(
        sensors=names,
        units=("1",) * sensors,
        settings=(),
        window=ROWS,
        baseline_rows=0,
        axis="hours",
        horizon=HORIZON,
        cap=CAP,
        step_s=float(STRIDE),
        bins=BINS,
    )
    trained = Trained(
        layout=layout,
        options=TrainingOptions(units=UNITS, hidden=0, block=1, folds=2),
        features=_features(names),
        life=_life(layout),
        anomaly=_anomaly(sensors),
        instruments=None,
        curves=(),
    )
    bundles.save(trained, folder, name="reference", version="1")
    return folder


def default(folder: Path, sensors: int = 14) -> Path:
    """Write the bundle that `foreshock train` ships; returns its folder.

    It takes a minute the first time; later it comes from the cache that the servers of
    the tests lie in, until anything that it depends on changes.

    Args:
        folder: where.
        sensors: of each machine.

    Raises:
        RuntimeError: if the training failed; with the end of what it said.
    """
    # Not at the import: the inference part is taken to machines without these.
    from benchmarks import shipped  # noqa: PLC0415
    from tests.services import cache  # noqa: PLC0415

    name = f"bench-default-{shipped.digest(sensors)}"
    kept = cache.provide(name, lambda place: _learned(place, sensors))
    shutil.copytree(kept, folder)
    return folder


def _learned(place: Path, sensors: int) -> None:
    """Train in a process of its own, so that this one is free of TensorFlow."""
    with tempfile.TemporaryDirectory(prefix="foreshock-bench-train-") as scratch:
        command = [sys.executable, "-m", "benchmarks.shipped", scratch, str(sensors)]
        done = subprocess.run(
            command, cwd=_REPOSITORY, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"the training failed:\n{done.stderr[-2000:]}")
        bundle = Path(done.stdout.splitlines()[-1])
        shutil.copytree(bundle, place, dirs_exist_ok=True)


def _features(names: tuple[str, ...]) -> FeatureSpec:
    count = len(names)
    return FeatureSpec(
        sensors=names,
        window=ROWS,
        baseline_rows=0,
        columns=tuple(range(count)),
        regimes=RegimeSpec((), ((),), ((),)),
        mean=np.full((1, count), 500.0),
        inverse=np.full((1, count), 0.1),
        fleet=np.zeros(count),
        shrink=np.ones(count),
        age_scale=1.0,
    )


def _life(layout: Layout) -> LifeModel:
    count = len(layout.sensors)
    spec = LifeSpec(
        window=ROWS,
        sensors=count,
        static=count + 4,
        classes=layout.life.classes,
        units=UNITS,
        hidden=0,
        block=1,
        plain=True,
    )
    first, second = UNITS
    weights = [
        *_lstm(1, count, first),
        *_lstm(2, first, second),
        _drawn(3, second, layout.life.classes),
        # Nearly always "beyond the cap", as of machines that are well.
        np.r_[np.zeros(layout.life.classes - 1), 8.0].astype(np.float32),
    ]
    return LifeModel(
        axis=layout.life,
        spec=spec,
        members=(weights,),
        ageless=None,
        pit=PitMap.identity(),
        out_of_fold=_nothing(),
    )


def _nothing() -> OutOfFold:
    none = np.zeros(0, np.float32)
    return OutOfFold(
        machine=np.zeros(0, np.int32),
        age=none,
        life=none,
        censored=np.zeros(0, np.bool_),
        rul=np.zeros((0, 3), np.float32),
        risk=none,
    )


def _anomaly(sensors: int) -> AnomalyModel:
    spec = AutoencoderSpec(
        window=ROWS, sensors=sensors, rows=ROWS, layers=LAYERS, taps=TAPS
    )
    widths = (sensors, *LAYERS, sensors)
    weights: list[npt.NDArray[np.float32]] = []
    for i, (wide, out) in enumerate(pairwise(widths)):
        weights.append(0.2 * _drawn(10 + i, TAPS, wide, out, fan=TAPS * wide))
        weights.append(np.zeros(out, np.float32))
    # The residual is a mean of ten rows; of a healthy machine the score is about 1.
    whitening = Whitening(np.zeros(sensors), np.eye(sensors) * math.sqrt(spec.recent))
    curve = Exceedance(
        np.array([0.0, 1.0, 3.0, 6.0, 10.0]), np.array([1e3, 1e2, 1.0, 1e-2, 1e-5])
    )
    return AnomalyModel(spec, weights, whitening, curve)


def _lstm(seed: int, wide: int, units: int) -> list[npt.NDArray[np.float32]]:
    bias = np.zeros(4 * units, np.float32)
    bias[units : 2 * units] = 1.0
    return [
        _drawn(seed * 100, wide, 4 * units),
        _drawn(seed * 100 + 1, units, 4 * units),
        bias,
    ]


def _drawn(seed: int, *shape: int, fan: int = 0) -> npt.NDArray[np.float32]:
    """Uniform weights of variance 1 / inputs."""
    rng = np.random.default_rng(seed)
    limit = math.sqrt(3.0 / (fan or shape[0]))
    return ((rng.random(shape) * 2.0 - 1.0) * limit).astype(np.float32)
