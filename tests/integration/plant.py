"""A plant on real servers: topics, producers, worker processes, what came out."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import msgspec
from aiokafka import AIOKafkaProducer

from connectors.kafka import Access
from connectors.kafka_reader import KafkaReader
from connectors.kafka_topics import TopicSpec, create
from stream.topics import plan
from stream.worker.settings import Settings, load_settings

ROOT = Path(__file__).parents[2]
PATIENCE_S = 90.0


def wait_until(
    true: Callable[[], bool], what: Callable[[], str], within_s: float = PATIENCE_S
) -> None:
    """Wait until something holds; fail with words when it does not."""
    until = time.monotonic() + within_s
    while not true():
        if time.monotonic() > until:
            raise AssertionError(f"not within {within_s:.0f} s: {what()}")
        time.sleep(0.1)


@dataclass
class Worker:
    """A worker process; its output goes to a file."""

    process: subprocess.Popen[bytes]
    output: Path

    def kill(self) -> None:
        """Kill it with -9."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> int:
        """Ask it to stop and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    @property
    def told(self) -> str:
        """What it has written so far."""
        return self.output.read_text(errors="replace")


@dataclass
class Plant:
    """Topics of one test's own on a real broker.

    Args:
        broker: Address of the broker.
        config: The plant's YAML.
        overrides: Settings beside it.
        folder: For logs.
    """

    broker: str
    config: Path
    overrides: list[str]
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    workers: list[Worker] = field(default_factory=list)
    _files: list[IO[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Create the topics."""
        self.settings: Settings = load_settings(
            self.config, self.overrides, {**os.environ, **self.environment}
        )
        self.access = Access((self.broker,))
        self.reader = KafkaReader(self.access)
        topics = plan(self.settings)
        create(
            self.access,
            [TopicSpec(t.name, t.partitions, t.replication, t.config) for t in topics],
        )

    def worker(self, roles: str = "score", *command: str) -> Worker:
        """Start a worker process; without a command the tiny one."""
        program = [sys.executable, "-m", "tests.integration.tiny_worker"]
        arguments = [str(self.config), roles, *self.overrides]
        path = self.folder / f"worker-{len(self.workers)}.log"
        file = path.open("wb")
        self._files.append(file)
        process = subprocess.Popen(  # noqa: S603 - our own program
            [*(command or (*program, *arguments))],
            stdout=file,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env={**os.environ, **self.environment},
        )
        self.workers.append(Worker(process, path))
        return self.workers[-1]

    def close(self) -> None:
        """End all workers that still run."""
        for worker in self.workers:
            if worker.process.poll() is None:
                worker.kill()
        for file in self._files:
            file.close()

    def produce(
        self,
        topic: str,
        records: Iterable[tuple[int | None, bytes | None, bytes | None]],
    ) -> None:
        """Send (partition, key, value); all are acknowledged on return."""
        asyncio.run(self._produce(topic, records))

    async def _produce(
        self,
        topic: str,
        records: Iterable[tuple[int | None, bytes | None, bytes | None]],
    ) -> None:
        async with AIOKafkaProducer(
            bootstrap_servers=self.broker,
            linger_ms=5,
            max_batch_size=1 << 18,
            max_request_size=4 << 20,
        ) as producer:
            sent = []
            for partition, key, value in records:
                future = await producer.send(topic, value, key, partition)
                sent.append(future)
            await asyncio.gather(*sent)

    def read(self, setting: str) -> list[Any]:
        """Return all records of a topic, named by its setting."""
        return [r for records in self.by_partition(setting) for r in records]

    def by_partition(self, setting: str) -> list[Sequence[Any]]:
        """Return all records of a topic by partition."""
        topic = self.settings.topics.names()[setting]

        async def all_of() -> list[Sequence[Any]]:
            count = await self.reader.partitions(topic)
            return [await self.reader.read(topic, p) for p in range(count)]

        return asyncio.run(all_of())

    def scores(self) -> dict[str, set[bytes]]:
        """Return the payloads of every score id on the topic."""
        found: dict[str, set[bytes]] = defaultdict(set)
        for record in self.read("scores"):
            found[msgspec.json.decode(record.value)["id"]].add(record.value)
        return found

    def wait_for_scores(self, ids: Iterable[str], within_s: float = PATIENCE_S) -> None:
        """Wait until all these scores are on the topic."""
        wanted = set(ids)
        last: list[set[str]] = [set()]

        def there() -> bool:
            last[0] = wanted - set(self.scores())
            return not last[0]

        wait_until(
            there,
            lambda: (
                f"{len(last[0])} of {len(wanted)} scores are missing;"
                f" {self.workers[-1].told[-2000:] if self.workers else ''}"
            ),
            within_s,
        )

    def audited(self) -> dict[str, int]:
        """Return how many readings ended in each state, from the audit topic."""
        newest: dict[tuple[int, int, int], dict[str, Any]] = {}
        for record in self.read("audit"):
            told = msgspec.json.decode(record.value)
            newest[told["partition"], told["first"], told["turn"]] = told
        totals: dict[str, int] = defaultdict(int)
        for told in newest.values():
            for state, count in told["readings"].items():
                totals[state] += count
        return dict(totals)
