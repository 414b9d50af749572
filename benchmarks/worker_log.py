"""What a worker's log tells: when it did what, and what its checkpoints weigh."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec


@dataclass(frozen=True)
class Line:
    """One event.

    Attributes:
        at_ms: when, in ms since 1970.
        event: its name.
        told: all its fields.
    """

    at_ms: float
    event: str
    told: dict[str, Any]


def lines(text: str) -> list[Line]:
    """Return the events of a log; whatever is no JSON object of ours is left out."""
    found = []
    for line in text.splitlines():
        try:
            told = msgspec.json.decode(line, type=dict[str, Any])
            at = datetime.fromisoformat(told["timestamp"])
            found.append(Line(at.timestamp() * 1000, told["event"], told))
        except (ValueError, KeyError, TypeError):
            continue
    return found


def read(paths: Iterable[Path]) -> list[Line]:
    """Return the events of some logs, one log after the other."""
    return [line for path in paths for line in lines(path.read_text())]


def named(events: Iterable[Line], name: str) -> list[Line]:
    """Return the events of that name."""
    return [line for line in events if line.event == name]


def saved(events: Iterable[Line]) -> int:
    """Return how many records all checkpoints together stand for."""
    return sum(line.told.get("records", 0) for line in named(events, "checkpoint"))


def checkpoint_bytes(events: Iterable[Line], partitions: int) -> float | None:
    """Return what a checkpoint of all partitions weighs; None: there was none.

    Each partition writes its own line, so it is the median line times the partitions.
    """
    sizes = [line.told["bytes"] for line in named(events, "checkpoint")]
    return statistics.median(sizes) * partitions if sizes else None


def checkpoints_mib(events: Iterable[Line]) -> float:
    """Return what all checkpoints weigh together, in MiB."""
    weights: list[int] = [e.told["bytes"] for e in named(events, "checkpoint")]
    return sum(weights) / (1 << 20)


def first_ms(events: Sequence[Line], name: str) -> float | None:
    """Return when an event of that name came first; None: never."""
    return min((line.at_ms for line in named(events, name)), default=None)


def last_ms(events: Sequence[Line], name: str) -> float | None:
    """Return when an event of that name came last; None: never."""
    return max((line.at_ms for line in named(events, name)), default=None)
