"""Training of the risk and remaining-life half: folds, ensemble, calibration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from models import calibrate, distribution, networks
from models.backend import seed_everything
from models.distribution import Doubles, LifeAxis
from models.features import Inputs
from models.fitting import Floats, Sample, deal, fit, thin
from models.networks_spec import Blur, LifeSpec
from models.options import Examples, Layout, Step, TrainingOptions
from models.trained import Curve, LifeModel, OutOfFold, Weights

Index = npt.NDArray[np.intp]


def train(
    inputs: Inputs,
    examples: Examples,
    layout: Layout,
    options: TrainingOptions,
    progress: Callable[[Step], None],
) -> tuple[LifeModel, list[Curve]]:
    """Train one network per fold, calibrate on what each did not see.

    Args:
        inputs: network inputs of all windows.
        examples: the same windows with their labels.
        layout: the machine type.
        options: how to learn.
        progress: told after each epoch.

    Returns:
        The ensemble with its calibration, and a learning curve per fold.
    """
    axis = layout.life
    spec = _spec(inputs, axis, options)
    goal = targets(axis, examples.life, examples.censored)
    rng = np.random.default_rng(options.seed)
    folds = min(options.folds, len(np.unique(examples.group)))
    fold = deal(examples.group, folds, rng, first=~examples.censored)

    def learn(
        given: Inputs, held: npt.NDArray[np.bool_], seed: int, stage: str
    ) -> tuple[Any, Curve]:
        seed_everything(seed)
        model = networks.build_life(spec)
        seen = thin(np.flatnonzero(~held), options.max_windows, rng)
        other = thin(np.flatnonzero(held), options.max_windows // 6, rng)
        curve = fit(
            model,
            networks.RankedLoss(),
            _sample(given, goal, seen),
            _sample(given, goal, other),
            options,
            (stage, options.epochs),
            progress,
        )
        return model, curve

    cdf = np.zeros((len(goal), axis.bins + 1))
    members: list[Weights] = []
    curves = []
    given = _hide(inputs, spec.sensors, options.hide_age, rng)
    for k in range(folds):
        held = np.flatnonzero(fold == k)
        stage = f"fold {k + 1} of {folds}"
        model, curve = learn(given, fold == k, options.seed * 1009 + k, stage)
        cdf[held] = predict(model, inputs, held)
        members.append(model.get_weights())
        curves.append(curve)
    ageless = None
    if np.isfinite(examples.windows.age).all():
        hidden = _hide(inputs, spec.sensors, 1.0, rng)
        seed = options.seed * 1009 + folds
        model, curve = learn(hidden, fold == 0, seed, "for unknown age")
        ageless = model.get_weights()
        curves.append(curve)
    pit = calibrate.fit(cdf, examples.life, examples.censored, examples.machine, axis)
    found = _out_of_fold(cdf, fold, examples, axis)
    return LifeModel(axis, spec, tuple(members), ageless, pit, found), curves


def targets(axis: LifeAxis, life: Doubles, censored: npt.NDArray[np.bool_]) -> Floats:
    """What F is asked at each edge: 1 failed by then, 0 not, -1 nobody knows.

    Args:
        axis: the axis of F.
        life: (n,) remaining life, or time to the end of observation.
        censored: (n,) whether it is the latter.
    """
    failed = life[:, None] <= axis.edges
    asked = np.where(failed & censored[:, None], -1.0, failed)
    return asked.astype(np.float32)


def predict(model: Any, inputs: Inputs, index: Index) -> Doubles:
    """F at the edges for some windows, not calibrated, (len(index), bins + 1)."""
    parts = []
    for at in range(0, len(index), 2048):
        some = index[at : at + 2048]
        logits = model([inputs.sequence[some], inputs.static[some]], training=False)
        parts.append(np.asarray(networks.life_cdf(logits)))
    return distribution.clean(np.concatenate(parts))


def _spec(inputs: Inputs, axis: LifeAxis, options: TrainingOptions) -> LifeSpec:
    _, window, sensors = inputs.sequence.shape
    return LifeSpec(
        window=window,
        sensors=sensors,
        static=inputs.static.shape[1],
        classes=axis.classes,
        units=options.units,
        block=min(options.block, window),
        filters=options.filters,
        hidden=options.hidden,
        dropout=options.dropout,
        blur=Blur(options.blur_shift, options.blur_baseline, options.blur_age),
    )


def _hide(
    inputs: Inputs, sensors: int, share: float, rng: np.random.Generator
) -> Inputs:
    """The same inputs with the age of some windows hidden."""
    if share <= 0:
        return inputs
    blind = np.asarray(networks.without_age(inputs.static, sensors))
    some = rng.random((len(blind), 1)) < share
    return replace(inputs, static=np.where(some, blind, inputs.static))


def _sample(inputs: Inputs, goal: Floats, index: Index) -> Sample:
    return Sample([inputs.sequence[index], inputs.static[index]], goal[index])


def _out_of_fold(
    cdf: Doubles, fold: npt.NDArray[np.int32], examples: Examples, axis: LifeAxis
) -> OutOfFold:
    """Calibrate each fold by the others, as a new machine would be."""
    rul = np.zeros((len(cdf), 3))
    risk = np.zeros(len(cdf))
    for k in np.unique(fold):
        here, other = fold == k, fold != k
        rest = examples.take(other)
        pit = calibrate.fit(cdf[other], rest.life, rest.censored, rest.machine, axis)
        calibrated = pit.apply(cdf[here], axis)
        rul[here] = distribution.quantiles(calibrated, axis)
        risk[here] = distribution.at(calibrated, axis, axis.horizon)
    return OutOfFold(
        machine=examples.machine.astype(np.int32),
        age=_rows_seen(examples.machine).astype(np.float32),
        life=examples.life.astype(np.float32),
        censored=examples.censored,
        rul=rul.astype(np.float32),
        risk=risk.astype(np.float32),
    )


def _rows_seen(machine: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Position of each window within its machine, from 1."""
    start = np.flatnonzero(np.diff(machine, prepend=-1))
    first = np.repeat(start, np.diff(np.append(start, len(machine))))
    return np.arange(len(machine)) - first + 1
