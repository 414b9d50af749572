"""From a reading's scheduled time to its score and its alert at whoever reads them.

An open loop: a process of its own sends at scheduled times and waits for no answers,
another reads scores and alerts. All clocks are one machine's. Lateness and delays of
alarms are 0; checkpoints run as by default. In the full run a second worker joins on
the way and leaves again; what falls into that span is reported beside the rest.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from benchmarks import arrivals, watch, worker_log
from benchmarks.arrivals import ALERT, SCORE, Arrivals
from benchmarks.job import STRIDE
from benchmarks.open_loop import Load, send_history
from benchmarks.percentiles import percentiles
from benchmarks.plant import Plant
from benchmarks.servers import Bench, Child, child, wait_until

AT_ONCE = {"anomaly": {"on_delay": "0s", "off_delay": "0s"}}
_START_MS = 5000
"""From the end of the history to the load's first reading: two programs start."""

_GRACE_MS = 5000
"""How long after the last reading scores are still waited for."""

_SETTLE_MS = 15_000
"""How long after the second worker's end the span of the rebalance goes on."""

_LIMIT_S = 300.0

Span = tuple[float, float]


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes:
        rates: readings per s.
        seconds: of each rate.
        warm_up_s: of these, not counted.
        joins_s: when the second worker starts, after the start; 0: there is none.
        leaves_s: when it ends.
    """

    rates: tuple[int, ...]
    seconds: int
    warm_up_s: int
    joins_s: int = 0
    leaves_s: int = 0


FULL = Sizes((1_000, 10_000, 50_000), 600, 10, joins_s=300, leaves_s=360)
QUICK = Sizes((10_000,), 15, 3)


def measure(bench: Bench, *, quick: bool) -> dict[str, Any]:
    """Measure every rate.

    Returns:
        By rate `p99_ms` (of alerts), `score` and `alert` (percentiles in ms), the same
        of the span of the `rebalance`, and what the sender itself was late.
    """
    sizes = QUICK if quick else FULL
    found = {}
    for rate in sizes.rates:
        found[str(rate)] = at_rate(bench, rate, sizes)
        print(_line(rate, found[str(rate)]), flush=True)
    return found


def at_rate(bench: Bench, rate: int, sizes: Sizes) -> dict[str, Any]:
    """Measure one rate."""
    load = Load(rate)
    source = bench.topic(
        bench.name("open-loop"),
        load.job.partitions,
        # Ten minutes of the highest rate are 10 GB; nobody reads them again.
        retention_ms="120000",
        segment_bytes=str(128 << 20),
    )
    plant = Plant(
        name=bench.name("latency"),
        broker=bench.broker,
        source=source,
        bundles=bench.reference(),
        folder=bench.folder,
        job=load.job,
        alarms=AT_ONCE,
    )
    plant.prepare()
    now_ms = time.time_ns() // 1_000_000
    asyncio.run(send_history(bench.broker, source, load, now_ms))
    with plant.worker() as worker:
        _scored(plant, worker, load.history_windows)
        return _run(bench, plant, worker, load, sizes)


def _scored(plant: Plant, worker: Child, wanted: int) -> None:
    scores = plant.topic("scores")
    wait_until(lambda: watch.count(plant.broker, scores) >= wanted, worker, _LIMIT_S)


def _run(
    bench: Bench, plant: Plant, worker: Child, load: Load, sizes: Sizes
) -> dict[str, Any]:
    start_ms = (time.time_ns() // 1_000_000 + _START_MS) // 1000 * 1000
    end_ms = start_ms + sizes.seconds * 1000
    file = bench.folder / f"{plant.name}.npz"
    topics = [plant.topic("scores"), plant.topic("alerts")]
    listening = [plant.broker, *topics, str(end_ms + _GRACE_MS), str(file)]
    sending = [plant.broker, plant.source, str(load.rate), str(start_ms)]
    with ExitStack() as stack:

        def program(module: str, *options: str) -> Child:
            command = [sys.executable, "-m", f"benchmarks.{module}", *options]
            log = bench.folder / f"{plant.name}-{module}.log"
            return stack.enter_context(child(command, log))

        listener = program("arrivals", *listening)
        sender = program("open_loop", *sending, str(sizes.seconds))
        wait_until(lambda: arrivals.READY in listener.log.read_text(), listener, 30)
        before_s = worker.cpu_s()
        rebalance = _rebalance(plant, worker, start_ms, sizes)
        wait_until(lambda: time.time_ns() / 1e6 > end_ms, worker, sizes.seconds + 30)
        cpu_s = worker.cpu_s() - before_s
        for process in (sender, listener):
            process.process.wait(_LIMIT_S)
        told = json.loads(sender.log.read_text().splitlines()[-1])
        peak_mib = worker.peak_mib()
    span = (start_ms + sizes.warm_up_s * 1000.0, float(end_ms))
    found = figures(arrivals.load(file), load.rate, span, rebalance)
    logs = worker_log.read([worker.log])
    checkpoints = len(worker_log.named(logs, "checkpoint"))
    return found | {
        "sender": told,
        "seconds": sizes.seconds,
        "worker_cores": round(cpu_s / sizes.seconds, 2),
        "rss_mib": round(peak_mib),
        "checkpoints": checkpoints / load.job.partitions,
    }


def _rebalance(plant: Plant, worker: Child, start_ms: int, sizes: Sizes) -> Span | None:
    """Let a second worker come and go; returns the span in ms this takes."""
    if not sizes.joins_s:
        return None
    _sleep_until(start_ms + sizes.joins_s * 1000, worker)
    began_ms = time.time_ns() / 1e6
    with plant.worker(2) as second:
        _sleep_until(start_ms + sizes.leaves_s * 1000, worker)
        second.alive()
    return began_ms, time.time_ns() / 1e6 + _SETTLE_MS


def _sleep_until(at_ms: float, worker: Child) -> None:
    wait_until(lambda: time.time_ns() / 1e6 >= at_ms, worker, 3600)


def figures(
    found: Arrivals, rate: int, span: Span, rebalance: Span | None
) -> dict[str, Any]:
    """Return the percentiles of a span, with that of a rebalance apart.

    `missing` are scores that were due in the span and have not come; without them all
    percentiles would be too good, so none should be.
    """
    begin, end = span
    main = [span]
    if rebalance is not None:
        main = [(begin, rebalance[0]), (rebalance[1], end)]
    score, alert = (percentiles(found.delays(what, main)) for what in (SCORE, ALERT))
    due = round((end - begin) / 1000 * rate / STRIDE)
    figures: dict[str, Any] = {
        "p99_ms": alert["p99"],
        "score": score,
        "alert": alert,
        "missing": due - len(found.delays(SCORE, [span])),
        "repeated": found.repeated,
    }
    if rebalance is not None:
        figures["rebalance"] = {
            "seconds": round((rebalance[1] - rebalance[0]) / 1000, 1),
            "score": percentiles(found.delays(SCORE, [rebalance])),
            "alert": percentiles(found.delays(ALERT, [rebalance])),
        }
    return figures


def _line(rate: int, found: dict[str, Any]) -> str:
    parts = [
        f"{what} p50 {one['p50']} p95 {one['p95']} p99 {one['p99']} max {one['max']} ms"
        f" of {one['count']:,}"
        for what in ("score", "alert")
        for one in (found[what],)
    ]
    return f"{rate:>7,} readings/s  {'; '.join(parts)}; missing {found['missing']}"
