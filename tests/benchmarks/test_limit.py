import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from benchmarks import (
    bundles,
    cpu,
    limit,
    limit_child,
    limit_parts,
    profile_steps,
    shipped,
)
from benchmarks.job import ROWS, STRIDE, Job
from benchmarks.limit import Took
from benchmarks.limit_parts import Given, Place, Whole
from stream.worker.settings import Settings, load_settings

ROOT = Path(__file__).resolve().parents[2]

TABLE = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt
   0: 0100007F:23F0 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0   \
     0 4711 1 0000000000000000 100 0 0 10 0
   1: 0100007F:23F1 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0   \
     0 4712 1 0000000000000000 20 4 30 10 -1
"""


def test_a_listening_port_is_found_in_the_kernels_table() -> None:
    assert cpu.inode(TABLE, 0x23F0) == 4711
    assert cpu.inode(TABLE, 0x23F1) is None, "connected, but nobody listens"
    assert cpu.inode(TABLE, 1) is None


def test_the_process_behind_a_port_is_found() -> None:
    with socket.socket() as mine:
        mine.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{mine.getsockname()[1]}"
        assert cpu.listener(address) is None
        mine.listen()
        assert cpu.listener(address) == os.getpid()


def test_cpu_time_of_a_process_grows_as_it_works() -> None:
    before, ends = cpu.used_s(os.getpid()), time.process_time() + 0.2
    while time.process_time() < ends:
        pass
    assert 0.15 <= cpu.used_s(os.getpid()) - before < 5


@pytest.mark.parametrize(
    ("partitions", "processes", "dealt"),
    [(4, 2, [(0, 2), (1, 3)]), (4, 1, [(0, 1, 2, 3)]), (2, 4, [(0,), (1,)])],
)
def test_partitions_are_dealt_to_processes(
    partitions: int, processes: int, dealt: list[tuple[int, ...]]
) -> None:
    assert limit.shares(partitions, processes) == dealt


def _took(own_us: float, broker_us: float = 0.0, wall_s: float = 1.0) -> Took:
    return Took(1_000_000, own_us, broker_us, wall_s)


def test_the_limit_is_what_the_cores_can_do_at_the_sum_of_all_parts() -> None:
    parts = {
        "fetch": _took(2.0, 0.5),
        "decode": _took(1.5),
        "networks": _took(5.0),
        "produce": _took(0.5, 0.5),
        "produce_each": _took(1000.0),
    }
    assert limit.from_parts(parts, 2) == pytest.approx(200_000)


def test_figures_compare_what_was_measured_in_the_same_round() -> None:
    took = {name: [_took(2.5), _took(5.0)] for name in limit.SUM}
    took["whole"] = [_took(9.0, 2.0, wall_s=6.25), _took(18.0, 4.0, wall_s=12.5)]
    found = limit.figures(took, 2)
    assert found["from_parts"]["runs"] == pytest.approx([200_000, 100_000])
    assert found["measured"]["runs"] == pytest.approx([160_000, 80_000])
    assert found["readings_per_s"] == found["measured"]
    assert found["agreement"]["runs"] == pytest.approx([0.8, 0.8])
    assert found["whole"]["busy"]["runs"] == pytest.approx([0.88, 0.88])
    assert found["parts"]["decode"]["readings_per_s"]["median"] == pytest.approx(3e5)


@pytest.mark.parametrize(
    ("path", "step"),
    [
        ("stream/core/usual.py", "decode"),
        ("stream/core/alarm_table.py", "alarms"),
        ("models/instruments_drift.py", "instruments"),
        ("models/features.py", "features"),
        ("models/prediction.py", "finish"),
        ("stream/core/pipeline.py", None),
    ],
)
def test_a_source_file_belongs_to_a_step(path: str, step: str | None) -> None:
    assert (ROOT / path).exists()
    assert profile_steps.step_of(str(ROOT / path)) == step


def test_every_file_that_makes_a_step_is_there() -> None:
    for files in profile_steps.STEPS.values():
        for name in files:
            folder = ROOT / ("" if name.startswith("models") else "stream")
            place = folder / name
            assert list(place.parent.glob(f"{place.name}*")), name


def _burn(seconds: float) -> None:
    ends = time.process_time() + seconds
    while time.process_time() < ends:
        pass


def test_time_is_the_innermost_steps_and_long_calls_count_in_full() -> None:
    sampler = profile_steps.Sampler()
    decode = str(ROOT / "stream/core/decode.py")
    rows = str(ROOT / "stream/core/rows.py")
    inner: dict[str, Any] = {"burn": _burn}
    exec(compile("def rows():\n    burn(0.1)\n", rows, "exec"), inner)  # noqa: S102
    outer = {"burn": _burn, "rows": inner["rows"], "sorted": sorted}
    # One call into compiled code, in which no interrupt is heard until its end.
    text = "def decode(many):\n    burn(0.1)\n    sorted(many)\n    rows()\n"
    exec(compile(text, decode, "exec"), outer)  # noqa: S102
    many = np.random.default_rng(1).random(300_000).tolist()
    begun = time.process_time()
    with sampler.on():
        outer["decode"](many)
    took = time.process_time() - begun
    assert sampler.spent_s["rows"] == pytest.approx(0.1, abs=0.03)
    assert sampler.spent_s["decode"] == pytest.approx(took - 0.1, abs=0.03)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    path = tmp_path / "shipped.yaml"
    path.write_text(yaml.safe_dump(shipped.document(tmp_path, 3)))
    return load_settings(path)


def test_the_whole_scores_one_window_for_every_stride_of_readings(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Whole(Place(Given("", "", "", "", (0,)), settings))
    asked: list[Any] = []
    whole._decode.prepare()
    monkeypatch.setattr(whole._networks, "call", asked.append)
    given = profile_steps.records(Job(machines=2, sensors=3, partitions=1), 137)
    at, told = 0, 0
    for size in (4, 5, 1, 60, 3, 64):
        told += whole._work(0, given[at : at + size])[1]
        at += size
    scored = np.concatenate([windows for windows in asked if len(windows)])
    assert told == len(scored) == 137 // STRIDE
    values = (whole._decode.columns(given) - 500.0) * 0.1
    last = 137 // STRIDE * STRIDE
    assert scored[-1] == pytest.approx(values[last - ROWS : last], abs=1e-4)


def test_windows_are_called_in_fixed_sizes(settings: Settings) -> None:
    networks = limit_parts.Networks(Place(Given("", "", "", "", ()), settings))
    sizes: list[int] = []
    for size in limit_parts.SIZES:
        networks._calls[size] = lambda some, static: sizes.append(len(some))
        networks._static[size] = np.zeros((size, 1), np.float32)
    for count in (0, 1, 256, 700, 1024, 1024 + 257):
        networks.call(np.zeros((count, ROWS, 3), np.float32))
        sizes.append(0)
    assert sizes == [0, 256, 0, 256, 0, *[256] * 3, 0, 1024, 0, 1024, 256, 256, 0]


@pytest.fixture
def speaking() -> Iterator[subprocess.Popen[str]]:
    code = (
        "import sys\n"
        "print('ready', flush=True)\n"
        "for _ in sys.stdin:\n"
        '    print(\'{"readings":5,"cpu_s":2,"wall_s":1}\', flush=True)\n'
        "    break\n"
    )
    with subprocess.Popen(  # noqa: S603 - the same Python
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process


def test_a_team_adds_up_what_its_processes_took(
    speaking: subprocess.Popen[str],
) -> None:
    team = limit.Team([speaking], None)
    team.ready()
    took = team.run()
    assert (took.readings, took.cpu_s, took.broker_s) == (5, 2.0, 0.0)
    assert took.wall_s > 0
    assert took.own_us == pytest.approx(400_000)


def test_a_part_that_ends_is_told(speaking: subprocess.Popen[str]) -> None:
    team = limit.Team([speaking], None)
    team.ready()
    team.run()
    with pytest.raises(RuntimeError, match="ended with 0"):
        limit.Team([speaking], None).ready()


def test_a_part_gets_warm_before_it_says_ready(
    capsys: pytest.CaptureFixture[str],
) -> None:
    runs: list[int] = []

    class Part:
        async def start(self) -> None:
            pass

        async def run(self) -> int:
            runs.append(1)
            return 7

    left = iter(["go\n", ""])

    async def line() -> str:
        # The run to get warm has been, and nothing was told of it.
        assert runs
        return next(left)

    asyncio.run(limit_child.serve(Part(), line))
    ready, told = capsys.readouterr().out.splitlines()
    assert ready == "ready"
    assert '"readings":7' in told
    assert len(runs) == 2


def test_the_history_wears_and_fails_in_the_benchmarks_range() -> None:
    readings, failures = shipped.history(6)
    rows = [line.split(",") for line in readings.splitlines()[1:]]
    values = np.array([row[2:] for row in rows], float)
    assert values.shape[1] == 6
    assert values[:, 5].mean() == pytest.approx(500, abs=1)
    assert values[:, 5].std() == pytest.approx(10, abs=0.5)
    assert len(failures.splitlines()) - 1 == shipped.FAILING >= 12
    names = [row[0] for row in rows]
    for failure in failures.splitlines()[1:]:
        machine = failure.split(",")[0]
        last = values[len(names) - 1 - names[::-1].index(machine)]
        assert last[: shipped._WORN].mean() > 515


def test_the_digest_changes_with_what_the_bundle_depends_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = shipped.digest(3)
    assert shipped.digest(3) == before
    assert shipped.digest(4) != before
    monkeypatch.setattr("models.bundle.SCHEMA", 1_000)
    assert shipped.digest(3) != before


def test_a_bundle_that_was_learned_before_comes_from_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORESHOCK_CACHE", str(tmp_path / "cache"))
    kept = tmp_path / "cache" / f"bench-default-{shipped.digest(3)}"
    kept.mkdir(parents=True)
    (kept / "manifest.json").write_text("{}")
    made = bundles.default(tmp_path / "bundle", 3)
    assert (made / "manifest.json").read_text() == "{}"


def test_a_training_that_fails_is_told_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORESHOCK_CACHE", str(tmp_path / "cache"))
    failing = tmp_path / "python"
    failing.write_text("#!/bin/sh\necho out of luck >&2\nexit 3\n")
    failing.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(failing))
    with pytest.raises(RuntimeError, match="out of luck"):
        bundles.default(tmp_path / "bundle", 3)
    assert not (tmp_path / "bundle").exists()
    assert not [p for p in (tmp_path / "cache").iterdir() if p.is_dir()]
