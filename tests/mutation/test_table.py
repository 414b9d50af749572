"""The table of defects fits the code; `make mutation` runs it."""

import subprocess
from pathlib import Path

import pytest

from tests.mutation import runner
from tests.mutation.defects import DEFECTS, TESTS, Defect
from tests.mutation.runner import PROJECT, Misfit, fault_of, planted


def test_every_defect_changes_one_place_and_leaves_python() -> None:
    assert [fault for fault in map(fault_of, DEFECTS) if fault] == []


def test_there_are_many_and_each_is_another() -> None:
    assert len(DEFECTS) >= 40
    assert len({(d.file, d.old, d.new) for d in DEFECTS}) == len(DEFECTS)
    assert len({d.breaks for d in DEFECTS}) == len(DEFECTS)


def test_every_file_of_the_core_has_defects_and_tests() -> None:
    files = {path.name for path in (PROJECT / "stream" / "core").glob("*.py")}
    files -= {"__init__.py"}
    assert {d.file for d in DEFECTS} == files == set(TESTS)
    for tests in TESTS.values():
        for name in tests:
            assert (PROJECT / "tests" / "core" / name).is_file()


@pytest.mark.parametrize("text", ["nothing", "a b a"])
def test_a_defect_must_fit_once(text: str) -> None:
    with pytest.raises(Misfit, match="times"):
        planted(Defect("x.py", "a", "c", "it"), text)


def test_a_defect_must_change_something() -> None:
    with pytest.raises(Misfit, match="not changed"):
        planted(Defect("x.py", "a", "a", "it"), "a b")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> runner.Copy:
    return runner.Copy(tmp_path_factory.mktemp("copy"))


def test_a_defect_is_caught_in_the_copy_and_taken_out_again(
    copy: runner.Copy,
) -> None:
    defect = next(d for d in DEFECTS if d.file == "segments.py")
    verdict = copy.judge(defect)
    assert verdict.caught
    assert verdict.by.startswith("test_running_max")
    file = Path("stream") / "core" / "segments.py"
    assert (copy.folder / file).read_text() == (PROJECT / file).read_text()
    assert copy.run(["test_segments.py"]) == ""


def test_tests_that_cannot_run_are_no_verdict(copy: runner.Copy) -> None:
    with pytest.raises(RuntimeError, match="pytest did not run"):
        copy.run(["test_that_is_not_there.py"])


def test_a_run_that_hangs_is_caught(
    copy: runner.Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(*_: object, **__: object) -> None:
        raise subprocess.TimeoutExpired("pytest", 1)

    monkeypatch.setattr(subprocess, "run", hang)
    assert copy.run(["test_segments.py"]) == "the time limit"
