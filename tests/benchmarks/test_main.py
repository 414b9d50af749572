import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks import __main__ as command
from benchmarks import results
from benchmarks.compare import Interval
from benchmarks.rates import Figures
from tests.benchmarks import made_up

BENCH = object()


@contextmanager
def servers() -> Iterator[object]:
    yield BENCH


def measured(part: str) -> command.Measure:
    def measure(bench: object, *, quick: bool) -> Figures:
        assert bench is BENCH
        assert quick
        if part == "latency":
            raise RuntimeError(f"{results.ROOT}/benchmarks/x.py: no broker")
        return made_up.figures(part)

    return measure


def run(out: Path, *parts: str) -> list[str]:
    return command.run(parts, servers(), quick=True, out=out, measured=measured)


def test_a_part_that_fails_is_recorded_and_the_others_are_measured(
    tmp_path: Path,
) -> None:
    out = tmp_path / "latest.json"
    assert run(out, "end_to_end", "latency", "inference", "limit") == ["latency"]
    found = json.loads(out.read_text())
    assert found["latency"]["error"] == "RuntimeError: benchmarks/x.py: no broker"
    assert found["end_to_end"]["foreshock"]["median"] == 120_000
    assert found["end_to_end"]["limit"]["median"] == 160_000
    for part in ("end_to_end", "latency", "inference", "limit"):
        assert found[part]["run"]["quick"] is True
        assert found[part]["run"]["date"] == found["date"]
    assert found["machine"]["cores"] >= 1
    assert found["schema"] == results.SCHEMA


def test_runs_of_parts_add_up(tmp_path: Path) -> None:
    out = tmp_path / "latest.json"
    run(out, "recovery")
    run(out, "scale")
    assert {"recovery", "scale"} <= json.loads(out.read_text()).keys()


def test_what_is_measured_is_printed_as_tables(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path / "latest.json", *results.PARTS)
    said = capsys.readouterr().out
    assert "plain Faust" in said
    assert "latency failed: RuntimeError" in said


def test_what_moved_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, stored = tmp_path / "latest.json", tmp_path / "stored.json"
    run(out, "end_to_end")
    before: dict[str, Any] = {
        "foreshock / faust": Interval.of([30.0, 31.0]).json(),
        "foreshock / quix": Interval.of([2.9, 3.1]).json(),
    }
    stored.write_text(json.dumps({"ratios": before}))
    found = {one.name: one.moved for one in command.compared(out, stored)}
    assert found["foreshock / faust"] == "down"
    assert found["foreshock / quix"] == ""
    said = capsys.readouterr().out
    assert "WORSE" in said
    assert "by more than 5 %: foreshock / faust." in " ".join(said.split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["speed"], "invalid choice: 'speed'"),
        (["--store"], "--store: expected --quick"),
        (["limit", "--quick", "--store"], "and no parts"),
    ],
)
def test_wrong_arguments_are_refused(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_figures_from_another_machine_are_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, given = tmp_path / "latest.json", tmp_path / "gpu.json"
    run(out, "inference")
    given.write_text(json.dumps(made_up.gpu()))
    assert command.main(["--take", str(given), "--out", str(out)]) == 0
    found = json.loads(out.read_text())["inference"]
    assert {"tensorflow_gpu_1024", "tensorflow_cpu_1024"} <= found.keys()
    assert "GPU" in capsys.readouterr().out
