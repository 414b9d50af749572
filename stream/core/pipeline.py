r"""START HERE: the one file that knows the order of the steps.

    records -> decode -> [who may enter] -> rows -> windows -> score -> encode
                 \-> rejects     events -/                       |        \-> messages
                                                               alarms -> alerts

`Pipeline` is one partition's data path and holds its state. It is pure: what it returns
depends on the records it was given and on nothing else, not on a clock and not on how
the records were cut into batches. The worker feeds it, sends what it returns, and keeps
its state; training and evaluation run history through the very same steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np

from stream.core import snapshot
from stream.core.alarms import Alarms, Judged
from stream.core.decode import Decoded, Decoder
from stream.core.effects import Effects
from stream.core.encode import encode
from stream.core.exact import Rules
from stream.core.machines import Machines
from stream.core.outcome import Outcome
from stream.core.readings import (
    Ints,
    MachineType,
    RawRecord,
    Readings,
    Tally,
)
from stream.core.rows import Rows
from stream.core.scoring import Scorer, Scores, score
from stream.core.service import IN_SERVICE, Told
from stream.core.snapshot import BLOCK, TypeState
from stream.core.windows import Windows, together


class Pipeline:
    """The data path of one partition.

    Args:
        kinds: The machine types.
        scorers: Their models, in the same order.
        rules: What a record may look like.
        type_of: The type's position for a machine's name; None is no type.
        source: Topic and partition, which every score names.
        room: Whether one more machine may be taken on.
        asset_of: What alerts say of a machine: site, line, criticality.
    """

    def __init__(
        self,
        kinds: Sequence[MachineType],
        scorers: Sequence[Scorer],
        rules: Rules,
        type_of: Callable[[str], int | None],
        source: tuple[str, int],
        room: Callable[[], bool] = lambda: True,
        asset_of: Callable[[str], dict[str, str]] = lambda name: {},
    ) -> None:
        """Start with empty state."""
        self._scorers = list(scorers)
        self._source = source
        self.alarms = [Alarms(kind, source, asset_of) for kind in kinds]
        self.machines = Machines(len(kinds), type_of, room)
        self.states = [TypeState(kind) for kind in kinds]
        self._decoder = Decoder(kinds, rules, self.machines.lookup, self.machines.admit)
        self._dirty: set[tuple[int, int]] = set()
        self.effects = Effects(self.states, self.alarms, self.machines, self._touch)

    def decode(self, records: Sequence[RawRecord]) -> Decoded:
        """Decode records in offset order; the first half of a batch's way.

        Machines seen for the first time are listed by ``machines.take_new()``: the
        caller may have to ask whether they belong here, and `refuse` them, before it
        calls `run`.
        """
        return self._decoder.decode(records)

    def refuse(self, name: str) -> None:
        """Refuse a machine's readings from now on, decoded ones included."""
        had = self.machines.refuse(name)
        if had is not None:
            kind, number = had
            self._dirty.add((kind, number // BLOCK))

    def run(self, decoded: Decoded) -> Outcome:
        """Take decoded readings through the rest of the way."""
        outcome = Outcome(rejects=decoded.rejects, tally=decoded.tally)
        for kind, readings in enumerate(decoded.readings):
            mine = self._without_refused(kind, readings, outcome.tally)
            if not len(mine):
                continue
            state = self.states[kind]
            self._grow(kind, int(mine.machine.max()) + 1)
            self._touch(kind, mine.machine)
            self._score(kind, state.rows.push(mine, outcome.tally), outcome)
        return outcome

    def take_events(
        self, events: Iterable[Told], until_ns: int, offset: int
    ) -> Outcome:
        """Take events in; those on machines that are not known here are left out.

        Args:
            events: In the order of their topic.
            until_ns: No row older than this is to come: what is due takes effect.
            offset: The partition's position. A machine that was restored from a later
                checkpoint has this behind it.
        """
        outcome = Outcome()
        self.effects.take(events, until_ns, offset, outcome)
        return outcome

    def holding_back(self, silent: Sequence[Ints]) -> dict[str, list[str]]:
        """Return by type the names of silent machines that hold something back.

        Args:
            silent: Per type, ascending numbers of machines.
        """
        held, lookup = {}, self.machines.lookup
        for state, names, machines in zip(
            self.states, self.machines.names, silent, strict=True
        ):
            # A machine refused before its first row has a number, but no state yet.
            self._grow(self.states.index(state), len(names))
            numbers = state.rows.holding(machines).tolist()
            mine = [names[n] for n in numbers if lookup.get(names[n], -1) >= 0]
            if mine:
                held[state.kind.name] = mine
        return held

    def release(self, silent: Mapping[str, Sequence[str]], offset: int) -> Outcome:
        """Release what silent machines hold back.

        Args:
            silent: By type the names of the machines, as `holding_back` gave them.
            offset: The partition's position, which their scores name.
        """
        outcome = Outcome()
        for kind, state in enumerate(self.states):
            self._grow(kind, len(self.machines.names[kind]))
            codes = map(self.machines.lookup.get, silent.get(state.kind.name, ()))
            mine = sorted(
                c // len(self.states) for c in codes if c is not None and c >= 0
            )
            machines = np.array(mine, np.int64)
            self._touch(kind, machines)
            quiet = state.rows.holding(machines, offset)
            rows = state.rows.release(machines, offset, outcome.tally)
            self._score(kind, rows, outcome)
            self.effects.silence(kind, quiet, offset, outcome)
        return outcome

    def forget(self, silent: Sequence[Ints]) -> int:
        """Let machines go that have been silent for long; returns how many.

        Args:
            silent: Per type, numbers of machines; refused ones are left out.
        """
        gone = 0
        for kind, (state, numbers) in enumerate(zip(self.states, silent, strict=True)):
            names, lookup = self.machines.names[kind], self.machines.lookup
            # Free numbers have no name; those of refused machines are kept with them.
            mine = [n for n in numbers.tolist() if lookup.get(names[n], -1) >= 0]
            for number in mine:
                self.machines.forget(kind, number)
            machines = np.array(mine, np.int64)
            self._touch(kind, machines)
            state.forget(machines)
            self.alarms[kind].forget(machines)
            gone += len(mine)
        return gone

    def touch(self, keys: Iterable[str]) -> None:
        """Let the next `dump` write these blocks, as named by its keys."""
        kinds = {state.kind.name: i for i, state in enumerate(self.states)}
        for key in keys:
            name, _, block = key.rpartition("/")
            if name in kinds:
                self._dirty.add((kinds[name], int(block)))

    def _without_refused(self, kind: int, readings: Readings, tally: Tally) -> Readings:
        """Drop readings of machines that were refused after they were decoded."""
        names, lookup = self.machines.names[kind], self.machines.lookup
        numbers = np.unique(readings.machine)
        out = [n for n in numbers.tolist() if lookup.get(names[n], -1) < 0]
        if not out:
            return readings
        mine = ~np.isin(readings.machine, out)
        refused = len(readings) - np.count_nonzero(mine)
        tally.bump(tally.readings, "refused.second_partition", refused)
        return readings.take(mine)

    def _grow(self, kind: int, machines: int) -> None:
        self.states[kind].grow(machines)
        self.alarms[kind].grow(machines)

    def _score(self, kind: int, rows: Rows, outcome: Outcome) -> None:
        for part in self.effects.between(kind, rows, outcome):
            for windows in together(windows_of(self.states[kind], part)):
                self._judge(kind, windows, outcome)

    def _judge(self, kind: int, windows: Windows, outcome: Outcome) -> None:
        state, scorer = self.states[kind], self._scorers[kind]
        names = self.machines.names[kind]
        out = state.service.state[windows.machine] != IN_SERVICE
        scores = score(state.kind, windows, scorer, outcome.tally, out)
        outcome.messages += encode(state.kind, scores, names, scorer, self._source)
        outcome.alerts += self.alarms[kind].push(judged_of(scores, scorer), names)

    def _touch(self, kind: int, machines: Ints) -> None:
        blocks = np.unique(machines // BLOCK).tolist()
        self._dirty.update((kind, block) for block in blocks)

    def dump(self, offset: int, turn: int = 0) -> Iterator[tuple[str, bytes]]:
        """Yield key and bytes of every block that changed since the last call.

        Args:
            offset: Offset up to which the partition's records are in the state.
            turn: How often silent machines were released at this very offset.
        """
        dirty, self._dirty = sorted(self._dirty), set()
        for kind, block in dirty:
            state, names = self.states[kind], self.machines.names[kind]
            key = f"{state.kind.name}/{block}"
            alarms = self.alarms[kind]
            yield key, snapshot.dump(state, alarms, names, block, offset, turn)

    def load(self, blocks: Sequence[bytes], refused: Sequence[str] = ()) -> list[str]:
        """Take over saved state; returns warnings in words.

        Args:
            blocks: The newest bytes under each key.
            refused: Machines that send to more than one partition.

        Raises:
            stream.core.snapshot.Unreadable: for a record that cannot be read.
        """
        kinds = {state.kind.name: i for i, state in enumerate(self.states)}
        warnings = []
        for name in refused:
            self.machines.refuse(name)
        # Newest first: a name that stands in two blocks, as after a crash in the middle
        # of a checkpoint, is where it was last.
        parsed = map(snapshot.parse, blocks)
        for block in sorted(parsed, key=lambda b: (b.offset, b.turn), reverse=True):
            kind = kinds.get(block.type)
            if kind is None:
                warnings.append(f"machine type {block.type!r} is no longer configured")
                continue
            warning = snapshot.load(
                block, self.states[kind], self.alarms[kind], kind, self.machines
            )
            warnings.append(warning)
            moved = [n for n in block.names if n and n not in self.machines.lookup]
            if moved:
                warnings.append(
                    f"{len(moved)} machines, {moved[0]!r} among them, are no longer of"
                    f" type {block.type!r}: their state is dropped"
                )
        self.machines.free_gaps()
        self.machines.take_new()
        return sorted(set(filter(None, warnings)))


def windows_of(state: TypeState, rows: Rows) -> Iterator[Windows]:
    """Yield the windows that fall due when rows are taken in.

    Rows of machines that do not run, or are out of service, stand in no window.
    """
    running = state.running.push(rows.machine, rows.time_ns, rows.values)
    if state.service.state.any():
        there = state.service.state[rows.machine] == IN_SERVICE
        running = there if running is None else running & there
    return state.rings.push(
        rows.machine, rows.time_ns, rows.values, rows.offset, running=running
    )


def judged_of(scores: Scores, scorer: Scorer) -> Judged:
    """Return what the alarms must know of some scores."""
    windows = scores.windows
    return Judged(
        machine=windows.machine,
        time_ns=windows.time_ns,
        offset=windows.offset,
        risk=scores.risk,
        rul=scores.rul,
        anomaly=scores.anomaly,
        contributions=scores.contributions,
        deviation=scores.deviation,
        faults=scores.faults,
        given=np.array([not why for why in scores.why], np.bool_),
        model={"name": scorer.name, "version": scorer.version},
    )
