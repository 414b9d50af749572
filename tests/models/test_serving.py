"""What is served is what Keras' layers compute."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models import networks, serving
from models.networks_spec import AutoencoderSpec, LifeSpec

LIFE = LifeSpec(
    window=12,
    sensors=3,
    static=7,
    classes=9,
    units=(8, 5),
    block=4,
    filters=6,
    hidden=7,
)
ENCODER = AutoencoderSpec(
    window=12, sensors=3, rows=12, block=5, filters=6, code=2, recent=4
)


def given(*shape: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def drawn(model: Any) -> list[np.ndarray]:
    """Give a model weights that are all different from 0; returns them."""
    weights = [
        0.5 * given(*variable.shape, seed=i) for i, variable in enumerate(model.weights)
    ]
    model.set_weights(weights)
    return weights


@pytest.mark.parametrize(
    "spec",
    [
        LIFE,
        replace(LIFE, hidden=0),
        replace(LIFE, block=1),
        replace(LIFE, units=(8,)),
        replace(LIFE, units=(4, 6, 8)),
        replace(LIFE, plain=True, hidden=0, block=1),
    ],
)
def test_the_life_network(spec: LifeSpec) -> None:
    model = networks.build_life(spec)
    call = serving.life(spec, drawn(model))
    sequence, static = given(5, 12, 3, seed=100), given(5, 7, seed=101)
    wanted = np.asarray(model([sequence, static], training=False))
    assert np.asarray(call(sequence, static)) == pytest.approx(wanted, abs=1e-5)
    assert np.abs(wanted).max() > 0.1


@pytest.mark.parametrize(
    "spec",
    [
        ENCODER,
        replace(ENCODER, rows=11),
        replace(ENCODER, layers=(8, 4, 8)),
        replace(ENCODER, layers=(8,), taps=3),
    ],
)
def test_the_autoencoder(spec: AutoencoderSpec) -> None:
    model = networks.build_autoencoder(spec)
    call = serving.autoencoder(spec, drawn(model))
    x = given(5, spec.rows, 3, seed=102)
    wanted = np.asarray(model(x, training=False))
    assert np.asarray(call(x)) == pytest.approx(wanted, abs=1e-5)
    assert np.abs(wanted).max() > 0.1
