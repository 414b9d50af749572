"""Files of named records: YAML, as a mapping or a list, and CSV with a header.

In YAML a mapping name -> fields, or a list of mappings that hold the name among their
fields. Many thousands of records are better off in CSV: YAML is read slowly.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from stream.errors import ConfigError
from stream.worker.settings_yaml import KeyPath, build, compose

_MAX_CSV_BYTES = 64 << 20


@dataclass(slots=True)
class Records:
    """The records of a file.

    Attributes:
        tree: Name -> fields, as they stand.
        origins: For (name,), and in YAML for (name, field), the place it stands, such
            as ``assets.csv:12``.
        faults: Sentences about what is no record.
    """

    tree: dict[str, Any] = field(default_factory=dict)
    origins: dict[KeyPath, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def put(self, key: str, fields: dict[str, Any], place: str) -> str | None:
        """Add a record under the name that its field ``key`` holds; returns it."""
        name = fields.pop(key, None)
        if not isinstance(name, str):
            found = "nothing" if name is None else f"{name!r}; put it in quotes"
            self.faults.append(f"{place}: {key}: expected a name, found {found}")
            return None
        if name in self.tree:
            first = self.origins[name,].rpartition(":")[2]
            text = f"{place}: {name} stands twice, first in line {first}"
            self.faults.append(text)
            return None
        self.tree[name] = fields
        self.origins[name,] = place
        return name


def read_records(path: Path, columns: Sequence[str]) -> Records:
    """Read a file of records.

    Args:
        path: UTF-8; its name ends in .yaml or .yml (at most 4 MiB) or .csv (64 MiB).
        columns: What a CSV file may have; the first is the name, which it must have.

    Returns:
        The records, in the order of the file; empty cells are left out.

    Raises:
        ConfigError: The file cannot be read as what its name says.
    """
    suffix = path.suffix.lower()
    if suffix in (".yaml", ".yml"):
        return _from_yaml(path, columns[0])
    if suffix == ".csv":
        return _from_csv(path, columns)
    raise ConfigError([f"{path}: expected a name that ends in .yaml, .yml or .csv"])


def _from_yaml(path: Path, key: str) -> Records:
    root, found = compose(path), Records()
    if root is None:
        return found
    if isinstance(root, yaml.MappingNode):
        return Records(*build(path, root))
    if not isinstance(root, yaml.SequenceNode):
        raise ConfigError([f"{path}:1: expected a mapping or a list of records"])
    for node in root.value:
        place = f"{path}:{node.start_mark.line + 1}"
        if not isinstance(node, yaml.MappingNode):
            found.faults.append(f"{place}: expected a mapping of fields")
            continue
        fields, origins = build(path, node)
        name = found.put(key, fields, place)
        if name is not None:
            found.origins |= {(name, *at): where for at, where in origins.items()}
    return found


def _from_csv(path: Path, columns: Sequence[str]) -> Records:
    text, found = _text_of(path), Records()
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        found.faults += _header_faults(path, header, columns)
        if not found.faults:
            for row in reader:
                place = f"{path}:{reader.line_num}"
                cells = [cell.strip() for cell in row]
                if fields := _row(found, header, cells, place):
                    found.put(columns[0], fields, place)
    except csv.Error as error:
        found.faults.append(f"{path}:{reader.line_num}: not valid CSV: {error}")
    return found


def _row(
    found: Records, header: Sequence[str], cells: Sequence[str], place: str
) -> dict[str, Any]:
    """Return the cells that hold something; none of a row that is not right."""
    if any(cells) and len(cells) != len(header):
        text = f"expected {len(header)} cells, as the header has, found {len(cells)}"
        found.faults.append(f"{place}: {text}")
        return {}
    return {k: cell for k, cell in zip(header, cells, strict=False) if cell}


def _header_faults(
    path: Path, header: Sequence[str], columns: Sequence[str]
) -> list[str]:
    known = ", ".join(columns)
    faults = [
        f"{path}:1: expected columns of {known}, separated by commas, found {name!r}"
        for name in header
        if name not in columns
    ]
    twice = [name for name in columns if header.count(name) > 1]
    faults += [f"{path}:1: column {name} stands twice" for name in twice]
    if not faults and columns[0] not in header:
        text = f"expected a header with the column {columns[0]}, found none"
        faults = [f"{path}:1: {text}"]
    return faults


def _text_of(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        reason = (error.strerror or "not readable").lower()
        raise ConfigError([f"{path}: cannot read the records: {reason}"]) from None
    if len(raw) > _MAX_CSV_BYTES:
        text = f"{path}: expected at most 64 MiB, found {len(raw)} B"
        raise ConfigError([text])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ConfigError([f"{path}:{line}: expected text in UTF-8"]) from None
