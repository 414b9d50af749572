"""What computes: backend, chip, its matrix product, and whether cuDNN is in use.

TensorFlow and JAX are loaded by name and only here and in `models.backend`, so that
one of them is enough.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module, util
from pathlib import Path
from typing import Any

import numpy as np

BACKENDS = ("tensorflow", "jax")

_SIZE = {"cpu": (2048, 1), "gpu": (8192, 8)}
"""Edge of the matrices, and products in a row: enough to hide what a call costs."""


class Missing(Exception):
    """What was asked for is not on this machine."""


@dataclass(frozen=True)
class Device:
    """Where the models are computed.

    Attributes:
        backend: "tensorflow" or "jax".
        kind: "cpu" or "gpu".
        chip: the chip's own name.
        why: for a CPU, why it is no GPU; else "".
    """

    backend: str
    kind: str
    chip: str
    why: str

    @property
    def name(self) -> str:
        """Prefix of the results, such as "jax_gpu"."""
        return f"{self.backend}_{self.kind}"


def installed() -> list[str]:
    """The backends that can be imported, by name."""
    return [name for name in BACKENDS if util.find_spec(name) is not None]


def prepare(kind: str) -> None:
    """Choose backend and device by the environment; call it before Keras is loaded.

    Memory of a GPU is taken as it is needed, not all at once, so that others can use
    the chip as well.

    Args:
        kind: "cpu", "gpu" or "auto".

    Raises:
        Missing: without a backend.
    """
    found = installed()
    backend = os.environ.get("KERAS_BACKEND", next(iter(found), ""))
    if backend not in found:
        raise Missing(
            f"KERAS_BACKEND: expected one of {', '.join(BACKENDS)} that is installed "
            f"({', '.join(found) or 'none is'}), found {backend!r}"
        )
    os.environ["KERAS_BACKEND"] = backend
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    if kind == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        os.environ["JAX_PLATFORMS"] = "cpu"


def find(kind: str) -> Device:
    """Look where Keras' backend computes; loads it.

    Raises:
        Missing: if `kind` is "gpu" and there is none, naming the reason.
    """
    loaded = import_module("models.backend")
    backend, chip = str(loaded.keras.backend.backend()), loaded.gpu()
    if chip:
        return Device(backend, "gpu", chip, "")
    why = "the CPU was asked for" if kind == "cpu" else loaded.why_no_gpu()
    if kind == "gpu":
        raise Missing(f"{backend} sees no GPU: {why}")
    return Device(backend, "cpu", _cpu_name(), why)


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.exists() else ():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor() or platform.machine()


def threads() -> int:
    """Cores this process may use, as both backends and numpy read it."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def versions(backend: str) -> dict[str, str]:
    """Versions of what took part."""
    return {"python": platform.python_version()} | {
        name: str(import_module(name).__version__)
        for name in ("keras", "numpy", backend)
    }


def tensor_float_32() -> bool | None:
    """Whether a GPU may round inputs to 10 bits; None where JAX decides by itself."""
    if import_module("models.backend").keras.backend.backend() != "tensorflow":
        return None
    experimental = import_module("tensorflow").config.experimental
    return bool(experimental.tensor_float_32_execution_enabled())


def memory_mib(device: Device) -> float | None:
    """Most memory of the GPU that was in use at once; None on a CPU."""
    if device.kind == "cpu":
        return None
    if device.backend == "tensorflow":
        experimental = import_module("tensorflow").config.experimental
        peak = experimental.get_memory_info("GPU:0")["peak"]
    else:
        peak = import_module("jax").devices()[0].memory_stats()["peak_bytes_in_use"]
    return round(float(peak) / 2**20, 1)


def matrix_product(device: Device) -> tuple[Callable[[], Any], int]:
    """The device's own float32 matrix product, as the backend does it by default.

    Returns:
        A call that waits for its result, and its floating-point operations.
    """
    size, times = _SIZE[device.kind]
    rng = np.random.default_rng(1)
    left = rng.normal(size=(size, size)).astype(np.float32)
    right = (rng.normal(size=(size, size)) / np.sqrt(size)).astype(np.float32)

    def chain(x: Any, y: Any) -> Any:
        for _ in range(times):
            x = x @ y
        return x

    compiled, put = _compiler(device.backend)
    product, a, b = compiled(chain), put(left), put(right)
    return lambda: float(product(a, b)[0, 0]), times * 2 * size**3


def numpy_product() -> tuple[Callable[[], Any], int]:
    """The same of numpy on the CPU, to see that the backend's is no straw man."""
    size, _ = _SIZE["cpu"]
    rng = np.random.default_rng(1)
    left, right = (rng.normal(size=(size, size)).astype(np.float32) for _ in "ab")
    return lambda: left @ right, 2 * size**3


def _compiler(backend: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """How to compile a function of tensors, and how to make them."""
    if backend == "jax":
        return import_module("jax").jit, import_module("jax.numpy").asarray
    tensorflow = import_module("tensorflow")
    return tensorflow.function(autograph=False), tensorflow.constant
