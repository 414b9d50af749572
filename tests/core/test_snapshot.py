"""State to bytes and back, and what a changed configuration does to it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core import snapshot
from stream.core.pipeline import Pipeline
from stream.core.snapshot import Unreadable
from tests.core.helpers import (
    NS,
    T0,
    Record,
    body,
    ends,
    kind,
    of_machines,
    pipeline,
    through,
)


def records(first: int, end: int, machine: str = "a1", **values: float) -> list[Record]:
    """One reading a second, whose offset and value of ``t`` are its second."""
    return [
        Record(body(machine, i, t=i, **values), i, (T0 + i) * 1000)
        for i in range(first, end)
    ]


def dumped(path: Pipeline, offset: int, turn: int = 0) -> dict[str, bytes]:
    return dict(path.dump(offset, turn))


def fed(seconds: int, **more: Any) -> tuple[Pipeline, bytes]:
    """Return a data path that took readings of one machine, and its one block."""
    path = pipeline(kind("a", **more))
    through(path, records(0, seconds, v=5))
    (block,) = dumped(path, seconds - 1).values()
    return path, block


def scored(path: Pipeline, first: int, end: int) -> list[Any]:
    """Return the messages of further readings."""
    outcome = through(path, records(first, end))
    return [json.loads(value) for _, value in outcome.messages]


def windows_of(path: Pipeline, first: int, end: int) -> list[Any]:
    """Return (values of t, real rows, baseline rows) of windows of more readings."""
    found: list[Any] = []
    decoded = path.decode(records(first, end))
    (readings,), state = decoded.readings, path.states[0]
    state.grow(1)
    rows = state.rows.push(readings, decoded.tally)
    for part in state.rings.push(rows.machine, rows.time_ns, rows.values, rows.offset):
        found += zip(
            part.values[:, :, 0].tolist(),
            part.filled.tolist(),
            part.n_base.tolist(),
            strict=True,
        )
    return found


@pytest.mark.parametrize(
    "more",
    [
        {"rows": 4, "stride": 3, "baseline_rows": 6},
        {"rows": 4, "lateness_ns": 3 * NS},
        {"rows": 4, "every_ns": 2 * NS, "max_age_ns": 3 * NS},
        {"rows": 30, "length_ns": 4 * NS, "new_at_first_row": True},
    ],
    ids=["rows", "lateness", "grid", "time"],
)
def test_a_restart_goes_on_as_if_nothing_had_been(more: dict[str, Any]) -> None:
    path, block = fed(10, **more)
    other = pipeline(kind("a", **more))
    assert other.load([block]) == []
    found = scored(other, 10, 40)
    assert found
    assert found == scored(path, 10, 40)


def test_no_second_window_ends_where_the_last_one_did() -> None:
    _, block = fed(10, rows=2)
    other = pipeline(kind("a", "tvw", rows=2))
    other.load([block])
    # Another sensor's value for the time of the newest row: a row, but no window.
    outcome = through(other, [Record(body("a1", 9, w=1), 10)])
    assert ends(outcome.tally) == {"used": 1}
    assert outcome.messages == []


def test_what_waits_stays_with_its_machine_in_every_block() -> None:
    late = kind("a", lateness_ns=5 * NS, rows=2)
    path, other = pipeline(late), pipeline(late)
    through(path, [Record(body(f"a{i}", 0, t=i), i) for i in range(70)])
    other.load(list(dumped(path, 69).values()))
    more = [Record(body(f"a{i}", 9, t=1), 70 + i) for i in (0, 69)]
    outcome = through(other, more)
    assert ends(outcome.tally) == {"used": 2}
    assert outcome.messages == through(path, more).messages


def test_what_is_in_the_state_is_skipped_when_it_comes_again() -> None:
    path, block = fed(10, rows=4)
    other = pipeline(kind("a", rows=4))
    other.load([block])
    outcome = through(other, records(5, 12, v=5))
    assert ends(outcome.tally) == {"repeated": 5, "used": 2}
    assert [value for _, value in outcome.messages] == [
        value for _, value in through(path, records(10, 12, v=5)).messages
    ]


def test_only_blocks_that_changed_are_written() -> None:
    path = pipeline(kind("a"), kind("b"))
    through(path, [Record(body("b1", 0, t=1), 0)])
    assert list(dumped(path, 0)) == ["b/0"]
    assert dumped(path, 0) == {}
    through(path, [Record(body("a1", 1, t=1), 1), Record(b"x", 2)])
    assert list(dumped(path, 2)) == ["a/0"]
    path.touch(["b/0", "gone/4"])
    assert list(dumped(path, 2)) == ["b/0"]


def test_a_block_holds_64_machines() -> None:
    path = pipeline(kind("a"))
    through(path, [Record(body(f"a{i}", 0, t=1), i) for i in range(65)])
    blocks = dumped(path, 64)
    assert list(blocks) == ["a/0", "a/1"]
    names = [snapshot.parse(block).names for block in blocks.values()]
    assert names == [[f"a{i}" for i in range(64)], ["a64"]]


def test_a_machine_whose_values_were_all_masked_has_a_number_but_no_row() -> None:
    # 100 machines make room for 100; the next one has a number, but never grew it.
    path = pipeline(kind("a"))
    through(path, [Record(body(f"a{i}", 0, t=1), i) for i in range(100)])
    through(
        path, [Record(body("a100", 0, t=None), 100), Record(body("a99", 1, t=1), 101)]
    )
    blocks = dumped(path, 101)
    other = pipeline(kind("a"))
    other.load(list(blocks.values()))
    assert other.machines.names[0][100] == "a100"
    assert ends(through(other, [Record(body("a100", 2, t=1), 102)]).tally) == {
        "used": 1
    }


def test_restored_machines_keep_their_numbers() -> None:
    path = pipeline(kind("a"))
    through(path, [Record(body(name, 0, t=1), 0) for name in ("a3", "a1")])
    other = pipeline(kind("a"))
    other.load(list(dumped(path, 0).values()))
    assert other.machines.names == path.machines.names == [["a3", "a1"]]
    assert other.machines.take_new() == []


@pytest.mark.parametrize("newest_first", [True, False])
def test_a_name_that_stands_in_two_blocks_is_where_it_was_last(
    newest_first: bool,
) -> None:
    # a64 was let go and came back under a free number; a crash then cut the checkpoint
    # short, so that its old place was not written again.
    path = pipeline(kind("a"))
    through(path, [Record(body(f"a{i}", 0, t=1), i) for i in range(65)])
    old = dumped(path, 64)["a/1"]
    path.forget([np.array([64, 5])])
    through(path, [Record(body("a64", i, t=1), 65 + i) for i in range(3)])
    new = dumped(path, 67)["a/0"]
    other = pipeline(kind("a"))
    other.load([new, old] if newest_first else [old, new])
    assert other.machines.names[0].index("a64") == 5
    assert other.states[0].rings.count[5] == 3
    again = through(other, [Record(body("a64", 9, t=1), 67)])
    assert ends(again.tally) == {"repeated": 1}


class TestUnreadable:
    """Bytes that are not state of this release."""

    def test_another_version_is_refused_by_its_number(self) -> None:
        _, block = fed(3)
        changed = msgspec.msgpack.encode(
            msgspec.msgpack.decode(block, type=dict[str, Any]) | {"version": 3}
        )
        with pytest.raises(Unreadable, match=r"version 3: this release reads \(1, 2\)"):
            snapshot.parse(changed)

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\xc1",
            b"junk",
            *map(msgspec.msgpack.encode, ({}, [1], 1, {"version": 1})),
        ],
    )
    def test_damaged_bytes_are_refused(self, data: bytes) -> None:
        with pytest.raises(Unreadable, match="damaged state record"):
            snapshot.parse(data)

    @given(st.data())
    def test_bytes_cut_short_are_refused(self, data: st.DataObject) -> None:
        _, block = fed(3)
        cut = data.draw(st.integers(0, len(block) - 1))
        with pytest.raises(Unreadable):
            pipeline(kind("a")).load([block[:cut]])

    @pytest.mark.parametrize(
        "change",
        [
            {"waiting_machine": ("<i8", [5], b"")},
            {"high": ("<i8", [1], b"1234567")},
            {"high": ("nonsense", [1], b"12345678")},
        ],
    )
    def test_damaged_arrays_are_refused(self, change: dict[str, Any]) -> None:
        _, block = fed(3)
        parsed = msgspec.msgpack.decode(block, type=dict[str, Any])
        parsed["arrays"] |= change
        with pytest.raises(Unreadable, match="damaged state record"):
            pipeline(kind("a")).load([msgspec.msgpack.encode(parsed)])

    def test_a_missing_array_is_refused(self) -> None:
        _, block = fed(3)
        parsed = msgspec.msgpack.decode(block, type=dict[str, Any])
        del parsed["arrays"]["waiting_machine"]
        with pytest.raises(Unreadable, match="waiting_machine"):
            pipeline(kind("a")).load([msgspec.msgpack.encode(parsed)])


class TestChanged:
    """Old state under a new configuration."""

    def test_sensors_that_both_know_are_kept_whatever_their_order(self) -> None:
        _, block = fed(5, sensors="tvw", rows=3, baseline_rows=2)
        path = pipeline(kind("a", "xvt", rows=3, baseline_rows=2))
        assert path.load([block]) == ["machine type 'a' has new sensors: x"]
        (part,) = _push(path, Record(body("a1", 5, x=7, t=5), 5))
        # Columns are now x, v, t; v was 5 in all rows, x is new.
        assert part.values[0].tolist()[-1][::2] == [7, 5]
        assert part.values[0, :2, 1:].tolist() == [[5, 3], [5, 4]]
        assert part.baseline[0, :, 1:].tolist() == [[5, 0], [5, 1]]
        assert str(part.values[0, :2, 0].tolist()) == "[nan, nan]"
        assert str(part.baseline[0, :, 0].tolist()) == "[nan, nan]"

    def test_sensors_dropped_without_new_ones_need_no_warning(self) -> None:
        _, block = fed(5, sensors="tvw")
        assert pipeline(kind("a", "wt")).load([block]) == []

    def test_held_and_waiting_values_follow_their_sensors(self) -> None:
        grid = {"every_ns": 4 * NS, "max_age_ns": 9 * NS, "lateness_ns": 2 * NS}
        _, block = fed(6, sensors="tv", rows=1, **grid)
        path = pipeline(kind("a", "vxt", rows=1, **grid))
        path.load([block])
        parts = _push(path, Record(body("a1", 11, x=1), 6))
        # T0 is a multiple of 4 s, so grid points stand at 0, 4 and 8. Readings at 4 and
        # 5 waited; v was 5 all the time, t the second.
        ends_at = [int(t) // NS - T0 for part in parts for t in part.time_ns]
        assert ends_at == [4, 8]
        values = [part.values[:, 0].tolist() for part in parts]
        assert [[row[0], row[2]] for rows in values for row in rows] == [[5, 4], [5, 5]]

    def test_seen_sensors_follow_too(self) -> None:
        _, block = fed(3, sensors="tv")
        path = pipeline(kind("a", "xvt"))
        path.load([block])
        outcome = through(path, [Record(body("a1", 2, x=1, t=9, v=9), 3)])
        assert outcome.tally.values == {"duplicate": 2}
        assert ends(outcome.tally) == {"used": 1}

    @pytest.mark.parametrize(
        ("change", "why", "rows"),
        [
            ({"sensors": "xy"}, "it shares no sensor with its state", 2),
            # 11 has passed the grid point at 10 only.
            ({"every_ns": NS, "max_age_ns": NS}, "its grid has changed", 1),
        ],
    )
    def test_a_type_starts_cold_where_nothing_can_be_kept(
        self, change: dict[str, Any], why: str, rows: int
    ) -> None:
        _, block = fed(10, rows=4)
        path = pipeline(kind("a", **({"rows": 4} | change)))
        assert path.load([block]) == [f"machine type 'a' starts cold: {why}"]
        # The machine keeps its number, and what was read is not read again.
        assert path.machines.names == [["a1"]]
        outcome = through(path, records(5, 12, x=1))
        assert outcome.tally.readings.pop("repeated") == 5
        assert outcome.tally.readings.total() == 2
        assert path.states[0].rings.count[0] == rows

    def test_a_shorter_window_keeps_the_newest_rows(self) -> None:
        _, block = fed(10, rows=6)
        path = pipeline(kind("a", rows=3))
        assert path.load([block]) == []
        assert windows_of(path, 10, 11) == [([8, 9, 10], 3, 0)]

    def test_a_longer_window_fills_up_as_rows_come(self) -> None:
        _, block = fed(10, rows=3)
        path = pipeline(kind("a", rows=5))
        assert path.load([block]) == []
        assert windows_of(path, 10, 13) == [
            ([7, 7, 8, 9, 10], 4, 0),
            ([7, 8, 9, 10, 11], 5, 0),
            ([8, 9, 10, 11, 12], 5, 0),
        ]

    def test_more_baseline_rows_than_were_kept_are_unknown(self) -> None:
        _, block = fed(10, rows=2, baseline_rows=2)
        path = pipeline(kind("a", rows=2, baseline_rows=4))
        path.load([block])
        (part,) = _push(path, *records(10, 11))
        assert part.n_base.tolist() == [4]
        assert str(part.baseline[0, :, 0].tolist()) == "[0.0, 1.0, nan, nan]"

    def test_fewer_baseline_rows_are_the_first_ones(self) -> None:
        _, block = fed(10, rows=2, baseline_rows=3)
        path = pipeline(kind("a", rows=2, baseline_rows=1))
        path.load([block])
        (part,) = _push(path, *records(10, 11))
        assert part.baseline[0, :, 0].tolist() == [0]

    def test_with_more_lateness_rows_that_were_made_are_not_overtaken(self) -> None:
        _, block = fed(10)
        path = pipeline(kind("a", lateness_ns=5 * NS))
        path.load([block])
        outcome = through(
            path,
            [
                Record(body("a1", at, t=1), 10 + i)
                for i, at in enumerate((7, 8.9, 9.5, 20))
            ],
        )
        # The newest row stands at 9.
        assert ends(outcome.tally) == {"late": 2, "used": 1}

    def test_with_less_lateness_what_waits_comes_out(self) -> None:
        _, block = fed(10, lateness_ns=5 * NS)
        path = pipeline(kind("a"))
        path.load([block])
        outcome = through(path, records(10, 11))
        # 0 to 4 were made before; 5 to 9 waited.
        assert ends(outcome.tally) == {"used": 6}

    def test_a_type_that_is_gone_is_told(self) -> None:
        _, block = fed(3)
        path = pipeline(kind("b"))
        assert path.load([block]) == ["machine type 'a' is no longer configured"]
        assert path.machines.names == [[]]

    def test_a_machine_that_is_of_another_type_now_starts_cold_there(self) -> None:
        _, block = fed(3)
        # By its first letter a1 is of the first type now, which is called b.
        other = pipeline(kind("b"), kind("a"))
        (warning,) = other.load([block])
        assert warning == (
            "1 machines, 'a1' among them, are no longer of type 'a':"
            " their state is dropped"
        )
        outcome = through(other, records(1, 4))
        assert ends(outcome.tally) == {"used": 3}
        assert other.machines.names == [["a1"], []]

    def test_equal_warnings_are_told_once(self) -> None:
        path = pipeline(kind("a"))
        through(path, [Record(body(f"a{i}", 0, t=1), i) for i in range(65)])
        blocks = dumped(path, 64)
        warnings = pipeline(kind("a", "tvx")).load(list(blocks.values()))
        assert warnings == ["machine type 'a' has new sensors: x"]


def _push(path: Pipeline, *given: Record) -> list[Any]:
    """Return the windows of records of the first type."""
    decoded = path.decode(given)
    state = path.states[0]
    state.grow(1)
    rows = state.rows.push(decoded.readings[0], decoded.tally)
    return list(state.rings.push(rows.machine, rows.time_ns, rows.values, rows.offset))


class TestRefused:
    """Machines that send to more than one partition, after a restart."""

    def block(self) -> bytes:
        path = pipeline(kind("a", rows=3, lateness_ns=NS))
        both = [r for i in range(5) for r in (*_at(i, "a1"), *_at(i, "a2"))]
        through(path, both)
        (block,) = dumped(path, 4).values()
        return block

    def test_its_number_is_given_again_but_not_its_state(self) -> None:
        path = pipeline(kind("a", rows=3, lateness_ns=NS))
        path.load([self.block()], refused=["a1"])
        outcome = through(path, [*_at(3, "a1"), *_at(3, "a3"), *_at(5, "a3")])
        assert path.machines.names == [["a3", "a2"]]
        # Offsets 3 and 4 are not in the state of a3, and no row of a1 is.
        assert ends(outcome.tally) == {"refused.second_partition": 1, "used": 1}
        (window,) = (json.loads(value) for _, value in outcome.messages)
        assert window["machine"] == "a3"
        assert path.states[0].rings.have.tolist()[:2] == [1, 3]
        assert path.states[0].rows.waiting.machine.tolist() == [1, 0]

    def test_the_others_go_on(self) -> None:
        path = pipeline(kind("a", rows=3, lateness_ns=NS))
        path.load([self.block()], refused=["a1"])
        assert ends(through(path, _at(6, "a2")).tally) == {"used": 1}


def _at(second: int, machine: str) -> list[Record]:
    return records(second, second + 1, machine)


class TestAhead:
    """A crash in the middle of a checkpoint leaves some blocks ahead of the others."""

    def test_a_block_written_again_too_early_keeps_its_rank_and_what_it_skips(
        self,
    ) -> None:
        first, block = fed(10, rows=3)
        second = pipeline(kind("a", rows=3))
        second.load([block])
        # The partition is read again from 4, and a checkpoint comes at 6.
        through(second, [*records(4, 7, v=5), *records(6, 7, "a2")])
        (again,) = dumped(second, 6).values()
        assert snapshot.parse(again).offset == 9
        third = pipeline(kind("a", rows=3))
        third.load([again])
        outcome = through(third, [*records(7, 12, v=5), *records(8, 9, "a2")])
        # a1 goes on after 9, a2 after 6.
        assert ends(outcome.tally) == {"repeated": 3, "used": 3}
        expected = of_machines(through(first, records(10, 12, v=5)).messages)
        assert of_machines(outcome.messages)[b"a1"] == expected[b"a1"]

    def test_the_turn_is_part_of_the_rank(self) -> None:
        path, _ = fed(3)
        path.touch(["a/0"])
        (block,) = dumped(path, 2, turn=4).values()
        other = pipeline(kind("a"))
        other.load([block])
        through(other, records(2, 3))
        (again,) = dumped(other, 2, turn=1).values()
        assert (snapshot.parse(again).offset, snapshot.parse(again).turn) == (2, 4)
        through(other, records(3, 4))
        (later,) = dumped(other, 3).values()
        assert (snapshot.parse(later).offset, snapshot.parse(later).turn) == (3, 0)


class TestOlder:
    """State of older releases; a fixture of each stays here."""

    KIND = kind(
        "a",
        rows=4,
        stride=3,
        baseline_rows=3,
        new_at_first_row=True,
        lateness_ns=2 * NS,
    )

    def rows(self, first: int, end: int) -> list[Record]:
        return [
            Record(body("a1", i, t=i, v=i % 7), i, (T0 + i) * 1000)
            for i in range(first, end)
        ]

    def test_version_1_goes_on_as_if_nothing_had_been(self) -> None:
        """It holds the first 8 readings, and was written before there were alarms."""
        saved = (Path(__file__).parent / "state" / "version-1.msgpack").read_bytes()
        path, whole = pipeline(self.KIND), pipeline(self.KIND)
        assert path.load([saved]) == []
        through(whole, self.rows(0, 8))
        assert (
            through(path, self.rows(8, 20)).messages
            == through(whole, self.rows(8, 20)).messages
        )

    def test_version_1_knew_its_age_only_by_its_rows(self) -> None:
        saved = (Path(__file__).parent / "state" / "version-1.msgpack").read_bytes()
        path = pipeline(replace(self.KIND, new_at_first_row=False))
        path.load([saved])
        assert path.states[0].rings.aged[0] == -1
