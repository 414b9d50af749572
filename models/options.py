"""What a training is told: the machine type's layout, and how to learn."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from models.distribution import LifeAxis
from models.windows import WindowArrays

MIN_FAILURES = 10


@dataclass(frozen=True)
class Layout:
    """One machine type, as a bundle has to know it.

    Attributes:
        sensors: names of the S columns, in order.
        units: a unit per sensor, "" where it has none.
        settings: those sensors that describe the operating regime.
        window: rows W of a window.
        baseline_rows: rows B of the own baseline.
        axis: "cycles", "hours" or "run_hours".
        horizon: the risk is that of failing within it, on the life axis.
        cap: remaining life beyond which only "more than" is said.
        step_s: seconds from one window to the next: stride times the row period.
        alarm_rate: the alarm limit in false alarms per machine-month.
        bins: bins of the predictive distribution.
    """

    sensors: tuple[str, ...]
    units: tuple[str, ...]
    settings: tuple[str, ...]
    window: int
    baseline_rows: int
    axis: str
    horizon: float
    cap: float
    step_s: float
    alarm_rate: float = 1.0
    bins: int = 50

    @property
    def life(self) -> LifeAxis:
        """The axis of the predictive distribution."""
        return LifeAxis(cap=self.cap, horizon=self.horizon, bins=self.bins)


@dataclass(frozen=True)
class TrainingOptions:
    """How to learn. The defaults train FD001 in well under 5 minutes on 2 cores.

    Attributes:
        seed: of folds, weights, order and dropout.
        epochs: passes over the windows; the learning rate falls to 0 over them.
        patience: epochs without gain on the held-out machines before stopping.
        batch_size: windows per step.
        learning_rate: highest one, after a short rise.
        units: LSTM widths, first to last.
        hidden: width of the dense layer after the LSTM, 0 for none.
        filters: width of the block convolution.
        block: rows that it takes together.
        dropout: share dropped between the layers.
        blur_shift: random shift of a training window's readings and own baseline
            alike, in z-scores. The blurs hide which machine it is, so that lives are
            not learnt by heart.
        blur_baseline: random shift of the own baseline by itself, in z-scores.
        blur_age: random change of the age, as a share of the longest life.
        hide_age: share of training windows whose age is hidden from the ensemble too;
            0 is best where every age is known, since a network for unknown age is
            trained beside it.
        folds: groups of machines; each is held out once, and its network joins the
            ensemble that is served.
        held_out: share of machines kept from the autoencoder, for its calibration.
        max_windows: an epoch sees at most this many windows, drawn evenly.
        anomaly_epochs: passes of the autoencoder.
    """

    seed: int = 0
    epochs: int = 14
    patience: int = 4
    batch_size: int = 256
    learning_rate: float = 0.002
    units: tuple[int, ...] = (64, 32)
    hidden: int = 64
    filters: int = 32
    block: int = 5
    dropout: float = 0.1
    blur_shift: float = 0.6
    blur_baseline: float = 0.1
    blur_age: float = 0.03
    hide_age: float = 0.0
    folds: int = 5
    held_out: float = 0.3
    max_windows: int = 60_000
    anomaly_epochs: int = 12


@dataclass(frozen=True)
class Step:
    """One step of progress, for whoever draws it.

    Attributes:
        stage: "fold 1 of 5", "autoencoder", …
        done: epochs done in this stage; 0 announces it.
        total: epochs of this stage at most.
        loss: on the training windows, NaN when announced.
        held_out: on held-out machines, NaN when announced or where there are none.
    """

    stage: str
    done: int
    total: int
    loss: float
    held_out: float


@dataclass(frozen=True)
class Examples:
    """Windows with what became of their machines; aligned on axis 0.

    Windows of one machine stand together, in order of time.

    Attributes:
        windows: the windows.
        machine: (n,) int, which machine; of one that failed and came back, which of
            its lives. 0..m-1.
        life: (n,) remaining life at the window's end, on the life axis, >= 0; for
            a censored machine the time to the end of observation.
        censored: (n,) True where the machine was not seen to fail.
        names: (m,) names of the machines.
        groups: (m,) the physical machine behind each life, so that all lives of one
            are held out together; empty: each is its own.
    """

    windows: WindowArrays
    machine: npt.NDArray[np.int32]
    life: npt.NDArray[np.float64]
    censored: npt.NDArray[np.bool_]
    names: tuple[str, ...] = ()
    groups: npt.NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))

    @property
    def group(self) -> npt.NDArray[np.int32]:
        """Physical machine of each window, (n,)."""
        return self.groups[self.machine] if len(self.groups) else self.machine

    @property
    def failures(self) -> int:
        """Lives that were seen to end in a failure."""
        return len(np.unique(self.machine[~self.censored]))

    def take(self, index: npt.NDArray[Any]) -> Examples:
        """A selection; the machines' numbers and names stay."""
        return Examples(
            self.windows.take(index),
            self.machine[index],
            self.life[index],
            self.censored[index],
            self.names,
            self.groups,
        )

    def last(self) -> npt.NDArray[np.intp]:
        """Index of each machine's last window, in order of appearance."""
        ends = np.flatnonzero(np.diff(self.machine))
        return np.append(ends, len(self.machine) - 1)
