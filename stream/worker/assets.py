"""The asset register at work: what a worker knows of its machines.

It comes from a file, read once, and from a compacted topic, followed for as long as the
worker runs; the topic beats the file. The topic is shared with the claims of machines
(`claims.py`), whose keys hold a zero byte.

Site, line and criticality follow the topic at once. A machine's **type** does not: its
state, its window and its alarms are of one type, so another type is taken at the next
start, and a warning says so. A machine that is new to the register gets its type at
once, unless its name fits the pattern of another: then it may be at work already.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from stream.core.readings import RawRecord
from stream.errors import UserError
from stream.worker.bus import TopicReader
from stream.worker.settings import Settings
from stream.worker.settings_assets import Asset, read_entry, read_register

_log = structlog.get_logger()

_NOT_OURS = b"\0"


class Assets:
    """The register as this worker knows it.

    Args:
        settings: The plant's; its file is read here.

    Raises:
        ConfigError: The file is not right; holds one sentence for each fault.
    """

    def __init__(self, settings: Settings) -> None:
        """Read the file; `follow` reads the topic."""
        self._settings = settings
        self._filed = {asset.machine: asset for asset in filed(settings)}
        self._told: dict[str, Asset] = {}
        self._types = {n: a.type for n, a in self._filed.items() if a.type}
        self._ready = asyncio.Event()
        if not settings.assets.topic:
            self._ready.set()

    def __len__(self) -> int:
        """Count of machines in the register."""
        return len(self._filed.keys() | self._told.keys())

    def of(self, machine: str) -> Asset | None:
        """Return what the register knows of a machine."""
        return self._told.get(machine) or self._filed.get(machine)

    def about(self, machine: str) -> dict[str, str]:
        """Return a machine's site, line and criticality, as far as they are known."""
        asset = self.of(machine)
        return asset.about if asset else {}

    def place(self, machine: str) -> dict[str, str]:
        """Return a machine's site and line, as far as they are known."""
        asset = self.of(machine)
        return asset.place if asset else {}

    def type_of(self, machine: str) -> str | None:
        """Return a machine's type: of the register, else by its name."""
        return self._types.get(machine) or self._settings.type_of(machine)

    async def ready(self) -> None:
        """Wait until the topic has been read as it stood at the start."""
        await self._ready.wait()

    async def follow(self, reader: TopicReader) -> None:
        """Follow the topic for ever; return at once where none is to be followed.

        Raises:
            UserError: There is no such topic.
        """
        if not self._settings.assets.topic:
            return
        topic = self._settings.topics.machines
        count = await reader.partitions(topic)
        if not count:
            raise UserError(
                f"topics.machines: there is no topic {topic!r};"
                " make the topics with: foreshock topics create CONFIG"
            )
        behind = set(range(count))
        async with asyncio.TaskGroup() as group:
            for partition in range(count):
                group.create_task(self._follow(reader, partition, behind))

    async def _follow(
        self, reader: TopicReader, partition: int, behind: set[int]
    ) -> None:
        async for records, _ in reader.follow(
            self._settings.topics.machines, partition
        ):
            for record in records:
                self._take(record)
            behind.discard(partition)
            if not behind and not self._ready.is_set():
                self._types |= {n: a.type for n, a in self._told.items() if a.type}
                self._ready.set()

    def _take(self, record: RawRecord) -> None:
        """Take in one record; one that is not right is told and left out."""
        name = machine_of(record.key)
        if name is None:
            return
        if not record.value:
            self._told.pop(name, None)
            return
        types, by_name = self._settings.machine_types, self._settings.type_of
        try:
            asset = read_entry(name, record.value, types, by_name)
        except ValueError as error:
            _log.warning("asset left out", offset=record.offset, fault=str(error))
            return
        self._told[name] = asset
        if self._ready.is_set():
            self._take_type(asset)

    def _take_type(self, asset: Asset) -> None:
        name, now = asset.machine, self.type_of(asset.machine)
        if asset.type is None or asset.type == now:
            return
        if now is None:
            self._types[name] = asset.type
            return
        _log.warning(
            "another type counts from the next start of the workers",
            machine=name,
            type=now,
            registered=asset.type,
        )


def filed(settings: Settings) -> list[Asset]:
    """Return the machines of the register's file; none without a file.

    Raises:
        ConfigError: The file is not right.
    """
    path = settings.assets.file
    if path is None:
        return []
    return read_register(path, settings.machine_types, settings.type_of)


def types_of(settings: Settings) -> Callable[[str], str | None]:
    """Return what gives a machine's type by the register's file, else by its name.

    For histories, where no topic is at hand.

    Raises:
        ConfigError: The file is not right.
    """
    types = {asset.machine: asset.type for asset in filed(settings)}
    return lambda machine: types.get(machine) or settings.type_of(machine)


def machine_of(key: bytes | None) -> str | None:
    """Return the machine whose entry a record of the topic is; None: it is no entry."""
    if not key or _NOT_OURS in key:
        return None
    try:
        return key.decode()
    except UnicodeDecodeError:
        return None
