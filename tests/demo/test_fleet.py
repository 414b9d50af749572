import hashlib
from collections import Counter

import numpy as np
import pytest

from stream.core.readings import FAULTS
from stream.demo.fleet import Fleet, history, iso, simulate, time_of
from stream.demo.parameters import MEASURED, SENSORS, Parameters

HOUR_NS = 3_600 * 10**9


def digest(fleet: Fleet) -> str:
    found = hashlib.sha256()
    for array in (fleet.time_ns, fleet.machine, fleet.values, fleet.wear):
        found.update(array.tobytes())
    found.update(repr((fleet.events, fleet.failures, fleet.faults)).encode())
    return found.hexdigest()


def test_the_same_seed_gives_the_same_bits_and_another_does_not(
    laws: Parameters, demos: list[Fleet]
) -> None:
    again = simulate(laws, 200, "demo")
    assert digest(again) == digest(demos[0])
    assert len({digest(fleet) for fleet in demos}) == len(demos)


def test_training_and_demo_of_one_seed_share_no_chance(
    demos: list[Fleet], lessons: list[Fleet]
) -> None:
    assert [f.at_ns for f in demos[0].failures] != [
        f.at_ns for f in lessons[0].failures[: len(demos[0].failures)]
    ]
    assert demos[0].values[0, 1] != lessons[0].values[0, 1]


def test_rows_are_in_order_of_time_and_each_machine_keeps_its_period(
    laws: Parameters, demos: list[Fleet]
) -> None:
    fleet = demos[0]
    assert (np.diff(fleet.time_ns) > 0).all()
    assert fleet.values.shape == (len(fleet), len(SENSORS))
    assert fleet.values.dtype == np.float32
    sound = {f.machine for f in fleet.failures}
    for m, name in enumerate(fleet.machines):
        steps = np.diff(fleet.time_ns[fleet.machine == m])
        if name not in sound:
            assert set(steps.tolist()) == {laws.period_s * 10**9}


def test_a_demo_has_its_failures_spares_and_one_without_warning(
    laws: Parameters, demos: list[Fleet]
) -> None:
    for fleet in demos:
        failing = [f.machine for f in fleet.failures]
        assert len(failing) == len(set(failing)) == laws.demo.failures == 12
        assert [f.foreseeable for f in fleet.failures].count(False) == 1
        spares = [n for n, s in zip(fleet.machines, fleet.spares, strict=True) if s]
        assert len(spares) == laws.demo.spares == 2
        assert not set(spares) & set(failing)
        assert set(Counter(f.mechanism for f in fleet.failures).values()) == {3}


def test_about_one_failure_in_twelve_of_the_lessons_gives_no_warning(
    lessons: list[Fleet],
) -> None:
    failures = [f for fleet in lessons for f in fleet.failures]
    share = np.mean([not f.foreseeable for f in failures])
    assert len(failures) > 90
    assert 0.02 < share < 0.17


def test_there_are_lives_enough_to_learn_from(lessons: list[Fleet]) -> None:
    for fleet in lessons:
        lives = history(fleet)
        assert len(lives.machines) > 75
        assert sum(outcome.failed for outcome in lives.outcomes) > 45
        assert not fleet.faults


def test_wear_ends_in_the_failure_and_begins_below_the_noise(
    demos: list[Fleet],
) -> None:
    for fleet in demos:
        for failure in fleet.failures:
            m = fleet.machines.index(failure.machine)
            mine = np.flatnonzero(
                (fleet.machine == m) & (fleet.time_ns <= failure.at_ns)
            )
            wear = fleet.wear[mine]
            left = (failure.at_ns - fleet.time_ns[mine]) / HOUR_NS
            if not failure.foreseeable:
                assert (wear == 0).all()
                continue
            assert wear[-1] == pytest.approx(1.0)
            assert (np.diff(wear) >= 0).all()
            assert wear[left > 108].max() < 0.15


def test_a_failed_machine_sends_nothing_until_its_return(demos: list[Fleet]) -> None:
    for fleet in demos:
        for failure in fleet.failures:
            m = fleet.machines.index(failure.machine)
            mine = fleet.time_ns[fleet.machine == m]
            back = [
                time_of(e.time)
                for e in fleet.events
                if e.machine == failure.machine and e.kind == "return"
            ]
            after = mine[mine > failure.at_ns]
            assert failure.at_ns in mine
            assert list(after[:1]) == back[:1]
            if len(after):
                assert 24 * HOUR_NS <= after[0] - failure.at_ns <= 72 * HOUR_NS


def test_failures_and_returns_are_told_as_events(demos: list[Fleet]) -> None:
    fleet = demos[0]
    told = [(e.machine, time_of(e.time)) for e in fleet.events if e.kind == "failure"]
    assert sorted(told) == sorted((f.machine, f.at_ns) for f in fleet.failures)
    assert {e.kind for e in fleet.events} == {"failure", "return"}
    assert iso(time_of("2026-03-02T00:10:07Z")) == "2026-03-02T00:10:07Z"


def test_a_history_has_lives_that_end_in_the_failures(demos: list[Fleet]) -> None:
    fleet = demos[0]
    lives = history(fleet)
    ended = {
        (name.partition("#")[0], outcome.at_ns, outcome.mode)
        for name, outcome in zip(lives.machines, lives.outcomes, strict=True)
        if outcome.failed
    }
    assert ended == {(f.machine, f.at_ns, f.mechanism) for f in fleet.failures}
    assert len(lives.code) == len(fleet)


def test_every_kind_of_fault_stands_once_on_a_machine_that_never_fails(
    demos: list[Fleet],
) -> None:
    for fleet in demos:
        assert sorted(f.kind for f in fleet.faults) == sorted(FAULTS[1:])
        hit = [f.machine for f in fleet.faults]
        assert len(set(hit)) == len(hit)
        assert not set(hit) & {f.machine for f in fleet.failures}
        assert {f.sensor for f in fleet.faults} <= set(MEASURED)


def test_spares_mostly_stand_and_standing_shows(demos: list[Fleet]) -> None:
    for fleet in demos:
        spare = fleet.spares[fleet.machine]
        assert fleet.running[spare].mean() < 0.5
        assert fleet.running[~spare].mean() > 0.9
        standing = fleet.values[~fleet.running & spare]
        rpm, current = SENSORS.index("rpm"), SENSORS.index("current")
        assert (standing[:, [rpm, current]] == 0).all()
