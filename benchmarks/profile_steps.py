"""Where the CPU time of the real pipeline goes, step by step: one partition, one core.

    python -m benchmarks.profile_steps CONFIG READINGS

Records in memory go through the pipeline as the worker feeds it, with default alarms;
then a checkpoint's state is made. A timer interrupts every few ms of CPU time; what has
passed since the last interrupt is the step's whose code is innermost on the stack. So a
long call of compiled code counts in full, and nothing is slowed by being watched.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from aiokafka.structs import ConsumerRecord

from benchmarks.job import Job, ticks
from models import bundle as bundles
from stream.core.pipeline import Pipeline
from stream.worker.plant import kinds_of, rules_of
from stream.worker.settings import Settings, load_settings
from stream.worker.state_topic import packed

MACHINES = 250
"""Of the one partition: a quarter of the job's."""

RATE = 120_000
"""Readings/s of all partitions together, at which checkpoints are spread over them."""

PARTITIONS = 4
_BATCH = 20_000
_WARM = 3
_EVERY_S = 0.002
_STAMP_MS = 1_800_000_000_000
_REPOSITORY = Path(__file__).parents[1]

STEPS = {
    "decode": (
        "core/decode.py",
        "core/usual.py",
        "core/exact.py",
        "core/event_time.py",
    ),
    "rows": ("core/rows.py",),
    "windows": ("core/windows.py", "core/running.py", "core/segments.py"),
    "instruments": ("models/instruments",),
    "features": ("models/features.py", "models/regimes.py"),
    "networks": ("models/predictor.py", "models/backend.py", "models/networks.py"),
    "finish": (
        *("models/prediction.py", "models/calibrate.py", "models/distribution.py"),
        *("models/anomaly.py", "core/scoring.py"),
    ),
    "encode": ("core/encode.py",),
    "alarms": ("core/alarm", "core/alert.py", "core/cases.py", "core/trackers.py"),
}
"""Steps by the beginnings of the paths of their files, below `stream` or the root."""


def step_of(path: str) -> str | None:
    """Return the step that a source file belongs to; None: its caller says."""
    inside = path.removeprefix(str(_REPOSITORY)).lstrip("/").removeprefix("stream/")
    for step, files in STEPS.items():
        if inside.startswith(files):
            return step
    return None


class Sampler:
    """Tells CPU time by step while it is on.

    Attributes:
        spent_s: CPU time by step, in s; "other" is what no step owns.
    """

    def __init__(self) -> None:
        """Nothing is timed yet."""
        self.spent_s: defaultdict[str, float] = defaultdict(float)
        self._last = 0.0
        self._known: dict[str, str | None] = {}

    @contextmanager
    def on(self) -> Iterator[None]:
        """Time the body."""
        before = signal.signal(signal.SIGPROF, self._take)
        self._last = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, _EVERY_S, _EVERY_S)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.signal(signal.SIGPROF, before)

    def _take(self, _: int, frame: FrameType | None) -> None:
        now = time.process_time()
        self.spent_s[self._step(frame)] += now - self._last
        self._last = now

    def _step(self, frame: FrameType | None) -> str:
        while frame is not None:
            path = frame.f_code.co_filename
            if path not in self._known:
                self._known[path] = step_of(path)
            step = self._known[path]
            if step is not None:
                return step
            frame = frame.f_back
        return "other"


def one_core_a_call() -> None:
    """Let a call of the networks use one core, as the worker does.

    To be said before the first model is built, which loads TensorFlow.
    """
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")


def records(job: Job, count: int) -> list[ConsumerRecord]:
    """Return a partition's first records, as aiokafka would give them."""
    made: list[ConsumerRecord] = []
    for tick in ticks(job, 0, count):
        for _, key, value in tick:
            sizes = len(key), len(value)
            at = ("readings", 0, len(made), _STAMP_MS, 0)
            made.append(ConsumerRecord(*at, key, value, None, *sizes, ()))
        if len(made) >= count:
            break
    return made[:count]


def pipeline(settings: Settings) -> Pipeline:
    """Return the data path of partition 0 with the models of the settings, warm."""
    kinds = kinds_of(settings)
    predictors = [
        bundles.load(settings.bundle_of(kind.name)).predictor() for kind in kinds
    ]
    for one in predictors:
        one.warm_up()
    return Pipeline(
        kinds, predictors, rules_of(settings), lambda name: 0, ("readings", 0)
    )


def state(line: Pipeline, offset: int) -> list[bytes]:
    """Return what a checkpoint of one partition would write."""
    return [packed(data) for _, data in line.dump(offset)]


def profile(settings: Settings, readings: int) -> dict[str, Any]:
    """Time the pipeline on so many readings, after a few batches to get warm.

    Returns:
        `us_per_reading` by step, their sum as "all", `readings_per_s` of one core, and
        `state_bytes_per_machine`.
    """
    line, sampler = pipeline(settings), Sampler()
    given = records(Job(machines=MACHINES, partitions=1), readings + _WARM * _BATCH)
    batches = [given[at : at + _BATCH] for at in range(0, len(given), _BATCH)]
    for batch in batches[:_WARM]:
        line.run(line.decode(batch))
    with sampler.on():
        for batch in batches[_WARM:]:
            line.run(line.decode(batch))
    begun = time.process_time()
    blocks = state(line, len(given) - 1)
    dump_s = time.process_time() - begun
    found = {step: sampler.spent_s[step] / readings * 1e6 for step in STEPS}
    found["other"] = sampler.spent_s["other"] / readings * 1e6
    due = settings.state.interval_s * RATE / PARTITIONS
    found["dump"] = dump_s / due * 1e6
    found["all"] = sum(found.values())
    return {
        "us_per_reading": {step: round(us, 3) for step, us in found.items()},
        "readings_per_s": round(1e6 / found["all"]),
        "state_bytes_per_machine": round(sum(map(len, blocks)) / MACHINES),
    }


def measure(config: Path, readings: int = 300_000) -> dict[str, Any]:
    """Profile the pipeline of some settings in a process of its own.

    Raises:
        RuntimeError: if it fails; with the end of what it said.
    """
    # A crash in compiled code shall say where it was.
    python = [sys.executable, "-X", "faulthandler"]
    command = [*python, "-m", "benchmarks.profile_steps", str(config)]
    done = subprocess.run(
        [*command, str(readings)],
        cwd=_REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        told = f"{done.stdout[-1000:]}\n{done.stderr[-2000:]}"
        raise RuntimeError(f"the profile ended with {done.returncode}:\n{told}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(given: Sequence[str]) -> None:
    """Profile, and print the figures as JSON."""
    one_core_a_call()
    print(json.dumps(profile(load_settings(given[0]), int(given[1]))))


if __name__ == "__main__":
    main(sys.argv[1:])
