"""What the figures say about how many cores, partitions and MiB a plant needs."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from benchmarks.job import ROWS, STRIDE, Job
from benchmarks.rates import Figures
from benchmarks.tables import Table, middle, number, percent

Sections = Mapping[str, Figures]

USE = 0.6
"""Share of the cores that planned load may take: the rest is for catching up."""

SLACK = 16
"""Rows that a ring holds beyond its window."""

_BATCH = "tensorflow_cpu_1024"
_MARK = "<!-- {}: made by `make bench-report` -->"
_END = "<!-- end -->"


def row_bytes(sensors: int) -> int:
    """Bytes of a row in memory: a float32 for each sensor and its time."""
    return 4 * sensors + 8


def window_bytes(rows: int, sensors: int, baseline_rows: int = 0) -> int:
    """Bytes that the rows of one machine take in memory."""
    return (rows + SLACK) * row_bytes(sensors) + 4 * baseline_rows * sensors


def window_us(parts: Sections) -> float | None:
    """CPU time of one core that the models take for a window, in µs."""
    section = parts.get("inference", {})
    rate = middle(section.get(_BATCH, {}).get("predict", {}).get("windows_per_s"))
    threads = section.get("about", {}).get("tensorflow_cpu", {}).get("threads")
    return None if rate is None or not threads else threads / rate * 1e6


@dataclass(frozen=True)
class Line:
    """A figure that grows with the number of machines.

    Attributes:
        base: at none.
        each: more for each machine.
    """

    base: float
    each: float

    def at(self, machines: float) -> float:
        """Return the figure at so many machines."""
        return self.base + self.each * machines


def line(section: Figures, key: str) -> Line | None:
    """Return the line through the fewest and the most machines that were measured.

    Args:
        section: figures by machines_N.
        key: which of them.
    """
    found = []
    for name, entry in section.items():
        count = re.fullmatch(r"machines_(\d+)", name)
        value = middle(entry.get(key)) if count else None
        if count and value is not None:
            found.append((int(count[1]), value))
    if len(found) < 2:
        return None
    (few, low), (many, high) = min(found), max(found)
    each = (high - low) / (many - few)
    return Line(low - each * few, each)


@dataclass(frozen=True)
class Measured:
    """What sizes rest on; None is not measured.

    Attributes:
        rate: readings/s of one machine with `cores` cores, the broker on it.
        cores: of that machine.
        cpu_us: CPU time of the worker for a reading, in µs.
        window_us: of it, for a window in the models, as one core's time.
        memory: MiB by machines.
        two_workers: their rate by that of one, on the same cores.
        state: bytes of a whole checkpoint by machines.
        recovery: s by machines.
    """

    rate: float | None
    cores: int
    cpu_us: float | None
    window_us: float | None
    memory: Line | None
    state: Line | None
    two_workers: float | None
    recovery: Line | None


def measured(parts: Sections) -> Measured:
    """Return the figures that sizes rest on."""
    section = parts.get("end_to_end", {})
    own, scale = section.get("foreshock", {}), parts.get("scale", {})
    return Measured(
        rate=middle(own),
        cores=section.get("run", {}).get("machine", {}).get("cores", 0),
        cpu_us=middle(own.get("cpu_us_per_reading")),
        window_us=window_us(parts),
        memory=line(scale, "rss_mib"),
        state=line(scale, "state_bytes_per_checkpoint"),
        two_workers=middle(scale.get("two_workers_to_one")),
        recovery=line(parts.get("recovery", {}), "seconds"),
    )


def figures(parts: Sections) -> str:
    """Return the table of measured figures, as Markdown."""
    found, job = measured(parts), Job()
    window = window_bytes(ROWS, job.sensors)
    rows = [
        (
            f"readings/s on {found.cores or '?'} cores, broker on them, too",
            "",
            _told(found.rate),
        ),
        ("CPU of a worker for a reading, µs", "*c*", _told(found.cpu_us)),
        ("of it, the models for a window, µs", "*m*", _told(found.window_us)),
        ("the rest, µs", "*c - m / stride*", _told(_rest(found))),
        ("readings/s of one core", "1,000,000 / *c*", _told(_inverse(found.cpu_us))),
        ("windows/s of one core", "1,000,000 / *m*", _told(_inverse(found.window_us))),
        ("rate of two workers / of one, same cores", "", _told(found.two_workers)),
        ("memory of a worker without machines, MiB", "*b*", _base(found.memory)),
        ("memory for a machine, KiB", "*k*", _each(found.memory, 1024)),
        ("of it, rows and times, KiB", "", number(window / 1024)),
        ("whole checkpoint for a machine, bytes", "*s*", _each(found.state, 1)),
        ("recovery without machines, s", "", _base(found.recovery)),
        ("recovery for 10,000 machines more, s", "", _each(found.recovery, 10_000)),
    ]
    return Table("Sizing", ("figure", "name", "measured"), rows).markdown()


def _told(value: float | None) -> str:
    return "not measured yet" if value is None else number(value)


def _inverse(us: float | None) -> float | None:
    return None if us is None else 1e6 / us


def _rest(found: Measured) -> float | None:
    if found.cpu_us is None or found.window_us is None:
        return None
    return found.cpu_us - found.window_us / STRIDE


def _base(value: Line | None) -> str:
    return _told(None if value is None else value.base)


def _each(value: Line | None, times: float) -> str:
    return _told(None if value is None else value.each * times)


@dataclass(frozen=True)
class Plant:
    """A plant to find sizes for, whose windows are those of the benchmarks.

    Attributes:
        machines: how many.
        rate: readings/s of each.
    """

    machines: int = 50_000
    rate: float = 1.0

    @property
    def readings_per_s(self) -> float:
        """Of all machines."""
        return self.machines * self.rate


def example(parts: Sections, plant: Plant = Plant()) -> str:
    """Return the worked example, as Markdown; what was not measured is left out."""
    job = Job()
    head = (
        f"A plant of {plant.machines:,} machines with {job.sensors} sensors, each of "
        f"which sends {number(plant.rate)} reading a second; windows of {ROWS} rows, "
        f"stride {STRIDE}; the bundle `reference`.\n\n"
    )
    steps = "".join(f"1. {step}\n" for step in _steps(measured(parts), plant))
    return head + (steps or "The figures it needs are not measured yet.\n")


def _steps(found: Measured, plant: Plant) -> Iterator[str]:
    load = plant.readings_per_s
    yield (
        f"Load: {plant.machines:,} x {number(plant.rate)} = {number(load)} readings/s, "
        f"{number(load / STRIDE)} windows/s."
    )
    if found.cpu_us is not None:
        busy = load * found.cpu_us / 1e6
        cores = math.ceil(busy / USE)
        yield (
            f"Cores of the workers: {number(load)} x {number(found.cpu_us)} µs = "
            f"{number(busy)} cores at work; at a use of {percent(USE)}: "
            f"{number(busy / USE)}, so {cores}. The broker has its own."
        )
        yield (
            f"Partitions: twice the cores, for growth, and no fewer than 4: "
            f"{max(4, 2 * cores)}."
        )
        capacity = cores / found.cpu_us * 1e6
        yield (
            f"After ten minutes of standstill: 600 s x {number(load)} / "
            f"({number(capacity)} - {number(load)}) = "
            f"{number(600 * load / (capacity - load))} s until nothing is waiting."
        )
    if found.memory is not None:
        yield (
            f"Memory of a worker that has them all: {number(found.memory.base)} MiB + "
            f"{plant.machines:,} x {number(found.memory.each * 1024)} KiB = "
            f"{number(found.memory.at(plant.machines))} MiB. Of two workers each must "
            "have as much, for the time in which the other one is gone."
        )
    if found.state is not None:
        size = found.state.at(plant.machines) / 1e6
        yield (
            f"Checkpoints: {number(size)} MB if every machine has changed, so at an "
            f"interval of 10 s {number(size / 10)} MB/s at the most."
        )
    if found.recovery is not None:
        yield (
            "A worker that was killed has new scores after about "
            f"{number(found.recovery.at(plant.machines))} s."
        )


def filled(page: str, parts: Sections) -> str:
    """Return docs/sizing.md with what lies between its marks made anew.

    Raises:
        ValueError: a mark is missing.
    """
    for name, made in {"figures": figures(parts), "example": example(parts)}.items():
        page = _between(page, name, made)
    return page


def _between(page: str, name: str, made: str) -> str:
    mark = _MARK.format(name)
    before, found, after = page.partition(f"{mark}\n")
    _, ended, rest = after.partition(_END)
    if not found or not ended:
        raise ValueError(f"sizing.md: expected {mark} ... {_END}, found no such pair")
    return f"{before}{mark}\n\n{made}\n{_END}{rest}"
