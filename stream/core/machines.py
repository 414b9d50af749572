"""Which machines a partition knows, of which type, and under which number.

Numbers are dense per type, so that they index the rows of the state's arrays.
"""

from __future__ import annotations

from collections.abc import Callable

from stream.core.readings import (
    REFUSED_MACHINE_LIMIT,
    REFUSED_NO_TYPE,
    REFUSED_SECOND_PARTITION,
)


class Machines:
    """The machines of one partition.

    Attributes:
        lookup: Name to ``number * types + type``, or to a refusal (< 0); only machines
            with a number and those refused for good stand in it, so strangers' names
            cost no memory.
        names: Per type, the names by number; empty texts are free numbers.
    """

    def __init__(
        self,
        types: int,
        type_of: Callable[[str], int | None],
        room: Callable[[], bool] = lambda: True,
    ) -> None:
        """Start empty.

        Args:
            types: How many machine types there are.
            type_of: The type's position for a machine's name; None is no type.
            room: Whether one more machine may be taken on.
        """
        self._types = types
        self._type_of = type_of
        self._room = room
        self._free: list[list[int]] = [[] for _ in range(types)]
        self.lookup: dict[str, int] = {}
        self.names: list[list[str]] = [[] for _ in range(types)]
        self._new: list[str] = []

    def admit(self, name: str) -> int:
        """Return a machine's entry of ``lookup``, taking it on if it is new."""
        known = self.lookup.get(name)
        if known is not None:
            return known
        kind = self._type_of(name)
        if kind is None:
            return REFUSED_NO_TYPE
        if not self._room():
            return REFUSED_MACHINE_LIMIT
        number = self._free[kind].pop() if self._free[kind] else len(self.names[kind])
        self._put(kind, number, name)
        self._new.append(name)
        return self.lookup[name]

    def take_new(self) -> list[str]:
        """Return the machines taken on since the last call, in order."""
        new, self._new = self._new, []
        return new

    def refuse(self, name: str) -> tuple[int, int] | None:
        """Refuse a machine from now on: it sends to more than one partition.

        Its number stays empty until the next restart, and its state is kept no more.

        Returns:
            Its type and number until now, or None if it had none.
        """
        code = self.lookup.get(name, REFUSED_NO_TYPE)
        self.lookup[name] = REFUSED_SECOND_PARTITION
        if code < 0:
            return None
        kind, number = code % self._types, code // self._types
        self.names[kind][number] = ""
        return kind, number

    def forget(self, kind: int, number: int) -> None:
        """Let a machine go: its number may be given again."""
        del self.lookup[self.names[kind][number]]
        self.names[kind][number] = ""
        self._free[kind].append(number)

    def restore(self, kind: int, number: int, name: str) -> bool:
        """Give a machine the number it had; returns whether it has it now.

        It has not if it is refused, or if it is of another type by now.
        """
        if name in self.lookup or self._type_of(name) != kind:
            return False
        self._put(kind, number, name)
        return True

    def free_gaps(self) -> None:
        """After restoring: let numbers that no machine has be given again."""
        for kind, names in enumerate(self.names):
            gaps = [number for number, name in enumerate(names) if not name]
            self._free[kind] = gaps[::-1]

    def _put(self, kind: int, number: int, name: str) -> None:
        names = self.names[kind]
        names.extend([""] * (number + 1 - len(names)))
        names[number] = name
        self.lookup[name] = number * self._types + kind

    def __len__(self) -> int:
        """Count of machines that have a number."""
        return sum(code >= 0 for code in self.lookup.values())
