"""One partition in one generation of the group: batches in, checkpoints out.

The protocol, and why nothing is lost or counted twice:

1. The first batch restores the state from the state topic; flow is shut until then.
2. Each batch is decoded, scored and sent; its Faust event is kept, not acknowledged.
3. A checkpoint (timer, rebalance, stop) takes the events, their outputs and the changed
   blocks of state at one instant. Then it waits until the bus has acknowledged these
   outputs, asks the group whether this worker still owns the partition, writes the
   audit, the blocks and the position, waiting for each, and only then acknowledges the
   events, which lets Faust commit (`saving.py`). On the timer the next batches go on
   meanwhile.

A crash between any two steps re-reads some records. Those up to the position are
dropped, those in a block's offset are skipped by the core, the rest is computed again
and gives the same messages under the same ids. Where there is a block, the audit of its
records has been written: they are not counted again.
"""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from operator import attrgetter
from typing import Any

import msgspec
import structlog

from stream.core.outcome import Outcome
from stream.core.pipeline import Pipeline
from stream.core.readings import NEVER, RawRecord, Tally
from stream.worker.bus import Outbox
from stream.worker.decoding import decode
from stream.worker.order import Halt, end_of
from stream.worker.outputs import Outputs
from stream.worker.saving import Saver, Taken
from stream.worker.shared import Batch, Event, Shared
from stream.worker.silence import Silence
from stream.worker.state_topic import TURN, Position, Turn, understood

_log = structlog.get_logger()

_offset_of = attrgetter("offset")


