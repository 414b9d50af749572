"""Batches of one partition follow one another without a gap, or the worker stops."""

from __future__ import annotations

from collections.abc import Sequence

from stream.worker.shared import Batch


class Halt(RuntimeError):
    """The worker must stop: going on would lose or double readings."""


def end_of(messages: Sequence[Batch], last: int | None, partition: int) -> int:
    """Return the offset that batches end with.

    Args:
        messages: At least one.
        last: Offset that the batch before them ended with; None if there was none.
        partition: Where they come from.

    Raises:
        Halt: if one does not begin where the one before it ended, but for offsets that
            the broker never returned.
    """
    for message in messages:
        expected = message.first if last is None else last + 1 + message.skipped
        if message.first != expected:
            raise Halt(
                f"partition {partition}: expected a batch from offset {expected},"
                f" found one from {message.first}"
            )
        last = message.offset
    return messages[-1].offset
