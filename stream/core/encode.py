"""Scores, to the JSON that goes onto the topic; equal scores give equal bytes."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import numpy as np

from stream.core.readings import FAULTS, Ints, MachineType
from stream.core.scoring import Scorer, Scores

SCHEMA = 1

_ENCODE = msgspec.json.Encoder().encode


class Rul(msgspec.Struct, gc=False):
    """Quantiles of the remaining useful life, on the type's life axis."""

    p05: float
    p50: float
    p95: float


class Source(msgspec.Struct, gc=False):
    """The record that completed the window."""

    topic: str
    partition: int
    offset: int


class Score(msgspec.Struct, gc=False):
    """One score, as consumers read it; see docs of the wire format in the README.

    Instruments at fault are named, sensor by sensor; with none the field is left out.
    """

    schema: int
    id: str
    machine: str
    type: str
    time: str
    risk: float | None
    rul: Rul | None
    anomaly: float | None
    health: float | None
    contributions: dict[str, float] | None
    why: str | None
    model: msgspec.Raw
    source: Source
    faults: dict[str, str] | msgspec.UnsetType = msgspec.UNSET


def score_id(machine: str, end_ns: int, digest: str) -> str:
    """Return the id of a score: the same window and model always give the same.

    Example:
        >>> score_id("pump-07", 1_700_000_000_000_000_000, "ab")
        'd09da81ea4dff932e8043b942a457070'
    """
    text = f"{end_ns}\n{digest}\n{machine}".encode()
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def iso_times(time_ns: Ints) -> list[str]:
    """Return ISO 8601 UTC texts with as many digits as each time needs, at least ms."""
    texts = np.datetime_as_string(time_ns.astype("M8[ns]")).tolist()
    return [f"{t[:23]}{t[23:].rstrip('0')}Z" for t in texts]


def encode(
    kind: MachineType,
    scores: Scores,
    names: list[str],
    scorer: Scorer,
    source: tuple[str, int],
) -> list[tuple[bytes, bytes]]:
    """Return the key and the value of each score's message.

    Args:
        kind: The machine type.
        scores: n scores.
        names: Machines' names by number.
        scorer: The model that gave the scores.
        source: Topic and partition of the readings.
    """
    windows = scores.windows
    about: dict[str, Any] = {"name": scorer.name, "version": scorer.version}
    # The same in every score: encoded once.
    model = msgspec.Raw(_ENCODE(about | scorer.about))
    faulty = np.asarray(scores.faults.any(axis=1))
    sensors, topic, partition = kind.sensor_names, *source
    messages = []
    columns = zip(
        windows.machine.tolist(),
        windows.time_ns.tolist(),
        iso_times(windows.time_ns),
        windows.offset.tolist(),
        _or_none(scores.risk),
        scores.rul.tolist(),
        _or_none(scores.anomaly),
        _or_none(scores.health),
        scores.contributions.tolist(),
        faulty.tolist(),
        scores.faults,
        scores.why,
        strict=True,
    )
    for (
        number,
        end,
        time,
        at,
        risk,
        rul,
        anomaly,
        health,
        shares,
        is_faulty,
        codes,
        why,
    ) in columns:
        name = names[number]
        faults = _faults(sensors, codes) if is_faulty else None
        message = Score(
            schema=SCHEMA,
            id=score_id(name, end, scorer.digest),
            machine=name,
            type=kind.name,
            time=time,
            risk=risk,
            rul=None if risk is None else Rul(*rul),
            anomaly=anomaly,
            health=health,
            contributions=None if why else dict(zip(sensors, shares, strict=True)),
            why=why or None,
            model=model,
            source=Source(topic, partition, at),
            faults=faults or msgspec.UNSET,
        )
        messages.append((name.encode(), _ENCODE(message)))
    return messages


def _faults(sensors: tuple[str, ...], codes: np.ndarray) -> dict[str, str]:
    return {sensors[i]: FAULTS[codes[i]] for i in np.flatnonzero(codes).tolist()}


def _or_none(column: np.ndarray) -> list[float | None]:
    return [None if value != value else value for value in column.tolist()]  # noqa: PLR0124 - NaN
