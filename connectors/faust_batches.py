"""Delivery by the batch, shared by both Faust transports.

For the topics in `BatchTransport.batch_topics` one Faust event carries all records
that one fetch returned for one partition; all other topics stay record by record.
Before partitions are handed over, and before it stops, the consumer asks the
application to finish its work (`BatchTransport.drain`).
"""

import asyncio
import math
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, cast

from faust.transport.base import Transport
from faust.transport.consumer import RecordMap
from faust.types import TP, ConsumerMessage, Message

from connectors.faust_hold import HoldingConsumer

__all__ = ["BatchConsumer", "BatchMessage", "BatchTransport", "Drain"]

#: Finishes what the application has in hand and acknowledges it.
Drain = Callable[[], Awaitable[None]]

# A fetch is awaited no longer than this, since a seek waits for the end of it.
_LONGEST_FETCH_S = 0.2
# While a partition is held back by a full queue, look again this often.
_BUFFERED_FETCH_S = 0.05
# A commit that finds another one running only waits for it; three tries suffice.
_COMMIT_TRIES = 3

_offset_of = attrgetter("offset")


class BatchMessage(ConsumerMessage):
    """The records of one partition that one fetch returned.

    Attributes:
        value: the records, list of at least one, offsets ascending.
        first: offset of the first record.
        offset: offset of the last record.
        skipped: number of offsets between the previous batch and `first` that the
            broker never returned (compaction, transaction markers, retention).
            Within a generation `first == previous.offset + 1 + skipped`.
    """

    first: int
    skipped: int

    def __init__(
        self, tp: TP, records: list[Any], skipped: int, generation_id: int
    ) -> None:
        last = records[-1]
        super().__init__(
            tp.topic,
            tp.partition,
            last.offset,
            last.timestamp / 1000.0,
            0,
            None,
            None,
            cast("bytes", records),  # Faust hands it on as it is (codec "raw").
            None,
            tp=tp,
            generation_id=generation_id,
        )
        self.first = records[0].offset
        self.skipped = skipped


class BatchTransport(Transport):
    """Transport mix-in: what the application sets before the app starts.

    Attributes:
        batch_topics: names of the topics delivered in batches.
        gather_s: time from one fetch to the next, at least. Where little comes, what
            comes within it is taken together.
        drain: awaited before partitions are revoked and before the consumer stops.
            It finishes the work in hand, acknowledges the events, and returns. It
            may be called several times and must bound its own waiting: the whole
            group stands still meanwhile. An exception crashes the app, and nothing
            more is committed.
    """

    batch_topics: set[str]
    gather_s: float
    drain: Drain | None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.batch_topics = set()
        self.gather_s = 0.0
        self.drain = None


@dataclass(slots=True)
class _Fetch:
    """What one fetch returned.

    Attributes:
        records: per partition, as the driver returned them.
        epoch: number of seeks and generation before the fetch.
        rest: per partition, where to go on if no more is delivered.
        end: per partition, the offset after the last record.
    """

    records: RecordMap
    epoch: tuple[int, int]
    rest: dict[TP, int]
    end: dict[TP, int]

    def undelivered(self) -> dict[TP, int]:
        """Return where to go on in the partitions not delivered to their end."""
        return {tp: at for tp, at in self.rest.items() if at < self.end[tp]}


