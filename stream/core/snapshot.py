"""The state of a block of machines, to bytes and back.

State goes out in blocks of `BLOCK` machines of one type, since one message per machine
would be more than is read at many machines. Each carries the format's version and the
offset up to which its partition is in it; of two blocks the one with the higher
(offset, turn) is the truth, of equals the one written later. Values are raw float32,
times int64 ns.

After a crash in the middle of a checkpoint, some blocks are ahead of the others. What
is in them is skipped when it comes again, machine by machine, and a block keeps its
rank when it is written again before the partition has caught up with it.

What a changed configuration does to old state: rows of sensors that both know are
kept, new sensors start as absent, a longer window fills up as rows come. A type whose
grid has changed, or which shares no sensor with the old one, starts cold; `load` says
so in words.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from stream.core.alarms import Alarms
from stream.core.machines import Machines
from stream.core.readings import NEVER, MachineType, Readings
from stream.core.rows import RowMaker
from stream.core.running import Running
from stream.core.service import Service
from stream.core.windows import Rings

BLOCK = 64
"""Machines in one block."""

VERSION = 2
READABLE = (1, 2)
"""Version 1 knew no alarms, no events, and no machine that stands still."""


_SINCE = "away_since"


class Unreadable(ValueError):
    """A state record that this release cannot read."""


class TypeState:
    """The state of all machines of one type in one partition."""

    def __init__(self, kind: MachineType) -> None:
        """Start with no machines."""
        self.kind = kind
        self.rows = RowMaker(kind)
        self.running = Running(kind)
        self.service = Service()
        self.rings = Rings(kind)
        self.ranks: dict[int, tuple[int, int]] = {}
        """Offset and turn of each block that was loaded."""

    def grow(self, machines: int) -> None:
        """Make room for that many machines, doubling so that growth stays cheap."""
        have = len(self.rings.count)
        if machines > have:
            room = max(machines, 2 * have, BLOCK)
            self.rows.grow(room)
            self.running.grow(room)
            self.service.grow(room)
            self.rings.grow(room)

    def forget(self, machines: NDArray[np.int64]) -> None:
        """Clear the state of some machines."""
        for part in (self.rows, self.running, self.service, self.rings):
            part.forget(machines)


def dump(
    state: TypeState,
    alarms: Alarms,
    names: list[str],
    block: int,
    offset: int,
    turn: int,
) -> bytes:
    """Return the state of one block of machines.

    Args:
        state: The type's state.
        alarms: The alarms of its machines.
        names: Machines' names by number.
        block: Which block: machines ``block * BLOCK`` and on.
        offset: Offset up to which the partition's records are in the state.
        turn: How often silent machines were released at this very offset.
    """
    # Machines may have a number, but no row yet.
    state.grow(len(names))
    alarms.grow(len(names))
    mine = names[block * BLOCK : (block + 1) * BLOCK]
    machines = np.arange(len(mine)) + block * BLOCK
    rows, rings, line = state.rows, state.rings, state.rows.waiting
    waiting = np.flatnonzero(line.machine // BLOCK == block)
    values, times = rings.dump(machines)
    applied = np.maximum(rows.applied[machines], offset)
    offset, turn = max((offset, turn), state.ranks.get(block, (-1, 0)))
    raised = alarms.dump(machines)
    arrays = {
        "applied": applied,
        "high": rows.high[machines],
        "last": rows.last[machines],
        "seen": rows.seen[machines],
        "idle": rows.idle[machines],
        "held": rows.held[machines],
        "held_at": rows.held_at[machines],
        "tick": rows.tick[machines],
        "rows_seen": rings.seen[machines],
        "aged": rings.aged[machines],
        "since": state.running.since[machines],
        "service": state.service.state[machines],
        "count": rings.count[machines],
        "have": rings.have[machines],
        "ended": rings.ended[machines],
        "baseline": rings.baseline[machines],
        "values": values,
        "times": times,
        "waiting_machine": line.machine[waiting] - block * BLOCK,
        "waiting_time": line.time_ns[waiting],
        "waiting_values": line.values[waiting],
        "waiting_offset": line.offset[waiting],
        _SINCE: raised["arrays"]["since"],
    }
    return msgspec.msgpack.encode(
        {
            "version": VERSION,
            "type": state.kind.name,
            "block": block,
            "offset": offset,
            "turn": turn,
            "every_ns": state.kind.every_ns,
            "sensors": state.kind.sensor_names,
            "names": mine,
            "arrays": {name: _packed(array) for name, array in arrays.items()},
            "alarms": raised["open"],
            "events": state.service.dump(machines),
        }
    )


class Block(msgspec.Struct, gc=False):
    """One state record, parsed but not yet taken over."""

    version: int
    type: str
    block: int
    offset: int
    turn: int
    every_ns: int
    sensors: list[str]
    names: list[str]
    arrays: dict[str, tuple[str, list[int], bytes]]
    alarms: list[Any] = []
    events: list[dict[str, Any]] = []


def parse(data: bytes) -> Block:
    """Parse one state record.

    Raises:
        Unreadable: if it is damaged or of a version that this release cannot read.
    """
    try:
        version = msgspec.msgpack.decode(data, type=dict[str, Any])["version"]
        if version not in READABLE:
            raise Unreadable(
                f"state of version {version}: this release reads {READABLE}"
            )
        return msgspec.msgpack.decode(data, type=Block)
    except (msgspec.MsgspecError, KeyError) as error:
        raise Unreadable(f"damaged state record: {error}") from error


def load(
    block: Block, state: TypeState, alarms: Alarms, kind: int, machines: Machines
) -> str:
    """Take a block over into the state.

    Args:
        block: The parsed record.
        state: The state of its type.
        alarms: The alarms of its machines.
        kind: The type's position among the types.
        machines: Where the machines' names and numbers go.

    Returns:
        A warning in words if rows could not be kept, else an empty text.

    Raises:
        Unreadable: if an array is damaged.
    """
    base = block.block * BLOCK
    # Free numbers and those of refused machines stay empty: others may get them.
    have = [
        place
        for place, name in enumerate(block.names)
        if name and machines.restore(kind, base + place, name)
    ]
    arrays = _arrays(block, have)
    state.grow(base + len(block.names))
    alarms.grow(base + len(block.names))
    state.ranks[block.block] = (block.offset, block.turn)
    at = np.array(have, np.int64) + base
    state.rows.applied[at] = arrays["applied"]
    numbers = np.full(len(block.names), -1)
    numbers[have] = at
    _load_events(block, state, alarms, numbers, arrays.get("service"))
    mine, theirs = _shared(block.sensors, list(state.kind.sensor_names))
    if block.every_ns != state.kind.every_ns or not mine:
        what = "its grid has changed" if mine else "it shares no sensor with its state"
        return f"machine type {block.type!r} starts cold: {what}"
    rows, rings = state.rows, state.rings
    for name in ("high", "last", "idle", "tick"):
        getattr(rows, name)[at] = arrays[name]
    for name in ("count", "have", "ended"):
        getattr(rings, name)[at] = arrays[name]
    _load_lives(state, at, arrays)
    for name in ("seen", "held", "held_at"):
        getattr(rows, name)[at[:, None], mine] = arrays[name][:, theirs]
    # With more lateness than before, rows that were made must not be overtaken.
    made = np.flatnonzero(rows.last[at] != NEVER)
    floor = rows.last[at[made]] + state.kind.lateness_ns
    rows.high[at[made]] = np.maximum(rows.high[at[made]], floor)
    _load_rings(state, at, mine, theirs, arrays)
    line = Readings(
        arrays["waiting_machine"] + base,
        arrays["waiting_time"],
        _columns(arrays["waiting_values"], mine, theirs, len(state.kind.sensors)),
        arrays["waiting_offset"],
    )
    rows.wait(line)
    new = [n for n in state.kind.sensor_names if n not in block.sensors]
    return (
        f"machine type {block.type!r} has new sensors: {', '.join(new)}" if new else ""
    )


def _load_events(
    block: Block,
    state: TypeState,
    alarms: Alarms,
    numbers: NDArray[np.int64],
    service: NDArray[Any] | None,
) -> None:
    """Take over what does not hang on rows: events, service, and alarms.

    Args:
        block: The parsed record.
        state: Takes events and service.
        alarms: Takes alarms.
        numbers: (places,) the machines' numbers; -1 where one is left out.
        service: Of the machines that are not left out; None in version 1.
    """
    state.service.load(numbers, block.events)
    if service is not None:
        state.service.state[numbers[numbers >= 0]] = service
    since = block.arrays.get(_SINCE)
    saved = {
        "arrays": {} if since is None else {"since": _unpacked(since)},
        "sensors": [] if since is None else block.sensors,
        "open": block.alarms,
    }
    alarms.load(numbers, saved)


def _load_lives(
    state: TypeState, at: NDArray[np.int64], arrays: dict[str, NDArray[Any]]
) -> None:
    """Take over what tells a machine's age and stride; of version 1 they are one."""
    rings = state.rings
    rings.seen[at] = arrays.get("rows_seen", arrays["count"])
    if "aged" in arrays:
        known = state.kind.new_at_first_row
        rings.aged[at] = np.maximum(arrays["aged"], 0) if known else -1
    if "since" in arrays:
        state.running.since[at] = arrays["since"]


