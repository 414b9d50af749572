"""Reading a bundle's files without trusting them.

Sizes and SHA-256 digests are checked on the bytes before anything is parsed. Arrays
come from `.npz` files whose entries are stored uncompressed: the header of each entry
is read and compared with what the manifest says before a byte of it is allocated, so
neither a zip bomb nor a huge shape gets far, and object arrays are refused.
"""

from __future__ import annotations

import ast
import hashlib
import io
import json
import math
import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.errors import BundleError

MANIFEST = "manifest.json"
MAX_MANIFEST = 4 * 2**20
MAX_FILE = 256 * 2**20
MAX_DEPTH = 30
DTYPES = {"<f4": np.float32, "<i4": np.int32, "|b1": np.bool_}


def sha256(data: bytes) -> str:
    """Digest, 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def read(path: Path, most: int) -> bytes:
    """The bytes of one regular file of at most `most` bytes; no link is followed.

    Raises:
        BundleError: naming the file.
    """
    if path.is_symlink() or not path.is_file():
        raise BundleError(f"{path}: expected a regular file, found none")
    size = path.stat().st_size
    if size > most:
        raise BundleError(f"{path}: expected at most {most} bytes, found {size}")
    with path.open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise BundleError(f"{path}: expected at most {most} bytes, found more")
    return data


def parse(data: bytes, where: str) -> dict[str, Any]:
    """A JSON object; NaN, infinities, doubled keys and deep nesting are refused.

    Raises:
        BundleError: naming `where`.
    """
    try:
        found = json.loads(data, object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError) as problem:
        raise BundleError(f"{where}: expected JSON, found {problem}") from problem
    if not isinstance(found, dict):
        raise BundleError(f"{where}: expected a JSON object")
    return found


def verified(folder: Path, files: dict[str, Any]) -> dict[str, bytes]:
    """The bytes of every file the manifest lists, digests checked.

    Args:
        folder: the bundle.
        files: by name, {"sha256": hex, "bytes": size}.

    Raises:
        BundleError: if a file is missing, altered, too large, or not listed.
    """
    present = {entry.name for entry in folder.iterdir()} - {MANIFEST}
    for extra in sorted(present - set(files)):
        raise BundleError(f"{folder / extra}: a file that the manifest does not list")
    found = {}
    for name, said in files.items():
        if name in {"", ".", "..", MANIFEST} or "/" in name or "\\" in name:
            raise BundleError(f"{folder / MANIFEST}: {name!r} is no plain file name")
        data = read(folder / name, min(MAX_FILE, int(said["bytes"])))
        if len(data) != said["bytes"] or sha256(data) != said["sha256"]:
            raise BundleError(
                f"{folder / name}: its SHA-256 is not the one in the manifest; "
                "the bundle was altered or is damaged"
            )
        found[name] = data
    return found


def write_arrays(arrays: dict[str, npt.NDArray[Any]]) -> bytes:
    """An uncompressed `.npz`; equal arrays give equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            part = io.BytesIO()
            np.lib.format.write_array(
                part, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False
            )
            # A fixed time: zip files would else differ by when they were written.
            info = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            archive.writestr(info, part.getvalue())
    return buffer.getvalue()


def read_arrays(
    data: bytes, expected: dict[str, Sequence[Any]], where: str
) -> dict[str, npt.NDArray[Any]]:
    """Arrays of exactly the expected names, types and shapes.

    Args:
        data: bytes of an `.npz`.
        expected: by name, [dtype such as "<f4", shape as a list].
        where: for the error.

    Raises:
        BundleError: naming `where` and the entry.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, ValueError) as problem:
        raise BundleError(f"{where}: expected an npz file: {problem}") from problem
    with archive:
        entries = {info.filename: info for info in archive.infolist()}
        names = {f"{name}.npy" for name in expected}
        if set(entries) != names or len(archive.infolist()) != len(names):
            raise BundleError(
                f"{where}: expected the arrays {sorted(names)}, found {sorted(entries)}"
            )
        return {
            name: _array(archive, entries[f"{name}.npy"], expected[name], where)
            for name in expected
        }


def _array(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, wanted: Sequence[Any], where: str
) -> npt.NDArray[Any]:
    place = f"{where}: {info.filename}"
    dtype, shape = str(wanted[0]), tuple(int(v) for v in wanted[1])
    if dtype not in DTYPES or any(v < 0 for v in shape):
        raise BundleError(f"{place}: {dtype} {shape} is no array of a bundle")
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if info.compress_type != zipfile.ZIP_STORED or info.file_size > MAX_FILE:
        raise BundleError(f"{place}: expected an entry stored without compression")
    if not size < info.file_size <= size + 4096:
        raise BundleError(f"{place}: expected {size} bytes, found {info.file_size}")
    try:
        raw = archive.read(info)
        found, start = _header(raw)
    except (
        zipfile.BadZipFile,
        ValueError,
        SyntaxError,
        TypeError,
        struct.error,
    ) as problem:
        raise BundleError(f"{place}: no readable array: {problem}") from problem
    if found != {"descr": dtype, "fortran_order": False, "shape": shape}:
        raise BundleError(f"{place}: expected {dtype} {shape}, found {found}")
    if len(raw) - start != size:
        raise BundleError(f"{place}: expected {size} bytes, found {len(raw) - start}")
    array = np.frombuffer(raw, np.dtype(dtype), offset=start).reshape(shape)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise BundleError(f"{place}: expected finite numbers")
    return array.copy()


def _header(raw: bytes) -> tuple[dict[str, Any], int]:
    """The header of an npy entry as plain literals, and where the data start."""
    if raw[:8] != b"\x93NUMPY\x01\x00":
        raise ValueError("not in npy format 1.0")
    (length,) = struct.unpack("<H", raw[8:10])
    found = ast.literal_eval(raw[10 : 10 + length].decode("latin1"))
    return dict(found), 10 + length


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key that stands there twice")
    return found


def _refuse(name: str) -> float:
    raise ValueError(f"{name}, which is no number")
