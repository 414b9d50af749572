"""The archive agent: scores, alerts, and readings if asked for, into InfluxDB.

Kafka is the buffer: a batch is acknowledged only after the archive has taken it, so the
archive may be away for a day and nothing is lost, late or kept in memory. Points are
known by their tags and time, so one that is written twice changes nothing. A line that
the archive will never take goes to quarantine, and the rest of its batch is stored.

Site and line of a machine become tags, as the asset register knows them by then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, cast

import faust
import msgspec
import structlog

from connectors.line_protocol import alert_line, reading_line, score_line
from connectors.sinks import Refused, Retryable
from stream.core.decode import Decoder
from stream.core.machines import Machines
from stream.core.readings import RawRecord, Reject
from stream.worker.assets import Assets
from stream.worker.bus import Outbox, Producer
from stream.worker.buses import Bus
from stream.worker.plant import kinds_of, rules_of, type_of
from stream.worker.quarantine import put_away
from stream.worker.settings import Settings

_log = structlog.get_logger()

_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 30.0
_DECODED = 100_000
"""Machines that the decoder of archived readings remembers at once."""


class Sink(Protocol):
    """An archive of line protocol; see `connectors.sinks`."""

    def open(self) -> None:
        """Get ready; may be called again."""

    def write(self, lines: Sequence[str]) -> list[Refused]:
        """Store lines; return those that will never be taken."""

    def flush(self) -> None:
        """Make what was written durable."""

    def close(self) -> None:
        """Let go; may be called again."""


@dataclass(slots=True)
class _Lines:
    """Lines to write, and the record that each came from."""

    text: list[str] = field(default_factory=list)
    source: list[RawRecord] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)


@dataclass(slots=True)
class ArchiveRole:
    """Archives scores and alerts in one worker process.

    Args:
        settings: The plant's.
        bus: Where they come from.
        sink: Where they go.

    Raises:
        ConfigError: The file of the asset register is not right.
    """

    settings: Settings
    bus: Bus
    sink: Sink
    app: faust.App = field(init=False)
    _assets: Assets = field(init=False)
    _leaving: asyncio.Event = field(default_factory=asyncio.Event)
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        """Build the app; it is started by the caller."""
        topics, assets = self.settings.topics, Assets(self.settings)
        self._assets = assets
        sources: dict[str, Callable[[Sequence[RawRecord]], _Lines]] = {
            topics.scores: partial(_lines, assets, _score, "not_a_score"),
            topics.alerts: partial(_lines, assets, _alert, "not_an_alert"),
        }
        if self.settings.influx.write_readings:
            sources[topics.readings] = _ReadingLines(self.settings, assets).lines
        self.app = self.bus.app(f"{self.settings.app.id}-archive", set(sources))
        transport: Any = self.app.transport
        transport.drain = self.drain
        for name, lines in sources.items():
            topic = self.app.topic(name, key_serializer="raw", value_serializer="raw")
            self.app.agent(topic, name=f"archive-{name}")(self._agent(lines))
        self.app.task(self._follow)

    async def _follow(self) -> None:
        try:
            await self._assets.follow(self.bus.reader)
        except Exception as error:  # noqa: BLE001 - whatever it is, stop the worker
            await self._fail(error)

    def _agent(
        self, lines: Callable[[Sequence[RawRecord]], _Lines]
    ) -> Callable[[Any], Any]:
        async def agent(stream: Any) -> None:
            try:
                await self._assets.ready()
                await asyncio.to_thread(self.sink.open)
                async for event in stream.noack().events():
                    await self._batch(event, lines)
            except Exception as error:  # noqa: BLE001 - whatever it is, stop the worker
                await self._fail(error)

        return agent

    async def _batch(
        self, event: Any, lines: Callable[[Sequence[RawRecord]], _Lines]
    ) -> None:
        message = event.message
        generation = self.app.consumer_generation_id
        if message.generation_id != generation:
            return
        if self._leaving.is_set():
            # A new generation has begun: what came before has been handed over.
            self._leaving.clear()
        made = await asyncio.to_thread(lines, message.value)
        refused = await self._write(made.text)
        if refused is None:
            return  # the next owner reads it again
        for line in refused:
            reason, source = f"archive: {line.reason}", made.source[line.place]
            made.rejects.append(Reject(source, "archive_refused", reason))
        await self._quarantine(made.rejects, message)
        event.ack()
        _log.info(
            "archived",
            topic=message.tp.topic,
            partition=message.tp.partition,
            to=message.offset,
            lines=len(made.text) - len(refused),
            refused=len(refused),
        )

    async def _write(self, lines: list[str]) -> list[Refused] | None:
        """Write until the archive has taken it; None when partitions go away first."""
        wait_s = _FIRST_WAIT_S
        while True:
            try:
                async with self._writing:
                    refused = await asyncio.to_thread(self._store, lines)
            except Retryable as error:
                wait_s = error.after_s or wait_s
                _log.warning("archive is away", told=str(error), again_in_s=wait_s)
            else:
                return refused
            try:
                async with asyncio.timeout(wait_s):
                    await self._leaving.wait()
            except TimeoutError:
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
            else:
                return None

    def _store(self, lines: list[str]) -> list[Refused]:
        refused = self.sink.write(lines) if lines else []
        self.sink.flush()
        return refused

    async def _quarantine(self, rejects: list[Reject], message: Any) -> None:
        outbox = Outbox(cast("Producer", self.app.producer))
        source = message.tp.topic, message.tp.partition
        for reject in rejects:
            quarantine = self.settings.topics.quarantine
            await put_away(outbox, quarantine, None, reject, source)
        await outbox.acknowledged()

    async def drain(self) -> None:
        """Stop waiting for an archive that is away; before a rebalance and the end."""
        self._leaving.set()

    async def _fail(self, error: Exception) -> None:
        _log.error("archive stops", error=f"{type(error).__name__}: {error}")
        _log.debug("archive stops", exc_info=error)
        consumer: Any = self.app.consumer
        consumer.abandon()
        await self.app.crash(error)


def _lines(
    assets: Assets,
    line_of: Callable[[Any, Mapping[str, str], RawRecord], str],
    reason: str,
    records: Sequence[RawRecord],
) -> _Lines:
    """Return messages as lines; those that make none are rejected for a reason."""
    made = _Lines()
    for record in records:
        try:
            told = msgspec.json.decode(record.value or b"")
            name = told.get("machine") if isinstance(told, dict) else None
            line = line_of(told, assets.place(name) if name else {}, record)
        except (ValueError, TypeError) as error:  # msgspec's are of the first kind
            made.rejects.append(Reject(record, reason, str(error)))
            continue
        made.text.append(line)
        made.source.append(record)
    return made


def _score(score: Any, place: Mapping[str, str], _: RawRecord) -> str:
    return score_line(score, place)


def _alert(alert: Any, place: Mapping[str, str], record: RawRecord) -> str:
    # An alert from before alarms had times of their own has that of its record.
    return alert_line(alert, place, record.timestamp * 1_000_000)


class _ReadingLines:
    """Readings as lines; what cannot be understood the scoring agent quarantines."""

    def __init__(self, settings: Settings, assets: Assets) -> None:
        self._assets = assets
        self._kinds = kinds_of(settings)
        self._type_of = type_of(settings, assets)
        self._rules = rules_of(settings)
        self._start()

    def _start(self) -> None:
        self._machines = Machines(len(self._kinds), self._type_of)
        self._decoder = Decoder(
            self._kinds, self._rules, self._machines.lookup, self._machines.admit
        )

    def lines(self, records: Sequence[RawRecord]) -> _Lines:
        """Return the readings of some records as lines."""
        if len(self._machines.lookup) > _DECODED:
            self._start()
        self._machines.take_new()
        by_offset = {record.offset: record for record in records}
        made = _Lines()
        decoded = self._decoder.decode(records)
        for place, batch in enumerate(decoded.readings):
            kind, names = self._kinds[place], self._machines.names[place]
            for machine, at, values, offset in zip(
                batch.machine.tolist(),
                batch.time_ns.tolist(),
                batch.values.tolist(),
                batch.offset.tolist(),
                strict=True,
            ):
                pairs = dict(zip(kind.sensor_names, values, strict=True))
                name = names[machine]
                tags = self._assets.place(name)
                line = reading_line(name, kind.name, at, pairs, tags)
                if line is not None:
                    made.text.append(line)
                    made.source.append(by_offset[offset])
        return made
