"""Training: from labelled windows to everything a bundle holds.

Machines are dealt into folds. For each fold a network learns from the other machines
and stops early on this one, so every machine is predicted by a network that never saw
it: those predictions calibrate the distribution and give the cross-validated figures.
The networks of all folds together are the ensemble that is served. The autoencoder
learns from healthy windows, with machines of its own held out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from models import anomaly, calibrate, features, train_anomaly, train_life
from models.distribution import Doubles, LifeAxis
from models.errors import TrainingError
from models.networks import AutoencoderSpec, LifeSpec
from models.options import MIN_FAILURES, Examples, Layout, Step, TrainingOptions
from models.train_life import Curve

Weights = list[npt.NDArray[np.float32]]


@dataclass(frozen=True)
class OutOfFold:
    """Predictions for training windows by networks that never saw their machine.

    Calibrated by maps that were learnt on the other machines; aligned on axis 0.

    Attributes:
        machine: (n,) int32.
        age: (n,) rows seen of the machine so far.
        life: (n,) true remaining life, or time to the end of observation.
        censored: (n,) bool.
        rul: (n, 3) quantiles.
        risk: (n,) within [0, 1].
    """

    machine: npt.NDArray[np.int32]
    age: npt.NDArray[np.float32]
    life: npt.NDArray[np.float32]
    censored: npt.NDArray[np.bool_]
    rul: npt.NDArray[np.float32]
    risk: npt.NDArray[np.float32]


@dataclass(frozen=True)
class LifeModel:
    """The risk and remaining-life half; None in a bundle of too few failures."""

    axis: LifeAxis
    spec: LifeSpec
    members: tuple[Weights, ...]
    pit: calibrate.PitMap
    out_of_fold: OutOfFold


@dataclass(frozen=True)
class AnomalyModel:
    """The anomaly half."""

    spec: AutoencoderSpec
    weights: Weights
    whitening: anomaly.Whitening
    exceedance: anomaly.Exceedance


@dataclass(frozen=True)
class Trained:
    """Everything that training found; `models.bundle.save` writes it.

    Attributes:
        layout: what was asked for.
        options: how it was learnt.
        features: the frozen preprocessing.
        life: None where fewer than `MIN_FAILURES` failures were seen.
        anomaly: always there.
        curves: one learning curve per stage.
        notes: sentences for the user.
        machines: number of machines (lives) learnt from.
        failures: those of them that failed.
        windows: windows learnt from.
    """

    layout: Layout
    options: TrainingOptions
    features: features.FeatureSpec
    life: LifeModel | None
    anomaly: AnomalyModel
    curves: tuple[Curve, ...]
    notes: tuple[str, ...] = field(default=())
    machines: int = 0
    failures: int = 0
    windows: int = 0


def train(
    examples: Examples,
    layout: Layout,
    options: TrainingOptions,
    progress: Callable[[Step], None] = lambda step: None,
) -> Trained:
    """Train both models.

    Args:
        examples: all windows of the training machines, in order of time.
        layout: the machine type.
        options: how to learn.
        progress: called at the start and after each epoch of each stage.

    Raises:
        TrainingError: if there is nothing to learn from.
    """
    if len(examples.windows) < 50:
        msg = f"expected at least 50 windows to learn from, found {len(examples.life)}"
        raise TrainingError(msg)
    spec = _features(examples, layout)
    inputs = features.transform(spec, examples.windows)
    notes: list[str] = []
    curves: list[Curve] = []
    life = None
    if examples.failures >= MIN_FAILURES:
        life, found = train_life.train(inputs, examples, layout, options, progress)
        curves += found
    else:
        notes.append(
            f"Only {examples.failures} failures were seen, and a model of risk and "
            f"remaining life needs {MIN_FAILURES}: this bundle finds anomalies only."
        )
    strange, curve = train_anomaly.train(inputs, examples, layout, options, progress)
    curves.append(curve)
    return Trained(
        layout=layout,
        options=options,
        features=spec,
        life=life,
        anomaly=strange,
        curves=tuple(curves),
        notes=tuple(notes),
        machines=len(np.unique(examples.machine)),
        failures=examples.failures,
        windows=len(examples.life),
    )


def _features(examples: Examples, layout: Layout) -> features.FeatureSpec:
    windows, last = examples.windows, examples.last()
    try:
        return features.fit(
            windows.values[:, -1],
            windows.baseline[last],
            windows.n_base[last],
            windows.age,
            sensors=layout.sensors,
            settings=layout.settings,
            window=layout.window,
        )
    except ValueError as problem:
        raise TrainingError(str(problem)) from problem


def doubles(values: npt.NDArray[np.float32]) -> Doubles:
    """The same numbers in double precision."""
    return values.astype(np.float64)
