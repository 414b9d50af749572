"""Histories: what becomes of machines, and errors that name file and line."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from models import cmapss, csv_history, datasets
from models.csv_history import CsvLayout
from models.datasets import History
from models.errors import DataError

HOUR = cmapss.HOUR_NS


def line(unit: float, cycle: float, value: float = 1.0) -> str:
    return f"{unit:g} {cycle:g} " + " ".join([f"{value + cycle:g}"] * 24)


def write(folder: Path, train: list[str], test: list[str], rul: list[str]) -> None:
    for name, lines in (
        ("train_FD009.txt", train),
        ("test_FD009.txt", test),
        ("RUL_FD009.txt", rul),
    ):
        (folder / name).write_text("".join(f"{text}  \n" for text in lines))


def test_turbofans_fail_at_their_last_training_row(tmp_path: Path) -> None:
    train = [line(1, 1), line(1, 2), line(7, 1), line(7, 2), line(7, 3)]
    write(tmp_path, train, [line(2, 5), line(2, 6)], ["40"])
    found = cmapss.load([tmp_path / "no", tmp_path], "FD009", "train", epoch_ns=10)
    assert found.machines == ("FD009-train-001", "FD009-train-007")
    assert found.sensors[:4] == ("altitude", "mach", "tra", "T2")
    assert found.time_ns.tolist() == [10, HOUR + 10, 10, HOUR + 10, 2 * HOUR + 10]
    assert found.values[4, 23] == 4.0
    life, censored = datasets.remaining(found, found.code, found.time_ns, HOUR)
    assert life.tolist() == [1, 0, 2, 1, 0]
    assert not censored.any()


def test_the_truth_of_test_engines_counts_back_from_their_last_row(
    tmp_path: Path,
) -> None:
    write(tmp_path, [line(1, 1)], [line(2, 5), line(2, 6), line(3, 1)], ["40", "9"])
    found = cmapss.load([tmp_path], "FD009", "test")
    assert not any(outcome.failed for outcome in found.outcomes)
    life, censored = datasets.remaining(found, found.code, found.time_ns, HOUR)
    assert life.tolist() == [41, 40, 9]
    assert not censored.any()
    assert found.rows_of(0) == slice(0, 2)


@pytest.mark.parametrize(
    ("train", "where"),
    [
        ([line(1, 1), "1 2 3"], "line 2: expected 26 numbers, found 3"),
        ([line(1, 1), line(1, 2).replace("3 ", "x ")], "line 2: expected numbers"),
        ([line(1, 1), line(1, 2, float("nan"))], "row 2: expected finite"),
        ([line(1, 1), line(1, 1)], "row 2: expected a rising cycle"),
        ([line(1.5, 1)], "row 1: expected whole"),
        ([line(1, 1), line(2, 1), line(1, 2)], "in one piece"),
        ([], "found none"),
    ],
)
def test_a_bad_turbofan_file_is_named(
    tmp_path: Path, train: list[str], where: str
) -> None:
    write(tmp_path, train, [], [])
    with pytest.raises(DataError, match=f"train_FD009.txt.*{where}"):
        cmapss.load([tmp_path], "FD009", "train")


def test_a_wrong_count_of_truths_is_named(tmp_path: Path) -> None:
    write(tmp_path, [line(1, 1)], [line(2, 5)], ["40", "3"])
    with pytest.raises(DataError, match=r"RUL_FD009.txt: expected 1 numbers.*found 2"):
        cmapss.load([tmp_path], "FD009", "test")


def test_a_missing_file_names_all_places(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a, .*b; .*FORESHOCK_DATA"):
        cmapss.load([tmp_path / "a", tmp_path / "b"], "FD009", "train")


def to_ns(text: str) -> int:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        msg = "a time with its offset from UTC"
        raise ValueError(msg)
    return int(moment.astimezone(UTC).timestamp()) * 10**9


LAYOUT = CsvLayout(sensors=("heat", "speed"), columns={"heat": "T [C]"})

READINGS = """machine,time,speed,T [C],remark
p1,2026-01-01T02:00:00Z,3,30,
p1,2026-01-01T00:00:00Z,1,10,x
p1,2026-01-01T01:00:00Z,,20,"a, b"
p2,2026-01-01T00:00:00Z,9,NaN,
p1,2026-01-01T05:00:00Z,6,60,
p1,2026-01-01T03:00:00Z,4,40,
"""

FAILURES = """at,machine,kind,mode
2026-01-01T02:00:00Z,p1,failure,bearing
2026-01-01T04:00:00Z,p1,return,
"""


def read(folder: Path, readings: str, failures: str | None = None) -> History:
    (folder / "r.csv").write_text(readings)
    if failures is not None:
        (folder / "f.csv").write_text(failures)
    other = folder / "f.csv" if failures is not None else None
    return csv_history.load(folder / "r.csv", other, LAYOUT, to_ns)


def test_a_machine_that_returns_has_two_lives(tmp_path: Path) -> None:
    found = read(tmp_path, READINGS, FAILURES)
    assert found.machines == ("p1", "p1#2", "p2")
    assert found.groups.tolist() == [0, 0, 1]
    assert found.values[:4, 0].tolist() == [10, 20, 30, 60]
    assert np.isnan(found.values[1, 1])
    assert np.isnan(found.values[4, 0])
    assert found.outcomes[0].failed
    assert found.outcomes[0].mode == "bearing"
    life, censored = datasets.remaining(found, found.code, found.time_ns, HOUR)
    assert life.tolist() == [2, 1, 0, 0, 0]
    assert censored.tolist() == [False, False, False, True, True]


def test_a_replacement_is_censored_and_starts_a_new_life(tmp_path: Path) -> None:
    events = "machine,at,kind\np1,2026-01-01T02:30:00Z,replacement\n"
    found = read(tmp_path, READINGS, events)
    assert found.machines == ("p1", "p1#2", "p2")
    assert not found.outcomes[0].failed
    life, censored = datasets.remaining(found, found.code, found.time_ns, HOUR)
    assert life.tolist() == [2.5, 1.5, 0.5, 2, 0, 0]
    assert censored.all()


def test_without_failures_everything_is_censored(tmp_path: Path) -> None:
    found = read(tmp_path, READINGS)
    assert found.machines == ("p1", "p2")
    assert not any(outcome.failed for outcome in found.outcomes)


@pytest.mark.parametrize(
    ("readings", "where"),
    [
        (READINGS.replace(",1,10", ",1,ten"), r"r.csv, line 3: .*'T \[C\]'.*'ten'"),
        (READINGS.replace(",1,10,x", ",1,10"), "r.csv, line 3: expected 5 fields"),
        (READINGS.replace("00Z,9", "00,9"), "r.csv, line 5: expected a time"),
        (READINGS.replace("p2,", ",", 1), "r.csv, line 5: expected a machine"),
        (READINGS.replace("speed", "rpm"), "r.csv, line 1: no column 'speed'"),
        (READINGS.replace("remark", "time"), "r.csv, line 1: two columns"),
        (READINGS.replace('"a, b"', '"a, b'), "r.csv, line .*: no readable CSV"),
        (READINGS.replace("05:00", "03:00"), "machine p1: expected one row per time"),
        ("machine,time,speed,T [C]\n", "r.csv: expected rows"),
    ],
)
def test_a_bad_csv_is_named(tmp_path: Path, readings: str, where: str) -> None:
    with pytest.raises(DataError, match=where):
        read(tmp_path, readings)


@pytest.mark.parametrize(
    ("failures", "where"),
    [
        (FAILURES.replace("return", "retired"), "f.csv, line 3: expected one of"),
        (FAILURES.replace("p1,fail", "p9,fail"), "f.csv, line 2: machine 'p9' has no"),
        (FAILURES.replace("at,", "when,"), "f.csv, line 1: no column 'at'"),
    ],
)
def test_bad_failures_are_named(tmp_path: Path, failures: str, where: str) -> None:
    with pytest.raises(DataError, match=where):
        read(tmp_path, READINGS, failures)


def test_decimal_commas(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text(
        "machine;time;heat;speed\np;2026-01-01T00:00:00Z;1,5;-2,25\n"
    )
    layout = CsvLayout(sensors=("heat", "speed"), delimiter=";", decimal=",")
    found = csv_history.load(tmp_path / "r.csv", None, layout, to_ns)
    assert found.values.tolist() == [[1.5, -2.25]]