@dataclass(slots=True)
class Partition:
    """State and open ends of one partition.

    Attributes:
        shared: What it shares with the others.
        number: Number of the partition.
        generation: The group's generation in which it was assigned.
        closed: Whether batches are ignored from now on in this generation.
        leaving: Set when this is about to be so: batches not begun are left alone.
        totals: How all readings of this generation ended.
    """

    shared: Shared
    number: int
    generation: int
    closed: bool = False
    leaving: asyncio.Event = field(default_factory=asyncio.Event)
    totals: Tally = field(default_factory=Tally)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _pipeline: Pipeline | None = None
    _silence: Silence = field(default_factory=Silence)
    _position: Position = field(default_factory=Position)
    _written: Position = field(default_factory=Position)
    _told: Position = field(default_factory=Position)
    _last: int | None = None
    _events: list[Event] = field(default_factory=list)
    _since: Tally = field(default_factory=Tally)
    _saver: Saver | None = None
    _events_seen: int = 0
    _unclaimed: list[str] = field(default_factory=list)

    async def start(self) -> None:
        """Restore the state, and repeat a release that may not have been sent.

        Raises:
            stream.core.snapshot.Unreadable: if the saved state cannot be read.
        """
        async with self.lock:
            if self._pipeline is None and not (self.closed or self.leaving.is_set()):
                await self._restore()

    async def batch(self, *events: Event) -> None:
        """Take batches in that follow one another, and send what they give.

        They are scored together: many small ones would cost more than their readings.

        Args:
            events: At least one.

        Raises:
            Halt: if batches do not follow one another.
            stream.core.snapshot.Unreadable: if the saved state cannot be read.
        """
        async with self.lock:
            messages: list[Batch] = [event.message for event in events]
            generations = {message.generation_id for message in messages}
            if self.closed or generations != {self.generation}:
                return
            if self.leaving.is_set():
                return
            pipeline = self._pipeline or await self._restore()
            if self._last is None:
                await self._check_reach(messages[0])
            last = end_of(messages, self._last, self.number)
            if not await self._take_events(pipeline):
                return
            records = self._new_records(messages)
            told = bisect_right(records, self._told.offset, key=_offset_of)
            for piece, counts in ((records[:told], False), (records[told:], True)):
                outcome = await self._through(pipeline, piece)
                if outcome is None:
                    return
                await self._send(outcome, counts=counts)
            self._position = Position(max(last, self._position.offset))
            self._last = last
            self._events += events
            # The payloads are decoded: only the offsets are needed from here on.
            for message in messages:
                message.value = None

    def _new_records(self, messages: Sequence[Batch]) -> list[RawRecord]:
        """Return the records that are not in the state yet."""
        records = list(chain.from_iterable(message.value for message in messages))
        return records[bisect_right(records, self._position.offset, key=_offset_of) :]

    async def _through(
        self, pipeline: Pipeline, records: Sequence[RawRecord]
    ) -> Outcome | None:
        """Take records the whole way; None if this partition goes away first."""
        if not records:
            return Outcome()
        decoded = await self.shared.in_thread(decode, pipeline, records)
        new = pipeline.machines.take_new()
        if not await self._settled([*new, *self._unclaimed]):
            # What has not settled must not get into the state as if it had.
            for name in new:
                pipeline.refuse(name)
            return None
        self._unclaimed = []
        self._refuse(pipeline)
        if new and not await self._take_events(pipeline, new):
            return None
        self._silence.heard(decoded.readings, time.monotonic())
        outcome: Outcome = await self.shared.in_thread(pipeline.run, decoded)
        return outcome

    async def _settled(self, machines: Sequence[str]) -> bool:
        """Wait until it is clear where machines belong; False if we leave first."""
        if not machines:
            return True
        register = self.shared.register
        settle = asyncio.ensure_future(register.settle(self.number, machines))
        leave = asyncio.ensure_future(self.leaving.wait())
        try:
            await asyncio.wait((settle, leave), return_when=asyncio.FIRST_COMPLETED)
        finally:
            leave.cancel()
            if not settle.done():
                settle.cancel()
        if settle.cancelled() or not settle.done():
            with suppress(asyncio.CancelledError):
                await settle
            return False
        settle.result()
        return True

    def _refuse(self, pipeline: Pipeline) -> None:
        for name in self.shared.register.refused(self.number):
            pipeline.refuse(name)

    async def _restore(self) -> Pipeline:
        shared = self.shared
        records = await shared.reader.read(shared.topics["state"], self.number)
        saved = understood(records)
        pipeline = shared.make(self.number)
        refused = list(shared.register.refused(self.number))
        for warning in pipeline.load(list(saved.blocks.values()), refused):
            _log.warning("state", partition=self.number, told=warning)
        pipeline.touch(saved.stale)
        known = (name for names in pipeline.machines.names for name in names if name)
        self._unclaimed = shared.register.unclaimed(self.number, known)
        self._position = self._written = saved.position
        self._told = saved.reached
        source = (shared.source, self.number)
        outbox = Outbox(shared.producer)
        outputs = Outputs(outbox, shared.topics, source, shared.telling)
        self._saver = Saver(shared, self.number, self.generation, outputs)
        self._silence.start(pipeline, time.monotonic())
        turn = saved.turn
        at = (saved.position.offset, saved.position.turn)
        if turn is not None and (turn.offset, turn.turn) == at:
            await self._turn(pipeline, turn)
        self._pipeline = pipeline
        _log.info(
            "restored",
            partition=self.number,
            generation=self.generation,
            position=saved.position.offset,
            machines=len(pipeline.machines),
        )
        return pipeline

    async def _check_reach(self, message: Batch) -> None:
        """Make sure that the batch begins where the state ends."""
        at, first = self._position.offset, message.first
        if first <= at + 1:
            return
        earliest = await self.shared.earliest(self.number)
        told: dict[str, Any] = {"partition": self.number, "state_at": at}
        told["first"] = first
        if at < 0:
            # No state: the very start, or a group older than its state topic.
            if first - message.skipped > earliest:
                _log.warning("no state found: windows start cold", **told)
        elif earliest > at + 1:
            _log.error(
                "readings expired before they were read", lost_to=earliest, **told
            )
        elif first - message.skipped > at + 1:
            raise Halt(
                f"partition {self.number}: the state ends at offset {at}, but the group"
                f" has committed up to {first}: the state topic lacks the rest"
            )

    async def _send(self, outcome: Outcome, *, counts: bool = True) -> None:
        assert self._saver is not None  # noqa: S101 - set by _restore
        await self._saver.outputs.send(outcome, time.time_ns())
        for told in outcome.refused:
            _log.warning("event refused", partition=self.number, told=told)
        if counts:
            self._since.add(outcome.tally)

    @property
    def reached(self) -> int:
        """Offset up to which everything has been taken in and sent; -1 at first."""
        return self._position.offset

    @property
    def machines(self) -> int:
        """Count of machines that have a place in the state."""
        pipeline = self._pipeline
        return sum(map(len, pipeline.machines.names)) if pipeline else 0

    async def checkpoint(self) -> bool:
        """Make everything so far durable; returns False if ownership is lost.

        Batches go on meanwhile.
        """
        async with self.lock:
            saver = self._saver
            if saver is None or not self._is_unsaved:
                return not self.closed
            # The one before must be through. It needs no lock to get there.
            await saver.busy.acquire()
            try:
                taken = await self._take(saver)
            except BaseException:
                saver.busy.release()
                raise
        try:
            return await self._save(saver, taken)
        finally:
            saver.busy.release()

    async def _checkpoint(self) -> bool:
        """Make everything durable before anything else happens; for holders of lock."""
        saver = self._saver
        if saver is None or self.closed:
            return not self.closed
        async with saver.busy:
            if not self._is_unsaved:
                return not self.closed
            return await self._save(saver, await self._take(saver))

    @property
    def _is_unsaved(self) -> bool:
        changed = bool(self._events) or self._position != self._written
        return changed and self._pipeline is not None and not self.closed

    async def _take(self, saver: Saver) -> Taken:
        assert self._pipeline is not None  # noqa: S101 - there since the saver is
        events, self._events = self._events, []
        since, self._since = self._since, Tally()
        position = self._position
        sent = saver.outputs.outbox.take()
        blocks = await self.shared.in_thread(_dump, self._pipeline, position)
        return Taken(position, self._told, events, since, sent, blocks)

    async def _save(self, saver: Saver, taken: Taken) -> bool:
        if not await saver.save(taken):
            self.closed = True
            return False
        self._written = taken.position
        self._told = max(self._told, taken.position)
        self.totals.add(taken.since)
        return True

    async def forget_silent(self, longer_than_s: float) -> None:
        """Retire machines from memory that have been silent for so long, in s."""
        async with self.lock:
            if self._pipeline is None or self.closed:
                return
            if not self.shared.at_end(self.number, self._position.offset):
                return
            kinds = len(self._pipeline.states)
            limits = [longer_than_s] * kinds
            silent = self._silence.machines(time.monotonic(), limits)
            gone = self._pipeline.forget(silent)
            if gone:
                _log.info("forgotten", partition=self.number, machines=gone)

    async def release_silent(self, idle_after_s: Sequence[float]) -> None:
        """Release what machines hold back that have been silent for so long.

        Args:
            idle_after_s: Per machine type, the silence in s.
        """
        async with self.lock:
            if self._pipeline is None or self.closed:
                return
            self._refuse(self._pipeline)
            if not self.shared.at_end(self.number, self._position.offset):
                return  # what a machine has sent may not have been read yet
            silent = self._silence.machines(time.monotonic(), idle_after_s)
            names = self._pipeline.holding_back(silent)
            if names:
                await self._take_turn(self._pipeline, machines=names)

    async def take_events(self) -> None:
        """Let events take effect that have come since the last look."""
        async with self.lock:
            if self._pipeline is not None and not self.closed:
                await self._take_events(self._pipeline)

    async def _take_events(self, pipeline: Pipeline, new: Sequence[str] = ()) -> bool:
        """Take in events on known machines, and all on new ones; False if we leave."""
        log = self.shared.events
        came = [*log.told[self._events_seen :], *(log.of(new) if new else ())]
        self._events_seen = len(log.told)
        events = [told for told in came if pipeline.effects.is_new(told)]
        # Where all has been read, no older row is to come.
        end = self.shared.at_end(self.number, self._position.offset)
        until_ns = time.time_ns() if end else NEVER
        if not events and not pipeline.effects.is_due(until_ns):
            return True
        return await self._take_turn(pipeline, events=events, until_ns=until_ns)

    async def _take_turn(self, pipeline: Pipeline, **what: Any) -> bool:
        """Make a turn durable, then let it take effect; False if we lose ownership."""
        if not await self._checkpoint():
            return False
        at, owned = self._position, self.shared.still_owner
        if not await owned(self.number, at.offset + 1, self.generation):
            self.closed = True
            return False
        turn = Turn(at.offset, at.turn, **what)
        topic, value = self.shared.topics["state"], msgspec.msgpack.encode(turn)
        outbox = Outbox(self.shared.producer)
        # Durable before its scores are, so that a restart repeats it.
        await outbox.send(topic, self.number, TURN, value)
        await outbox.acknowledged()
        await self._turn(pipeline, turn)
        return True

    async def _turn(self, pipeline: Pipeline, turn: Turn) -> None:
        in_thread = self.shared.in_thread
        self._position = Position(turn.offset, turn.turn + 1)
        counts = self._position > self._told
        at, until_ns = turn.offset, turn.until_ns
        happened = await in_thread(pipeline.take_events, turn.events, until_ns, at)
        await self._send(happened, counts=counts)
        released = await in_thread(pipeline.release, turn.machines, at)
        await self._send(released, counts=counts)

    async def close(self) -> None:
        """Finish the batch in hand, checkpoint, and take nothing more.

        What waits for claims to settle is left alone: the next owner reads it again.
        """
        self.leaving.set()
        async with self.lock:
            await self._checkpoint()
            self.closed = True


def _dump(pipeline: Pipeline, position: Position) -> list[tuple[str, bytes]]:
    return list(pipeline.dump(position.offset, position.turn))
