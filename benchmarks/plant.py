"""Foreshock's own worker on the job: its settings, its topics, its process.

What is not said here has the default that every user has, but for three things the
job itself asks for: no allowed lateness (the peers have none), alarms without on-delay
where alerts are measured, and machine names that need no waiting for claims of other
clusters, since there are none.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from benchmarks.bundles import CAP, HORIZON
from benchmarks.job import ROWS, STRIDE, Job
from benchmarks.servers import Child, child
from connectors.kafka_topics import TopicSpec, create
from stream.cli_common import access_of
from stream.topics import plan
from stream.worker.settings import Settings, load_settings

TYPE = "machine"


@dataclass(frozen=True)
class Plant:
    """One run of Foreshock: a group and topics of its own, readings shared.

    Attributes:
        name: prefix of its group and topics.
        broker: host:port.
        source: the topic of readings.
        bundles: folder that holds the bundle of each type.
        folder: where the settings file and logs go.
        job: what is measured.
        baseline_rows: as the bundle was trained with.
        alarms: alarm rules; None: the defaults.
        more: settings by dotted path, such as {"state.interval": "1s"}.
    """

    name: str
    broker: str
    source: str
    bundles: Path
    folder: Path
    job: Job
    baseline_rows: int = 0
    alarms: Mapping[str, Any] | None = None
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        """The settings file; written by `prepare`."""
        return self.folder / f"{self.name}.yaml"

    @property
    def settings(self) -> Settings:
        """The settings, once `prepare` was called."""
        return load_settings(self.config)

    def topic(self, what: str) -> str:
        """Name of a topic by its setting."""
        return self.source if what == "readings" else f"{self.name}.{what}"

    def prepare(self) -> None:
        """Write the settings and make the topics; outputs bear append times."""
        self.config.write_text(yaml.safe_dump(self._document(), sort_keys=False))
        settings = self.settings
        stamped = {"message.timestamp.type": "LogAppendTime"}
        specs = [
            TopicSpec(
                t.name,
                t.partitions,
                t.replication,
                {**t.config, **(stamped if t.setting in ("scores", "alerts") else {})},
            )
            for t in plan(settings)
        ]
        create(access_of(settings), specs)

    def _document(self) -> dict[str, Any]:
        names = [
            "scores",
            "alerts",
            "alarms",
            "events",
            "quarantine",
            "keyed",
            "state",
            "machines",
            "audit",
        ]
        kind: dict[str, Any] = {
            "match": "*",
            "life": {"axis": "hours", "horizon": HORIZON, "cap": CAP},
            "sensors": {n: {"unit": "1", "range": [0, 1000]} for n in self.job.names},
            "window": {
                "rows": ROWS,
                "stride": STRIDE,
                "baseline_rows": self.baseline_rows,
            },
        }
        if self.job.narrow:
            kind["rows"] = {"every": "1s"}
        if self.alarms is not None:
            kind["alarms"] = dict(self.alarms)
        document: dict[str, Any] = {
            "app": {"id": self.name},
            "kafka": {"brokers": [self.broker]},
            "topics": {
                "readings": self.source,
                "partitions": self.job.partitions,
                "retention": "1d",
            }
            | {name: self.topic(name) for name in names},
            "bundle": {"path": str(self.bundles)},
            "limits": {"machines": max(100_000, self.job.machines)},
            "influx": {"directory": str(self.folder / f"{self.name}-lines")},
            "machine_types": {TYPE: kind},
        }
        for path, value in self.more.items():
            *parents, last = path.split(".")
            place = document
            for parent in parents:
                place = place.setdefault(parent, {})
            place[last] = value
        return document

    @contextmanager
    def worker(self, number: int = 1, *only: str) -> Iterator[Child]:
        """Run a worker of one process while the body runs; SIGTERM at its end."""
        roles = [f"--only={role}" for role in (only or ("score",))]
        command = [sys.executable, "-m", "stream.cli", "worker", str(self.config)]
        log = self.folder / f"{self.name}-{number}.log"
        with child([*command, *roles], log) as process:
            yield process
