"""The two networks, built by our own code from a few numbers of the manifest.

**Life**: an LSTM over the window, one softmax over the remaining life. A strided
convolution first averages the window in short blocks: single rows are mostly noise,
and the LSTM then takes a fifth of the steps. **Autoencoder**: a convolution down to a
few numbers and back, trained on healthy windows; it sees readings alone, never age,
counts or time.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from models.backend import keras, layers, ops
from models.features import STATIC_EXTRA
from models.networks_spec import AutoencoderSpec, Blur, LifeSpec


def without_age(static: Any, sensors: int) -> Any:
    """The static input (n, F + 4) of a machine whose age nobody knows."""
    seen = np.ones(sensors + STATIC_EXTRA, np.float32)
    seen[sensors + 1 : sensors + 3] = 0.0
    return static * seen


def ages_known(static: Any, sensors: int) -> Any:
    """1 where the age is known, else 0, (n, 1)."""
    return static[:, sensors + 2 : sensors + 3]


class BlurMachine(layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """While training, blur which machine a window comes from.

    The offsets of its sensors and its age give a machine away, and a network that knows
    each training machine by them learns its life by heart. All readings of a window and
    its own baseline are therefore shifted alike, which leaves how far the machine has
    moved from its own beginning; the baseline moves a little by itself, and so does the
    age.
    """

    def __init__(self, sensors: int, blur: Blur, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._sensors = sensors
        self._blur = blur
        self._seeds = keras.random.SeedGenerator()

    def call(self, sequence: Any, static: Any, training: bool = False) -> Any:
        """Take and return (n, W, F) and (n, F + 4)."""
        if not training:
            return sequence, static
        n, sensors = ops.shape(static)[0], self._sensors
        shift = self._normal(n, sensors, self._blur.shift)
        own = static[:, :sensors] + shift
        own = own + self._normal(n, sensors, self._blur.baseline)
        known = ages_known(static, sensors)
        age = static[:, sensors + 1 : sensors + 2]
        age = age + known * self._normal(n, 1, self._blur.age)
        rest = static[:, sensors + 2 :]
        share = static[:, sensors : sensors + 1]
        return (
            sequence + ops.expand_dims(shift, 1),
            ops.concatenate([own, share, age, rest], axis=1),
        )

    def _normal(self, n: Any, width: int, size: float) -> Any:
        return size * keras.random.normal((n, width), seed=self._seeds)


def build_life(spec: LifeSpec) -> Any:
    """Keras model of [(n, W, F), (n, F + 4)] to (n, classes) logits."""
    given = [keras.Input((spec.window, spec.sensors)), keras.Input((spec.static,))]
    sequence, static = BlurMachine(spec.sensors, spec.blur)(*given)
    if spec.plain:
        return keras.Model(given, _classes(_recurrent(sequence, spec), spec))
    deviation = sequence - ops.expand_dims(static[:, : spec.sensors], 1)
    x = layers.Concatenate()([sequence, deviation])
    if spec.block > 1:
        x = layers.Conv1D(
            spec.filters,
            2 * spec.block,
            strides=spec.block,
            padding="same",
            activation="tanh",
        )(x)
    x = layers.Concatenate()(
        [x, layers.RepeatVector(x.shape[1])(static[:, spec.sensors :])]
    )
    x = _recurrent(x, spec)
    x = layers.Concatenate()([x, static[:, spec.sensors :]])
    return keras.Model(given, _classes(x, spec))


def _recurrent(x: Any, spec: LifeSpec) -> Any:
    for i, units in enumerate(spec.units):
        x = layers.LSTM(units, return_sequences=i < len(spec.units) - 1)(x)
        x = layers.Dropout(spec.dropout)(x)
    return x


def _classes(x: Any, spec: LifeSpec) -> Any:
    if spec.hidden:
        x = layers.Dense(spec.hidden, activation="relu")(x)
        x = layers.Dropout(spec.dropout)(x)
    return layers.Dense(spec.classes)(x)


def life_cdf(logits: Any) -> Any:
    """F at the edges, (n, classes - 1), from logits (n, classes)."""
    return ops.cumsum(ops.softmax(logits), axis=-1)[:, :-1]


class RankedLoss(keras.losses.Loss):  # type: ignore[misc]  # Keras ships no types
    """Distance of F from the step at the true life, at every edge that is known.

    The mean of the squared error (ranked probability score) and of the cross-entropy
    of "failed by this edge". Both are proper, so their sum is. A target of -1 marks an
    edge beyond the end of observation (censored): it asks nothing of F.
    """

    def call(self, targets: Any, logits: Any) -> Any:
        """Take (n, edges) of 0, 1 or -1 and (n, classes) logits; give (n,)."""
        cdf = ops.clip(life_cdf(logits), 1e-6, 1.0 - 1e-6)
        known = ops.cast(targets >= 0, cdf.dtype)
        squared = ops.square(targets - cdf)
        entropy = -(targets * ops.log(cdf) + (1.0 - targets) * ops.log(1.0 - cdf))
        loss = known * (0.5 * entropy + 2.0 * squared)
        return ops.sum(loss, axis=-1) / ops.maximum(ops.sum(known, axis=-1), 1.0)


def build_autoencoder(spec: AutoencoderSpec) -> Any:
    """Keras model of (n, rows, F) deviations to their reconstruction, same shape."""
    given = keras.Input((spec.rows, spec.sensors))
    if spec.layers:
        x = given
        for width in spec.layers:
            x = layers.Conv1D(width, spec.taps, padding="same", activation="tanh")(x)
        return keras.Model(
            given, layers.Conv1D(spec.sensors, spec.taps, padding="same")(x)
        )
    steps = -(-spec.rows // spec.block)
    x = layers.Conv1D(
        spec.filters,
        2 * spec.block,
        strides=spec.block,
        padding="same",
        activation="tanh",
    )(given)
    x = layers.Dense(spec.code)(layers.Flatten()(x))
    x = layers.Dense(steps * spec.filters, activation="tanh")(x)
    x = layers.Reshape((steps, spec.filters))(x)
    x = layers.Conv1DTranspose(
        spec.sensors, 2 * spec.block, strides=spec.block, padding="same"
    )(x)
    return keras.Model(given, x[:, : spec.rows])


def recent_deviation(sequence: Any, static: Any, spec: AutoencoderSpec) -> Any:
    """The autoencoder's input (n, rows, F): newest rows less the own baseline."""
    base = ops.expand_dims(static[:, : spec.sensors], 1)
    return sequence[:, spec.window - spec.rows :] - base


def residual(model: Any, sequence: Any, static: Any, spec: AutoencoderSpec) -> Any:
    """Mean residual of the newest rows, (n, F), from the life network's inputs."""
    given = recent_deviation(sequence, static, spec)
    error = given - model(given)
    return ops.mean(error[:, spec.rows - spec.recent :], axis=1)
