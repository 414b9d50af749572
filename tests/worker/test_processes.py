"""Several workers on one machine."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from stream.worker.processes import run_all

WAITS = "import signal, time; signal.signal(signal.SIGTERM, lambda *_: exit(0)); "
PATIENCE_S = 20.0


def program(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def waiting(started: Path) -> list[str]:
    """Return a program that says when it has started, and ends on SIGTERM."""
    return program(WAITS + f"open({str(started)!r}, 'w').close(); time.sleep(60)")


@pytest.mark.parametrize("code", [0, 3])
def test_when_one_ends_all_end_with_its_code(tmp_path: Path, code: int) -> None:
    began = time.monotonic()
    ends = program(
        f"import os, time\nwhile not os.path.exists({str(tmp_path / 'one')!r}):"
        f" time.sleep(0.01)\nexit({code})"
    )
    assert run_all([waiting(tmp_path / "one"), ends]) == code
    assert time.monotonic() - began < PATIENCE_S


def test_a_program_that_is_killed_is_a_failure() -> None:
    assert run_all([program("import os; os.kill(os.getpid(), 9)")]) == 1


def test_sigterm_stops_all(tmp_path: Path) -> None:
    files = [tmp_path / "one", tmp_path / "two"]

    def stop() -> None:
        ends = time.monotonic() + PATIENCE_S
        while not all(map(Path.exists, files)) and time.monotonic() < ends:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    stopper = threading.Thread(target=stop)
    before = signal.getsignal(signal.SIGTERM)
    stopper.start()
    assert run_all([waiting(path) for path in files]) == 0
    stopper.join()
    assert signal.getsignal(signal.SIGTERM) == before


def test_they_are_alive_as_long_as_all_are(tmp_path: Path) -> None:
    files = [tmp_path / "alive", tmp_path / "alive.1", tmp_path / "alive.2"]
    for path, at in zip(files[1:], (1000, 2000), strict=True):
        path.touch()
        os.utime(path, (at, at))
    waits = program(
        f"import os, time\nwhile not os.path.exists({str(files[0])!r}):"
        " time.sleep(0.01)"
    )
    assert run_all([waits], files) == 0
    assert files[0].stat().st_mtime == 1000
