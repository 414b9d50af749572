"""The one door to Keras and TensorFlow: quiet on import, typed, and bounded.

Nothing else here imports them, so that data sets, metrics and bundles can be read
without the seconds TensorFlow takes to load.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what C++ libraries print on load away from the user, unless they fail.

    Some lines precede TensorFlow's own log settings, so the file descriptor itself is
    turned aside.
    """
    with tempfile.TemporaryFile() as aside:
        try:
            kept = os.dup(2)
        except OSError:  # no standard error at all: nothing to keep quiet
            yield
            return
        os.dup2(aside.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(kept, 2)
            aside.seek(0)
            os.write(2, aside.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
# On a GPU take what is needed, not all there is.
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

with _quiet():
    import keras as _keras

    if _keras.backend.backend() == "tensorflow":
        import tensorflow as _tf

        _tf.get_logger().setLevel("ERROR")
        # Kernels are made at the first use, and say so; make the first use here.
        _tf.constant(0.0).numpy()

keras: Any = _keras
ops: Any = _keras.ops
layers: Any = _keras.layers


def gpu() -> str:
    """Name of the GPU that computes; empty where the CPU does."""
    if keras.backend.backend() != "tensorflow":
        jax = import_module("jax")
        found = jax.default_backend() == "gpu"
        return str(jax.devices()[0].device_kind) if found else ""
    if not _tf.config.list_logical_devices("GPU"):
        return ""
    chip = _tf.config.list_physical_devices("GPU")[0]
    details = _tf.config.experimental.get_device_details(chip)
    return str(details.get("device_name", chip.name))


def why_no_gpu() -> str:
    """Why the CPU computes, in words; only where `gpu` found none."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0") in {"", "-1"}:
        return "CUDA_VISIBLE_DEVICES hides all of them"
    if shutil.which("nvidia-smi") is None and not Path("/dev/nvidiactl").exists():
        return "this machine has no NVIDIA driver"
    if keras.backend.backend() != "tensorflow":
        return "JAX found no CUDA platform (pip install 'jax[cuda12]')"
    if not _tf.test.is_built_with_cuda():
        return "this TensorFlow was built without CUDA"
    return "CUDA's libraries were not found (pip install 'tensorflow[and-cuda]')"


def seed_everything(seed: int) -> None:
    """Seed Python, numpy and the backend, so that a training can be repeated."""
    keras.utils.set_random_seed(seed)


def compile_call(
    call: Callable[..., Any], shapes: list[tuple[int, ...]], *, jit: bool
) -> Callable[..., list[Array]]:
    """Make one compiled function of fixed float32 shapes.

    Args:
        call: takes one tensor per shape, returns a list of tensors.
        shapes: the shapes, batch first.
        jit: whether XLA compiles it; else a plain graph. JAX has nothing but XLA.

    Returns:
        A function of numpy arrays to a list of numpy arrays.
    """
    if keras.backend.backend() == "tensorflow":
        specs = [_tf.TensorSpec(shape, _tf.float32) for shape in shapes]
        graph = _tf.function(
            call, input_signature=specs, jit_compile=jit, autograph=False
        )
        with _quiet():
            concrete = graph.get_concrete_function()
            concrete(*(_tf.zeros(shape) for shape in shapes))
        return lambda *arrays: [
            np.asarray(part) for part in concrete(*map(_tf.constant, arrays))
        ]
    jax = import_module("jax")
    given = [jax.ShapeDtypeStruct(shape, np.float32) for shape in shapes]
    compiled = jax.jit(call).lower(*given).compile()
    return lambda *arrays: [np.asarray(part) for part in compiled(*arrays)]
