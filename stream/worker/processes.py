"""Several workers on one machine, started, watched and stopped together.

One thread at a time may touch Python's objects, so one process leaves cores idle. The
consumer group shares the partitions out among the processes as it does among machines.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

import structlog

_log = structlog.get_logger()

_LOOK_S = 0.2
_STOP_S = 60.0


def run_all(commands: Sequence[Sequence[str]], alive: Sequence[Path] = ()) -> int:
    """Run programs until one of them ends; then all end.

    SIGTERM and SIGINT are passed on. A program that fails takes the others with it, so
    that whoever started us starts all anew: with one of them gone for good the rest
    would carry its load unnoticed.

    Args:
        commands: Program and arguments of each.
        alive: The first is touched as long as all the others are: by the oldest of
            their times.

    Returns:
        The exit code of the first that failed; 0 if none did.
    """
    stop = threading.Event()

    def leave(number: int, frame: FrameType | None) -> None:
        stop.set()

    before = {one: signal.signal(one, leave) for one in (signal.SIGTERM, signal.SIGINT)}
    started = [
        # Ctrl-C is for us: we then stop all of them.
        subprocess.Popen(list(command), start_new_session=True)  # noqa: S603 - our own
        for command in commands
    ]
    try:
        while not stop.wait(_LOOK_S) and all(one.poll() is None for one in started):
            _touch(alive)
    finally:
        codes = _stop(started)
        for one, handler in before.items():
            signal.signal(one, handler)
    failed = next((code for code in codes if code), 0)
    # A program that was killed has no code of its own.
    return failed if failed >= 0 else 1


def _touch(alive: Sequence[Path]) -> None:
    """Give the first file the oldest time of the others."""
    if not alive:
        return
    with suppress(FileNotFoundError):
        oldest = min(path.stat().st_mtime for path in alive[1:])
        alive[0].touch()
        os.utime(alive[0], (oldest, oldest))


def _stop(started: Sequence[subprocess.Popen[bytes]]) -> list[int]:
    ended = [one for one in started if one.poll() is not None]
    for one in ended:
        _log.info("process ended", pid=one.pid, code=one.returncode)
    for one in started:
        if one.poll() is None:
            one.terminate()
    until = time.monotonic() + _STOP_S
    for one in started:
        try:
            one.wait(max(until - time.monotonic(), 0.0))
        except subprocess.TimeoutExpired:
            _log.error("process does not stop: killed", pid=one.pid)
            one.kill()
            one.wait()
    return [one.returncode for one in [*ended, *started]]
