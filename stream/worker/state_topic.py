r"""A partition's state on its own compacted topic: how it is written and found again.

One record per block of machines (`TYPE/BLOCK`), zstd over `stream.core.snapshot`'s
bytes; under ``\0pos`` the position, written last, so that a position found means that
all blocks up to it are there; under ``\0idle`` the last turn: a release of silent
machines, or events that took effect, neither of which a record of the source causes. Of
two records of one key the one with the higher (offset, turn) is the truth, whatever
their order in the log: a worker that was frozen may write old state behind its
successor's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec
import zstandard

from stream.core import snapshot
from stream.core.readings import NEVER, RawRecord
from stream.core.service import Told

_T = TypeVar("_T")
POSITION = b"\0pos"
TURN = b"\0idle"
_LARGEST = 256 << 20
"""Most bytes one state record may unpack to."""


class Position(msgspec.Struct, frozen=True, order=True, gc=False):
    """Up to where a partition is in the state.

    Attributes:
        offset: Offset of the last record taken in; -1 for none.
        turn: How many turns there were at this offset.
    """

    offset: int = -1
    turn: int = 0
    version: int = 1


class Turn(msgspec.Struct, gc=False):
    """What happened between two records, to be repeated by whoever restores before it.

    Attributes:
        offset: Position at which it happened.
        turn: The position's turn before it.
        machines: Names of silent machines by type, released.
        events: Events taken in.
        until_ns: Waiting events up to this time took effect.
    """

    offset: int
    turn: int
    machines: dict[str, list[str]] = {}
    events: list[Told] = []
    until_ns: int = NEVER
    version: int = 1


@dataclass(slots=True)
class Saved:
    """The state of one partition as found on the topic.

    Attributes:
        position: Up to where it goes.
        reached: How far the newest block goes: beyond the position after a crash in
            the middle of a checkpoint.
        blocks: The newest bytes under each key.
        stale: Keys under which an older record stands later in the log, so that
            compaction would keep the wrong one: write them again.
        turn: The last turn.
    """

    position: Position = field(default_factory=Position)
    reached: Position = field(default_factory=Position)
    blocks: dict[str, bytes] = field(default_factory=dict)
    stale: set[str] = field(default_factory=set)
    turn: Turn | None = None


def packed(block: bytes) -> bytes:
    """Compress the bytes of one block."""
    return zstandard.ZstdCompressor(level=3).compress(block)


def understood(records: Sequence[RawRecord]) -> Saved:
    """Put a partition's state records together.

    Raises:
        stream.core.snapshot.Unreadable: for a record that cannot be read.
    """
    saved = Saved()
    newest: dict[str, tuple[int, int]] = {}
    for record in records:
        if record.value is None or record.key is None:
            continue
        if record.key == POSITION:
            saved.position = max(saved.position, _decode(record.value, Position))
        elif record.key == TURN:
            saved.turn = _later(saved.turn, _decode(record.value, Turn))
        else:
            _block(record.key.decode(), record.value, saved, newest)
    saved.reached = max([saved.position, *(Position(*at) for at in newest.values())])
    return saved


def _later(one: Turn | None, two: Turn) -> Turn:
    if one is None or (two.offset, two.turn) >= (one.offset, one.turn):
        return two
    return one


def _block(
    key: str, value: bytes, saved: Saved, newest: dict[str, tuple[int, int]]
) -> None:
    try:
        data = zstandard.ZstdDecompressor().decompress(value, max_output_size=_LARGEST)
    except zstandard.ZstdError as error:
        raise snapshot.Unreadable(f"damaged state record {key!r}: {error}") from error
    block = snapshot.parse(data)
    rank = (block.offset, block.turn)
    if key in newest and rank < newest[key]:
        saved.stale.add(key)
        return
    newest[key] = rank
    saved.blocks[key] = data
    saved.stale.discard(key)


def _decode(data: bytes, kind: type[_T]) -> _T:
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except msgspec.MsgspecError as error:
        raise snapshot.Unreadable(f"damaged state record: {error}") from error
