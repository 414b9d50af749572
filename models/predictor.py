"""The compiled model: windows in, predictions out, in a few fixed batch shapes.

A window's prediction must not depend, to the bit, on the windows beside it: after a
crash the same windows come again in other batches, and their scores must be the same.
All linear algebra therefore runs inside one compiled graph of fixed shapes, batches
are padded to those, and `warm_up` checks on fixed random windows that the shapes and
positions agree. A shape that does not agree with the largest on some machine is left
out; should even positions differ, XLA is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from models import instruments, networks, serving
from models.backend import compile_call, gpu, keras, ops
from models.features import Inputs
from models.prediction import WHY, Finish, Prediction, mixed
from models.trained import LifeModel, Trained
from models.windows import Floats, Windows

BUCKETS = (16, 64, 256, 1024)
_FULL = 0.75
"""From this share on a shape is padded rather than left to several smaller ones."""

Outputs = tuple[Floats | None, Floats]
Compiled = Callable[..., list[npt.NDArray[Any]]]


class Predictor:
    """Scores windows with a trained bundle. One call at a time.

    Attributes:
        name: name of the bundle.
        version: its version.
        digest: SHA-256 of its manifest, hex; part of every score's id.
        reasons: why an estimate may be missing, by `Prediction.why`.
        about: what a score says of the model beside its name.
    """

    def __init__(self, trained: Trained, name: str, version: str, digest: str) -> None:
        """Build the networks; nothing is compiled yet.

        Args:
            trained: numbers and weights.
            name: name of the bundle.
            version: its version.
            digest: digest of its manifest.

        Raises:
            ValueError: if weights do not fit the architecture.
        """
        self.name, self.version, self.digest = name, version, digest
        self.reasons = WHY
        layout = trained.layout
        self.about: dict[str, Any] = {
            "axis": layout.axis,
            "horizon": layout.horizon,
            "cap": layout.cap,
        }
        self._spec = trained.features
        self._health = trained.instruments
        self._sensors = len(layout.sensors)
        self._buckets: tuple[int, ...] = BUCKETS
        self._compiled: dict[int, Compiled] = {}
        self._life = trained.life
        # cuDNN's LSTM is quicker than anything XLA makes of it, and is reached through
        # Keras' layers in a plain graph alone.
        self._layers = bool(gpu())
        self._call = _graph(trained, layers=self._layers)
        self._finish = Finish(
            life=trained.life,
            strange=trained.anomaly,
            columns=trained.features.columns,
            sensors=self._sensors,
            alarm_rate=layout.alarm_rate,
        )

    def warm_up(self) -> None:
        """Compile every shape, and keep those that agree to the bit. Seconds; once."""
        if self._compiled:
            return
        agreeing: tuple[int, ...] = ()
        compiled: dict[int, Compiled] = {}
        for jit in (False,) if self._layers else (True, False):
            compiled = {size: self.compiled(size, jit=jit) for size in BUCKETS}
            agreeing = self._agreeing(compiled)
            if agreeing:
                break
        # Not even positions agree: one shape is the best there is.
        self._buckets = agreeing or BUCKETS[-1:]
        self._compiled = {size: compiled[size] for size in self._buckets}

    def predict(self, windows: Windows) -> Prediction:
        """Predict for n >= 0 windows; a row's result depends on that row alone.

        Args:
            windows: windows of the bundle's geometry, raw units.

        Raises:
            ValueError: if the windows' shape is not the bundle's.
        """
        found = windows.values.shape[1:]
        if found != (self._spec.window, self._sensors):
            msg = (
                f"windows: expected (n, {self._spec.window}, {self._sensors}) values, "
                f"found {windows.values.shape}"
            )
            raise ValueError(msg)
        self.warm_up()
        inputs, judged = instruments.examine(self._health, self._spec, windows)
        cdf, whitened = self._run(inputs)
        return self._finish(cdf, whitened, inputs.known, judged)

    def compiled(self, size: int, *, jit: bool | None = None) -> Compiled:
        """Compile the networks for `size` windows.

        Args:
            size: windows in a call.
            jit: whether XLA compiles them; None: as it suits the device.

        Returns:
            Function of the sequences (size, W, F) and statics (size, F + 4) to a list
            of arrays: whitened residuals (size, F), and with a life model the logits
            (size, networks, classes).
        """
        spec = self._spec
        shapes = [
            (size, spec.window, len(spec.columns)),
            (size, spec.static_width),
        ]
        xla = not self._layers if jit is None else jit
        return compile_call(self._call, shapes, jit=xla)

    def _run(self, inputs: Inputs) -> Outputs:
        parts: list[list[npt.NDArray[Any]]] = []
        at, n = 0, len(inputs.static)
        while at < n or not parts:
            size = self._bucket(n - at)
            some = slice(at, min(at + size, n))
            count = some.stop - some.start
            padded = [_pad(a[some], size) for a in (inputs.sequence, inputs.static)]
            parts.append([out[:count] for out in self._compiled[size](*padded)])
            at += size
        whitened = np.concatenate([part[0] for part in parts])
        if self._life is None:
            return None, whitened
        logits = np.concatenate([part[1] for part in parts])
        known = networks.ages_known(inputs.static, self._life.spec.sensors)
        return mixed(self._life, logits, known[:, 0] > 0), whitened

    def _bucket(self, left: int) -> int:
        """The shape to fill next: the largest that gets full, or nearly so."""
        fitting = [size for size in self._buckets if left >= _FULL * size]
        return fitting[-1] if fitting else self._buckets[0]

    def _agreeing(self, compiled: dict[int, Compiled]) -> tuple[int, ...]:
        """The shapes that give the largest one's bits, at every position, ascending.

        None at all where even the largest depends on a window's position.
        """
        rng = np.random.default_rng(20_240_229)
        most = max(compiled)
        shape = (most, self._spec.window, len(self._spec.columns))
        sequence = rng.normal(size=shape).astype(np.float32)
        static = rng.normal(size=(most, self._spec.static_width)).astype(np.float32)
        wanted = compiled[most](sequence, static)
        order = rng.permutation(most)
        turned = compiled[most](sequence[order], static[order])
        if not _same([out[order] for out in wanted], turned):
            return ()
        agreeing = []
        for size, call in compiled.items():
            # Beginning and end: what a shape does to one window, it does to all.
            for some in (slice(0, size), slice(most - size, most)):
                found = call(sequence[some], static[some])
                if not _same([out[some] for out in wanted], found):
                    break
            else:
                agreeing.append(size)
        return tuple(agreeing)


def _graph(trained: Trained, *, layers: bool) -> Callable[[Any, Any], list[Any]]:
    """The whole computation as one function of (sequence, static).

    Args:
        trained: numbers and weights.
        layers: whether Keras' layers compute it, else `models.serving`.

    Raises:
        ValueError: if weights do not fit the architecture.
    """
    strange = trained.anomaly
    model = networks.build_autoencoder(strange.spec)
    set_weights(model, strange.weights, "autoencoder")
    autoencoder = (
        model if layers else serving.autoencoder(strange.spec, strange.weights)
    )
    life = _life_graph(trained.life, layers=layers) if trained.life else None
    mean = strange.whitening.mean.astype(np.float32)
    matrix = strange.whitening.matrix.astype(np.float32)

    def call(sequence: Any, static: Any) -> list[Any]:
        error = networks.residual(autoencoder, sequence, static, strange.spec)
        outputs = [serving.product(error - mean, matrix)]
        if life is not None:
            outputs.append(life(sequence, static))
        return outputs

    return call


def _life_graph(life: LifeModel, *, layers: bool) -> Callable[[Any, Any], Any]:
    """Logits of every network, (n, networks, classes); the ageless one comes last."""

    def network(weights: list[npt.NDArray[np.float32]], what: str) -> Any:
        model = networks.build_life(life.spec)
        set_weights(model, weights, what)
        return _layered(model) if layers else serving.life(life.spec, weights)

    members = [
        network(weights, f"life network {k + 1}")
        for k, weights in enumerate(life.members)
    ]
    ageless = None
    if life.ageless is not None:
        ageless = network(life.ageless, "life network for unknown age")

    def call(sequence: Any, static: Any) -> Any:
        logits = [member(sequence, static) for member in members]
        if ageless is not None:
            blind = networks.without_age(static, life.spec.sensors)
            logits.append(ageless(sequence, blind))
        return ops.stack(logits, axis=1)

    return call


def _layered(model: Any) -> Callable[[Any, Any], Any]:
    return lambda sequence, static: model([sequence, static], training=False)


def set_weights(model: Any, weights: list[npt.NDArray[np.float32]], what: str) -> None:
    """Give a built network its weights.

    Raises:
        ValueError: naming `what`, if number or shapes do not fit.
    """
    wanted = [tuple(v.shape) for v in model.weights]
    found = [w.shape for w in weights]
    if wanted != found:
        msg = f"{what}: expected weights of shapes {wanted}, found {found}"
        raise ValueError(msg)
    model.set_weights(weights)


def _pad(array: Floats, size: int) -> Floats:
    if len(array) == size:
        return np.ascontiguousarray(array)
    padded = np.zeros((size, *array.shape[1:]), np.float32)
    padded[: len(array)] = array
    return padded


def _same(left: list[npt.NDArray[Any]], right: list[npt.NDArray[Any]]) -> bool:
    return all(a.tobytes() == b.tobytes() for a, b in zip(left, right, strict=True))


def backend_name() -> str:
    """Name and version of what computes, for the manifest."""
    return f"keras {keras.__version__} on {keras.backend.backend()}"
