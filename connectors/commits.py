"""Which offsets may be committed: those in front of everything unfinished.

Faust keeps the *numbers* of acknowledged offsets. With one event per fetched
batch those numbers lie: the offsets inside a batch look like gaps, an
acknowledgement that arrives late is taken for one of the batch delivered again,
and a first batch of a single record stops commits for good.

`OrderedCommits` keeps the *messages* instead, in the order of delivery. A message
counts as finished when it is itself acknowledged, whoever set that mark (Faust's
compiled streams do it without asking the consumer), and the commit never passes
the oldest unfinished one. It holds for topics delivered in batches and for topics
delivered record by record.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from faust.transport.consumer import Consumer
from faust.types import TP, Message
from faust.types.transports import TPorTopicSet
from faust.types.tuples import ack_lock

__all__ = ["OrderedCommits"]


class OrderedCommits(Consumer):
    """Faust consumer mix-in with exact bookkeeping of commits.

    Place it before the driver's consumer in the list of bases. The class that
    delivers calls `enter` for every message right before it hands it over.
    """

    _books: dict[TP, deque[Message]]
    _finished: dict[TP, int]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._books = {}
        self._finished = {}
        super().__init__(*args, **kwargs)

    def enter(self, message: Message) -> None:
        """Note a message that is about to be delivered.

        Topics whose streams never acknowledge (changelogs) are left out, else
        their messages would be kept for ever.
        """
        if self.app.topics.acks_enabled_for(message.topic):
            self._books.setdefault(message.tp, deque()).append(message)

    def forget(self) -> None:
        """Drop all books: what was delivered before can move nothing any more."""
        self._books.clear()
        self._finished.clear()
        with ack_lock:
            self._acked.clear()
            self._acked_index.clear()

    def has_uncommitted(self) -> bool:
        """Tell whether something is finished that no commit covers yet."""
        assignment = self.assignment()
        for tp in self._filter_tps_with_pending_acks():
            offset = self._new_offset(tp)
            if tp in assignment and offset and self._should_commit(tp, offset):
                return True
        return False

    def ack(self, message: Message) -> bool:
        """Acknowledge a message, unless no agent has ever seen it.

        Faust's streams in pure Python acknowledge the events that they skip
        because the flow is stopped or the generation is old. Nobody has worked
        on those.
        """
        if not message.tracked and (
            not self.flow_active
            or message.generation_id != self.app.consumer_generation_id
        ):
            return False
        return super().ack(message)

    async def perform_seek(self) -> None:
        """Go back to the committed offsets, with empty books."""
        self.forget()
        await super().perform_seek()

    async def on_partitions_assigned(
        self, assigned: set[TP], generation_id: int = 0
    ) -> None:
        """Start a generation with empty books."""
        self.forget()
        await super().on_partitions_assigned(assigned, generation_id)

    def _new_offset(self, tp: TP) -> int | None:
        book = self._books.get(tp)
        while book and book[0].acked:
            self._finished[tp] = book.popleft().offset + 1
        # A failed commit needs no undoing here: the offset stays in _finished
        # and is offered again until it is below the committed one.
        return self._finished.get(tp)

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Register nothing: the books know no gaps."""

    def _filter_tps_with_pending_acks(
        self, topics: TPorTopicSet | None = None
    ) -> Iterator[TP]:
        with ack_lock:
            # Faust's own lists are not read any more and would only grow.
            self._acked.clear()
            self._acked_index.clear()
        return (
            tp
            for tp in list(self._books)
            if topics is None or tp in topics or tp.topic in topics
        )

    async def _commit_offsets(
        self, offsets: Mapping[TP, int], start_new_transaction: bool = True
    ) -> bool:
        before = {tp: self._committed_offset[tp] for tp in offsets}
        committed = await super()._commit_offsets(offsets, start_new_transaction)
        if not committed:
            # Faust books a refused commit as done; it would never be retried.
            for tp, offset in offsets.items():
                if self._committed_offset[tp] == offset:
                    self._committed_offset[tp] = before[tp]
        return committed
