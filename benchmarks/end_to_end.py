"""Readings per second from a filled topic to acknowledged scores, beside the peers.

Contestants take turns, round by round, each with a fresh group and a fresh topic of
scores over the same readings, and with the same models. The clock is the broker's: when
it took each score. What they wrote is compared with the models run on the readings
directly, and a contestant that differs counts as invalid.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks import outputs
from benchmarks.drain import Drained, drained
from benchmarks.job import Job
from benchmarks.plant import Plant
from benchmarks.servers import Bench, Child, child
from tests.services.process import free_ports

PEERS_PYTHON = Path(".venv-bench/bin/python")
REFERENCE = "foreshock"
_JOB = Job()


@dataclass(frozen=True)
class Running:
    """A contestant that was started.

    Attributes:
        children: its processes.
        scores: the topic it writes to.
    """

    children: Sequence[Child]
    scores: str


@dataclass(frozen=True)
class Peer:
    """Another stream processor's program.

    Attributes:
        name: of its figures.
        module: under `benchmarks.contestants`.
        options: of its command line, by name.
        processes: how many share the work.
        slow: it gets fewer readings.
    """

    name: str
    module: str
    options: tuple[tuple[str, str], ...] = ()
    processes: int = 1
    slow: bool = False

    def having(self, **options: str) -> Peer:
        """Return it with some options set anew."""
        return replace(self, options=tuple((dict(self.options) | options).items()))

    def bundles(self, bench: Bench) -> Path:
        """Return the folder of its bundles."""
        return bench.reference()

    @contextmanager
    def running(self, bench: Bench, source: str) -> Iterator[Running]:
        """Run it while the body runs."""
        scores = bench.scores_topic(f"{self.name}-scores")
        given = {
            "brokers": bench.broker,
            "source": source,
            "scores": scores,
            "group": bench.name(self.name),
            "bundle": str(self.bundles(bench) / "machine"),
            "sensors": str(_JOB.sensors),
        }
        given |= dict(self.options)
        with ExitStack() as stack:
            children: list[Child] = []
            for more in self._places():
                command = [
                    str(PEERS_PYTHON),
                    "-m",
                    f"benchmarks.contestants.{self.module}",
                ]
                command += [
                    f"--{name}={value}" for name, value in (given | more).items()
                ]
                log = bench.folder / f"{given['group']}-{len(children)}.log"
                children.append(stack.enter_context(child(command, log)))
            yield Running(children, scores)

    def _places(self) -> list[dict[str, str]]:
        if self.processes == 1 or self.module != "bytewax_flow":
            return [{}] * self.processes
        # Its processes know each other; those of the others meet in a consumer group.
        ports = free_ports(self.processes)
        addresses = ",".join(f"127.0.0.1:{port}" for port in ports)
        return [
            {"addresses": addresses, "process": str(i)} for i in range(self.processes)
        ]


@dataclass(frozen=True)
class Own:
    """Foreshock's worker.

    Attributes:
        name: of its figures.
        folder: of its bundles.
        baseline_rows: as the bundle was trained with.
        slow: it gets fewer readings.
    """

    name: str
    folder: Callable[[Bench], Path]
    baseline_rows: int = 0
    slow: bool = False

    def bundles(self, bench: Bench) -> Path:
        """Return the folder of its bundles."""
        return self.folder(bench)

    @contextmanager
    def running(self, bench: Bench, source: str) -> Iterator[Running]:
        """Run it while the body runs: durable state and alarms on, as by default."""
        plant = Plant(
            name=bench.name(self.name.replace("_", "-")),
            broker=bench.broker,
            source=source,
            bundles=self.bundles(bench),
            folder=bench.folder,
            job=_JOB,
            baseline_rows=self.baseline_rows,
        )
        plant.prepare()
        with plant.worker() as worker:
            yield Running([worker], plant.topic("scores"))


Contestant = Own | Peer

PEERS = (
    Peer("faust", "plain_faust", slow=True),
    Peer("quix", "quix"),
    Peer("bytewax", "bytewax_flow"),
)


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes:
        rounds: in which every contestant has one turn.
        ticks: readings of each machine.
        slow_ticks: the same, of contestants that are slow.
    """

    rounds: int
    ticks: int
    slow_ticks: int

    def of(self, contestant: Contestant) -> int:
        """Readings of each machine that a contestant gets."""
        return self.slow_ticks if contestant.slow else self.ticks


