"""A group under random joins, stops, deaths, refused commits and late acks.

Two promises are watched all the time: no commit passes a record that nobody has
finished, and in the end every record is finished and committed.
"""

import asyncio
import random
from typing import Any

from faust.types import EventT

from connectors.memory_log import Log, Record
from tests.contracts.bus import PATIENCE_S, Bus, Worker, until

TOPIC = "readings"
PARTITIONS = 3


class Chaos:
    """One random run; the same seed makes the same choices.

    Args:
        bus: in memory.
        log: its log.
        seed: of all choices.
        batches: deliver in batches, or record by record.
        refused: share of commits that the group refuses.
    """

    def __init__(
        self, bus: Bus, log: Log, seed: int, *, batches: bool, refused: float
    ) -> None:
        self.bus, self.log, self.batches, self.refused = bus, log, batches, refused
        self.rng = random.Random(seed)
        self.workers: list[Worker] = []
        self.finished: dict[int, set[int]] = {n: set() for n in range(PARTITIONS)}
        self.faults: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.log.create_topic(TOPIC, PARTITIONS)
        self.group = self.log.group(bus.name("group"))
        self.group.on_commit = self._on_commit
        self.log.on_fetch = self._cut

    def _on_commit(self, _: str, offsets: dict[tuple[str, int], int]) -> bool:
        for (_topic, partition), offset in offsets.items():
            unfinished = set(range(offset)) - self.finished[partition]
            if unfinished:
                fault = f"p{partition}: committed {offset} past {min(unfinished)}"
                self.faults.append(fault)
        return self.rng.random() >= self.refused

    def _cut(self, _: str, __: int, records: list[Record]) -> list[Record]:
        return records[: self.rng.randint(1, 12)]

    def _finish(self, event: EventT[Any]) -> None:
        message: Any = event.message
        first = message.first if self.batches else message.offset
        self.finished[message.partition].update(range(first, message.offset + 1))
        event.ack()

    def _ack_some(self, worker: Worker, *, everything: bool = False) -> None:
        events, worker.pending = worker.pending, []
        if not everything and self.rng.random() < 0.3:
            self.rng.shuffle(events)
        for event in events:
            if everything or self.rng.random() < 0.7:
                self._finish(event)
            else:
                worker.pending.append(event)

    async def _start(self) -> Worker:
        worker = Worker(
            self.bus,
            [TOPIC],
            batches=None if self.batches else [],
            ack=False,
            broker_commit_interval=0.003,
            stream_buffer_maxsize=self.rng.choice([4, 64]),
        )
        drains = self.rng.random() < 0.5

        async def drain() -> None:
            await asyncio.sleep(0)
            if drains and self.batches:
                self._ack_some(worker, everything=True)
            elif self.batches:
                worker.pending.clear()
            else:
                # Record by record, Faust waits for every event in hand.
                tasks.add(asyncio.create_task(self._keep_acking(worker)))

        tasks = self._tasks

        worker.app.transport.drain = drain  # type: ignore[attr-defined]
        self.workers.append(worker)
        await worker.app.start()
        return worker

    async def _keep_acking(self, worker: Worker) -> None:
        generation = worker.app.consumer_generation_id
        while worker.app.consumer_generation_id == generation:
            self._ack_some(worker, everything=True)
            await asyncio.sleep(0.001)

    async def _end_of(self, worker: Worker) -> None:
        self.workers.remove(worker)
        await worker.app.stop()

    async def _die(self, worker: Worker) -> None:
        worker.consumer.fence()  # type: ignore[attr-defined]
        self.workers.remove(worker)
        await worker.app.stop()

    async def _append(self) -> None:
        for _ in range(self.rng.randint(1, 30)):
            partition = self.rng.randrange(PARTITIONS)
            self.log.append(TOPIC, partition, None, b"x", timestamp_ms=0)

    async def _act(self, worker: Worker) -> None:
        choices = ["start", "end", "die", "rebalance", "append", "ack"]
        choice = self.rng.choices(choices, [12, 8, 6, 8, 26, 40])[0]
        if choice == "start" and len(self.workers) < 3:
            await self._start()
        elif choice == "end":
            await self._end_of(worker)
        elif choice == "die":
            await self._die(worker)
        elif choice == "rebalance":
            self.group.rebalance()
        elif choice == "append":
            await self._append()
        else:
            self._ack_some(worker)

    async def _step(self) -> None:
        if self.workers:
            await self._act(self.rng.choice(self.workers))
        else:
            await self._start()
        for _ in range(self.rng.choice([0, 1, 5, 40])):
            await asyncio.sleep(0)
        if self.rng.random() < 0.3:
            await asyncio.sleep(self.rng.uniform(0, 0.006))

    def _done(self) -> bool:
        for worker in self.workers:
            self._ack_some(worker, everything=True)
        ends = [partition.end for partition in self.log.topic(TOPIC)]
        return all(
            self.group.offsets.get((TOPIC, n), 0) == end for n, end in enumerate(ends)
        )

    async def run(self, steps: int = 30) -> list[str]:
        """Run; return what was broken."""
        try:
            async with asyncio.timeout(4 * PATIENCE_S):
                for _ in range(steps):
                    await self._step()
                if not self.workers:
                    await self._start()
                await until(self._done, "the end is never committed")
        except AssertionError as exc:
            self.faults.append(str(exc))
        finally:
            for worker in list(self.workers):
                worker.consumer.abandon()
                await worker.app.stop()
            for task in self._tasks:
                task.cancel()
        for number, partition in enumerate(self.log.topic(TOPIC)):
            if self.finished[number] != set(range(partition.end)):
                self.faults.append(f"p{number}: records lost")
        return self.faults
