"""``python -m tests.mutation``: how many planted defects do the tests catch?"""

from __future__ import annotations

import argparse
import queue
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.mutation.defects import DEFECTS, TESTS, Defect
from tests.mutation.runner import Copy, Verdict, fault_of

LEAST = 0.9
"""The share of defects that must be caught."""


def main() -> int:
    """Plant every defect in turn; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation")
    parser.add_argument("--only", default="", help="files or sentences with this text")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time")
    asked = parser.parse_args()
    chosen = [d for d in DEFECTS if asked.only in f"{d.file}: {d.breaks}"]
    faults = [fault for fault in map(fault_of, chosen) if fault]
    if faults or not chosen:
        _say(*faults, "the table of defects does not fit the code")
        return 2
    with tempfile.TemporaryDirectory() as folder:
        copies = [Copy(Path(folder) / str(number)) for number in range(asked.jobs)]
        if failed := copies[0].run(_tests(chosen)):
            _say(f"without any defect a test fails: {failed}")
            return 2
        verdicts = list(_judged(chosen, copies))
    missed = [verdict for verdict in verdicts if not verdict.caught]
    share = 1 - len(missed) / len(verdicts)
    _say(f"caught {len(verdicts) - len(missed)} of {len(verdicts)} ({share:.1%})")
    return int(share < LEAST)


def _tests(chosen: Sequence[Defect]) -> list[str]:
    return list(dict.fromkeys(test for d in chosen for test in TESTS[d.file]))


def _judged(chosen: Sequence[Defect], copies: Sequence[Copy]) -> Iterator[Verdict]:
    """Yield and print verdicts in the order of the table."""
    free: queue.SimpleQueue[Copy] = queue.SimpleQueue()
    for copy in copies:
        free.put(copy)

    def judge(defect: Defect) -> Verdict:
        copy = free.get()
        try:
            return copy.judge(defect)
        finally:
            free.put(copy)

    with ThreadPoolExecutor(len(copies)) as pool:
        for verdict in pool.map(judge, chosen):
            word = f"caught by {verdict.by}" if verdict.caught else "MISSED"
            _say(f"{verdict.defect.file}: {verdict.defect.breaks}: {word}")
            yield verdict


def _say(*lines: str) -> None:
    for line in lines:
        sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
