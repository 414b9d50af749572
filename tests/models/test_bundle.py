"""A bundle gives back what was saved, and nothing else gets in."""

import io
import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models import bundle_files
from models.bundle import Bundle, fingerprint, load, save
from models.errors import BundleError
from models.options import Examples
from models.trained import Trained
from tests.models.fleet import SENSORS


def rewrite(folder: Path, name: str, data: bytes) -> None:
    """Replace a file and make the manifest agree, as a forger would."""
    (folder / name).write_bytes(data)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["files"][name] = {
        "sha256": bundle_files.sha256(data),
        "bytes": len(data),
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))


def change(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    manifest = json.loads((folder / "manifest.json").read_bytes())
    edit(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def entry(descr: str, shape: str, payload: bytes, compress: bool = False) -> bytes:
    """An npz of one forged array called w000."""
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}"
    text = header.encode().ljust(117) + b"\n"
    raw = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + payload
    buffer = io.BytesIO()
    kind = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    with zipfile.ZipFile(buffer, "w", kind) as archive:
        archive.writestr("w000.npy", raw)
    return buffer.getvalue()


def test_a_bundle_says_what_it_is(bundle: Bundle) -> None:
    assert (bundle.name, bundle.version) == ("pump", "1")
    assert bundle.sensors == SENSORS
    assert bundle.units == ("%", "Cel", "", "l/min", "")
    assert (bundle.window, bundle.baseline_rows) == (12, 5)
    assert bundle.has_life
    assert len(bundle.digest) == 64
    assert bundle.manifest["trained_on"]["failures"] == 14


def test_saving_twice_gives_the_same_digest(trained: Trained, tmp_path: Path) -> None:
    first = save(trained, tmp_path / "deep" / "a", name="pump", version="1")
    second = save(trained, tmp_path / "b", name="pump", version="1")
    other = save(trained, tmp_path / "b", name="pump", version="2")
    assert first.digest == second.digest != other.digest
    assert load(tmp_path / "b").version == "2"


def test_only_a_bundle_is_replaced(trained: Trained, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").write_text("dear")
    with pytest.raises(BundleError, match="expected a bundle to replace"):
        save(trained, tmp_path / "home", name="pump", version="1")
    assert (tmp_path / "home" / "letter.txt").read_text() == "dear"
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_everything_that_was_trained_comes_back(
    trained: Trained, bundle: Bundle
) -> None:
    again = bundle.trained
    assert again.layout == trained.layout
    assert again.options == trained.options
    assert again.curves == trained.curves
    assert trained.life is not None
    assert again.life is not None
    assert again.life.spec == trained.life.spec
    for ours, theirs in zip(again.life.members, trained.life.members, strict=True):
        for left, right in zip(ours, theirs, strict=True):
            assert left.tobytes() == right.tobytes()
    for name in ("machine", "age", "life", "censored", "rul", "risk"):
        left = getattr(again.life.out_of_fold, name)
        assert left.tobytes() == getattr(trained.life.out_of_fold, name).tobytes()


@pytest.mark.parametrize(
    "name",
    [
        "life_0.npz",
        "autoencoder.npz",
        "features.json",
        "calibration.json",
        "instruments.json",
    ],
)
def test_one_altered_byte_is_seen(folder: Path, name: str) -> None:
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(bytes(data))
    with pytest.raises(BundleError, match=f"{name}.*SHA-256"):
        load(folder)


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "life_1.npz").unlink()
    with pytest.raises(BundleError, match=r"life_1\.npz: expected a regular file"):
        load(folder)


def test_an_extra_file_is_refused(folder: Path) -> None:
    (folder / "model.keras").write_bytes(b"PK")
    with pytest.raises(BundleError, match=r"model\.keras: a file that the manifest"):
        load(folder)


def test_a_link_is_not_followed(folder: Path, tmp_path: Path) -> None:
    shutil.move(folder / "features.json", tmp_path / "elsewhere")
    (folder / "features.json").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BundleError, match=r"features\.json: expected a regular file"):
        load(folder)


@pytest.mark.parametrize("name", ["../secret", "a/b", "..", "manifest.json"])
def test_a_name_that_leaves_the_folder_is_refused(folder: Path, name: str) -> None:
    change(folder, lambda m: m["files"].update({name: {"sha256": "", "bytes": 1}}))
    with pytest.raises(BundleError, match="plain file name"):
        load(folder)


