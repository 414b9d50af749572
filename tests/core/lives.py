"""A worker in small: checkpoints, crashes at any point of them, and new starts.

It keeps the protocol that the state of the core is made for:

    checkpoint: outputs are out -> blocks, one by one -> position
    release:    checkpoint -> note of the release -> its outputs

What is written survives; `crash` forgets the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from stream.core import snapshot
from stream.core.outcome import Outcome
from stream.core.pipeline import Pipeline
from tests.core.helpers import Record, of_machines, through

Position = tuple[int, int]


@dataclass
class Note:
    """A release of silent machines: where it happened, and whose."""

    position: Position
    names: dict[str, list[str]]


@dataclass
class Worker:
    """One partition over many lives.

    Attributes:
        make: Builds an empty data path.
        records: The partition; a record's offset is its place.
        log: Blocks as they were written.
        written: The last position written.
        notes: Releases that were noted.
        lives: Messages of each machine, life by life.
        at: Up to where this life has come.
        furthest: Up to where any life has come.
    """

    make: Callable[[], Pipeline]
    records: Sequence[Record]
    log: list[tuple[str, bytes]] = field(default_factory=list)
    written: Position = (-1, 0)
    notes: list[Note] = field(default_factory=list)
    lives: list[dict[bytes, list[bytes]]] = field(default_factory=list)
    at: Position = (-1, 0)
    furthest: int = -1

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Begin a life from what is written."""
        newest: dict[str, bytes] = {}
        ranks: dict[str, Position] = {}
        for key, data in self.log:
            block = snapshot.parse(data)
            rank = (block.offset, block.turn)
            if rank >= ranks.get(key, rank):
                newest[key], ranks[key] = data, rank
        self.path = self.make()
        self.path.load(list(newest.values()))
        self.lives.append({})
        self.at = self.written
        if self.notes and self.notes[-1].position == self.at:
            self._repeat(self.notes[-1])

    def compact(self) -> None:
        """Keep only the last block written under each key, as Kafka does."""
        self.log = list(dict(self.log).items())

    def batch(self, size: int) -> None:
        """Take some more records in."""
        begin = self.at[0] + 1
        part = self.records[begin : begin + size]
        if part:
            self._out(through(self.path, part))
            self.at = (begin + len(part) - 1, 0)
            self.furthest = max(self.furthest, self.at[0])

    def checkpoint(self, blocks: int | None = None) -> bool:
        """Write all, or crash after so many blocks; returns whether it was done."""
        for count, part in enumerate(self.path.dump(*self.at)):
            if count == blocks:
                return False
            self.log.append(part)
        if blocks is not None:
            return False
        self.written = self.at
        return True

    def release(self, *, crash: bool) -> None:
        """Release what all machines hold back, or crash before it is done.

        Silence is at the end of what was ever read: there is none where records come
        again after a crash.
        """
        if self.at[0] < self.furthest:
            return
        names = {
            state.kind.name: [name for name in mine if name]
            for state, mine in zip(
                self.path.states, self.path.machines.names, strict=True
            )
        }
        self.checkpoint()
        self.notes.append(Note(self.at, names))
        if not crash:
            self._repeat(self.notes[-1])

    def _repeat(self, note: Note) -> None:
        self._out(self.path.release(note.names, note.position[0]))
        self.at = (note.position[0], note.position[1] + 1)

    def _out(self, outcome: Outcome) -> None:
        for key, values in of_machines(outcome.messages).items():
            self.lives[-1].setdefault(key, []).extend(values)


def undisturbed(worker: Worker) -> dict[bytes, list[bytes]]:
    """Return the messages of a life without a crash, with the releases noted."""
    calm = Worker(worker.make, worker.records)
    for note in worker.notes:
        calm.batch(note.position[0] - calm.at[0])
        calm._repeat(Note(calm.at, note.names))
    calm.batch(len(worker.records))
    (life,) = calm.lives
    return life
