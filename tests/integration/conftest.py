"""Fixtures of the integration tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.plant import Plant
from tests.worker.tiny import CONFIG

TOPICS = [
    "readings",
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


@pytest.fixture
def tiny_plant(
    kafka: str, topic_prefix: str, tmp_path: Path
) -> Iterator[Callable[..., Plant]]:
    """Make the tiny plant on the real broker, with settings of the test's own."""
    made: list[Plant] = []

    def make(*overrides: str) -> Plant:
        config = tmp_path / "tiny.yaml"
        config.write_text(CONFIG)
        own = [f"topics.{name}={topic_prefix}{name}" for name in TOPICS]
        own += [
            f"kafka.brokers={kafka}",
            f"app.id={topic_prefix}tiny",
            f"influx.directory={tmp_path / 'archive'}",
            # The least that the broker allows: tests kill workers.
            "kafka.session_timeout=6s",
            "log.format=json",
        ]
        plant = Plant(kafka, config, [*own, *overrides], tmp_path)
        made.append(plant)
        return plant

    yield make
    for plant in made:
        plant.close()