def _load_rings(
    state: TypeState,
    at: NDArray[np.int64],
    mine: list[int],
    theirs: list[int],
    arrays: dict[str, NDArray[Any]],
) -> None:
    rings, kind = state.rings, state.kind
    rows = min(kind.rows, arrays["times"].shape[1])
    rings.have[at] = np.minimum(rings.have[at], rows)
    values = arrays["values"][:, arrays["values"].shape[1] - rows :]
    times = arrays["times"][:, arrays["times"].shape[1] - rows :]
    rings.load(at, _columns(values, mine, theirs, len(kind.sensors)), times)
    first = min(kind.baseline_rows, arrays["baseline"].shape[1])
    # Baseline rows that were never kept are unknown, and unknown is NaN.
    rings.baseline[at] = np.nan
    rings.baseline[at, :first] = _columns(
        arrays["baseline"][:, :first], mine, theirs, len(kind.sensors)
    )


def _shared(theirs: list[str], mine: list[str]) -> tuple[list[int], list[int]]:
    """Return the columns of sensors that both know, here and there."""
    both = [name for name in mine if name in theirs]
    return [mine.index(n) for n in both], [theirs.index(n) for n in both]


def _columns(
    array: NDArray[Any], mine: list[int], theirs: list[int], sensors: int
) -> NDArray[Any]:
    """Return the array with its last axis rearranged, NaN for new sensors."""
    made = np.full((*array.shape[:-1], sensors), np.nan, np.float32)
    made[..., mine] = array[..., theirs]
    return made


def _packed(array: NDArray[Any]) -> tuple[str, tuple[int, ...], bytes]:
    return array.dtype.str, array.shape, array.tobytes()


def _arrays(block: Block, have: list[int]) -> dict[str, NDArray[Any]]:
    """Return the arrays, of the machines at some places of the block alone."""
    try:
        arrays = {name: _unpacked(packed) for name, packed in block.arrays.items()}
        mine = np.isin(arrays["waiting_machine"], have)
    except (KeyError, TypeError, ValueError) as error:
        raise Unreadable(f"damaged state record: {error}") from error
    return {
        name: array[mine] if name.startswith("waiting_") else array[have]
        for name, array in arrays.items()
        if name != _SINCE
    }


def _unpacked(packed: tuple[str, list[int], bytes]) -> NDArray[Any]:
    dtype, shape, data = packed
    return np.frombuffer(data, dtype).reshape(shape)
