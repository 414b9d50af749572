"""One Keras fit: seeded, with early stopping, progress and a learning curve."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.backend import keras
from models.options import Step, TrainingOptions
from models.trained import Curve

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Sample:
    """Network inputs and targets of some windows, aligned on axis 0."""

    inputs: list[Floats] | Floats
    targets: Floats


def fit(
    model: Any,
    loss: Any,
    seen: Sample,
    held_out: Sample,
    options: TrainingOptions,
    stage: tuple[str, int],
    progress: Callable[[Step], None],
) -> Curve:
    """Fit `model` in place and leave it with its best weights.

    The learning rate rises over a tenth of the steps and falls as a cosine. Training
    stops when the held-out loss has not improved for `options.patience` epochs.

    Args:
        model: a built network.
        loss: its loss.
        seen: what it learns from.
        held_out: what it is stopped by; other machines.
        options: how to learn.
        stage: its name, and the most epochs it may take.
        progress: told after each epoch.

    Returns:
        The losses of each epoch.
    """
    name, epochs = stage
    progress(Step(name, 0, epochs, float("nan"), float("nan")))
    steps = max(1, -(-len(seen.targets) // options.batch_size)) * epochs
    rise = max(1, steps // 10)
    rate = keras.optimizers.schedules.CosineDecay(
        0.1 * options.learning_rate,
        max(1, steps - rise),
        warmup_target=options.learning_rate,
        warmup_steps=rise,
        alpha=0.01,
    )
    model.compile(
        keras.optimizers.AdamW(rate, weight_decay=1e-4, clipnorm=1.0),
        loss,
        jit_compile=False,
    )
    stop = keras.callbacks.EarlyStopping(
        patience=options.patience, restore_best_weights=True
    )
    told = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: progress(
            Step(name, epoch + 1, epochs, logs["loss"], logs["val_loss"])
        )
    )
    history = model.fit(
        seen.inputs,
        seen.targets,
        batch_size=options.batch_size,
        epochs=epochs,
        validation_data=(held_out.inputs, held_out.targets),
        validation_batch_size=1024,
        callbacks=[stop, told],
        verbose=0,
    ).history
    losses, others = history["loss"], history["val_loss"]
    return Curve(
        stage=name,
        loss=tuple(round(float(v), 6) for v in losses),
        held_out=tuple(round(float(v), 6) for v in others),
        best=int(np.argmin(others)),
    )


def deal(
    machine: npt.NDArray[np.int32],
    groups: int,
    rng: np.random.Generator,
    first: npt.NDArray[np.bool_] | None = None,
) -> npt.NDArray[np.int32]:
    """Deal machines into groups of nearly equal number, (n,) group per window.

    Args:
        machine: (n,) machine of each window.
        groups: number of groups, at least 2.
        rng: decides who goes where.
        first: (n,) windows whose machines are dealt first, so that each group gets
            its share of them (those that failed).
    """
    ids = rng.permutation(np.unique(machine))
    if first is not None:
        chosen = np.isin(ids, machine[first])
        ids = np.concatenate([ids[chosen], ids[~chosen]])
    group = np.zeros(int(machine.max()) + 1, np.int32)
    group[ids] = np.arange(len(ids)) % groups
    return np.asarray(group[machine], np.int32)


def thin(
    index: npt.NDArray[np.intp], most: int, rng: np.random.Generator
) -> npt.NDArray[np.intp]:
    """At most `most` of the indices, drawn evenly, in order."""
    if len(index) <= most:
        return index
    edges = np.linspace(0, len(index), most + 1)
    drawn = (edges[:-1] + rng.random(most) * np.diff(edges)).astype(np.intp)
    return np.asarray(index[drawn])
