"""Runs the tests of the core on a copy with one defect in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.mutation.defects import TESTS, Defect

PROJECT = Path(__file__).resolve().parents[2]
CORE = Path("stream") / "core"
LONGEST_S = 300
"""A run that takes longer hangs, which counts as caught."""

# The copy has no use for servers; no time is spent on making an example smaller.
CONFTEST = """
from pathlib import Path

import hypothesis

import stream.core

assert Path(stream.core.__file__).is_relative_to(Path(__file__).parents[1])
hypothesis.settings.register_profile(
    "mutation",
    deadline=None,
    derandomize=True,
    database=None,
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
)
hypothesis.settings.load_profile("mutation")
"""


class Misfit(ValueError):
    """A defect that does not fit the code: its text stands not once in its file."""


@dataclass(frozen=True)
class Verdict:
    """How the tests judged a defect.

    Attributes:
        defect: The defect.
        caught: Whether a test failed.
        by: The test that failed first.
    """

    defect: Defect
    caught: bool
    by: str


def planted(defect: Defect, text: str) -> str:
    """Return a file's text with the defect in it.

    Raises:
        Misfit: if the text to change does not stand in it exactly once.
    """
    count = text.count(defect.old)
    if count != 1:
        raise Misfit(
            f"{defect.file}: expected {defect.old!r} once, found it {count} times"
        )
    changed = text.replace(defect.old, defect.new)
    if changed == text:
        raise Misfit(f"{defect.file}: {defect.old!r} is not changed")
    return changed


def fault_of(defect: Defect) -> str:
    """Return why a defect does not fit, or nothing; it must still be Python."""
    try:
        text = planted(defect, (PROJECT / CORE / defect.file).read_text())
        compile(text, defect.file, "exec")
    except (Misfit, SyntaxError) as error:
        return f"{defect.breaks}: {error}"
    return ""


class Copy:
    """The core and its tests in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        """Copy what is needed."""
        self.folder = folder
        skip = shutil.ignore_patterns("__pycache__")
        for part in (CORE, Path("tests") / "core"):
            shutil.copytree(PROJECT / part, folder / part, ignore=skip)
        for name in ("pyproject.toml", "stream/__init__.py", "tests/__init__.py"):
            shutil.copy(PROJECT / name, folder / name)
        (folder / "tests" / "conftest.py").write_text(CONFTEST)

    def judge(self, defect: Defect) -> Verdict:
        """Plant a defect, run the tests of its file, and take it out again."""
        path = self.folder / CORE / defect.file
        sound = path.read_text()
        path.write_text(planted(defect, sound))
        try:
            failed = self.run(TESTS[defect.file])
        finally:
            path.write_text(sound)
        return Verdict(defect, failed != "", failed)

    def run(self, tests: Sequence[str]) -> str:
        """Run tests up to the first that fails, and return its name, or nothing.

        Raises:
            RuntimeError: if the tests could not be run at all.
        """
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:randomly"]
        command += ["-p", "no:cacheprovider", "--tb=no"]
        command += [str(Path("tests") / "core" / name) for name in tests]
        quiet = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(self.folder)}
        try:
            done = subprocess.run(  # noqa: S603 - our own tests
                command,
                cwd=self.folder,
                env=os.environ | quiet,
                capture_output=True,
                text=True,
                timeout=LONGEST_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return "the time limit"
        if done.returncode == 0:
            return ""
        failed = [line for line in done.stdout.splitlines() if "FAILED" in line]
        if done.returncode != 1 or not failed:
            raise RuntimeError(f"pytest did not run:\n{done.stdout}{done.stderr}")
        return failed[0].split("::", 1)[-1].split(" - ")[0]
