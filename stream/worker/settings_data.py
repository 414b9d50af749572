"""Settings of histories to learn from and to replay, and of the training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from stream.worker.settings_base import Fault, Section
from stream.worker.settings_units import FilePath, Name, Number, Whole, refuse

TimeUnit = Literal["auto", "s", "ms", "us", "ns"]


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        refuse("the name of a time zone, such as Europe/Berlin")
    return name


Count = Annotated[Whole, Field(ge=1, le=10_000)]
Width = Annotated[Whole, Field(ge=1, le=4096)]
TimeZone = Annotated[str, AfterValidator(_time_zone)]


class CmapssDataset(Section):
    """NASA's turbofans, read from the original text files.

    Looked for in `path`, else in `$FORESHOCK_DATA/cmapss` and `$FORESHOCK_DATA`.
    """

    kind: Literal["cmapss"]
    subset: Literal["FD001", "FD002", "FD003", "FD004"]
    path: FilePath | None = None


class CsvColumns(Section):
    """Which column of a history holds what.

    `sensors` maps a sensor to its column; a sensor not named here has a column of
    its own name.
    """

    machine: Name = "machine"
    time: Name = "time"
    sensors: dict[Name, Name] = Field(default_factory=dict)


class FailureColumns(Section):
    """Which column of the failures holds what; without `kind` each row is a failure."""

    machine: Name = "machine"
    at: Name = "at"
    kind: Name | None = "kind"


class CsvDataset(Section):
    """Histories in CSV files of the user's own: one row per machine and time."""

    kind: Literal["csv"]
    path: FilePath
    failures: FilePath | None = None
    columns: CsvColumns = Field(default_factory=CsvColumns)
    failure_columns: FailureColumns = Field(default_factory=FailureColumns)
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    decimal: Literal[".", ","] = "."
    time_unit: TimeUnit = "auto"
    time_zone: TimeZone | None = None

    def faults(self) -> Iterator[Fault]:
        """A decimal comma in a file that is separated by commas."""
        if self.delimiter == self.decimal:
            yield Fault(("decimal",), "a character other than the delimiter")


class FleetDataset(Section):
    """A made-up fleet of pumps, simulated when it is needed."""

    kind: Literal["fleet"]
    parameters: FilePath
    seed: Annotated[Whole, Field(ge=0, lt=2**63)] = 1


Dataset = Annotated[
    CmapssDataset | CsvDataset | FleetDataset, Field(discriminator="kind")
]


class Training(Section):
    """How `foreshock train` and `foreshock evaluate` learn; named as in `models`."""

    epochs: Count = 14
    patience: Count = 4
    batch_size: Annotated[Count, Field(le=65_536)] = 256
    learning_rate: Annotated[Number, Field(gt=0, le=1)] = 0.002
    units: Annotated[tuple[Width, ...], Field(min_length=1)] = (64, 32)
    hidden: Annotated[Whole, Field(ge=0, le=4096)] = 64
    filters: Width = 32
    block: Annotated[Count, Field(le=100)] = 5
    dropout: Annotated[Number, Field(ge=0, lt=1)] = 0.1
    folds: Annotated[Whole, Field(ge=2, le=20)] = 5
    held_out: Annotated[Number, Field(gt=0, lt=1)] = 0.3
    max_windows: Annotated[Whole, Field(ge=1)] = 60_000
    anomaly_epochs: Count = 12
