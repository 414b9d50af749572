import pytest

from benchmarks.job import ROWS, STRIDE, Job, ticks
from benchmarks.scale import Case, Taken, cases, compared, windows_mib


def _taken(rate: float, rss_mib: float = 500.0, cpu_us: float = 8.0) -> Taken:
    return Taken(rate=rate, cpu_us=cpu_us, rss_mib=rss_mib, state_bytes=None)


@pytest.mark.parametrize("quick", [True, False])
def test_every_case_has_windows_for_each_machine(quick: bool) -> None:
    names = [case.name for case in cases(quick=quick)]
    assert len(set(names)) == len(names)
    for case in cases(quick=quick):
        assert case.scores >= STRIDE // 5 * case.job.machines


def test_cases_of_machines_drain_about_as_many_readings() -> None:
    drained = [c.messages for c in cases(quick=False) if c.name.startswith("machines")]
    assert set(drained) == {3_000_000}
    assert all(c.ticks >= ROWS for c in cases(quick=False))


def test_messages_are_counted_as_they_are_sent() -> None:
    for job in (Job(machines=3), Job(machines=3, narrow=True)):
        case = Case("any", job, 4)
        assert sum(len(tick) for tick in ticks(job, 0, 4)) == case.messages


def test_of_a_grid_the_last_row_is_open() -> None:
    assert Case("any", Job(machines=7), 20).scores == 14
    assert Case("any", Job(machines=7, narrow=True), 20).scores == 7
    assert Case("any", Job(machines=7, narrow=True), 21).scores == 14


def test_ratios_are_of_runs_of_one_round() -> None:
    found = compared(
        {
            "machines_100": [_taken(100.0), _taken(200.0), _taken(100.0)],
            "machines_100000": [_taken(90.0), _taken(150.0), _taken(70.0)],
        }
    )
    ratio = found["ratio_100000_to_100"]
    assert ratio["runs"] == [0.9, 0.75, 0.7]
    assert (ratio["low"], ratio["median"], ratio["high"]) == (0.7, 0.75, 0.9)


def test_memory_is_held_against_its_bound() -> None:
    windows = windows_mib(Job(machines=100_000))
    assert windows == pytest.approx(160.2, abs=0.1)
    for rss_mib, within in ((1770.0, True), (1785.0, False)):
        runs = [_taken(1.0), _taken(1.0, rss_mib)]
        found = compared({"machines_100000": runs})["memory_100000"]
        assert found["within"] is within
        assert found["bound_mib"] == 1776


def test_checkpoints_take_what_is_not_there_without_them() -> None:
    found = compared(
        {
            "machines_100000": [_taken(1.0, cpu_us=10.0)],
            "machines_100000_no_checkpoints": [_taken(1.0, cpu_us=9.2)],
        }
    )
    assert found["checkpoint_cpu_share"]["median"] == pytest.approx(0.08)
