"""Training of the anomaly half: autoencoder, whitening, false-alarm curve."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from models import anomaly, networks
from models.backend import keras, seed_everything
from models.errors import TrainingError
from models.features import Inputs
from models.fitting import Floats, Sample, deal, fit, thin
from models.networks_spec import AutoencoderSpec
from models.options import Examples, Layout, Step, TrainingOptions
from models.trained import AnomalyModel, Curve

MIN_HEALTHY = 40


def train(
    given: tuple[Inputs, npt.NDArray[np.bool_]],
    examples: Examples,
    layout: Layout,
    options: TrainingOptions,
    progress: Callable[[Step], None],
) -> tuple[AnomalyModel, Curve]:
    """Train on healthy windows; what is held out gives the meaning of the score.

    Args:
        given: network inputs of all windows, and (n, F) which sensors do not count.
        examples: the same windows with what became of the machines.
        layout: the machine type.
        options: how to learn.
        progress: told after each epoch.

    Raises:
        TrainingError: if there are too few healthy windows.
    """
    inputs, hidden = given
    well = np.flatnonzero(healthy(examples, layout.cap) & inputs.known)
    if len(well) < MIN_HEALTHY:
        msg = (
            f"expected at least {MIN_HEALTHY} healthy windows (more than the cap of "
            f"{layout.cap:g} {layout.axis} before a failure), found {len(well)}"
        )
        raise TrainingError(msg)
    rng = np.random.default_rng(options.seed)
    held = _held_out(examples.group[well], options.held_out, rng)
    spec = AutoencoderSpec.fitting(layout.window, inputs.sequence.shape[2])
    seed_everything(options.seed * 1009 + 997)
    model = networks.build_autoencoder(spec)
    most = options.max_windows
    longer = replace(options, patience=max(3, options.patience), learning_rate=0.003)
    curve = fit(
        model,
        keras.losses.MeanSquaredError(),
        _sample(inputs, spec, thin(well[~held], most, rng)),
        _sample(inputs, spec, thin(well[held], most // 3, rng)),
        longer,
        ("autoencoder", options.anomaly_epochs),
        progress,
    )
    whitening = anomaly.fit_whitening(residuals(model, inputs, spec, well[~held]))
    strange = residuals(model, inputs, spec, well[held]).astype(np.float64)
    score, _ = anomaly.total_of_sound(
        whitening,
        ((strange - whitening.mean) @ whitening.matrix).astype(np.float32),
        hidden[well[held]],
    )
    curve_of_rates = anomaly.fit_exceedance(
        score, examples.machine[well[held]], step_s=layout.step_s, window=layout.window
    )
    found = AnomalyModel(spec, model.get_weights(), whitening, curve_of_rates)
    return found, curve


def healthy(examples: Examples, cap: float) -> npt.NDArray[np.bool_]:
    """Which windows count as healthy, (n,).

    More than the cap before a failure. Lives shorter than that lend their first
    quarter. Machines that never failed are healthy throughout; of a replaced one
    nobody knows, so its last stretch of one cap is left out where others failed.
    """
    life = examples.life
    start = np.maximum.reduceat(life, np.flatnonzero(_first(examples.machine)))
    order = np.cumsum(_first(examples.machine)) - 1
    early = life > np.minimum(cap, 0.75 * start[order])
    if examples.censored.all():
        return np.ones(len(life), bool)
    return np.asarray(early)


def residuals(
    model: Any, inputs: Inputs, spec: AutoencoderSpec, index: npt.NDArray[np.intp]
) -> Floats:
    """Mean residual of the newest rows per sensor, (len(index), F)."""
    parts = []
    for at in range(0, len(index), 2048):
        some = index[at : at + 2048]
        sequence, static = inputs.sequence[some], inputs.static[some]
        parts.append(np.asarray(networks.residual(model, sequence, static, spec)))
    return np.concatenate(parts)


def _sample(
    inputs: Inputs, spec: AutoencoderSpec, index: npt.NDArray[np.intp]
) -> Sample:
    base = inputs.static[index, None, : spec.sensors]
    rows = inputs.sequence[index, spec.window - spec.rows :] - base
    return Sample(rows, rows)


def _held_out(
    machine: npt.NDArray[np.int32], share: float, rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Held-out machines; of a single machine the last stretch of time."""
    count = len(np.unique(machine))
    if count < 3:
        return np.asarray(np.arange(len(machine)) >= (1 - share) * len(machine))
    groups = max(2, min(count, round(1 / share)))
    return np.asarray(deal(machine, groups, rng) == 0)


def _first(machine: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    return np.asarray(np.diff(machine, prepend=-1) != 0)
