"""The settings of a plant: what one YAML file says, checked before anything starts.

START HERE for what can be configured: `Settings` is the root, each section a
class of its own. `load_settings` reads and merges the sources. Needs neither
TensorFlow nor Faust.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError

from stream.errors import ConfigError
from stream.worker.settings_alarms import AlarmRule, Alerts, Assets, Budget
from stream.worker.settings_base import Fault, Section
from stream.worker.settings_data import (
    CmapssDataset,
    CsvColumns,
    CsvDataset,
    Dataset,
    FailureColumns,
    TimeUnit,
    TimeZone,
    Training,
)
from stream.worker.settings_faults import secret_paths, sentences
from stream.worker.settings_kafka import Kafka, KafkaName, Security, Topics
from stream.worker.settings_machine import (
    Life,
    MachineType,
    Rows,
    Sensor,
    Window,
)
from stream.worker.settings_notify import Notify
from stream.worker.settings_rules import alarm_rules, budget_faults
from stream.worker.settings_sources import merge, raise_faults
from stream.worker.settings_units import (
    Bytes,
    FilePath,
    Name,
    PositiveNs,
    PositiveSeconds,
    Seconds,
    Url,
    Whole,
)

__all__ = [
    "AlarmRule",
    "Alerts",
    "App",
    "Assets",
    "Budget",
    "Bundle",
    "CmapssDataset",
    "Compute",
    "ConfigError",
    "CsvColumns",
    "CsvDataset",
    "Dataset",
    "FailureColumns",
    "Influx",
    "Input",
    "Kafka",
    "Life",
    "Limits",
    "Log",
    "MachineType",
    "Notify",
    "Rows",
    "Security",
    "Sensor",
    "Settings",
    "State",
    "Telegraf",
    "Topics",
    "Training",
    "Window",
    "load_settings",
]

_INFLUX_MAX_LINES = 5_000


class App(Section):
    """The name of this deployment; consumer groups start with it."""

    id: Annotated[KafkaName, Field(max_length=200)] = "foreshock"


class Log(Section):
    """How the worker reports about itself on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"


class Telegraf(Section):
    """How Telegraf's JSON is read."""

    machine_tag: Name = "machine"
    timestamp_unit_ns: PositiveNs = Field(10**9, alias="timestamp_unit")
    prefix_name: bool = False


class Input(Section):
    """How records of the readings topic are understood."""

    format: Literal["auto", "foreshock", "telegraf"] = "auto"
    time_unit: TimeUnit = "auto"
    time_zone: TimeZone | None = None
    repartition: bool = False
    settle_s: Seconds = Field(2.0, alias="settle")
    max_record_bytes: Bytes = 1 << 20
    future_tolerance_ns: PositiveNs = Field(300 * 10**9, alias="future_tolerance")
    telegraf: Telegraf = Field(default_factory=Telegraf)


class State(Section):
    """How often what the worker remembers is made durable."""

    interval_s: PositiveSeconds = Field(10.0, alias="interval")


class Compute(Section):
    """What the models run on."""

    device: Literal["auto", "cpu", "gpu"] = "auto"


class Limits(Section):
    """Bounds that keep one worker's memory finite."""

    machines: Annotated[Whole, Field(ge=1)] = 100_000
    forget_after_ns: PositiveNs = Field(30 * 86_400 * 10**9, alias="forget_after")


class Influx(Section):
    """Where scores are archived; without a URL, files of line protocol."""

    url: Url | None = None
    org: Name | None = None
    bucket: Name | None = None
    token: SecretStr | None = None
    retention_ns: PositiveNs | None = Field(None, alias="retention")
    write_readings: bool = False
    batch_lines: Annotated[Whole, Field(ge=1, le=_INFLUX_MAX_LINES)] = _INFLUX_MAX_LINES
    timeout_s: PositiveSeconds = Field(10.0, alias="timeout")
    directory: FilePath = Path("lines")
    file_bytes: Bytes = 64 << 20

    def faults(self) -> Iterator[Fault]:
        """A server is named in full or not at all."""
        for name in ("org", "bucket"):
            given = getattr(self, name) is not None
            if self.url is not None and not given:
                yield Fault((name,), "a value, since influx.url is set")
            if self.url is None and given:
                yield Fault((name,), "null, since influx.url is not set")


class Bundle(Section):
    """Where models lie: the bundle of type T in `path`/T."""

    path: FilePath = Path("bundles")


