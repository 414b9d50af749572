import json

import pytest

from benchmarks.recovery import STEPS, recovered
from benchmarks.worker_log import checkpoint_bytes, checkpoints_mib, lines, saved


def _log(*events: tuple[float, str, dict[str, int]]) -> str:
    return "\n".join(
        json.dumps({"timestamp": f"2026-11-21T10:00:{at:06.3f}Z", "event": name} | more)
        for at, name, more in events
    )


START_MS = lines(_log((0.0, "start", {})))[0].at_ms


def test_a_recovery_is_split_by_what_the_worker_told() -> None:
    told = lines(
        _log(
            (4.0, "starting", {}),
            (5.5, "restored", {"partition": 0}),
            (6.0, "restored", {"partition": 1}),
            (9.0, "restored", {"partition": 2}),
        )
    )
    found = recovered(START_MS + 1000, START_MS + 6500, told)
    assert found.seconds == pytest.approx(5.5)
    assert [found.steps[step] for step in STEPS] == pytest.approx([3.0, 1.5, 0.5, 0.5])


def test_a_line_that_is_missing_leaves_its_time_to_the_next_step() -> None:
    told = lines(_log((4.0, "starting", {})))
    found = recovered(START_MS, START_MS + 6000, told)
    assert [found.steps[step] for step in STEPS] == pytest.approx([4.0, 0, 0, 2.0])


def test_lines_that_are_no_events_are_left_out() -> None:
    text = "Traceback\n[1]\n{}\n" + _log((1.0, "stopped", {"code": 0})) + "\n{cut of"
    assert [line.event for line in lines(text)] == ["stopped"]


def test_checkpoints_are_weighed_by_partitions() -> None:
    told = lines(
        _log(
            (1.0, "checkpoint", {"records": 5, "bytes": 10}),
            (1.0, "checkpoint", {"records": 6, "bytes": 30}),
            (2.0, "checkpoint", {"records": 7, "bytes": 20}),
            (2.5, "restored", {}),
        )
    )
    assert saved(told) == 18
    assert checkpoint_bytes(told, 4) == 80
    assert checkpoints_mib(told) == 60 / 2**20
    assert checkpoint_bytes([], 4) is None
