"""Starting, waiting and caching, without a real server."""

import shutil
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.services import cache, packages
from tests.services.errors import Missing
from tests.services.process import running, scratch

_SERVER = """
import pathlib, signal, sys
signal.signal(signal.SIGTERM, lambda *_: (pathlib.Path(sys.argv[2]).touch(), exit()))
pathlib.Path(sys.argv[1]).touch()
while True:
    signal.pause()
"""


def test_a_server_that_ends_early_is_reported_with_its_log(tmp_path: Path) -> None:
    command = ["sh", "-c", "echo broken pipe dream; exit 3"]
    log = tmp_path / "log"
    with (
        pytest.raises(Missing, match=r"ended with 3.*\nbroken pipe dream"),
        running("Kafka", command, log, lambda: False),
    ):
        pytest.fail("the body must not run")


def test_a_server_is_stopped_when_the_body_raises(tmp_path: Path) -> None:
    started, stopped = tmp_path / "started", tmp_path / "stopped"
    command = [sys.executable, "-c", _SERVER, str(started), str(stopped)]
    with (
        pytest.raises(RuntimeError),
        running("Kafka", command, tmp_path / "log", started.exists),
    ):
        raise RuntimeError
    assert stopped.exists()


@pytest.mark.parametrize("failed", [True, False])
def test_the_log_is_kept_only_of_a_server_that_could_not_be_had(failed: bool) -> None:
    with ExitStack() as stack:
        home = stack.enter_context(scratch("test"))
        (home / "server.log").touch()
        missing = Missing("Kafka", "a reason") if failed else None
        stack.__exit__(type(missing) if missing else None, missing, None)
    assert home.exists() == failed
    shutil.rmtree(home, ignore_errors=True)


def test_an_entry_is_made_once_by_runs_at_the_same_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORESHOCK_CACHE", str(tmp_path))
    made: list[Path] = []
    both = threading.Barrier(2)

    def provide() -> None:
        both.wait()
        cache.provide("thing-1", made.append)

    threads = [threading.Thread(target=provide) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert cache.entry("thing-1") == tmp_path / "thing-1"


def test_an_entry_that_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORESHOCK_CACHE", str(tmp_path))

    def make(into: Path) -> None:
        (into / "half").touch()
        packages.build("Kafka", ["sh", "-c", "echo no network; exit 1"])

    with pytest.raises(Missing, match="no network"):
        cache.provide("thing-1", make)
    assert cache.entry("thing-1") is None
    assert [path.name for path in tmp_path.iterdir()] == ["thing-1.lock"]
