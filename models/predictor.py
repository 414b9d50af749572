"""The compiled model: windows in, predictions out, in a few fixed batch shapes.

A window's prediction must not depend, to the bit, on the windows beside it: after a
crash the same windows come again in other batches, and their scores must be the same.
All linear algebra therefore runs inside one compiled graph of fixed shapes, batches
are padded to those, and `warm_up` checks on fixed random windows that the shapes and
positions agree. Should they not on some machine, one shape alone is used; should even
positions differ, XLA is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from models import instruments, networks
from models.backend import compile_call, keras, ops
from models.features import Inputs
from models.prediction import WHY, Finish, Prediction
from models.trained import LifeModel, Trained
from models.windows import Floats, Windows

BUCKETS = (32, 256)
Outputs = tuple[Floats | None, Floats]


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
        self._compiled: dict[int, Callable[..., list[npt.NDArray[Any]]]] = {}
        self._jit = True
        self._has_life = trained.life is not None
        self._call = _graph(trained)
        self._finish = Finish(
            life=trained.life,
            strange=trained.anomaly,
            columns=trained.features.columns,
            sensors=self._sensors,
            alarm_rate=layout.alarm_rate,
        )

    def warm_up(self) -> None:
        """Compile every shape, and check that they agree to the bit. Seconds; once."""
        if self._compiled:
            return
        for jit, buckets in ((True, BUCKETS), (True, BUCKETS[:1]), (False, BUCKETS)):
            self._jit, self._buckets = jit, buckets
            self._compiled = {size: self._compile(size) for size in buckets}
            if self._agree():
                return
        self._buckets = BUCKETS[:1]

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

    def _compile(self, size: int) -> Callable[..., list[npt.NDArray[Any]]]:
        spec = self._spec
        shapes = [
            (size, spec.window, len(spec.columns)),
            (size, spec.static_width),
        ]
        return compile_call(self._call, shapes, jit=self._jit)

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
        if not self._has_life:
            return None, whitened
        return np.concatenate([part[1] for part in parts]), whitened

    def _bucket(self, left: int) -> int:
        """The largest shape that would be more than a third full, else the smallest."""
        fitting = [size for size in self._buckets if left * 3 > size]
        return fitting[-1] if fitting else self._buckets[0]

    def _agree(self) -> bool:
        """Whether every shape and position gives the same bits on fixed windows."""
        rng = np.random.default_rng(20_240_229)
        size = max(self._buckets)
        shape = (size, self._spec.window, len(self._spec.columns))
        sequence = rng.normal(size=shape).astype(np.float32)
        static = rng.normal(size=(size, self._spec.static_width)).astype(np.float32)
        wanted = self._compiled[size](sequence, static)
        order = rng.permutation(size)
        turned = self._compiled[size](sequence[order], static[order])
        agree = _same([out[order] for out in wanted], turned)
        for small in self._buckets:
            for at in range(0, size - small + 1, small):
                some = slice(at, at + small)
                found = self._compiled[small](sequence[some], static[some])
                agree = agree and _same([out[some] for out in wanted], found)
        return agree


def _graph(trained: Trained) -> Callable[[Any, Any], list[Any]]:
    """The whole computation as one function of (sequence, static)."""
    strange = trained.anomaly
    autoencoder = networks.build_autoencoder(strange.spec)
    set_weights(autoencoder, strange.weights, "autoencoder")
    life = _life_graph(trained.life) if trained.life is not None else None
    mean = strange.whitening.mean.astype(np.float32)
    matrix = strange.whitening.matrix.astype(np.float32)

    def call(sequence: Any, static: Any) -> list[Any]:
        error = networks.residual(autoencoder, sequence, static, strange.spec)
        outputs = [ops.matmul(error - mean, matrix)]
        if life is not None:
            outputs.append(life(sequence, static))
        return outputs

    return call


def _life_graph(life: LifeModel) -> Callable[[Any, Any], Any]:
    """F at the edges: the members' mean, or the ageless network's where it must."""
    members = []
    for k, weights in enumerate(life.members):
        members.append(networks.build_life(life.spec))
        set_weights(members[-1], weights, f"life network {k + 1}")
    ageless = None
    if life.ageless is not None:
        ageless = networks.build_life(life.spec)
        set_weights(ageless, life.ageless, "life network for unknown age")

    def call(sequence: Any, static: Any) -> Any:
        total = networks.life_cdf(members[0]([sequence, static], training=False))
        for member in members[1:]:
            logits = member([sequence, static], training=False)
            total = total + networks.life_cdf(logits)
        mean = total / float(len(members))
        if ageless is None:
            return mean
        blind = networks.without_age(static, life.spec.sensors)
        other = networks.life_cdf(ageless([sequence, blind], training=False))
        known = networks.ages_known(static, life.spec.sensors)
        # `known` is exactly 0 or 1, so this picks without rounding.
        return known * mean + (1.0 - known) * other

    return call


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
