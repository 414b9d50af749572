"""The driver's part of the transport `memory://`: what Faust asks of a broker.

`PlainMemoryConsumer` does what Faust's own Kafka driver does, on a log in memory: it
has Faust's delivery and Faust's commits. The transport itself is in
`connectors.faust_memory`.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, cast

from faust.exceptions import ImproperlyConfigured
from faust.transport.consumer import Consumer, RecordMap
from faust.types import TP, ConsumerMessage
from mode import Service

from connectors.faust_batches import BatchTransport
from connectors.memory_group import Group, Member
from connectors.memory_log import Log, Partition, Record, open_log

__all__ = ["LogTransport", "PlainMemoryConsumer"]


class LogTransport(BatchTransport):
    """Transport of a log.

    Attributes:
        log: the log that the URL names; `memory://` names the log "".
        fenced: nothing that this side does is seen any more.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.log = open_log(self.url[0].host or "")
        self.fenced = False

    def create(
        self, topic: str, partitions: int, *, compacting: bool | None = None, **_: Any
    ) -> None:
        """Create a topic unless it is there; retention has no meaning here."""
        self.log.create_topic(topic, partitions, compacted=bool(compacting))


class _Cluster:
    """What Faust's assignor asks of a cluster."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def partitions_for_topic(self, topic: str) -> set[int]:
        return set(range(len(self._log.topic(topic))))


class PlainMemoryConsumer(Consumer):
    """The driver's part alone: Faust's own delivery and commits on the log."""

    transport: LogTransport

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.in_transaction:
            raise ImproperlyConfigured(
                "memory:// has no transactions: use processing_guarantee=at_least_once"
            )
        self._member: Member | None = None
        self._subscribed = asyncio.Event()
        self._positions: dict[TP, int] = {}

    @property
    def group(self) -> Group:
        """The consumer group of the app's id."""
        return self.transport.log.group(self.app.conf.id)

    @property
    def _assignor(self) -> Any:
        # Faust's type of it lacks the methods that the Kafka client calls.
        return self.app.assignor

    def fence(self) -> None:
        """Take this member out of its group, as if its process had died.

        Nothing that it does afterwards is seen: no commit, no send.
        """
        self.transport.fenced = True
        cast("LogTransport", self.app.producer.transport).fenced = True
        self._leave()

    def _leave(self) -> None:
        member, self._member = self._member, None
        if member is not None:
            self.group.leave(member)

    async def on_stop(self) -> None:
        """Finish, then leave the group."""
        await super().on_stop()
        self._leave()
        self._subscribed.set()

    # Membership

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Join the group and return at once: Faust waits for that in the assignment."""
        wanted = set(topics)
        for topic in sorted(wanted):
            self.transport.log.create_topic(topic, self.app.conf.topic_partitions)
        if self._member is None:
            self._member = self.group.join(wanted)
        else:
            self._member.topics = wanted
            self.group.rebalance()
        self._subscribed.set()

    @Service.task
    async def _membership(self) -> None:
        await self._subscribed.wait()
        while self._member is not None and not self.should_stop:
            await self._member.due.wait()
            self._member.due.clear()
            await self._rebalance()

    async def _rebalance(self) -> None:
        self.app.on_rebalance_start()
        await self.on_partitions_revoked(self.assignment())
        # The app may have stopped, or the member been fenced, in the meantime.
        if self._member is None:
            return
        result = await self.group.arrive(self._member, self._offer, self._plan)
        if result is None:
            return
        generation, share = result
        self._assignor.on_assignment(share)
        assigned = {TP(*tp) for tp in share.partitions()}
        self._positions = {tp: self._start_of(tp) for tp in assigned}
        self.app.consumer_generation_id = generation
        await self.on_partitions_assigned(assigned, generation)

    def _offer(self) -> Any:
        topics = sorted(self._member.topics) if self._member is not None else []
        # The assignor wants a set, but keeps the order of a list: repeatable.
        return self._assignor.metadata(topics)

    def _plan(self, offers: dict[str, Any]) -> Mapping[str, Any]:
        plan: Mapping[str, Any]
        plan = self._assignor.assign(_Cluster(self.transport.log), offers)
        return plan

    def assignment(self) -> set[TP]:
        """Return the partitions of the present generation."""
        return set(self._positions)

    # Reading

    def _partition(self, tp: TP) -> Partition:
        return self.transport.log.topic(tp.topic)[tp.partition]

    def _start_of(self, tp: TP) -> int:
        committed = self.group.offsets.get(tp)
        return self._partition(tp).start if committed is None else committed

    async def _getmany(
        self,
        active_partitions: set[TP] | None,
        timeout: float,  # noqa: ASYNC109 - the signature is Faust's
    ) -> RecordMap:
        if not self.flow_active:
            return {}
        fetched = self._read(active_partitions)
        if not fetched:
            await self.transport.log.wait_append(timeout)
            if self.flow_active:
                fetched = self._read(active_partitions)
        return fetched

    def _read(self, active: set[TP] | None) -> dict[TP, list[Record]]:
        log = self.transport.log
        room = self.app.conf.broker_max_poll_records or 1_000_000
        fetched: dict[TP, list[Record]] = {}
        for tp in sorted(self._positions if active is None else active):
            if tp not in self._positions or room <= 0:
                continue
            records = self._partition(tp).read(self._positions[tp], room)
            if records and log.on_fetch is not None:
                records = log.on_fetch(tp.topic, tp.partition, records)
            if records:
                fetched[tp] = records
                room -= len(records)
                self._positions[tp] = records[-1].offset + 1
        return fetched

    def _to_message(self, tp: TP, record: Any) -> ConsumerMessage:
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            record.offset,
            record.timestamp / 1000.0,
            0,
            list(record.headers),
            record.key,
            record.value,
            None,
            tp=tp,
            generation_id=self.app.consumer_generation_id,
        )

    # Positions and commits

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Move what is committed; as on Kafka, the rest stays where it is (None)."""
        committed = {tp: self.group.offsets.get(tp) for tp in self._positions}
        self._positions.update({tp: at for tp, at in committed.items() if at})
        return cast("Mapping[TP, int]", committed)

    async def _seek(self, partition: TP, offset: int) -> None:
        if partition in self._positions:
            self._positions[partition] = offset

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        """Move partitions and Faust's note of what it has read."""
        for tp, offset in partitions.items():
            await self._seek(tp, offset)
            if offset > 0:
                self._read_offset[tp] = offset
            else:
                self._read_offset.pop(tp, None)

    async def position(self, tp: TP) -> int | None:
        """Return the offset of the next record to fetch."""
        return self._positions.get(tp)

    async def earliest_offsets(self, *partitions: TP) -> Mapping[TP, int]:
        """Return the offset at which each partition starts."""
        return {tp: self._partition(tp).start for tp in partitions}

    async def highwaters(self, *partitions: TP) -> Mapping[TP, int]:
        """Return the offset at which each partition ends."""
        return {tp: self.highwater(tp) for tp in partitions}

    def highwater(self, tp: TP) -> int:
        """Return the offset of the next record that will be written."""
        return self._partition(tp).end

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        generation = self.app.consumer_generation_id
        if self._member is None:
            return False
        return self.group.commit(self._member, generation, offsets)

    # Topics

    def topic_partitions(self, topic: str) -> int | None:
        """Return the number of partitions; None if there is no such topic."""
        log = self.transport.log
        return len(log.topic(topic)) if topic in log.topics() else None

    def key_partition(
        self, topic: str, key: bytes | None, partition: int | None = None
    ) -> int | None:
        """Return the partition where Kafka would put a key."""
        return self.transport.log.place(topic, key) if partition is None else partition

    async def create_topic(
        self, topic: str, partitions: int, replication: int, **options: Any
    ) -> None:
        """Create a topic unless it is there."""
        self.transport.create(topic, partitions, **options)

    def _new_topicpartition(self, topic: str, partition: int) -> TP:
        return TP(topic, partition)
