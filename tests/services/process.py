"""Run a server as a child: free ports, readiness, a clean stop, its log on failure."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.services.errors import Missing

HOST = "127.0.0.1"
READY_S = 90.0
STOP_S = 15.0
ATTEMPTS = 3  # another process may take a free port before the server does
_POLL_S = 0.05


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback interface that nothing listens on, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind((HOST, 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


@contextmanager
def scratch(name: str) -> Iterator[Path]:
    """Yield a temporary folder; removed at the end, kept if the body raises Missing."""
    path = Path(tempfile.mkdtemp(prefix=f"foreshock-{name}-"))
    keep = False
    try:
        yield path
    except Missing:
        keep = True
        raise
    finally:
        if not keep:
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def running(
    what: str,
    command: Sequence[str],
    log: Path,
    ready: Callable[[], bool],
    env: Mapping[str, str] | None = None,
) -> Iterator[None]:
    """Run a server while the body runs.

    Args:
        what: its name, for messages.
        command: program and arguments.
        log: file that its output is appended to.
        ready: asks once whether the server answers; polled until it does.
        env: variables added to the environment.

    Raises:
        Missing: it ended or did not answer within `READY_S`; names the log.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*_dies_with_us(), *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            # Ctrl-C is for us: we then stop the servers in order.
            start_new_session=True,
        )
    try:
        _wait(what, process, log, ready)
        yield
    finally:
        _stop(process)


def _dies_with_us() -> list[str]:
    """Return a prefix that ends the server when this process is killed, if there is."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM"] if setpriv else []


def _wait(
    what: str, process: subprocess.Popen[bytes], log: Path, ready: Callable[[], bool]
) -> None:
    deadline = time.monotonic() + READY_S
    while not ready():
        if process.poll() is not None:
            raise Missing(what, f"it ended with {process.returncode}{_tail(log)}")
        if time.monotonic() > deadline:
            raise Missing(what, f"no answer within {READY_S:.0f} s{_tail(log)}")
        time.sleep(_POLL_S)


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()[-15:]
    return "\n".join([f", log {log} ends:", *lines])


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
