"""What the machine could do at best: the parts of the job bare, and bare together.

Every part runs in as many processes as there are cores, all at once, so that it costs
what it costs while all cores are at work; its CPU time counts, all threads, and with it
the broker's. The sum over the parts says how many readings/s the cores could do at
most. The whole, a program with neither Faust nor state nor alarms, is then timed for
real. Parts and whole take turns, so that figures of one round are neighbours in time.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from benchmarks import cpu, profile_steps
from benchmarks.bundles import BASELINE_ROWS
from benchmarks.end_to_end import FULL, QUICK
from benchmarks.job import Job
from benchmarks.plant import Plant
from benchmarks.rates import spread
from benchmarks.servers import Bench

SUM = ("fetch", "decode", "networks", "produce")
"""The parts that the whole consists of."""

TALKING = ("fetch", "produce", "produce_each", "whole")
"""Those that have to do with the broker, whose CPU time then counts."""

BESIDE = ("produce_each",)
"""Another way to do a part; told beside them, not in the sum."""

WHOLE = "whole"
_REPOSITORY = Path(__file__).parents[1]
_JOB = Job()
_READY = "ready"


@dataclass(frozen=True)
class Took:
    """What one run of a part took, over all its processes.

    Attributes:
        readings: how many readings it was.
        cpu_s: CPU time of the processes, in s.
        broker_s: CPU time of the broker meanwhile, in s; 0 if it cannot be seen.
        wall_s: until the last process was done, in s.
    """

    readings: int
    cpu_s: float
    broker_s: float
    wall_s: float

    @property
    def own_us(self) -> float:
        """CPU time of the processes for each reading, in us."""
        return self.cpu_s / self.readings * 1e6

    @property
    def broker_us(self) -> float:
        """CPU time of the broker for each reading, in us."""
        return self.broker_s / self.readings * 1e6

    @property
    def all_us(self) -> float:
        """CPU time of both for each reading, in us."""
        return self.own_us + self.broker_us

    @property
    def rate(self) -> float:
        """Readings/s by the clock."""
        return self.readings / self.wall_s


class _Answer(msgspec.Struct):
    readings: int
    cpu_s: float
    wall_s: float


class Team:
    """The processes of one part."""

    def __init__(
        self, processes: Sequence[subprocess.Popen[str]], broker: int | None
    ) -> None:
        """Take processes that have been started.

        Args:
            processes: of the same part.
            broker: process id of the broker; None: unknown.
        """
        self._processes, self._broker = processes, broker

    def ready(self) -> None:
        """Wait until all are ready.

        Raises:
            RuntimeError: one ended instead.
        """
        for process in self._processes:
            if (said := self._line(process)) != _READY:
                raise RuntimeError(f"expected {_READY!r} of a part, found {said!r}")

    def run(self) -> Took:
        """Let all run once."""
        used, begun = self._broker_s(), time.monotonic()
        for process in self._processes:
            assert process.stdin is not None
            print("go", file=process.stdin, flush=True)
        said = [self._line(process) for process in self._processes]
        wall_s = time.monotonic() - begun
        answers = [msgspec.json.decode(line, type=_Answer) for line in said]
        return Took(
            readings=sum(one.readings for one in answers),
            cpu_s=sum(one.cpu_s for one in answers),
            broker_s=self._broker_s() - used,
            wall_s=wall_s,
        )

    def _broker_s(self) -> float:
        return 0.0 if self._broker is None else cpu.used_s(self._broker)

    @staticmethod
    def _line(process: subprocess.Popen[str]) -> str:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"a part ended with {process.wait()}; its log says why")
        return line.strip()


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0))


def shares(partitions: int, processes: int) -> list[tuple[int, ...]]:
    """Deal partitions to processes; none goes without if there are enough."""
    dealt = [tuple(range(n, partitions, processes)) for n in range(processes)]
    return [share for share in dealt if share]


@contextmanager
def team(bench: Bench, part: str, plant: Plant) -> Iterator[Team]:
    """Start the processes of a part; they end with the body.

    Their log lies in the bench's folder.
    """
    with ExitStack() as stack:
        log = stack.enter_context((bench.folder / f"limit-{part}.log").open("a"))
        processes = []
        for share in shares(_JOB.partitions, cores()):
            process = subprocess.Popen(
                _command(bench, part, plant, share),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=_REPOSITORY,
            )
            stack.callback(_end, process)
            processes.append(process)
        talks = part in TALKING
        yield Team(processes, cpu.listener(bench.broker) if talks else None)


def _command(
    bench: Bench, part: str, plant: Plant, partitions: Sequence[int]
) -> list[str]:
    given = {
        "config": str(plant.config),
        "source": plant.source,
        "scores": plant.topic("scores"),
        "made": str(bench.folder / f"{plant.name}-made"),
        "partitions": partitions,
    }
    program = [sys.executable, "-X", "faulthandler", "-m", "benchmarks.limit_child"]
    return [*program, part, msgspec.json.encode(given).decode()]


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def rounds(
    bench: Bench, plant: Plant, parts: Sequence[str], count: int
) -> dict[str, list[Took]]:
    """Let parts take turns; returns what each took in every round."""
    subprocess.run(_command(bench, "made", plant, ()), cwd=_REPOSITORY, check=True)
    with ExitStack() as stack:
        teams = {}
        for part in parts:
            teams[part] = stack.enter_context(team(bench, part, plant))
            # One after the other: getting warm must not disturb, nor be disturbed.
            teams[part].ready()
        took: dict[str, list[Took]] = {part: [] for part in parts}
        for number in range(count):
            for part, one in teams.items():
                took[part].append(one.run())
                print(_line(number + 1, part, took[part][-1]), flush=True)
        return took


def from_parts(parts: Mapping[str, Took], processors: int) -> float:
    """Return the readings/s that cores can do at most if each reading costs that."""
    return processors / sum(parts[name].all_us for name in SUM) * 1e6


def figures(took: Mapping[str, Sequence[Took]], processors: int) -> dict[str, Any]:
    """Return the figures of all rounds; see `measure`."""
    parts = {name: _part(took[name]) for name in (*SUM, *BESIDE) if name in took}
    count = min(map(len, took.values()))
    sums = [
        from_parts({name: took[name][n] for name in SUM}, processors)
        for n in range(count)
    ]
    found: dict[str, Any] = {"parts": parts, "from_parts": spread(sums, 0)}
    if WHOLE in took:
        rates = [one.rate for one in took[WHOLE]]
        found |= {"measured": spread(rates, 0)}
        found["readings_per_s"] = found["measured"]
        pairs = zip(rates, sums, strict=True)
        found["agreement"] = spread([rate / most for rate, most in pairs], 3)
        found["whole"] = _part(took[WHOLE]) | {
            # Below 1 some core had nothing to do; above the sum of the parts it costs
            # more together than apart.
            "busy": spread(
                [(w.cpu_s + w.broker_s) / w.wall_s / processors for w in took[WHOLE]],
                2,
            )
        }
    return found


def _part(took: Sequence[Took]) -> dict[str, Any]:
    return {
        "us_per_reading": spread([one.all_us for one in took], 3),
        "own_us_per_reading": spread([one.own_us for one in took], 3),
        "broker_us_per_reading": spread([one.broker_us for one in took], 3),
        "readings_per_s": spread([1e6 / one.all_us for one in took], 0),
    }


def measure(bench: Bench, *, quick: bool) -> dict[str, Any]:
    """Measure the limit on `reference`, and what the parts give on `default`.

    Returns:
        Of `reference` by part `us_per_reading` (of CPU time, the broker's included)
        and `readings_per_s` of one core; `from_parts`, the readings/s of all cores
        that follow; `measured` (and as `readings_per_s`) those of the whole;
        `agreement`, their ratio; `profile`, of the real pipeline by step. Under
        `default` the same of that bundle, but for what does not depend on it. The quick
        run has neither profiles nor `default`.
    """
    sizes = QUICK if quick else FULL
    source = bench.filled(_JOB, sizes.ticks * _JOB.machines)
    plant = _plant(bench, "limit", bench.reference(), 0, source)
    order = (*SUM, WHOLE) if quick else (*SUM, *BESIDE, WHOLE)
    took = rounds(bench, plant, order, sizes.rounds)
    found = figures(took, cores()) | {"cores": cores()}
    if quick:
        return found
    heavy = _plant(bench, "limit-default", bench.default(), BASELINE_ROWS, source)
    other = {**took, **rounds(bench, heavy, ("networks",), sizes.rounds)}
    del other[WHOLE]
    told = figures(other, cores())
    found["profile"] = profile_steps.measure(plant.config)
    found["default"] = {
        "parts": {"networks": told["parts"]["networks"]},
        "from_parts": told["from_parts"],
        "profile": profile_steps.measure(heavy.config),
    }
    return found


def _plant(
    bench: Bench, name: str, bundles: Path, baseline_rows: int, source: str
) -> Plant:
    plant = Plant(
        name=bench.name(name),
        broker=bench.broker,
        source=source,
        bundles=bundles,
        folder=bench.folder,
        job=_JOB,
        baseline_rows=baseline_rows,
    )
    plant.prepare()
    return plant


def _line(number: int, part: str, took: Took) -> str:
    return (
        f"round {number}  {part:<13}{took.own_us:>7.2f} us of CPU a reading, broker "
        f"{took.broker_us:>5.2f} us {took.rate:>10,.0f} readings/s by the clock"
    )
