"""Groups of consumers of a log in memory: membership, barrier, offsets.

A group gives each member its share anew whenever one joins, leaves or is fenced. Each
member then first gives up what it has, and all meet at a barrier; the last to arrive
ends the round: the generation grows by one and every member learns its share.
Commits count only from members of the present generation. There is no heartbeat: a
member that never arrives holds the group for ever, unless it is fenced.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["Group", "Member"]

#: Makes shares of what the members bring to the barrier; both by member's name.
Plan = Callable[[dict[str, Any]], Mapping[str, Any]]


class Member:
    """One consumer of a group.

    Attributes:
        name: unique within the group.
        topics: what it reads.
        due: set while the member has to come to the barrier.
    """

    def __init__(self, name: str, topics: set[str]) -> None:
        self.name = name
        self.topics = topics
        self.due = asyncio.Event()
        self.share: asyncio.Future[tuple[int, Any] | None] | None = None
        self.offer: Callable[[], Any] = lambda: None
        self.plan: Plan = lambda offers: offers


class Group:
    """Members, generation and committed offsets.

    Attributes:
        offsets: next offset to read, by topic and partition.
        generation: number of rounds that came to an end.
        on_commit: asked for each commit of a member; False refuses it.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.offsets: dict[tuple[str, int], int] = {}
        self.generation = 0
        self.members: dict[str, Member] = {}
        self.on_commit: Callable[[str, dict[tuple[str, int], int]], bool] | None = None
        self._joined = 0

    def join(self, topics: set[str]) -> Member:
        """Add a member and start a round."""
        self._joined += 1
        member = Member(f"{self.name}-{self._joined}", topics)
        self.members[member.name] = member
        self.rebalance()
        return member

    def leave(self, member: Member) -> None:
        """Take a member out, or fence it: its commits no longer count."""
        if self.members.pop(member.name, None) is None:
            return
        if member.share is not None and not member.share.done():
            member.share.set_result(None)
        self.rebalance()
        self._end_round()

    def rebalance(self) -> None:
        """Ask all members to the barrier."""
        for member in self.members.values():
            member.due.set()

    async def arrive(
        self, member: Member, offer: Callable[[], Any], plan: Plan
    ) -> tuple[int, Any] | None:
        """Wait at the barrier for all members.

        Args:
            member: the one that arrives.
            offer: gives what the plan needs to know of this member, asked for at
                the end of the round.
            plan: makes the shares, if this member leads (the oldest does).

        Returns:
            Generation and share, or None if the member was taken out meanwhile.
        """
        if self.members.get(member.name) is not member:
            return None
        member.offer, member.plan = offer, plan
        member.share = asyncio.get_running_loop().create_future()
        self._end_round()
        try:
            return await member.share
        finally:
            member.share = None

    def _end_round(self) -> None:
        members = list(self.members.values())
        if not members or any(m.share is None or m.share.done() for m in members):
            return
        shares = members[0].plan({m.name: m.offer() for m in members})
        self.generation += 1
        for member in members:
            member.due.clear()
            if member.share is not None:
                member.share.set_result((self.generation, shares[member.name]))

    def commit(
        self, member: Member, generation: int, offsets: Mapping[Any, int]
    ) -> bool:
        """Set the next offsets to read.

        Returns:
            False, and nothing is set, if the member is out or its generation over.
        """
        if self.members.get(member.name) is not member:
            return False
        if generation != self.generation:
            return False
        plain = {(topic, partition): at for (topic, partition), at in offsets.items()}
        if self.on_commit is not None and not self.on_commit(member.name, plain):
            return False
        self.offsets.update(plain)
        return True

    def committed(self, topic: str, partition: int) -> tuple[bool, int | None]:
        """Tell whether the group reads a partition, and its committed offset."""
        offset = self.offsets.get((topic, partition))
        reads = any(topic in member.topics for member in self.members.values())
        return reads or offset is not None, offset
