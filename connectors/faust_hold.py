"""Positions of a consumer, and partitions held back until they are right.

After an assignment Faust resumes partitions, seeks to the committed offsets, and
then empties the queues of its streams. Whatever was fetched and delivered before
that last step is lost. `HoldingConsumer` keeps every partition whose streams
acknowledge shut until Faust opens the flow after the seek, keeps the next offset to
deliver, and fetches again what it could not deliver.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

from faust.transport.consumer import ensure_TPset
from faust.types import TP

from connectors.commits import OrderedCommits

__all__ = ["HoldingConsumer"]


class HoldingConsumer(OrderedCommits):
    """Consumer mix-in that keeps positions; see the module.

    Topics whose streams never acknowledge (changelogs) keep Faust's behaviour: their
    positions belong to Faust's recovery.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # No fetch is under way while positions change.
        self._fetching = asyncio.Lock()
        # Set when a partition becomes active.
        self._woken = asyncio.Event()
        # Counts revocations and assignments; the round in which the last seek began.
        self._round = 0
        self._sought_round = -1
        # Counts seeks: what was fetched before one is not delivered after it.
        self._seeks = 0
        # Partitions to resume once the seek is done; those that were.
        self._held: set[TP] = set()
        self._released: set[TP] = set()
        # Next offset to deliver; the same for what was fetched and not delivered.
        self._next: dict[TP, int] = {}
        self._lost: dict[TP, int] = {}
        super().__init__(*args, **kwargs)

    def holds(self, tp: TP) -> bool:
        """Tell whether the rules here apply to a partition."""
        return self.app.topics.acks_enabled_for(tp.topic)

    def deliverable(self, tp: TP) -> bool:
        """Tell whether fetched records of a partition may go to the streams."""
        if self.holds(tp):
            return tp in self._released and tp not in self._paused_partitions
        return tp in self._get_active_partitions() or tp in self._buffered_partitions

    async def seek_back(self) -> None:
        """Go back to what was fetched and could not be delivered."""
        lost, self._lost = self._lost, {}
        assignment = self.assignment() if lost else set()
        here = {tp: offset for tp, offset in lost.items() if tp in assignment}
        if here:
            self._next.update(here)
            await self.seek_wait(here)

    async def perform_seek(self) -> None:
        """Go to the committed offsets; where there are none, to the beginning."""
        this_round = self._round
        async with self._fetching:
            self._seeks += 1
            self._lost.clear()
            self._next.clear()
            await super().perform_seek()
            mine = {tp for tp in self.assignment() if self.holds(tp)}
            at_start = {tp for tp in mine if not self._read_offset[tp]}
            # The driver does not move a partition without a commit, although a
            # fetch may have moved it since the assignment.
            if at_start and self.app.conf.consumer_auto_offset_reset == "earliest":
                start = dict(await self.earliest_offsets(*at_start))
                await self.seek_wait(start)
                self._next.update(start)
            for tp in mine - at_start:
                self._next[tp] = self._read_offset[tp] or 0
        self._sought_round = this_round

    async def seek(self, partition: TP, offset: int) -> None:
        """Seek one partition of a changelog; all others follow their commits.

        Raises:
            ValueError: the streams of that topic acknowledge.
        """
        if self.holds(partition):
            msg = f"{partition}: reads from its committed offset on, not from {offset}"
            raise ValueError(msg)
        await super().seek(partition, offset)

    def resume_flow(self) -> None:
        """Let messages flow; the first time after a seek also release partitions."""
        super().resume_flow()
        if self._held and self._sought_round == self._round:
            held, self._held = self._held, set()
            self._released |= held
            super().resume_partitions(held)
        self._woken.set()

    def resume_partitions(self, tps: Iterable[TP]) -> None:
        """Fetch from partitions again, or hold them until the seek is done."""
        wanted = ensure_TPset(tps)
        held = {tp for tp in wanted if self.holds(tp)} - self._released
        self._held |= held
        super().resume_partitions(wanted - held)
        self._woken.set()

    def on_buffer_drop(self, tp: TP) -> None:
        """Fetch again from a partition whose queue has room, unless it is shut."""
        shut = self.holds(tp) and tp not in self._released
        if shut or tp in self._paused_partitions:
            self._buffered_partitions.discard(tp)
            return
        super().on_buffer_drop(tp)
        self._woken.set()

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Shut all partitions at once."""
        self._shut()
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(
        self, assigned: set[TP], generation_id: int = 0
    ) -> None:
        """Start a generation with all partitions shut."""
        self._shut()
        await super().on_partitions_assigned(assigned, generation_id)

    def _set_active_tps(self, tps: set[TP]) -> set[TP]:
        # Faust makes all partitions active before it pauses them.
        free = {tp for tp in tps if not self.holds(tp) or tp in self._released}
        return super()._set_active_tps(free)

    def _shut(self) -> None:
        self._round += 1
        self._held.clear()
        self._released.clear()
        self._buffered_partitions.clear()
