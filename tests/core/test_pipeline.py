"""The whole way: the same readings give the same messages, however they are cut."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.core.exact import Rules
from stream.core.readings import MachineType, Sensor
from tests.core.helpers import (
    NS,
    T0,
    Record,
    add,
    body,
    ends,
    in_batches,
    kind,
    of_machines,
    pipeline,
    through,
)

ODD = [
    b"junk",
    b"",
    None,
    b'{"machine":"a1"}',
    body("x1", 3, t=1),
    body("a1", 3, x=1),
    body("a2", 9_000, t=1),  # in the future
    b'{"machine":"b1","time":%d,"values":{"t":null,"v":1},"quality":{"v":"bad"}}' % T0,
    json.dumps(
        {
            "metrics": [
                {
                    "tags": {"machine": "a1"},
                    "timestamp": T0 + second,
                    "fields": {"t": second, "v": 1},
                }
                for second in (4, 2, 9, 9)
            ]
            + [1]
        }
    ).encode(),
]


@st.composite
def payloads(draw: st.DrawFn) -> list[bytes | None]:
    """Payloads of machines of two types, mostly forward in time, some of them odd."""
    machines = draw(
        st.lists(
            st.sampled_from(["a1", "a2", "a3", "b1", "b2"]), min_size=1, unique=True
        )
    )
    second, made = 0.0, []
    moves = st.sampled_from([0, 0, 0.5, 1, 1, 1, 2, 3, 11, -1, -3])
    for _ in range(draw(st.integers(1, 40))):
        if draw(st.integers(0, 9)) == 0:
            made.append(draw(st.sampled_from(ODD)))
            continue
        second = max(second + draw(moves), 0)
        values = draw(
            st.dictionaries(
                st.sampled_from("tv"), st.sampled_from([1, 2.5, -7, 1e9]), min_size=1
            )
        )
        made.append(body(draw(st.sampled_from(machines)), second, **values))
    return made


def records_of(made: Sequence[bytes | None]) -> list[Record]:
    return [
        Record(value, 50 + i, (T0 + 100) * 1000, b"a1") for i, value in enumerate(made)
    ]


def _type(draw: st.DrawFn, name: str, sensors: tuple[Sensor, ...]) -> MachineType:
    rows = draw(st.integers(1, 5))
    return MachineType(
        name,
        sensors,
        every_ns=draw(st.sampled_from([0, 0, NS, 2 * NS])),
        max_age_ns=draw(st.sampled_from([NS, 3 * NS])),
        lateness_ns=draw(st.sampled_from([0, NS, 5 * NS])),
        rows=rows,
        length_ns=draw(st.sampled_from([0, 0, 3 * NS])),
        stride=draw(st.integers(1, 3)),
        min_context=draw(st.integers(1, rows)),
        baseline_rows=draw(st.integers(0, 3)),
        max_masked=draw(st.sampled_from([0.0, 0.5, 1.0])),
        new_at_first_row=draw(st.booleans()),
    )


@st.composite
def two_types(draw: st.DrawFn) -> list[MachineType]:
    return [
        _type(draw, "a", (Sensor("t", high=1e6), Sensor("v", scale=0.5))),
        _type(draw, "b", (Sensor("v", offset=0.25), Sensor("t"))),
    ]


def rejected(outcome: Any) -> list[tuple[int, str, str, int]]:
    return [
        (reject.record.offset, reject.reason, reject.detail, reject.position)
        for reject in outcome.rejects
    ]


@settings(max_examples=70)
@given(two_types(), payloads(), st.lists(st.integers(0, 40)), st.integers(1, 6))
def test_cuts_move_nothing(
    kinds: list[MachineType], made: list[bytes | None], cuts: list[int], most: int
) -> None:
    records = records_of(made)
    cuts = [cut for cut in cuts if cut < len(records)]
    whole = through(pipeline(*kinds, most=most), records)
    parts = in_batches(pipeline(*kinds, most=most), records, cuts)
    single = in_batches(pipeline(*kinds, most=most), records, range(len(records)))
    for other in (parts, single):
        assert of_machines(other.messages) == of_machines(whole.messages)
        assert rejected(other) == rejected(whole)
        assert other.tally == whole.tally


@settings(max_examples=25)
@given(two_types(), payloads())
def test_every_reading_ends_once_or_waits(
    kinds: list[MachineType], made: list[bytes | None]
) -> None:
    path = pipeline(*kinds)
    outcome = through(path, records_of(made))
    waiting = sum(len(state.rows.waiting) for state in path.states)
    came = len(made) + 4 * made.count(ODD[-1])
    assert outcome.tally.readings.total() + waiting == came
    assert outcome.tally.windows.total() == len(outcome.messages)
    assert outcome.tally.records == len(made)


def test_a_machine_s_messages_do_not_depend_on_other_machines() -> None:
    type_ = kind("a", rows=3, stride=2, baseline_rows=2)
    mine = [Record(body("a1", i, t=i), i) for i in range(9)]
    others = [Record(body(f"a{j}", 9 - i, t=j), i) for i in range(9) for j in (0, 2, 3)]
    mixed = sorted([*mine, *others], key=lambda record: record.offset)
    alone = through(pipeline(type_), mine).messages
    beside = through(pipeline(type_), mixed).messages
    assert alone
    assert of_machines(beside)[b"a1"] == [value for _, value in alone]


def test_each_type_has_its_own_model_and_names() -> None:
    path = pipeline(kind("a", "t"), kind("b", "v"))
    path._scorers[1].about["horizon"] = 7
    outcome = through(
        path, [Record(body("b1", 1, v=1), 4), Record(body("a1", 1, t=1), 5)]
    )
    told = [json.loads(value) for _, value in outcome.messages]
    assert [(m["machine"], m["type"], m["model"]["horizon"]) for m in told] == [
        ("a1", "a", 30),
        ("b1", "b", 7),
    ]
    assert [m["source"] for m in told] == [
        {"topic": "readings", "partition": 3, "offset": offset} for offset in (5, 4)
    ]


def test_the_machine_limit_counts_all_types() -> None:
    path = pipeline(kind("a"), kind("b"), most=2)
    names = ["a1", "b1", "b2", "a1", "a2", "b1"]
    outcome = through(path, [Record(body(n, i, t=1), i) for i, n in enumerate(names)])
    assert ends(outcome.tally) == {"used": 4, "refused.machine_limit": 2}


class TestRefuse:
    """Machines that send to more than one partition."""

    def batch(self, *names: str) -> list[Record]:
        return [Record(body(name, i, t=1), i) for i, name in enumerate(names)]

    def test_decoded_readings_of_a_refused_machine_are_dropped_and_counted(
        self,
    ) -> None:
        path = pipeline(kind("a"), kind("b"))
        decoded = path.decode(self.batch("a1", "b1", "a2", "a1", "b1"))
        path.refuse("a1")
        outcome = path.run(decoded)
        assert list(of_machines(outcome.messages)) == [b"a2", b"b1"]
        assert ends(outcome.tally) == {"used": 3, "refused.second_partition": 2}

    def test_later_readings_are_refused_too(self) -> None:
        path = pipeline(kind("a"))
        through(path, self.batch("a1"))
        path.refuse("a1")
        path.refuse("a9")
        outcome = through(path, self.batch("a1", "a9", "a2"))
        assert ends(outcome.tally) == {"used": 1, "refused.second_partition": 2}

    def test_where_all_are_refused_nothing_is_left(self) -> None:
        path = pipeline(kind("a"))
        decoded = path.decode(self.batch("a1", "a1"))
        path.refuse("a1")
        outcome = path.run(decoded)
        assert outcome.messages == []
        assert ends(outcome.tally) == {"refused.second_partition": 2}
        # The machine has a number without a row; nothing is to be released.
        assert path.holding_back([np.array([0])]) == {}
        assert list(path.dump(1))

    def test_a_refused_machine_s_block_is_written(self) -> None:
        path = pipeline(kind("a"))
        through(path, self.batch("a1"))
        assert dict(path.dump(0))
        path.refuse("a1")
        path.refuse("stranger")
        assert [key for key, _ in path.dump(0)] == ["a/0"]

    def test_what_a_refused_machine_holds_back_is_not_released(self) -> None:
        path = pipeline(kind("a", lateness_ns=5 * NS))
        through(path, self.batch("a1", "a2"))
        path.refuse("a1")
        assert path.holding_back([np.array([0, 1])]) == {"a": ["a2"]}
        outcome = path.release({"a": ["a1", "a2"]}, 9)
        assert list(of_machines(outcome.messages)) == [b"a2"]


class TestRelease:
    """Machines that have fallen silent."""

    KINDS = (kind("a", lateness_ns=5 * NS), kind("b"), kind("c", lateness_ns=NS))
    ALL = tuple(map(np.arange, (2, 1, 1)))

    def fed(self) -> Any:
        path = pipeline(*self.KINDS)
        names = ["a1", "a2", "b1", "c1"]
        through(path, [Record(body(n, i, t=i), i) for i, n in enumerate(names)])
        return path

    def test_all_silent_machines_are_named_whatever_they_hold_back(self) -> None:
        path = self.fed()
        told = {"a": ["a1", "a2"], "b": ["b1"], "c": ["c1"]}
        assert path.holding_back(self.ALL) == told
        none = np.zeros(0, np.int64)
        assert path.holding_back([np.array([1]), none, none]) == {"a": ["a2"]}

    def test_it_happens_once_and_names_the_partition_s_position(self) -> None:
        path = self.fed()
        names = path.holding_back(self.ALL)
        outcome = path.release(names, 17)
        told = [json.loads(value) for _, value in outcome.messages]
        assert [m["machine"] for m in told] == ["a1", "a2", "c1"]
        assert {m["source"]["offset"] for m in told} == {17}
        assert ends(outcome.tally) == {"used": 3}
        assert path.release(names, 17).messages == []
        assert path.holding_back(self.ALL) == {}

    def test_names_in_any_order_and_strangers_do_no_harm(self) -> None:
        outcome = self.fed().release({"a": ["a2", "gone", "a1"], "z": ["a1"]}, 3)
        assert list(of_machines(outcome.messages)) == [b"a1", b"a2"]

    def test_a_machine_without_a_row_holds_nothing_back(self) -> None:
        path = pipeline(kind("a", lateness_ns=NS))
        through(path, [Record(body("a1", 0, x=1), 0)])
        assert path.holding_back([np.array([0])]) == {}
        assert path.release({"a": ["a1"]}, 0).messages == []

    def test_its_blocks_are_written(self) -> None:
        path = self.fed()
        dict(path.dump(3))
        path.release({"c": ["c1"]}, 3)
        assert [key for key, _ in path.dump(3, 1)] == ["c/0"]

    def test_repeated_from_its_record_it_gives_the_same(self) -> None:
        path = self.fed()
        blocks = [block for _, block in path.dump(3)]
        names = path.holding_back(self.ALL)
        other = pipeline(*self.KINDS)
        other.load(blocks)
        assert other.release(names, 3).messages == path.release(names, 3).messages
        more = [Record(body("a1", 7, t=1), 4), Record(body("a1", 13, t=1), 5)]
        assert through(other, more).messages == through(path, more).messages

    def test_a_restart_knows_that_it_happened(self) -> None:
        path = self.fed()
        names = path.holding_back(self.ALL)
        path.release(names, 3)
        other = pipeline(*self.KINDS)
        other.load([block for _, block in path.dump(3, 1)])
        assert other.release(names, 3).messages == []

    def test_what_comes_later_for_that_time_is_late(self) -> None:
        path = self.fed()
        path.release({"a": ["a1"]}, 3)
        outcome = through(path, [Record(body("a1", -1, t=1), 4)])
        assert ends(outcome.tally) == {"late": 1}


def test_what_happened_is_added_up_by_batch() -> None:
    path, whole = pipeline(kind("a"), rules=Rules(max_bytes=90)), pipeline(kind("a"))
    first = through(path, [Record(b"junk", 0), Record(body("a1", 0, t=1), 1)])
    add(first, through(path, [Record(body("a1", 1, t=1) + b" " * 90, 2)]))
    assert ends(first.tally) == {
        "used": 1,
        "quarantined.not_json": 1,
        "quarantined.too_large": 1,
    }
    assert len(whole.machines) == 0


@pytest.mark.parametrize("lost", [0, 1])
def test_an_empty_batch_is_nothing(lost: int) -> None:
    outcome = through(pipeline(kind("a")), [Record(None, 0)] * lost)
    assert outcome.messages == []
    assert outcome.tally.records == lost