FULL = Sizes(rounds=3, ticks=1500, slow_ticks=300)
QUICK = Sizes(rounds=2, ticks=500, slow_ticks=100)


@dataclass(frozen=True)
class Turn:
    """One run of one contestant.

    Attributes:
        drained: what it took.
        difference: how its scores differ from the models' own; None: not at all.
    """

    drained: Drained
    difference: str | None


def turn(bench: Bench, contestant: Contestant, ticks: int) -> Turn:
    """Let a contestant drain a topic of so many readings of each machine."""
    source = bench.filled(_JOB, ticks * _JOB.machines)
    wanted = outputs.expected(contestant.bundles(bench) / "machine", _JOB, ticks)
    with contestant.running(bench, source) as running:
        found = drained(
            bench.broker,
            running.scores,
            running.children,
            scores=len(wanted.keys),
            readings=ticks * _JOB.machines,
        )
    return Turn(found, outputs.difference(found.written.values, wanted, _JOB))


def measure(bench: Bench, *, quick: bool) -> dict[str, Any]:
    """Run all contestants in turns.

    Returns:
        Of each contestant `readings_per_s`, `cpu_us_per_reading` and `peak_mib`, and
        `valid`; under `ratios`, how many times a peer's rate Foreshock's is.
    """
    sizes = QUICK if quick else FULL
    turns: dict[str, list[Turn]] = {}
    for number in range(sizes.rounds):
        for contestant in contestants():
            done = turn(bench, contestant, sizes.of(contestant))
            turns.setdefault(contestant.name, []).append(done)
            print(_line(number + 1, contestant.name, done), flush=True)
    found: dict[str, Any] = {name: figures(all_) for name, all_ in turns.items()}
    own = [one.drained.rate for one in turns[REFERENCE]]
    found["ratios"] = {
        name: spread([a / b.drained.rate for a, b in zip(own, all_, strict=True)])
        for name, all_ in turns.items()
        if name != REFERENCE
    }
    return found | {"machines": _JOB.machines, "ticks": sizes.ticks}


def contestants() -> list[Contestant]:
    """Return who takes part, in the order of turns."""
    own = [Own(REFERENCE, Bench.reference)]
    if not PEERS_PYTHON.exists():
        print(f"{PEERS_PYTHON} is missing, run 'make bench-install': no peers")
        return [*own]
    return [*own, *PEERS]


def figures(turns: Sequence[Turn]) -> dict[str, Any]:
    """Return the figures of all turns of one contestant."""
    wrong = [one.difference for one in turns if one.difference is not None]
    return {
        "readings_per_s": spread([one.drained.rate for one in turns]),
        "cpu_us_per_reading": spread([one.drained.cpu_us for one in turns]),
        "peak_mib": spread([one.drained.peak_mib for one in turns]),
        "valid": not wrong,
        "differences": wrong,
    }


def spread(runs: Sequence[float]) -> dict[str, Any]:
    """Return median, low, high and the runs themselves."""
    return {
        "median": statistics.median(runs),
        "low": min(runs),
        "high": max(runs),
        "runs": list(runs),
    }


def _line(number: int, name: str, done: Turn) -> str:
    took = done.drained
    return (
        f"round {number}  {name:<18}{took.rate:>10,.0f} readings/s "
        f"{took.cpu_us:>6.1f} us of CPU a reading {took.peak_mib:>6,.0f} MiB  "
        f"{done.difference or 'outputs equal'}"
    )