@pytest.mark.parametrize(
    ("forged", "said"),
    [
        (entry("'|O'", "(1,)", b"\x80\x04N."), None),
        (entry("'<f4'", "(400000000, 1000)", b"\0" * 4), None),
        (entry("'<f4'", "(1,)", b"\0" * 4, compress=True), ["<f4", [1]]),
        (entry("'<f4'", "(400000000, 1000)", b"\0" * 4), ["<f4", [400000000, 1000]]),
        (entry("'|O'", "(1,)", b"\0" * 8), ["|O", [1]]),
        (entry("'<f4'", "(-1,)", b"\0" * 4), ["<f4", [-1]]),
        (entry("'<f4'", "(1,)", b"\0\0\xc0\x7f"), ["<f4", [1]]),
        (entry("'<f4'", "(1,)", b"\0" * 8), ["<f4", [1]]),
        (entry("__import__('os')", "(1,)", b"\0" * 4), ["<f4", [1]]),
        (b"no zip at all", ["<f4", [1]]),
        (entry("'<f4'", "(1,)", b"\0" * 4)[:-30], ["<f4", [1]]),
    ],
)
def test_forged_arrays_are_refused_before_they_are_made(
    folder: Path, forged: bytes, said: list[Any] | None
) -> None:
    rewrite(folder, "autoencoder.npz", forged)
    if said is not None:
        change(
            folder, lambda m: m["arrays"].update({"autoencoder.npz": {"w000": said}})
        )
    with pytest.raises(BundleError, match=r"autoencoder\.npz"):
        load(folder)


def test_weights_that_do_not_fit_the_architecture_are_refused(folder: Path) -> None:
    change(folder, lambda m: m["life"]["spec"].update({"hidden": 16}))
    found = load(folder)
    with pytest.raises(BundleError, match="life network 1: expected weights of shapes"):
        found.predictor()


def without_instruments(folder: Path) -> None:
    """Make a bundle as releases did that knew nothing of instruments."""
    (folder / "instruments.json").unlink()
    change(folder, lambda m: m["files"].pop("instruments.json"))


def test_a_bundle_from_before_instruments_were_judged_judges_none(
    folder: Path, examples: Examples
) -> None:
    without_instruments(folder)
    found = load(folder)
    assert found.trained.instruments is None
    windows = examples.windows.take(np.arange(20, 30))
    values = windows.values.copy()
    values[:, -6:, 1] = np.nan
    values[:, :, 2] = 7.0
    told = found.predictor().predict(replace(windows, values=values))
    assert (told.faults == 0).all()
    assert np.isnan(told.deviation).all()
    assert np.isfinite(told.risk).all()


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda d: d["gap"].pop(), "gap: expected 5"),
        (lambda d: d["run"].__setitem__(0, -1), "run: expected 5"),
        (lambda d: d["rough"]["inverse"].pop(), "rough.inverse"),
        (lambda d: d["rough"]["spike"].__setitem__(0, -1.0), "rough.spike"),
        (lambda d: d["drift"]["precision"].pop(), "drift.precision"),
        (lambda d: d["drift"]["spread"].__setitem__(0, -1.0), "positive variances"),
        (lambda d: d["drift"]["limit"].__setitem__(0, None), "drift.limit|TypeError"),
        (lambda d: d.pop("drift"), "KeyError"),
    ],
)
def test_instruments_that_do_not_fit_are_refused(
    folder: Path, edit: Callable[[dict[str, Any]], object], said: str
) -> None:
    data = json.loads((folder / "instruments.json").read_bytes())
    edit(data)
    rewrite(folder, "instruments.json", json.dumps(data).encode())
    with pytest.raises(BundleError, match=said):
        load(folder)


@pytest.mark.parametrize(
    "edit",
    [
        lambda m: m["life"]["spec"].update({"units": [1_000_000]}),
        lambda m: m["life"].update({"members": 1000}),
        lambda m: m["autoencoder"].update({"rows": 13}),
        lambda m: m["layout"].update({"horizon": 1e9}),
        lambda m: m["layout"].update({"window": 13}),
        lambda m: m["layout"].update({"unknown": 1}),
        lambda m: m.pop("arrays"),
        lambda m: m.pop("files"),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(
    folder: Path, edit: Callable[[dict[str, Any]], object]
) -> None:
    change(folder, edit)
    with pytest.raises(BundleError, match="not as expected"):
        load(folder)


@pytest.mark.parametrize(
    "text", ["", "[1]", '{"schema": NaN}', '{"schema": 1, "schema": 1}', "[" * 100_000]
)
def test_a_manifest_that_is_no_plain_json_is_refused(folder: Path, text: str) -> None:
    (folder / "manifest.json").write_text(text)
    with pytest.raises(BundleError, match=r"manifest\.json: expected"):
        load(folder)


def test_another_schema_is_refused(folder: Path) -> None:
    change(folder, lambda m: m.update({"schema": 2}))
    with pytest.raises(BundleError, match="expected schema 1, found 2"):
        load(folder)


def test_no_bundle_at_all_is_said(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no bundle there"):
        load(tmp_path)


def test_the_fingerprint_knows_data_and_labels(examples: Examples) -> None:
    first = fingerprint(examples)
    assert fingerprint(examples) == first
    fewer = examples.take(np.arange(len(examples.life) - 1))
    assert fingerprint(fewer) != first
