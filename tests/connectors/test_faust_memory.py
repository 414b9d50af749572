"""The contract of the transports on `memory://`, and what only it promises."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from connectors import faust_memory
from connectors.memory_log import Log, drop_log, open_log
from tests.contracts.bus import Bus
from tests.contracts.transport import CHECKS, Check


class MemoryBus:
    """A log in memory."""

    def __init__(self, name: str) -> None:
        self.log: Log = open_log(name)
        self.settings: dict[str, Any] = {
            "broker": f"memory://{name}",
            "TableManager": faust_memory.QuickTables,
        }

    def name(self, what: str) -> str:
        return what

    async def create(self, topic: str, partitions: int) -> None:
        self.log.create_topic(topic, partitions)

    async def write(self, topic: str, partition: int, values: list[bytes]) -> None:
        for value in values:
            self.log.append(topic, partition, None, value, timestamp_ms=0)

    async def hole(self, topic: str, partition: int) -> None:
        for _ in range(2):
            self.log.append(topic, partition, b"twice", b"v0", timestamp_ms=0)
        assert self.log.topic(topic)[partition].compact() == 1

    async def committed(self, group: str, topic: str, partition: int) -> int:
        return self.log.group(group).offsets.get((topic, partition), 0)


@pytest.fixture
def bus() -> Iterator[MemoryBus]:
    faust_memory.register()
    name = f"t-{uuid.uuid4().hex}"
    yield MemoryBus(name)
    drop_log(name)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_contract(check: Check, bus: Bus) -> None:
    await check(bus)
