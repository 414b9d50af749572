"""A bundle: a folder with a manifest, weights as arrays, everything else as JSON.

Nothing in it can run code. The architecture is built by `models.networks` from a few
numbers, weights are plain arrays, and no deserialiser of Keras is on the load path.
`load` checks every byte against the manifest before it parses any.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from models import bundle_files as files
from models.anomaly import Exceedance, Whitening
from models.calibrate import PitMap
from models.errors import BundleError
from models.features import FeatureSpec
from models.instruments import InstrumentSpec
from models.networks_spec import AutoencoderSpec, Blur, LifeSpec
from models.options import Examples, Layout, TrainingOptions
from models.trained import AnomalyModel, Curve, LifeModel, OutOfFold, Trained

if TYPE_CHECKING:
    from models.predictor import Predictor

SCHEMA = 1
INSTRUMENTS = "instruments.json"
MAX_MEMBERS = 32


@dataclass(frozen=True)
class Bundle:
    """A verified bundle in memory.

    Attributes:
        name: usually the machine type.
        version: free text of whoever trained it.
        digest: SHA-256 of the manifest, hex; it covers every other file.
        manifest: the manifest as parsed.
        trained: numbers and weights.
    """

    name: str
    version: str
    digest: str
    manifest: dict[str, Any]
    trained: Trained

    @property
    def sensors(self) -> tuple[str, ...]:
        """Names of the S columns, in order."""
        return self.trained.layout.sensors

    @property
    def units(self) -> tuple[str, ...]:
        """A unit per sensor."""
        return self.trained.layout.units

    @property
    def window(self) -> int:
        """Rows W of a window."""
        return self.trained.layout.window

    @property
    def baseline_rows(self) -> int:
        """Rows B of the own baseline."""
        return self.trained.layout.baseline_rows

    @property
    def has_life(self) -> bool:
        """Whether it gives risk and remaining life."""
        return self.trained.life is not None

    def predictor(self) -> Predictor:
        """Build the networks. Loads Keras, which takes seconds the first time.

        Raises:
            BundleError: if the weights do not fit the architecture.
        """
        from models.predictor import Predictor  # noqa: PLC0415 - loads TensorFlow

        try:
            return Predictor(self.trained, self.name, self.version, self.digest)
        except ValueError as problem:
            raise BundleError(f"bundle {self.name}: {problem}") from problem


def save(
    trained: Trained,
    folder: Path,
    *,
    name: str,
    version: str,
    fingerprint: str = "",
    extra: dict[str, Any] | None = None,
) -> Bundle:
    """Write a bundle; an older one in its place is replaced as a whole.

    Args:
        trained: what training gave.
        folder: where; its parents are made.
        name: usually the machine type.
        version: free text.
        fingerprint: of the training data, see `fingerprint`.
        extra: more for the manifest, such as metrics; plain JSON values.

    Returns:
        The bundle as `load` would give it.
    """
    parts, manifest = _content(trained)
    manifest |= {"name": name, "version": version, "fingerprint": fingerprint}
    manifest |= {"extra": extra or {}}
    manifest["files"] = {
        part: {"sha256": files.sha256(data), "bytes": len(data)}
        for part, data in parts.items()
    }
    parts[files.MANIFEST] = _json(manifest)
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        made.chmod(0o755)
        for part, data in parts.items():
            (made / part).write_bytes(data)
        if folder.exists():
            if not (folder / files.MANIFEST).is_file() and any(folder.iterdir()):
                raise BundleError(f"{folder}: expected a bundle to replace, found none")
            shutil.rmtree(folder)
        os.replace(made, folder)  # noqa: PTH105 - Path.replace reads as if for text
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return load(folder)


def load(folder: Path) -> Bundle:
    """Read and verify a bundle; Keras is not needed.

    Raises:
        BundleError: if anything about it is not as it must be.
    """
    path = folder / files.MANIFEST
    if not path.is_file():
        raise BundleError(f"{folder}: no bundle there (expected {path.name} in it)")
    raw = files.read(path, files.MAX_MANIFEST)
    manifest = files.parse(raw, str(path))
    if manifest.get("schema") != SCHEMA:
        found = manifest.get("schema")
        raise BundleError(f"{path}: expected schema {SCHEMA}, found {found!r}")
    try:
        parts = files.verified(folder, manifest["files"])
        trained = _trained(parts, manifest, folder)
        name, version = str(manifest["name"]), str(manifest["version"])
    except (KeyError, TypeError, AttributeError, ValueError) as problem:
        text = f"{type(problem).__name__}: {problem}"
        raise BundleError(f"{folder}: it is not as expected: {text}") from problem
    return Bundle(name, version, files.sha256(raw), manifest, trained)


def fingerprint(examples: Examples) -> str:
    """SHA-256 over the training windows' newest rows, labels and machines, hex."""
    digest = hashlib.sha256()
    last = examples.windows.values[:, -1]
    for part in (last, examples.life, examples.censored, examples.machine):
        digest.update(np.ascontiguousarray(part).tobytes())
    digest.update("\0".join(examples.names).encode())
    return digest.hexdigest()


