"""Two ways to compute an LSTM on a GPU: cuDNN's own kernel, or XLA's loop.

Keras takes cuDNN's kernel by itself where there is a GPU, and XLA cannot compile that
kernel. So there are two programs: a plain graph with cuDNN, and an XLA graph whose LSTM
layers were told to do without. Which one a program is, is read off its compiled text:
TensorFlow's operation `CudnnRNNV3` and JAX's call of `cudnn_rnn` exist for GPUs alone,
so a program that has them and runs has run on cuDNN.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from models.networks_spec import LifeSpec

_MARKS = ("cudnnrnn", "cudnn_rnn")


@dataclass(frozen=True)
class Way:
    """One compiled life network.

    Attributes:
        call: computes logits (n, classes) and waits for them.
        kernels: how often cuDNN's LSTM stands in the program.
    """

    call: Callable[[], Any]
    kernels: int


def build(spec: LifeSpec, *, cudnn: bool) -> Any:
    """One life network with random weights; its LSTM layers may use cuDNN, or not."""
    backend, networks = (
        import_module("models.backend"),
        import_module("models.networks"),
    )
    backend.seed_everything(0)
    model = networks.build_life(spec)
    for layer in model.layers:
        if hasattr(layer, "use_cudnn"):
            layer.use_cudnn = "auto" if cudnn else False
    return model


def inputs(spec: LifeSpec, size: int) -> list[Any]:
    """Random (size, W, F) and (size, F + 4) float32."""
    rng = np.random.default_rng(2)
    shapes = (size, spec.window, spec.sensors), (size, spec.static)
    return [rng.normal(size=shape).astype(np.float32) for shape in shapes]


def compiled(spec: LifeSpec, size: int, *, cudnn: bool) -> Way:
    """The life network for one batch size: with cuDNN, or by XLA.

    Where there is no GPU, both do without cuDNN.
    """
    model, arrays = build(spec, cudnn=cudnn), inputs(spec, size)

    def forward(sequence: Any, static: Any) -> Any:
        return model([sequence, static], training=False)

    backend = import_module("models.backend").keras.backend.backend()
    make = _in_jax if backend == "jax" else _in_tensorflow
    return make(forward, arrays, jit=not cudnn)


def _in_tensorflow(forward: Callable[..., Any], arrays: list[Any], *, jit: bool) -> Way:
    tensorflow = import_module("tensorflow")
    signature = [tensorflow.TensorSpec(a.shape, tensorflow.float32) for a in arrays]
    program = tensorflow.function(
        forward, input_signature=signature, jit_compile=jit, autograph=False
    ).get_concrete_function()
    graph = program.graph.as_graph_def()
    nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]

    def call() -> Any:
        return np.asarray(program(*map(tensorflow.constant, arrays)))

    return Way(call, sum(_marked(node.op) for node in nodes))


def _in_jax(forward: Callable[..., Any], arrays: list[Any], *, jit: bool) -> Way:
    del jit  # JAX compiles by XLA always; cuDNN's kernel is a call out of it
    program = import_module("jax").jit(forward).lower(*arrays).compile()
    lines = program.as_text().splitlines()
    kernels = sum("custom-call" in line and _marked(line) for line in lines)
    return Way(lambda: np.asarray(program(*arrays)), kernels)


def _marked(text: str) -> bool:
    return any(mark in text.lower() for mark in _MARKS)
