import json
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from benchmarks import compare, results
from benchmarks.compare import Interval
from tests.benchmarks import made_up
from tests.benchmarks.made_up import RUN, spread

QUICK = {**RUN, "quick": True}


def document(**runs: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"schema": 1, "date": RUN["date"]}
    for part in ("end_to_end", "limit", "inference"):
        results.put(found, part, made_up.figures(part), runs.get(part, QUICK))
    return found


@pytest.mark.parametrize(
    ("now", "stored", "moved"),
    [
        ((20.0, 21.0), (16.0, 18.0), "up"),
        ((14.0, 15.0), (16.0, 18.0), "down"),
        ((14.0, 16.5), (16.0, 18.0), ""),  # they overlap
        ((16.5, 17.5), (10.0, 30.0), ""),
        ((18.1, 18.3), (17.8, 18.0), ""),  # apart, but by less than 5 %
        ((17.0, 17.1), (17.2, 17.3), ""),
    ],
)
def test_a_ratio_has_moved_if_intervals_lie_apart_and_by_more_than_noise(
    now: tuple[float, ...], stored: tuple[float, ...], moved: str
) -> None:
    (found,) = compare.judge({"x": Interval.of(now)}, {"x": Interval.of(stored)})
    assert found.moved == moved
    assert compare.worse([found]) == (moved == "down")


def test_by_chance_intervals_of_two_and_three_runs_lie_apart_in_one_case_of_five() -> (
    None
):
    orders = list(permutations(range(5)))
    apart = [o for o in orders if max(o[:2]) < min(o[2:]) or min(o[:2]) > max(o[2:])]
    assert len(apart) / len(orders) == 0.2
    assert "one case of\nfive" in (compare.__doc__ or "")


def test_new_and_missing_ratios_have_not_moved() -> None:
    one = Interval.of([1.0])
    found = compare.judge({"new": one}, {"gone": one})
    assert [(v.name, v.now, v.stored, v.moved) for v in found] == [
        ("new", one, None, ""),
        ("gone", None, one, ""),
    ]
    assert not compare.worse(found)


def test_ratios_of_one_part_are_those_of_each_round() -> None:
    found = compare.ratios(document())["foreshock / quix"]
    assert found.runs == pytest.approx((120 / 40, 125 / 42, 118 / 41))
    assert found.low == pytest.approx(118 / 41)
    assert found.high == pytest.approx(3.0)


def test_the_ratio_to_the_limit_spans_all_pairs_of_runs() -> None:
    found = compare.ratios(document())["foreshock / limit"]
    assert found.low == pytest.approx(118 / 162)
    assert found.median == pytest.approx(120 / 160)
    assert found.high == pytest.approx(125 / 158)


def test_what_is_compared() -> None:
    assert list(compare.ratios(document())) == [
        *("foreshock / faust", "foreshock / quix", "foreshock / bytewax"),
        *("default / reference", "foreshock / limit"),
        *("tensorflow_cpu_32 / matmul", "tensorflow_cpu_32 predict / matmul"),
        *("tensorflow_cpu_1024 / matmul", "tensorflow_cpu_1024 predict / matmul"),
    ]


@pytest.mark.parametrize(
    "run", [RUN, {**QUICK, "date": "2026-11-20T12:00:00Z"}], ids=["full", "earlier"]
)
def test_figures_of_full_and_of_earlier_runs_are_not_compared(
    run: dict[str, Any],
) -> None:
    found = compare.ratios(document(end_to_end=run, limit=run))
    assert {name.split()[-1] for name in found} == {"matmul"}


def test_a_failed_part_has_no_ratios() -> None:
    found = document()
    results.put(found, "end_to_end", {"error": "no broker"}, QUICK)
    assert {name.split()[-1] for name in compare.ratios(found)} == {"matmul"}


def test_stored_runs_of_one_commit_add_up(tmp_path: Path) -> None:
    file = tmp_path / "stored.json"
    assert compare.load(file) == {}
    first = {"a": Interval.of([1.0, 2.0]), "b": Interval(5.0, 4.0, 6.0)}
    file.write_text(json.dumps(compare.store(file, first, RUN)))
    assert compare.load(file) == first

    second = {"a": Interval.of([3.0]), "b": Interval(7.0, 5.0, 9.0)}
    joined = {"a": Interval.of([1.0, 2.0, 3.0]), "b": Interval(6.0, 4.0, 9.0)}
    file.write_text(json.dumps(compare.store(file, second, RUN)))
    assert compare.load(file) == joined


@pytest.mark.parametrize(
    "other",
    [
        {**RUN, "commit": "def5678"},
        {**RUN, "machine": {**made_up.RUN["machine"], "cores": 4}},  # type: ignore[dict-item]
    ],
)
def test_stored_runs_of_another_commit_or_machine_give_way(
    tmp_path: Path, other: dict[str, Any]
) -> None:
    file = tmp_path / "stored.json"
    file.write_text(json.dumps(compare.store(file, {"a": Interval.of([1.0])}, RUN)))
    new = {"a": Interval.of([9.0])}
    file.write_text(json.dumps(compare.store(file, new, other)))
    assert compare.load(file) == new


def test_code_that_no_commit_names_is_never_the_same(tmp_path: Path) -> None:
    file, run = tmp_path / "stored.json", {**RUN, "commit": "abc1234-dirty"}
    for value in (1.0, 2.0):
        now = {"a": Interval.of([value])}
        file.write_text(json.dumps(compare.store(file, now, run)))
    assert compare.load(file) == {"a": Interval.of([2.0])}


def test_a_figure_is_read_and_written_alike() -> None:
    assert Interval.read(spread(3.0, 1.0, 2.0)).json() == spread(3.0, 1.0, 2.0)
