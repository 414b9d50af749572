import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import part_tables, report, results, sizing, summary, tables
from stream.core.readings import MachineType, Sensor
from stream.core.windows import Rings
from tests.benchmarks import made_up
from tests.benchmarks.made_up import RUN

DOCS = results.ROOT / "docs"
QUICK = {**RUN, "quick": True}
REMADE = "the results have changed: make bench-report"


def sections(*parts: str, run: dict[str, Any] = RUN) -> dict[str, Any]:
    document: dict[str, Any] = {"schema": 1}
    for part in parts or results.PARTS:
        results.put(document, part, made_up.figures(part), run)
    return {**report.sections(document)}


def page(*parts: str, run: dict[str, Any] = RUN) -> str:
    found = sections(*parts, run=run)
    return report.benchmarks(found, report.pictures(found))


def test_the_documentation_is_what_the_results_make_it(tmp_path: Path) -> None:
    shutil.copy(DOCS / "sizing.md", tmp_path)
    made = report.write(tmp_path)
    for path in made:
        kept = DOCS / path.relative_to(tmp_path)
        assert kept.read_text("utf-8") == path.read_text("utf-8"), REMADE
    pictures = {path.name for path in (DOCS / "benchmarks").glob("*")}
    assert pictures == {path.name for path in made if path.suffix == ".svg"}, REMADE


def test_a_figure_edited_by_hand_is_found_out() -> None:
    parts = sections()
    text = sizing.filled((DOCS / "sizing.md").read_text("utf-8"), parts)
    assert "120,000" in text
    edited = text.replace("120,000", "130,000")
    assert sizing.filled(edited, parts) == text


def test_the_same_figures_make_the_same_pictures() -> None:
    first, second = (report.pictures(sections()) for _ in range(2))
    assert first == second
    assert len(first) == 6
    assert max(map(len, first.values())) < 40_000


def test_old_pictures_go(tmp_path: Path) -> None:
    shutil.copy(DOCS / "sizing.md", tmp_path)
    (tmp_path / "benchmarks").mkdir()
    old = tmp_path / "benchmarks" / "old.svg"
    old.write_text("<svg/>")
    file = tmp_path / "latest.json"
    results.save(file, {"schema": 1})
    report.write(tmp_path, file)
    assert not old.exists()


def test_every_part_has_its_tables_and_pictures() -> None:
    text = page()
    assert "Not measured yet" not in text
    assert text.count("\n![") == 6
    for row in (
        "| plain Faust | 6,000 (5,900 to 6,100) | 20 (20 to 20.5) | 12.5 | 910 | equal "
        "|",
        "| measured / from the sum | 0.94 (0.93 to 0.95) |",
        "| 10,000 readings/s, alert | 15 | 30 | 60 | 120 | 4,000 |  |",
        "| rate with 100,000 machines / with 100 | 0.84 (0.83 to 0.85) |",
        "| tensorflow, CPU, 1,024: predict | 30,000 (27,000 to 33,000) | 71 | 40 % |",
    ):
        assert f"\n{row}\n" in text


@pytest.mark.parametrize("part", results.PARTS)
def test_each_part_may_be_the_only_one(part: str) -> None:
    text = page(part)
    assert text.count("Not measured yet") == len(results.PARTS) - 1
    assert f"`python -m benchmarks {part}`." not in text


def test_quick_figures_are_said_to_be_quick() -> None:
    assert "**Of a quick run** are: limit." in page("limit", run=QUICK)
    assert "Of a quick run" not in page("limit")


def test_figures_of_two_machines_are_told_apart() -> None:
    other = {**RUN, "machine": {**made_up.RUN["machine"], "cpu": "Another"}}  # type: ignore[dict-item]
    found = sections("limit") | sections("recovery", run=other)
    text = report.benchmarks(found, ())
    assert "\n* limit: A chip, 2 cores" in text
    assert "\n* recovery: Another, 2 cores" in text


def test_lower_than_an_earlier_measurement_is_said_and_explained() -> None:
    text = page("end_to_end")
    assert "| Quix Streams | 55,000 | 41,000 (40,000 to 42,000) | 0.75 |" in text
    assert "Lower here: plain Faust, Quix Streams." in text
    found = sections("end_to_end")
    found["end_to_end"]["quix"] |= {"median": 60_000, "high": 61_000}
    assert "Lower here: plain Faust." in report.benchmarks(found, ())


def test_a_contestant_whose_outputs_differ_is_told() -> None:
    found = sections("end_to_end")
    found["end_to_end"]["quix"]["valid"] = False
    assert "**Not valid**, as the outputs differ: Quix Streams." in [
        *summary.lines(found)
    ]
    rows = part_tables.of("end_to_end", found["end_to_end"])[0].rows
    assert [row[0] for row in rows if row[-1] == "**differ**"] == ["Quix Streams"]


def test_cases_stand_in_the_order_of_their_numbers() -> None:
    rows = part_tables.of("scale", made_up.figures("scale"))[0].rows
    assert [row[0] for row in rows] == [
        *("100 machines", "1,000 machines", "100,000 machines"),
        *("100,000 machines, no checkpoints", "5 sensors", "2 workers"),
    ]


def test_a_picture_for_the_terminal_needs_no_marks() -> None:
    table = tables.Table("T", ("", "x"), [("`reference`", "1")])
    assert [*table.rich().columns[0].cells] == ["reference"]


@pytest.mark.parametrize(("rows", "sensors", "baseline"), [(30, 14, 0), (60, 5, 20)])
def test_rows_take_as_much_memory_as_sizing_says(
    rows: int, sensors: int, baseline: int
) -> None:
    names = tuple(Sensor(f"s{i}") for i in range(sensors))
    rings = Rings(MachineType("t", names, rows=rows, baseline_rows=baseline))
    rings.grow(100)
    arrays = [a for a in vars(rings).values() if isinstance(a, np.ndarray)]
    windows = sum(array.nbytes for array in arrays if array.ndim > 1)
    assert windows == 100 * sizing.window_bytes(rows, sensors, baseline)


def test_a_line_goes_through_the_fewest_and_the_most() -> None:
    found = sizing.line(made_up.figures("scale"), "rss_mib")
    assert found is not None
    assert found.at(100) == pytest.approx(900)
    assert found.at(100_000) == pytest.approx(1400)
    assert sizing.line({"machines_5": {"rss_mib": 1.0}}, "rss_mib") is None


def test_the_example_is_worked_with_the_measured_figures() -> None:
    text = sizing.example(sections(), sizing.Plant(machines=60_000, rate=2.0))
    # 120,000 readings/s of 12.5 us are 1.5 cores; at 60 % 2.5, so 3.
    assert (
        "120,000 x 12.5 µs = 1.50 cores at work; at a use of 60 %: 2.50, so 3" in text
    )
    assert "no fewer than 4: 6." in text
    # Three cores do 240,000 a second, so half is free.
    assert "600 s x 120,000 / (240,000 - 120,000) = 600 s until" in text
    assert "150 MB if every machine has changed" in text


def test_sizes_without_figures_say_so() -> None:
    assert sizing.figures({}).count("not measured yet") == 12
    assert "cores at work" not in sizing.example({})


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match=r"sizing\.md: expected <!-- figures"):
        sizing.filled("# Sizes\n", {})
