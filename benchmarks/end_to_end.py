"""Readings per second from a filled topic to acknowledged scores, beside the peers.

Contestants take turns, round by round, each with a fresh group and a fresh topic of
scores over the same readings, and with the same models. The clock is the broker's: when
it took each score. What they wrote is compared with the models run on the readings
directly, and a contestant that differs counts as invalid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks import outputs
from benchmarks.bundles import BASELINE_ROWS
from benchmarks.drain import Drained, drained
from benchmarks.job import Job
from benchmarks.plant import Plant
from benchmarks.rates import spread
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
        workers: processes that share the work, as `worker --processes` starts them:
            one for each core.
        slow: it gets fewer readings.
    """

    name: str
    folder: Callable[[Bench], Path]
    baseline_rows: int = 0
    workers: int = 2
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
            # Without delay, so that alarms do come and go within the hour of readings.
            alarms={"risk": {}, "anomaly": {"on_delay": "0s"}, "sensor": {}},
        )
        plant.prepare()
        with ExitStack() as stack:
            workers = [
                stack.enter_context(plant.worker(number + 1))
                for number in range(self.workers)
            ]
            yield Running(workers, plant.topic("scores"))


Contestant = Own | Peer

PEERS: tuple[Peer, ...] = (
    Peer("faust", "plain_faust", slow=True),
    Peer("quix", "quix"),
    # Its chapter on performance advises processes; here one for each core.
    Peer("bytewax", "bytewax_flow", processes=2),
)
# The bare client of Quix, around which a user writes all the rest by hand.
QUIX_CLIENT = Peer(
    "quix_client",
    "quix",
    (("api", "consumer"), ("batch", "4096"), ("fetch", str(16 << 20))),
)
BESIDE: tuple[Contestant, ...] = (
    Own("foreshock_one_process", Bench.reference, workers=1),
    QUIX_CLIENT,
    Peer("bytewax_one_process", "bytewax_flow"),
)
"""Other ways to use the same; not in the quick run."""


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
# A contestant writes in bursts of up to some ten thousand readings' scores: with fewer
# readings than these, rates came out higher than the two cores' time allows.
QUICK = Sizes(rounds=2, ticks=800, slow_ticks=100)


@dataclass(frozen=True)
class Turn:
    """One run of one contestant.

    Attributes:
        drained: what it took.
        difference: how its scores differ from the models' own; None: not at all.
    """

    drained: Drained
    difference: str | None


Turns = dict[str, dict[int, Turn]]
"""By contestant and number of the round."""


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

    Raises:
        RuntimeError: Foreshock itself failed. A peer that does is left out.
    """
    sizes = QUICK if quick else FULL
    turns: Turns = {}
    for number in range(sizes.rounds):
        for contestant in contestants(quick=quick):
            name = contestant.name
            try:
                done = turn(bench, contestant, sizes.of(contestant))
            except RuntimeError as problem:
                if name == REFERENCE:
                    raise
                print(f"round {number + 1}  {name:<20} failed: {problem}", flush=True)
                continue
            turns.setdefault(name, {})[number] = done
            print(_line(number + 1, name, done), flush=True)
    found: dict[str, Any] = {
        name: figures(list(rounds.values())) for name, rounds in turns.items()
    }
    about = {"machines": _JOB.machines, "ticks": sizes.ticks}
    return found | {"ratios": ratios(turns)} | about


def ratios(turns: Turns) -> dict[str, Any]:
    """Return how many times each other rate Foreshock's is, round by round."""
    own = turns[REFERENCE]
    return {
        name: spread(
            [own[at].drained.rate / one.drained.rate for at, one in rounds.items()], 3
        )
        for name, rounds in turns.items()
        if name != REFERENCE
    }


def contestants(*, quick: bool) -> list[Contestant]:
    """Return who takes part, in the order of turns."""
    own = (
        Own(REFERENCE, Bench.reference),
        Own("foreshock_default", Bench.default, BASELINE_ROWS),
    )
    if not PEERS_PYTHON.exists():
        print(f"{PEERS_PYTHON} is missing, run 'make bench-install': no peers")
        return [*own]
    return [*own, *PEERS, *(() if quick else BESIDE)]


def figures(turns: Sequence[Turn]) -> dict[str, Any]:
    """Return the figures of all turns of one contestant."""
    wrong = [one.difference for one in turns if one.difference is not None]
    return {
        "readings_per_s": spread([one.drained.rate for one in turns], 0),
        "cpu_us_per_reading": spread([one.drained.cpu_us for one in turns], 2),
        "peak_mib": spread([one.drained.peak_mib for one in turns], 0),
        "valid": not wrong,
        "differences": wrong,
    }


def _line(number: int, name: str, done: Turn) -> str:
    took = done.drained
    return (
        f"round {number}  {name:<20}{took.rate:>10,.0f} readings/s "
        f"{took.cpu_us:>6.1f} us of CPU a reading {took.peak_mib:>6,.0f} MiB  "
        f"{done.difference or 'outputs equal'}"
    )
