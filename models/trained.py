"""What a training leaves: plain values that `models.bundle` writes and reads."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from models.anomaly import Exceedance, Whitening
from models.calibrate import PitMap
from models.distribution import LifeAxis
from models.features import FeatureSpec
from models.instruments import InstrumentSpec
from models.networks_spec import AutoencoderSpec, LifeSpec
from models.options import Layout, TrainingOptions

Weights = list[npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Curve:
    """Losses of one stage of training, epoch by epoch.

    Attributes:
        stage: "fold 1 of 5", "autoencoder", …
        loss: on the training windows.
        held_out: on the held-out machines.
        best: the epoch whose weights were kept, from 0.
    """

    stage: str
    loss: tuple[float, ...]
    held_out: tuple[float, ...]
    best: int


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
    """The risk and remaining-life half; None in a bundle of too few failures.

    Attributes:
        axis: the axis of remaining life.
        spec: shape of every network.
        members: weights of the ensemble, one network per fold.
        ageless: weights of the network for machines of unknown age; None where the
            members themselves learnt from such machines.
        pit: calibration of F.
        out_of_fold: what the members said of machines they never saw.
    """

    axis: LifeAxis
    spec: LifeSpec
    members: tuple[Weights, ...]
    ageless: Weights | None
    pit: PitMap
    out_of_fold: OutOfFold


@dataclass(frozen=True)
class AnomalyModel:
    """The anomaly half."""

    spec: AutoencoderSpec
    weights: Weights
    whitening: Whitening
    exceedance: Exceedance


@dataclass(frozen=True)
class Trained:
    """Everything that training found; `models.bundle.save` writes it.

    Attributes:
        layout: what was asked for.
        options: how it was learnt.
        features: the frozen preprocessing.
        life: None where fewer than 10 failures were seen.
        anomaly: always there.
        instruments: what is usual of them; None in bundles of releases that did not
            judge instruments, and then none is at fault.
        curves: one learning curve per stage.
        notes: sentences for the user.
        machines: number of machines (lives) learnt from.
        failures: those of them that failed.
        windows: windows learnt from.
    """

    layout: Layout
    options: TrainingOptions
    features: FeatureSpec
    life: LifeModel | None
    anomaly: AnomalyModel
    instruments: InstrumentSpec | None
    curves: tuple[Curve, ...]
    notes: tuple[str, ...] = field(default=())
    machines: int = 0
    failures: int = 0
    windows: int = 0
