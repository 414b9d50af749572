"""A broker of our own, topics filled beforehand, and child processes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder

from benchmarks import bundles
from benchmarks.job import Job, ticks
from connectors.kafka import Access
from connectors.kafka_topics import TopicSpec, create
from tests.services import kafka

_BATCH = 1 << 20
_STOP_S = 60.0
_REPOSITORY = Path(__file__).parents[1]


@dataclass
class Bench:
    """What all parts share.

    Attributes:
        broker: host:port.
        folder: scratch, removed at the end.
    """

    broker: str
    folder: Path
    _filled: dict[tuple[Job, int], str] = field(default_factory=dict)
    _names: int = 0

    @property
    def access(self) -> Access:
        """How to enter the broker."""
        return Access(brokers=(self.broker,))

    def name(self, what: str) -> str:
        """Return a name that nothing has had yet."""
        self._names += 1
        return f"{what}-{self._names}"

    def topic(self, name: str, partitions: int = 4, **config: str) -> str:
        """Make a topic; `message_timestamp_type` and so on are Kafka's own settings."""
        settings = {key.replace("_", "."): value for key, value in config.items()}
        create(self.access, [TopicSpec(name, partitions, 1, settings)])
        return name

    def scores_topic(self, what: str, partitions: int = 4) -> str:
        """Make a topic whose records bear the time at which the broker took them."""
        stamp = {"message_timestamp_type": "LogAppendTime"}
        return self.topic(self.name(what), partitions, **stamp)

    def filled(self, job: Job, readings: int) -> str:
        """Return a topic that holds the job's first readings, filled once."""
        key = job, readings
        if key not in self._filled:
            name = self.topic(self.name("readings"), job.partitions)
            asyncio.run(fill(self.broker, name, job, readings))
            self._filled[key] = name
        return self._filled[key]

    def reference(self, sensors: int = 14) -> Path:
        """Return a folder of bundles that holds `reference` for our machine type."""
        folder = self.folder / f"reference-{sensors}"
        if not folder.exists():
            bundles.reference(folder / "machine", sensors)
        return folder

    def default(self, sensors: int = 14) -> Path:
        """Return a folder of bundles that holds `default` for our machine type."""
        folder = self.folder / f"default-{sensors}"
        if not folder.exists():
            bundles.default(folder / "machine", sensors)
        return folder


@contextmanager
def bench() -> Iterator[Bench]:
    """Yield a bench with a broker of its own."""
    with (
        tempfile.TemporaryDirectory(prefix="foreshock-bench-") as folder,
        kafka.serve() as address,
    ):
        yield Bench(address, Path(folder))


async def fill(
    broker: str, topic: str, job: Job, readings: int, first: int = 0
) -> None:
    """Fill a topic with readings in whole ticks, at least `readings` messages.

    Args:
        broker: host:port.
        topic: that is filled.
        job: whose readings they are.
        readings: how many.
        first: the tick to begin with.
    """
    producer = AIOKafkaProducer(
        bootstrap_servers=broker, max_request_size=4 << 20, max_batch_size=_BATCH
    )
    await producer.start()
    try:
        batches: dict[int, BatchBuilder] = {}
        sent: list[asyncio.Future[object]] = []
        left = readings
        for tick in ticks(job, first, first + readings):
            for partition, key, value in tick:
                batch = batches.get(partition)
                if batch is None or not batch.append(
                    timestamp=None, key=key, value=value
                ):
                    if batch is not None:
                        sent.append(
                            await producer.send_batch(batch, topic, partition=partition)
                        )
                    batch = batches[partition] = producer.create_batch()
                    batch.append(timestamp=None, key=key, value=value)
            left -= len(tick)
            if left <= 0:
                break
        for partition, batch in batches.items():
            sent.append(await producer.send_batch(batch, topic, partition=partition))
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


@dataclass
class Child:
    """A child process and what it used.

    Attributes:
        process: the process.
        log: where its output goes.
    """

    process: subprocess.Popen[bytes]
    log: Path

    def cpu_s(self) -> float:
        """CPU time so far of the process, in s."""
        text = Path(f"/proc/{self.process.pid}/stat").read_text()
        fields = text.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_mib(self) -> float:
        """Resident memory now, in MiB."""
        return self._status("VmRSS")

    def peak_mib(self) -> float:
        """Highest resident memory so far, in MiB."""
        return self._status("VmHWM")

    def _status(self, key: str) -> float:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        found = next(line for line in lines if line.startswith(key))
        return int(found.split()[1]) / 1024

    def alive(self) -> None:
        """Raise, with the end of its log, if it has ended."""
        if self.process.poll() is not None:
            tail = "\n".join(self.log.read_text().splitlines()[-15:])
            raise RuntimeError(f"ended with {self.process.returncode}:\n{tail}")

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextmanager
def child(
    command: Sequence[str], log: Path, cwd: Path = _REPOSITORY
) -> Iterator[Child]:
    """Run a program while the body runs; SIGTERM at its end."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            list(command), stdout=output, stderr=subprocess.STDOUT, cwd=cwd
        )
    try:
        yield Child(process, log)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_until(done: object, child: Child, limit_s: float) -> None:
    """Poll `done()` while a child lives.

    Raises:
        RuntimeError: it ended first, or the time is over.
    """
    assert callable(done)
    ends = time.monotonic() + limit_s
    while not done():
        child.alive()
        if time.monotonic() > ends:
            tail = "\n".join(child.log.read_text().splitlines()[-15:])
            raise RuntimeError(f"not done after {limit_s:.0f} s:\n{tail}")
        # Asking costs the broker and us time that the contestants need.
        time.sleep(2.0)