class BatchConsumer(HoldingConsumer):
    """Consumer mix-in: batches, drain, the question of ownership.

    Place it before the driver's consumer in the list of bases.

    Attributes:
        skipped_offsets: per partition, offsets that the broker never returned.
        abandoned: see `abandon`.
    """

    transport: BatchTransport

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.skipped_offsets: Counter[TP] = Counter()
        self.abandoned = False
        self._fetched_at = -math.inf
        super().__init__(*args, **kwargs)

    def abandon(self) -> None:
        """Commit nothing and wait for nothing from now on.

        For an application that has lost its state, or whose agent has failed: the
        records after the committed offset will be read again by the next owner.
        """
        self.abandoned = True

    async def still_owner(
        self, tp: TP, offset: int, generation_id: int | None = None
    ) -> bool:
        """Ask the group whether this member still owns a partition.

        The question is a commit of `offset`, so give the offset of the oldest
        record that is not acknowledged yet (the `first` of the oldest batch): it
        is at or past all that was committed and commits nothing unfinished.

        Args:
            tp: the partition.
            offset: offset of the oldest unacknowledged record.
            generation_id: generation in which it was delivered; default the
                current one.

        Returns:
            True if the group accepted the commit from this generation. Waits as
            long as the broker cannot be reached.
        """
        current = self.app.consumer_generation_id
        expected = current if generation_id is None else generation_id
        if self.abandoned or expected != current:
            return False
        owned = await self._ask_owner(tp, offset, expected)
        return owned and expected == self.app.consumer_generation_id

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        if self.abandoned:
            return False
        return await super()._commit(offsets)  # type: ignore[safe-super]

    async def _ask_owner(self, tp: TP, offset: int, generation_id: int) -> bool:
        raise NotImplementedError

    async def getmany(
        self,
        timeout: float,  # noqa: ASYNC109 - the signature is Faust's
    ) -> AsyncIterator[tuple[TP, Message]]:
        """Fetch once and yield what may be delivered.

        Args:
            timeout: longest wait for records in seconds.

        Yields:
            Partition and message; for batch topics a `BatchMessage`.
        """
        deliver = super().getmany if self.app.client_only else self._deliver
        async for item in deliver(timeout):
            yield item

    async def _deliver(self, longest_s: float) -> AsyncIterator[tuple[TP, Message]]:
        fetch = await self._fetch(longest_s)
        try:
            for tp, piece in self._pieces(fetch.records):
                if not self._may_go_on(fetch):
                    break
                message = self._message(tp, piece, fetch)
                if message is None:
                    continue
                yield tp, message
                # The stream has not taken it if the flow was stopped meanwhile.
                if self.flow_active and tp in fetch.rest:
                    fetch.rest[tp] = message.offset + 1
        finally:
            if fetch.epoch[0] == self._seeks:
                self._lost.update(fetch.undelivered())

    async def _fetch(self, longest_s: float) -> _Fetch:
        if not self.flow_active:
            await self.wait(self.can_resume_flow)  # type: ignore[arg-type]
        await self._gather()
        async with self._fetching:
            epoch = self._seeks, self.app.consumer_generation_id
            await self.seek_back()
            # A copy: Faust changes its set while the fetch is under way.
            active = set(self._get_active_partitions())
            records: RecordMap = {}
            self._woken.clear()
            if active and not self.should_stop:
                bound = _LONGEST_FETCH_S
                if self._buffered_partitions:
                    bound = _BUFFERED_FETCH_S
                records = await self._getmany(active, min(longest_s, bound))
        if not active:
            with suppress(TimeoutError):
                async with asyncio.timeout(longest_s):
                    await self._woken.wait()
        mine = [tp for tp, found in records.items() if found and self.holds(tp)]
        return _Fetch(
            records=records,
            epoch=epoch,
            rest={tp: self._next.get(tp, records[tp][0].offset) for tp in mine},
            end={tp: records[tp][-1].offset + 1 for tp in mine},
        )

    async def _gather(self) -> None:
        """Wait until the last fetch lies far enough back."""
        left = self._fetched_at + self.transport.gather_s - time.monotonic()
        if left > 0:
            await asyncio.sleep(left)
        self._fetched_at = time.monotonic()

    def _may_go_on(self, fetch: _Fetch) -> bool:
        epoch = self._seeks, self.app.consumer_generation_id
        return self.flow_active and not self.should_stop and fetch.epoch == epoch

    def _pieces(self, fetched: RecordMap) -> Iterator[tuple[TP, Any]]:
        single: dict[TP, Any] = {}
        for tp, records in fetched.items():
            if tp.topic not in self.transport.batch_topics:
                single[tp] = records
            elif records:
                yield tp, records
        yield from self.scheduler.iterate(single)

    def _message(self, tp: TP, piece: Any, fetch: _Fetch) -> Message | None:
        """Make a message, note it as delivered; None if it must not be delivered."""
        if not self.deliverable(tp):
            return None
        records = piece if isinstance(piece, list) else [piece]
        due = self._next.get(tp, records[0].offset)
        if self.holds(tp) and records[0].offset < due:
            records = records[bisect_left(records, due, key=_offset_of) :]
        if not records:
            fetch.rest[tp] = due
            return None
        generation = fetch.epoch[1]
        skipped = 0
        if self.holds(tp):
            skipped = records[0].offset - due
            self.skipped_offsets[tp] += skipped
            self._next[tp] = records[-1].offset + 1
        message: Message
        if isinstance(piece, list):
            message = BatchMessage(tp, records, skipped, generation)
        else:
            message = self._to_message(tp, piece)
            message.generation_id = generation
        self.enter(message)
        self._track_end(tp)
        return message

    def _track_end(self, tp: TP) -> None:
        if tp in self.assignment():
            end = cast("int | None", self.highwater(tp))
            # None until the first answer of the broker; sensors cannot bear it.
            if end is not None:
                self.app.monitor.track_tp_end_offset(tp, end)

    async def wait_empty(self) -> None:
        """Let the application finish, commit, and wait for what else is in hand."""
        if not self.should_stop:
            await self._drain()
        if self.abandoned:
            self._unacked_messages.clear()
            return
        # Faust leaves what an old generation acknowledged in the set for a second.
        self._clean_unacked_messages()
        for _ in range(_COMMIT_TRIES):
            if not self.has_uncommitted():
                break
            await self.commit()
        await super().wait_empty()

    async def _drain(self) -> None:
        drain = self.transport.drain
        if drain is None or self.abandoned:
            return
        left: set[Message] | None = None
        try:
            while True:
                await drain()
                # An event may have been taken while drain was under way. It gets
                # one more chance, as long as that changes anything.
                before, left = left, self._batches_in_hand()
                if not left or left == before:
                    break
        except Exception as exc:
            self.log.exception("Drain failed")
            self.abandon()
            await self.app.crash(exc)
        # What is left the application has set aside: nobody will acknowledge it.
        for message in self._batches_in_hand():
            self._unacked_messages.discard(message)

    def _batches_in_hand(self) -> set[Message]:
        return {
            message
            for message in self._unacked_messages
            if isinstance(message, BatchMessage) and not message.acked
        }