def _content(trained: Trained) -> tuple[dict[str, bytes], dict[str, Any]]:
    strange = trained.anomaly
    arrays = {
        "autoencoder.npz": _numbered(strange.weights),
        "whitening.npz": {
            "mean": strange.whitening.mean.astype(np.float32),
            "matrix": strange.whitening.matrix.astype(np.float32),
        },
    }
    calibration: dict[str, Any] = {"exceedance": strange.exceedance.to_json()}
    manifest: dict[str, Any] = {
        "schema": SCHEMA,
        "layout": asdict(trained.layout),
        "options": asdict(trained.options),
        "autoencoder": asdict(strange.spec),
        "life": None,
        "trained_on": {
            "machines": trained.machines,
            "failures": trained.failures,
            "windows": trained.windows,
        },
        "curves": [asdict(curve) for curve in trained.curves],
        "notes": list(trained.notes),
    }
    if trained.life is not None:
        life = trained.life
        for k, weights in enumerate(life.members):
            arrays[f"life_{k}.npz"] = _numbered(weights)
        arrays["out_of_fold.npz"] = {
            key: getattr(life.out_of_fold, key) for key in OutOfFold.__annotations__
        }
        calibration["pit"] = life.pit.to_json()
        if life.ageless is not None:
            arrays["ageless.npz"] = _numbered(life.ageless)
        manifest["life"] = {
            "spec": asdict(life.spec),
            "members": len(life.members),
            "ageless": life.ageless is not None,
        }
    manifest["arrays"] = {
        part: {key: [a.dtype.str, list(a.shape)] for key, a in content.items()}
        for part, content in arrays.items()
    }
    parts = {part: files.write_arrays(content) for part, content in arrays.items()}
    parts["features.json"] = _json(trained.features.to_json())
    parts["calibration.json"] = _json(calibration)
    if trained.instruments is not None:
        parts[INSTRUMENTS] = _json(trained.instruments.to_json())
    return parts, manifest


def _trained(
    parts: dict[str, bytes], manifest: dict[str, Any], folder: Path
) -> Trained:
    arrays = {
        part: files.read_arrays(parts[part], expected, str(folder / part))
        for part, expected in manifest["arrays"].items()
    }
    layout = Layout(**_tuples(manifest["layout"]))
    spec = FeatureSpec.from_json(files.parse(parts["features.json"], "features.json"))
    if (spec.sensors, spec.window) != (layout.sensors, layout.window):
        raise ValueError("features and layout speak of different sensors or windows")
    calibration = files.parse(parts["calibration.json"], "calibration.json")
    white = arrays["whitening.npz"]
    strange = AnomalyModel(
        spec=AutoencoderSpec(**_tuples(manifest["autoencoder"])),
        weights=_listed(arrays["autoencoder.npz"]),
        whitening=Whitening(
            white["mean"].astype(np.float64), white["matrix"].astype(np.float64)
        ),
        exceedance=Exceedance.from_json(calibration["exceedance"]),
    )
    return Trained(
        layout=layout,
        options=TrainingOptions(**_tuples(manifest["options"])),
        features=spec,
        life=_life(manifest, arrays, calibration, layout),
        anomaly=strange,
        instruments=_instruments(parts, spec),
        curves=tuple(Curve(**_tuples(curve)) for curve in manifest["curves"]),
        notes=tuple(str(note) for note in manifest["notes"]),
        **{key: int(value) for key, value in manifest["trained_on"].items()},
    )


def _instruments(parts: dict[str, bytes], spec: FeatureSpec) -> InstrumentSpec | None:
    """None in bundles that were made before instruments were judged."""
    if INSTRUMENTS not in parts:
        return None
    return InstrumentSpec.from_json(files.parse(parts[INSTRUMENTS], INSTRUMENTS), spec)


def _life(
    manifest: dict[str, Any],
    arrays: dict[str, dict[str, npt.NDArray[Any]]],
    calibration: dict[str, Any],
    layout: Layout,
) -> LifeModel | None:
    said = manifest["life"]
    if said is None:
        return None
    shape = _tuples(said["spec"])
    spec = LifeSpec(**shape | {"blur": Blur(**shape["blur"])})
    if not 1 <= said["members"] <= MAX_MEMBERS or spec.classes != layout.life.classes:
        raise ValueError("life: members or classes do not fit")
    return LifeModel(
        axis=layout.life,
        spec=spec,
        members=tuple(_listed(arrays[f"life_{k}.npz"]) for k in range(said["members"])),
        ageless=_listed(arrays["ageless.npz"]) if said["ageless"] else None,
        pit=PitMap.from_json(calibration["pit"]),
        out_of_fold=OutOfFold(**arrays["out_of_fold.npz"]),
    )


def _numbered(weights: list[npt.NDArray[np.float32]]) -> dict[str, npt.NDArray[Any]]:
    return {f"w{i:03d}": np.asarray(w, np.float32) for i, w in enumerate(weights)}


def _listed(arrays: dict[str, npt.NDArray[Any]]) -> list[npt.NDArray[np.float32]]:
    return [arrays[name] for name in sorted(arrays)]


def _tuples(data: dict[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}


def _json(value: dict[str, Any]) -> bytes:
    text = json.dumps(value, indent=1, sort_keys=True, allow_nan=False)
    return text.encode() + b"\n"
