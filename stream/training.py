"""`foreshock train`: history in, a bundle for each machine type out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from models import bundle as bundles
from models.errors import ModelsError
from models.options import Examples, Step, TrainingOptions
from models.windows import WindowArrays
from stream import histories
from stream.errors import InputError
from stream.worker.layouts import layout_of
from stream.worker.settings import Settings

_KEPT = 4
"""Windows kept from a history, in those that one pass of training sees."""

Progress = Callable[[str, Step], None]
"""Told of each step: machine type, and what `models` says of it."""


def examples_of(settings: Settings, name: str) -> Examples:
    """Return one machine type's training windows with their labels.

    Raises:
        InputError: if the history is not as it must be.
    """
    history = histories.load(settings, name, "train")
    most = _KEPT * settings.training.max_windows
    cut = histories.cut(settings, name, history, most)
    lives, machine = np.unique(cut.windows.machine, return_inverse=True)
    return Examples(
        windows=WindowArrays.of(cut.windows),
        machine=machine.astype(np.int32),
        life=cut.life,
        censored=cut.censored,
        names=tuple(cut.names[life] for life in lives),
        groups=cut.groups[lives],
    )


def options_of(settings: Settings, seed: int) -> TrainingOptions:
    """Return how to learn, as the models want to be told."""
    return TrainingOptions(seed=seed, **settings.training.model_dump())


def train(
    settings: Settings, *, seed: int, version: str, progress: Progress
) -> dict[str, Any]:
    """Train and save a bundle for every machine type.

    Args:
        settings: The plant's.
        seed: Seed of all chance.
        version: The bundles' version, free text.
        progress: Told of each step.

    Returns:
        By machine type: where the bundle lies, its digest, and what it learned from.

    Raises:
        InputError: if a history is not as it must be.
    """
    from models.train import train as train_models  # noqa: PLC0415 - loads Keras

    told: dict[str, Any] = {}
    for name in settings.machine_types:
        examples = examples_of(settings, name)

        def step(step: Step, name: str = name) -> None:
            progress(name, step)

        try:
            trained = train_models(
                examples, layout_of(settings, name), options_of(settings, seed), step
            )
            path = settings.bundle_of(name)
            bundle = bundles.save(
                trained,
                path,
                name=name,
                version=version,
                fingerprint=bundles.fingerprint(examples),
            )
        except ModelsError as error:
            raise InputError(f"machine type {name!r}: {error}") from error
        told[name] = {
            "bundle": str(path),
            "version": bundle.version,
            "digest": bundle.digest,
            "machines": trained.machines,
            "failures": trained.failures,
            "windows": trained.windows,
            "seed": seed,
            "notes": list(trained.notes),
        }
    return told
