"""The networks as they are served: what Keras' layers compute, in fewer steps.

Training uses the layers of `models.networks`. A window that is scored goes through the
functions here, which take the same weights: all LSTM layers advance together in one
loop, a step is one matrix product per layer over input and memory side by side, and
what does not change over the window is multiplied once. Matrices are shaped so that
XLA sums alike whatever the batch. Results agree with the layers to rounding, as a test
holds; where a GPU has cuDNN's LSTM, the layers are served instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from models.backend import ops
from models.networks_spec import AutoencoderSpec, LifeSpec

Weights = list[npt.NDArray[np.float32]]
Network = Callable[..., Any]

# XLA multiplies narrow matrices in another order of sums when they are few rows; wider
# ones all go one way, so that a window's result does not depend on how many are scored
# with it.
_WIDE = 256


def life(spec: LifeSpec, weights: Weights) -> Network:
    """Function of ((n, W, F), (n, F + 4)) to (n, classes) logits, as `build_life`."""
    parts = iter(weights)
    front = None if spec.plain or spec.block == 1 else (next(parts), next(parts))
    cells = [(next(parts), next(parts), next(parts)) for _ in spec.units]
    hidden = (next(parts), next(parts)) if spec.hidden else None
    last = next(parts), next(parts)

    def call(sequence: Any, static: Any) -> Any:
        if spec.plain:
            x = _lstm(sequence, None, cells)
        else:
            own = ops.expand_dims(static[:, : spec.sensors], 1)
            rest = static[:, spec.sensors :]
            x = ops.concatenate([sequence, sequence - own], axis=2)
            if front is not None:
                kernel, bias = front
                x = ops.conv(x, kernel, strides=spec.block, padding="same")
                x = ops.tanh(x + bias)
            x = ops.concatenate([_lstm(x, rest, cells), rest], axis=1)
        if hidden is not None:
            x = ops.relu(_dense(x, *hidden))
        return _dense(x, *last)

    return call


def _lstm(x: Any, rest: Any, cells: list[tuple[Any, ...]]) -> Any:
    """Memory of the last layer after the last step, (n, units).

    Args:
        x: (n, steps, width) what changes from step to step.
        rest: (n, more) what the first layer reads at every step; None for nothing.
        cells: kernel, recurrent kernel and bias of each layer.
    """
    n, steps, width = x.shape
    by_step = ops.transpose(x, (1, 0, 2))
    first = cells[0][2]
    if rest is not None:
        first = first + product(rest, cells[0][0][width:])
    cells = [(cells[0][0][:width], cells[0][1], first), *cells[1:]]
    kernels = [np.concatenate(cell[:2]) for cell in cells]
    biases = [cell[2] for cell in cells]
    sizes = [len(cell[1]) for cell in cells]

    def step(at: Any, state: tuple[Any, ...]) -> tuple[Any, ...]:
        below, after = by_step[at], []
        for i, units in enumerate(sizes):
            memory, carried = state[2 * i : 2 * i + 2]
            side = ops.concatenate([below, memory], axis=1)
            gates = ops.matmul(side, kernels[i]) + biases[i]
            enter, keep, new, leave = _gates(gates, units)
            carried = keep * carried + enter * new
            below = leave * ops.tanh(carried)
            after += [below, carried]
        return tuple(after)

    zeros = tuple(ops.zeros((n, units)) for units in sizes for _ in range(2))
    return ops.fori_loop(0, steps, step, zeros)[-2]


def _gates(z: Any, units: int) -> Iterator[Any]:
    """Input, forget, candidate and output gates, in Keras' order."""
    for i in range(4):
        squash = ops.tanh if i == 2 else ops.sigmoid
        yield squash(z[:, i * units : (i + 1) * units])


def _dense(x: Any, kernel: npt.NDArray[np.float32], bias: Any) -> Any:
    return product(x, kernel) + bias


def product(x: Any, matrix: npt.NDArray[np.float32]) -> Any:
    """Matrix product (n, k) by (k, m) in one order of sums whatever n is."""
    units = matrix.shape[1]
    wide = np.pad(matrix, ((0, 0), (0, max(0, _WIDE - units))))
    return ops.matmul(x, wide)[:, :units]


def autoencoder(spec: AutoencoderSpec, weights: Weights) -> Network:
    """Function of (n, rows, F) to its reconstruction, as `build_autoencoder`."""
    if spec.layers:
        return _convolutions(weights)
    return _coded(spec, weights)


def _convolutions(weights: Weights) -> Network:
    pairs = list(zip(weights[::2], weights[1::2], strict=True))

    def call(x: Any) -> Any:
        for i, (kernel, bias) in enumerate(pairs):
            x = ops.conv(x, kernel, padding="same") + bias
            if i < len(pairs) - 1:
                x = ops.tanh(x)
        return x

    return call


def _coded(spec: AutoencoderSpec, weights: Weights) -> Network:
    kernel, bias, down, low, up, high, back, shift = weights
    steps = -(-spec.rows // spec.block)

    def call(x: Any) -> Any:
        n = x.shape[0]
        x = ops.tanh(ops.conv(x, kernel, strides=spec.block, padding="same") + bias)
        x = _dense(ops.reshape(x, (n, -1)), down, low)
        x = ops.tanh(_dense(x, up, high))
        x = ops.reshape(x, (n, steps, spec.filters))
        x = ops.conv_transpose(x, back, strides=spec.block, padding="same") + shift
        return x[:, : spec.rows]

    return call
