from __future__ import annotations

import json
from typing import Any

import pytest

from connectors.memory_log import Record
from stream.core.exact import Exact, Rejected, Rules, readings_of
from stream.worker.cut import Keyed, keyed
from stream.worker.merge import Merge

RULES = Rules()


def record(value: bytes | str, offset: int = 0, stamp: int = 0) -> Record:
    raw = value.encode() if isinstance(value, str) else value
    return Record(offset, stamp, b"edge", raw, ())


def metric(machine: str, at: int = 1_767_225_600, fields: str = '{"p": 1.50}') -> str:
    tags = f'"tags": {{"machine": "{machine}"}}' if machine else '"tags": {}'
    return f'{{"name": "m", {tags}, "timestamp": {at}, "fields": {fields}}}'


def batch(*metrics: str) -> Record:
    return record('{"metrics": [' + ", ".join(metrics) + "]}")


def judged(records: list[Keyed], rules: Rules = RULES) -> list[tuple[str, Any]]:
    """Return what scoring makes of the parts: a machine's values, or a reason."""
    found: list[tuple[str, Any]] = []
    for part in records:
        for one in readings_of(record(part.value or b""), rules):
            if isinstance(one, Exact):
                assert one.machine == part.machine
                found.append((one.machine, (one.time_ns, one.values, one.repeated)))
            else:
                assert part.machine == ""
                found.append(("", one.reason))
    return sorted(found, key=str)


def straight(source: Record, rules: Rules = RULES) -> list[tuple[str, Any]]:
    """Return what scoring makes of a whole record."""
    found: list[tuple[str, Any]] = []
    for one in readings_of(source, rules):
        if isinstance(one, Rejected):
            found.append(("", one.reason))
        else:
            found.append((one.machine, (one.time_ns, one.values, one.repeated)))
    return sorted(found, key=str)


class TestCut:
    @pytest.mark.parametrize(
        "value",
        [
            '{"machine": "a", "time": 1767225600, "values": {"p": 1}}',
            metric("a"),
            '{"metrics": [' + metric("a") + "," + metric("a", 1_767_225_601) + "]}",
            "no JSON",
            '{"metrics": [7, 8]}',
        ],
    )
    def test_one_machine_or_none_goes_on_as_it_is(self, value: str) -> None:
        (part,) = keyed(record(value), RULES)
        assert part.value == value.encode()

    def test_the_first_reading_s_time_counts(self) -> None:
        source = batch(metric("a", 1_767_225_609), metric("a", 1_767_225_601))
        (part,) = keyed(source, RULES)
        assert part.time_ns == 1_767_225_601 * 10**9

    def test_a_batch_is_cut_by_machine_to_the_letter(self) -> None:
        source = batch(metric("a"), metric("b"), metric("a", 1_767_225_601))
        one, two = keyed(source, RULES)
        assert (one.machine, two.machine) == ("a", "b")
        assert two.value == b'{"metrics":[' + metric("b").encode() + b"]}"
        assert len(json.loads(one.value or b"")["metrics"]) == 2
        assert one.source is source

    @pytest.mark.parametrize(
        "odd",
        [
            metric(""),
            "7",
            '{"metrics": [' + metric("c") + "]}",
            '{"machine": "c", "time": 1767225600, "values": {"p": 1}}',
            metric("b", fields='{"p": NaN, "q": -Infinity, "r": 1e400}'),
            metric("b", fields='{"p": 1, "p": 2, "q": ' + "9" * 400 + "}"),
            metric("b", fields='{"p": 1}, "timestamp": 5'),
            metric("b", fields=r'{"\ud800": 1, "p": [NaN, {"q": null}], "s": true}'),
            metric("b", fields="{}"),
            metric("b", at=10**30),
        ],
    )
    def test_parts_are_judged_as_the_whole_would_be(self, odd: str) -> None:
        source = batch(metric("a"), odd, metric("b"))
        parts = keyed(source, RULES)
        assert len({part.machine for part in parts}) == len(parts) > 1
        assert judged(parts) == straight(source)

    def test_what_cannot_be_cut_goes_without_a_machine(self) -> None:
        # Deeper than Python writes, but not deeper than it reads.
        deep = '{"p": 1, "q": ' + "[" * 700 + "NaN" + "]" * 700 + "}"
        source = batch(metric("a"), metric("b", fields=deep))
        (part,) = keyed(source, RULES)
        assert part.machine == ""
        assert part.value == source.value


def part(stamp: int, name: str = "a", time_ns: int = 0) -> Keyed:
    return Keyed(name, time_ns, b"", record(b"", stamp=stamp))


def stamps(parts: list[Keyed]) -> list[int]:
    return [one.source.timestamp for one in parts]


class TestMerge:
    def test_what_was_read_to_the_end_goes_in_the_order_of_writing(self) -> None:
        merge = Merge()
        merge.take(0, "e0", [part(1), part(4), part(9)])
        merge.take(1, "e1", [part(2), part(3)])
        parts, done = merge.release(set())
        assert stamps(parts) == [1, 2, 3, 4, 9]
        assert done == ["e1", "e0"]
        assert len(merge) == 0

    def test_a_partition_that_is_behind_holds_back_what_came_after_it(self) -> None:
        merge = Merge()
        merge.take(0, "e0", [part(1), part(4), part(9)])
        merge.take(1, "e1", [part(2), part(3)])
        parts, done = merge.release({1})
        assert stamps(parts) == [1, 2]
        assert done == []
        assert merge.waiting == {0: 2, 1: 1}
        merge.take(1, "e2", [part(3), part(8)])
        parts, done = merge.release(set())
        assert stamps(parts) == [3, 3, 4, 8, 9]
        assert done == ["e1", "e2", "e0"]

    def test_one_that_has_not_been_read_at_all_holds_everything_back(self) -> None:
        merge = Merge()
        merge.take(0, "e0", [part(-1), part(4)])
        assert merge.release({0, 1}) == ([], [])
        assert merge.slowest({0, 1}) == 1
        assert stamps(merge.release({0})[0]) == [-1]

    def test_equal_stamps_go_by_event_time_and_then_as_they_were_read(self) -> None:
        merge = Merge()
        merge.take(0, "e0", [part(5, "x", 2), part(5, "y", 1)])
        merge.take(1, "e1", [part(5, "z", 1)])
        parts, _ = merge.release(set())
        assert [one.machine for one in parts] == ["y", "z", "x"]

    def test_order_does_not_depend_on_how_it_was_read(self) -> None:
        written = [(at, at * 7 % 3) for at in range(60)]
        merge, gone = Merge(), []
        ends = {p: [at for at, q in written if q == p] for p in range(3)}
        read = dict.fromkeys(ends, 0)
        for turn in range(100):
            number, size = turn % 3, 1 + turn % 5
            piece = ends[number][read[number] : read[number] + size]
            if piece:
                merge.take(number, piece, [part(at) for at in piece])
                read[number] += len(piece)
            behind = {p for p in ends if read[p] < len(ends[p])}
            gone += stamps(merge.release(behind)[0])
        assert gone == [at for at, _ in written]
