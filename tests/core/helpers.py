"""Records, readings and models for the tests of the core."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream.core.decode import Decoded, Decoder
from stream.core.exact import Rules
from stream.core.machines import Machines
from stream.core.outcome import Outcome
from stream.core.pipeline import Pipeline
from stream.core.readings import MachineType, Readings, Sensor, Tally
from stream.core.windows import Windows

T0 = 1_700_000_000
"""A time in s at which tests begin: 2023-11-14T22:13:20Z."""
NS = 1_000_000_000
NAN = float("nan")


@dataclass(frozen=True)
class Record:
    """A record as a bus would deliver it."""

    value: bytes | None
    offset: int = 0
    timestamp: int = -1
    key: bytes | None = None
    headers: Sequence[tuple[str, bytes]] = ()


def kind(name: str = "pump", sensors: str = "tv", **more: Any) -> MachineType:
    """Return a machine type whose sensors have names of one letter."""
    return MachineType(name, tuple(map(Sensor, sensors)), **more)


def body(machine: str, second: float, **values: float | None) -> bytes:
    """Return the payload of a reading so many seconds after `T0`."""
    at = round((T0 + second) * NS)
    return json.dumps({"machine": machine, "time": at, "values": values}).encode()


def by_first_letter(letters: str) -> Callable[[str], int | None]:
    """Return a rule for types: the position of the name's first letter, or none."""
    return lambda name: letters.find(name[0]) if name[0] in letters else None


@dataclass
class Bench:
    """A decoder with machines of its own."""

    kinds: Sequence[MachineType]
    rules: Rules = field(default_factory=Rules)
    make: type[Decoder] = Decoder
    machines: Machines = field(init=False)
    decoder: Decoder = field(init=False)

    def __post_init__(self) -> None:
        every = len(self.kinds) == 1
        type_of = (lambda _: 0) if every else by_first_letter("abc"[: len(self.kinds)])
        self.machines = Machines(len(self.kinds), type_of)
        known = self.machines
        self.decoder = self.make(self.kinds, self.rules, known.lookup, known.admit)

    def __call__(self, *values: bytes | Record | None) -> Decoded:
        records = [
            value if isinstance(value, Record) else Record(value, i)
            for i, value in enumerate(values)
        ]
        return self.decoder.decode(records)

    def state(self, value: bytes | Record | None) -> str:
        """Return the one state in which a record of one reading ends."""
        decoded = self(value)
        ends = dict(decoded.tally.readings)
        used = sum(map(len, decoded.readings))
        if used:
            ends["read"] = used
        assert sum(ends.values()) == 1, ends
        return next(iter(ends))


def readings(
    *rows: tuple[int, int, Sequence[float]], first_offset: int = 0
) -> Readings:
    """Return readings (machine, time, values), with offsets counted from the first."""
    columns = list(zip(*rows, strict=True)) if rows else [(), (), ()]
    return Readings(
        np.array(columns[0], np.int64),
        np.array(columns[1], np.int64),
        np.array(columns[2], np.float32).reshape(len(rows), -1),
        np.arange(len(rows)) + first_offset,
    )


def plain(values: NDArray[Any]) -> Any:
    """Return an array as nested lists, with None for NaN, so that == compares it."""

    def clean(value: Any) -> Any:
        if isinstance(value, list):
            return [clean(one) for one in value]
        return None if value != value else value  # noqa: PLR0124 - NaN

    return clean(values.tolist())


@dataclass
class Told:
    """A prediction."""

    risk: NDArray[np.float64]
    rul: NDArray[np.float64]
    anomaly: NDArray[np.float64]
    health: NDArray[np.float64]
    contributions: NDArray[np.float64]
    faults: NDArray[np.int8]
    deviation: NDArray[np.float64]
    why: NDArray[np.int8]


class HashingScorer:
    """A model whose answer tells every bit of the window that it was asked about."""

    name = "hashes"
    version = "3"
    digest = "abcd"
    reasons = ("", "unknown_regime")

    def __init__(self) -> None:
        self.about: dict[str, Any] = {"horizon": 30}

    def predict(self, windows: Windows) -> Told:
        risk = np.array([_hash(windows, i) for i in range(len(windows))])
        sensors = windows.values.shape[2]
        return Told(
            risk=risk,
            rul=risk[:, None] * [10.0, 100.0, 1000.0],
            anomaly=risk / 7,
            health=100 * (1 - risk),
            contributions=np.full((len(risk), sensors), 1 / sensors),
            faults=np.zeros((len(risk), sensors), np.int8),
            deviation=np.round(10 * risk[:, None] - np.arange(sensors), 2),
            why=(risk < 0.1).astype(np.int8),
        )


def _hash(windows: Windows, i: int) -> float:
    """Return a number in [0, 1) that depends on every bit of a window."""
    base = windows.n_base[i]
    parts = [
        windows.values[i],
        windows.times_ns[i],
        windows.filled[i],
        windows.baseline[i][:base],
        base,
        windows.age[i],
    ]
    text = b"|".join(np.ascontiguousarray(part).tobytes() for part in parts)
    digest = hashlib.blake2b(text, digest_size=6).digest()
    return int.from_bytes(digest) / 2**48


def pipeline(
    *kinds: MachineType,
    rules: Rules | None = None,
    type_of: Callable[[str], int | None] | None = None,
    most: int = 1000,
) -> Pipeline:
    """Return a data path of types that are told apart by the machines' first letter."""
    made: list[Pipeline] = []
    made.append(
        Pipeline(
            kinds,
            [HashingScorer() for _ in kinds],
            rules or Rules(),
            type_of or by_first_letter("abc"[: len(kinds)]),
            ("readings", 3),
            lambda: len(made[0].machines) < most,
        )
    )
    return made[0]


def through(path: Pipeline, records: Sequence[Record]) -> Outcome:
    """Send records the whole way."""
    return path.run(path.decode(records))


def in_batches(
    path: Pipeline, records: Sequence[Record], cuts: Iterable[int]
) -> Outcome:
    """Send records the whole way, cut before the given positions."""
    whole = Outcome()
    edges = [0, *sorted(set(cuts)), len(records)]
    for start, end in itertools.pairwise(edges):
        add(whole, through(path, records[start:end]))
    return whole


def add(whole: Outcome, part: Outcome) -> None:
    """Add the outcome of one more batch."""
    whole.messages += part.messages
    whole.rejects += part.rejects
    whole.tally.add(part.tally)


def of_machines(messages: Sequence[tuple[bytes, bytes]]) -> dict[bytes, list[bytes]]:
    """Return the messages by key, in order."""
    found: dict[bytes, list[bytes]] = {}
    for key, value in messages:
        found.setdefault(key, []).append(value)
    return found


def ends(tally: Tally) -> dict[str, int]:
    """Return how readings ended."""
    return dict(tally.readings)
