"""A history becomes readings, to the bit and in order."""

import json
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from connectors.line_protocol import time_ns
from stream.replay import (
    due_s,
    machine_names,
    readings,
    retention_warning,
    select,
)

T0 = 1_577_836_800 * 10**9
HOUR = 3_600 * 10**9
DAY = 24 * HOUR


@dataclass(frozen=True)
class Lives:
    """The columns of a history that a replay needs."""

    machines: tuple[str, ...]
    code: npt.NDArray[np.int32]
    time_ns: npt.NDArray[np.int64]
    values: npt.NDArray[np.float32]
    sensors: tuple[str, ...] = ("a", "b")
    groups: npt.NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))


def lives(
    rows: list[tuple[int, int, float, float]],
    machines: tuple[str, ...] = ("p-1", "p-2", "q-1"),
    groups: tuple[int, ...] = (0, 1, 2),
) -> Lives:
    """Rows of (life, hour, a, b)."""
    return Lives(
        machines=machines,
        groups=np.array(groups, np.int32),
        code=np.array([row[0] for row in rows], np.int32),
        time_ns=np.array([T0 + row[1] * HOUR for row in rows], np.int64),
        values=np.array([row[2:] for row in rows], np.float32).reshape(-1, 2),
    )


def decoded(history: Lives, **chosen: object) -> list[dict[str, object]]:
    selection = select(history, **chosen)  # type: ignore[arg-type]
    assert selection is not None
    return [json.loads(reading.value) for reading in readings(history, selection)]


def test_rows_of_all_machines_come_in_the_order_of_their_times() -> None:
    history = lives(
        [(2, 1, 1, 1), (2, 5, 2, 2), (0, 0, 3, 3), (0, 5, 4, 4), (1, 5, 5, 5)]
    )
    seen = [(r["machine"], str(r["time"])[11:13]) for r in decoded(history)]
    assert seen == [
        ("p-1", "00"),
        ("q-1", "01"),
        ("p-1", "05"),
        ("p-2", "05"),
        ("q-1", "05"),
    ]


def test_a_reading_as_the_readme_describes_it() -> None:
    history = lives([(0, 0, 641.82, float("nan"))])
    selection = select(history)
    assert selection is not None
    (reading,) = readings(history, selection)
    assert reading.key == b"p-1"
    assert reading.at_ns == T0
    assert reading.value == (
        b'{"machine":"p-1","time":"2020-01-01T00:00:00.000Z","values":{"a":641.82}}'
    )


def test_a_shift_moves_every_time() -> None:
    history = lives([(0, 0, 1, 1), (0, 3, 1, 1)])
    selection = select(history)
    assert selection is not None
    shift = 10**18 + 1 - selection.last_ns
    moved = list(readings(history, selection, shift))
    assert [reading.at_ns for reading in moved] == [10**18 + 1 - 3 * HOUR, 10**18 + 1]
    for reading in moved:
        assert time_ns(json.loads(reading.value)["time"]) == reading.at_ns


def test_glob_and_limit_choose() -> None:
    history = lives([(0, 0, 1, 1), (1, 1, 1, 1), (2, 2, 1, 1), (0, 3, 1, 1)])
    assert [r["machine"] for r in decoded(history, pattern="p-*")] == [
        "p-1",
        "p-2",
        "p-1",
    ]
    assert [r["machine"] for r in decoded(history, pattern="p-*", limit=2)] == [
        "p-1",
        "p-2",
    ]
    chosen = select(history, "p-*", 2)
    assert chosen is not None
    assert (chosen.machines, chosen.first_ns, chosen.last_ns) == (2, T0, T0 + HOUR)
    assert select(history, "P-*") is None
    assert select(lives([]), None) is None


def test_a_machine_that_returned_keeps_its_name() -> None:
    history = lives(
        [(0, 0, 1, 1), (1, 0, 1, 1), (2, 9, 1, 1)],
        machines=("p-1", "p-2", "p-1#2"),
        groups=(0, 1, 0),
    )
    assert machine_names(history) == ["p-1", "p-2", "p-1"]
    assert [r["machine"] for r in decoded(history)] == ["p-1", "p-2", "p-1"]
    chosen = select(history)
    assert chosen is not None
    assert chosen.machines == 2


def test_more_rows_than_one_chunk() -> None:
    count = 10_000
    history = lives([(i % 3, i, i, -i) for i in range(count)])
    values = [r["values"] for r in decoded(history)]
    assert values == [{"a": float(i), "b": float(-i)} for i in range(count)]


@given(
    arrays(
        np.float32,
        st.tuples(st.integers(1, 5), st.just(2)),
        elements=st.floats(width=32, allow_infinity=False),
    )
)
def test_values_read_back_to_the_bit(values: npt.NDArray[np.float32]) -> None:
    history = lives([(0, i, 0, 0) for i in range(len(values))])
    history.values[:] = values
    for row, record in zip(values, decoded(history), strict=True):
        told = record["values"]
        assert isinstance(told, dict)
        back = np.array([told.get(name, np.nan) for name in "ab"], np.float32)
        same = (back == row) & (np.signbit(back) == np.signbit(row))
        assert (same | (np.isnan(back) & np.isnan(row))).all()


def test_numbers_stay_as_short_as_they_were_written() -> None:
    numbers = [518.67, 0.0023, -0.0007, 8138.62, 2388.0, 47.47, 0.00001, 23.419]
    history = lives([(0, i, number, 0) for i, number in enumerate(numbers)])
    selection = select(history)
    assert selection is not None
    texts = [reading.value.decode() for reading in readings(history, selection)]
    for number, text in zip(numbers, texts, strict=True):
        written = text.split('"a":')[1].split(",")[0]
        assert len(written.lstrip("-")) <= 7
        assert float(written) == number


def test_pace() -> None:
    assert due_s(T0 + 10 * 10**9, T0, 1.0) == 10.0
    assert due_s(T0 + 10 * 10**9, T0, 4.0) == 2.5
    assert due_s(T0 + 10 * 10**9, T0, float("inf")) == 0.0


@pytest.mark.parametrize(
    ("age_ns", "kept_ns", "warned"),
    [
        (40 * DAY, 30 * DAY, True),
        (30 * DAY, 30 * DAY, False),
        (40 * DAY, None, False),
        (-DAY, 30 * DAY, False),
    ],
)
def test_times_beyond_the_retention_are_warned_of(
    age_ns: int, kept_ns: int | None, warned: bool
) -> None:
    text = retention_warning(T0, kept_ns, T0 + age_ns, "b")
    assert (text is not None) == warned
    if text is not None:
        assert "40.0 days old and bucket b keeps 30.0 days" in text
        assert "--shift-to-now" in text
