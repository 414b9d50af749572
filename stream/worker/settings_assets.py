"""The asset register: what an entry may say, and how a file of them is read.

How files look stands in `settings_records.py`, what is done with entries in
`assets.py`. A file is checked in full before anything starts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from pydantic import BeforeValidator, Field, ValidationError

from stream.errors import ConfigError
from stream.worker.settings_base import Section
from stream.worker.settings_faults import sentences
from stream.worker.settings_records import read_records
from stream.worker.settings_units import Name, refuse

FIELDS = ("machine", "type", "site", "line", "commissioned", "criticality")
"""The machine's name, then the fields of `Entry`."""

_MAX_FAULTS = 50
_CLASSES = {"a": "high", "b": "medium", "c": "low"}
_FIRST_YEAR, _LAST_YEAR = 1900, 2100

TypeOf = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class Asset:
    """What the register knows of one machine; None is not known.

    Attributes:
        machine: Its name.
        type: Its machine type; None leaves it to the patterns of names.
        site: Where it stands.
        line: What it belongs to there.
        commissioned: When it was new, UTC.
        criticality: ``high``, ``medium`` or ``low``.
    """

    machine: str
    type: str | None = None
    site: str | None = None
    line: str | None = None
    commissioned: datetime | None = None
    criticality: str | None = None

    @property
    def place(self) -> dict[str, str]:
        """Site and line, where they are known: tags of every point."""
        known = {"site": self.site, "line": self.line}
        return {name: text for name, text in known.items() if text}

    @property
    def about(self) -> dict[str, str]:
        """Site, line and criticality, where they are known: part of every alert."""
        critical = {"criticality": self.criticality} if self.criticality else {}
        return self.place | critical


def _text(value: Any) -> Any:
    # Sites and lines are often numbers, which nobody puts in quotes.
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value


def _class(value: Any) -> Any:
    if isinstance(value, str):
        return _CLASSES.get(value.lower(), value.lower())
    return value


def _moment(value: Any) -> datetime:
    found = value
    if isinstance(found, str):
        try:
            found = datetime.fromisoformat(found)
            if len(value) == len("2026-01-31"):
                found = found.date()
        except ValueError:
            found = None
    if isinstance(found, date) and not isinstance(found, datetime):
        found = datetime(found.year, found.month, found.day, tzinfo=UTC)
    if (
        not isinstance(found, datetime)
        or found.tzinfo is None
        or not _FIRST_YEAR <= found.year <= _LAST_YEAR
    ):
        refuse("a date such as 2021-03-31, or a time with an offset, of 1900 to 2100")
    return found.astimezone(UTC)


Place = Annotated[Name, BeforeValidator(_text)]


class Entry(Section):
    """The fields of one machine, as they are written."""

    type: Name | None = None
    site: Place | None = None
    line: Place | None = None
    commissioned: Annotated[datetime, BeforeValidator(_moment)] | None = None
    criticality: (
        Annotated[Literal["high", "medium", "low"], BeforeValidator(_class)] | None
    ) = None


class _Register(Section):
    machines: dict[Name, Entry] = Field(default_factory=dict)


def read_register(path: Path, types: Mapping[str, Any], type_of: TypeOf) -> list[Asset]:
    """Read a file of machines and check all of it.

    Args:
        path: Its name ends in .yaml, .yml or .csv.
        types: The machine types there are.
        type_of: A machine's type by its name alone, for entries without one.

    Returns:
        The machines, in the order of the file.

    Raises:
        ConfigError: The file cannot be read, or an entry is wrong; each sentence names
            the field, what was expected, what was found, and the file with the line.
    """
    found = read_records(path, FIELDS)
    faults = found.faults
    where = {("machines", *at): place for at, place in found.origins.items()}
    whole = {"machines": found.tree}
    try:
        entries = _Register.model_validate(whole).machines
    except ValidationError as error:
        faults += sentences(error, _Register, whole, where)
        entries = {}
    for name, entry in entries.items():
        fault = _type_fault(name, entry, types, type_of)
        if fault:
            place = where.get(("machines", name, "type")) or where["machines", name]
            faults.append(f"machines.{name}.type: {fault} ({place})")
    if len(faults) > _MAX_FAULTS:
        faults[_MAX_FAULTS:] = [f"and {len(faults) - _MAX_FAULTS} faults more"]
    if faults:
        raise ConfigError(faults)
    return [_asset(name, entry) for name, entry in entries.items()]


def read_entry(
    name: str, value: bytes, types: Mapping[str, Any], type_of: TypeOf
) -> Asset:
    """Read one record of the register's topic, of which ``name`` is the key.

    Raises:
        ValueError: It is wrong; the text has one sentence for each fault.
    """
    try:
        fields = msgspec.json.decode(value)
    except msgspec.DecodeError as error:
        raise ValueError(f"expected JSON: {error}") from None
    if not isinstance(fields, dict):
        raise ValueError("expected a mapping of fields")  # noqa: TRY004 - bad data
    if fields.pop("machine", name) != name:
        raise ValueError("machine: expected the record's key, found another name")
    fields.pop("schema", None)
    whole = {"machines": {name: fields}}
    try:
        entry = _Register.model_validate(whole).machines[name]
    except ValidationError as error:
        raise ValueError("; ".join(sentences(error, _Register, whole, {}))) from None
    fault = _type_fault(name, entry, types, type_of)
    if fault:
        raise ValueError(f"machines.{name}.type: {fault}")
    return _asset(name, entry)


def write_entry(asset: Asset) -> bytes:
    """Return the register's record of a machine; `read_entry` reads it."""
    fields = {
        field: value for field in FIELDS if (value := getattr(asset, field)) is not None
    }
    return msgspec.json.encode({"schema": 1, **fields})


def _asset(name: str, entry: Entry) -> Asset:
    return Asset(
        machine=name,
        type=entry.type,
        site=entry.site,
        line=entry.line,
        commissioned=entry.commissioned,
        criticality=entry.criticality,
    )


def _type_fault(
    name: str, entry: Entry, types: Mapping[str, Any], type_of: TypeOf
) -> str | None:
    wanted = f"one of the machine types {', '.join(types)}"
    if entry.type is None:
        if type_of(name) is None:
            return f"expected {wanted}, since no pattern fits the name, found nothing"
    elif entry.type not in types:
        return f"expected {wanted}, found {entry.type!r}"
    return None
