"""Training: from labelled windows to everything a bundle holds.

Machines are dealt into folds. For each fold a network learns from the other machines
and stops early on this one, so every machine is predicted by a network that never saw
it: those predictions calibrate the distribution and give the cross-validated figures.
The networks of all folds together are the ensemble that is served. The autoencoder
learns from healthy windows, with machines of its own held out. What is usual of the
instruments is learned before, so that the networks never see a faulty one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from models import (
    features,
    features_fit,
    instruments,
    instruments_fit,
    train_anomaly,
    train_life,
)
from models.errors import TrainingError
from models.options import MIN_FAILURES, Examples, Layout, Step, TrainingOptions
from models.trained import Curve, Trained


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
    health = instruments_fit.fit(
        spec,
        examples.windows,
        examples.machine,
        train_anomaly.healthy(examples, layout.cap),
    )
    inputs, judged = instruments.examine(health, spec, examples.windows)
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
    strange, curve = train_anomaly.train(
        (inputs, judged.hidden), examples, layout, options, progress
    )
    curves.append(curve)
    return Trained(
        layout=layout,
        options=options,
        features=spec,
        life=life,
        anomaly=strange,
        instruments=health,
        curves=tuple(curves),
        notes=tuple(notes),
        machines=len(np.unique(examples.machine)),
        failures=examples.failures,
        windows=len(examples.life),
    )


def _features(examples: Examples, layout: Layout) -> features.FeatureSpec:
    windows, last = examples.windows, examples.last()
    try:
        return features_fit.fit(
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