class Settings(Section):
    """Everything a plant's YAML file can say."""

    app: App = Field(default_factory=App)
    log: Log = Field(default_factory=Log)
    kafka: Kafka = Field(default_factory=Kafka)
    topics: Topics = Field(default_factory=Topics)
    input: Input = Field(default_factory=Input)
    state: State = Field(default_factory=State)
    compute: Compute = Field(default_factory=Compute)
    limits: Limits = Field(default_factory=Limits)
    influx: Influx = Field(default_factory=Influx)
    bundle: Bundle = Field(default_factory=Bundle)
    alerts: Alerts = Field(default_factory=Alerts)
    assets: Assets = Field(default_factory=Assets)
    notify: Notify = Field(default_factory=Notify)
    dataset: Dataset | None = None
    training: Training = Field(default_factory=Training)
    machine_types: dict[KafkaName, MachineType] = Field(min_length=1)

    def type_of(self, machine: str) -> str | None:
        """The first type whose pattern the machine's name fits; None refuses it."""
        for name, kind in self.machine_types.items():
            if kind.matches(machine):
                return name
        return None

    def dataset_of(self, machine_type: str) -> Dataset | None:
        """The type's own data set, else the one of the whole file.

        Raises:
            KeyError: There is no such type.
        """
        return self.machine_types[machine_type].dataset or self.dataset

    def bundle_of(self, machine_type: str) -> Path:
        """The folder of the type's model bundle."""
        return self.bundle.path / machine_type

    def missing_secrets(self) -> list[str]:
        """Dotted paths of secrets that the other settings ask for, but nobody gave.

        Reading a file does not need them, so that it can be checked anywhere;
        whatever opens a connection asks first.
        """
        security, found = self.kafka.security, []
        if security.uses_sasl and security.password is None:
            found.append("kafka.security.password")
        if self.influx.url is not None and self.influx.token is None:
            found.append("influx.token")
        return found + self.notify.missing_secrets()

    def faults(self) -> Iterator[Fault]:
        """Sections that do not fit together."""
        yield from self._match_faults()
        known = {s for kind in self.machine_types.values() for s in kind.sensors}
        for name in sorted(self.alerts.labels.keys() - known - set(self.machine_types)):
            text = "the name of a sensor or of a machine type"
            yield Fault(("alerts", "labels", name), text, "another name")
        for name, kind in self.machine_types.items():
            rules = alarm_rules(kind.alarms)
            for fault in budget_faults(rules, kind.scale, self.alerts.budget):
                path = ("machine_types", name, "alarms", *fault.path)
                yield fault._replace(path=path)
        if self.kafka.request_max_bytes < self.input.max_record_bytes:
            text = f"at least input.max_record_bytes ({self.input.max_record_bytes})"
            yield Fault(("kafka", "request_max_bytes"), text)

    def _match_faults(self) -> Iterator[Fault]:
        """Patterns of machine types that leave one of them without machines."""
        owner: dict[str, str] = {}
        for name, kind in self.machine_types.items():
            path = ("machine_types", name, "match")
            if not kind.match and not self.assets.given:
                text = "a pattern of machines' names, since there is no asset register"
                yield Fault(path, text)
            for pattern in kind.match:
                if pattern in owner:
                    text = f"patterns that type {owner[pattern]} does not have too"
                    yield Fault(path, text, repr(pattern))
                elif "*" in owner:
                    text = (
                        f"patterns before those of type {owner['*']}, which match all"
                    )
                    yield Fault(path, text, repr(pattern))
            for pattern in kind.match:
                owner.setdefault(pattern, name)


def load_settings(
    path: str | Path,
    overrides: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Read a plant's settings from all sources and check them.

    Relative paths inside the file are taken from the current folder, like every
    path on the command line.

    Args:
        path: The YAML file.
        overrides: Texts ``section.key=value``; they beat everything else. A key
            with dots in it stands in double quotes.
        environ: The environment; None takes the process's own.

    Returns:
        Settings that are possible, one by one and together.

    Raises:
        ConfigError: Something is not; holds one sentence for each fault.
    """
    environment = os.environ if environ is None else environ
    merged = merge(Path(path), overrides, environment, secret_paths(Settings))
    try:
        settings = Settings.model_validate(merged.tree)
    except ValidationError as error:
        found = sentences(error, Settings, merged.tree, merged.origins)
        raise ConfigError([*merged.faults, *found]) from None
    raise_faults(merged.faults)
    return settings
