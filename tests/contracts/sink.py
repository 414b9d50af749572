"""What every archive of line protocol must do; run on each kind of it.

A test class inherits `SinkContract` and gives a fixture `kit`.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import pytest

from connectors.sinks import Refused, Retryable

FIRST_NS = 1_700_000_000_000_000_000


class Sink(Protocol):
    """The archive under test."""

    def open(self) -> None: ...
    def write(self, lines: Sequence[str]) -> list[Refused]: ...
    def flush(self) -> None: ...
    def close(self) -> None: ...


class Kit(Protocol):
    """How to make an archive, and how to look into it from outside."""

    def make(self) -> Sink:
        """A new archive at the same place."""

    def stored(self) -> set[tuple[str, int]]:
        """Machine and time in ns of every point there is."""

    def outage(self) -> AbstractContextManager[None]:
        """The place cannot be written to meanwhile."""


def line(machine: str, at: int) -> str:
    return f"score,machine={machine},type=pump risk=0.25 {FIRST_NS + at}"


def many(count: int, machine: str = "m") -> list[str]:
    return [line(machine, at) for at in range(count)]


def points(count: int, machine: str = "m") -> set[tuple[str, int]]:
    return {(machine, FIRST_NS + at) for at in range(count)}


class SinkContract:
    def test_what_is_written_is_there_after_flush(self, kit: Kit) -> None:
        sink = kit.make()
        sink.open()
        assert sink.write(many(3)) == []
        sink.flush()
        assert kit.stored() == points(3)
        sink.close()

    def test_open_and_close_may_be_repeated(self, kit: Kit) -> None:
        sink = kit.make()
        sink.open()
        sink.open()
        sink.write(many(1))
        sink.close()
        sink.close()
        assert kit.stored() == points(1)

    def test_nothing_is_lost_on_close_without_flush(self, kit: Kit) -> None:
        sink = kit.make()
        sink.open()
        sink.write(many(3))
        sink.close()
        assert kit.stored() == points(3)

    def test_writing_after_close_opens_anew(self, kit: Kit) -> None:
        sink = kit.make()
        sink.open()
        sink.write(many(2))
        sink.close()
        sink.write(many(2, "n"))
        sink.close()
        assert kit.stored() == points(2) | points(2, "n")

    def test_an_empty_batch_changes_nothing(self, kit: Kit) -> None:
        sink = kit.make()
        sink.open()
        assert sink.write([]) == []
        sink.flush()
        sink.close()
        assert kit.stored() == set()

    def test_flush_and_close_before_any_write(self, kit: Kit) -> None:
        sink = kit.make()
        sink.flush()
        sink.close()
        sink.open()
        sink.flush()
        sink.close()
        assert kit.stored() == set()

    def test_more_than_one_request_holds(self, kit: Kit) -> None:
        sink = kit.make()
        sink.open()
        assert sink.write(many(12_001)) == []
        sink.close()
        assert kit.stored() == points(12_001)

    def test_a_repeated_batch_adds_no_points(self, kit: Kit) -> None:
        sink = kit.make()
        sink.open()
        sink.write(many(5))
        sink.write(many(5))
        sink.close()
        assert kit.stored() == points(5)

    def test_a_second_archive_leaves_the_first_ones_points(self, kit: Kit) -> None:
        for machine in ("a", "b"):
            sink = kit.make()
            sink.open()
            sink.write(many(2, machine))
            sink.close()
        assert kit.stored() == points(2, "a") | points(2, "b")

    def test_bad_lines_are_named_by_place_and_the_others_written(
        self, kit: Kit
    ) -> None:
        lines = many(9)
        lines[2], lines[7] = "", "  "
        sink = kit.make()
        sink.open()
        refused = sink.write(lines)
        sink.close()
        assert [bad.place for bad in refused] == [2, 7]
        assert all(bad.reason for bad in refused)
        kept = points(9) - {("m", FIRST_NS + 2), ("m", FIRST_NS + 7)}
        assert kit.stored() == kept

    def test_only_bad_lines(self, kit: Kit) -> None:
        sink = kit.make()
        sink.open()
        assert [bad.place for bad in sink.write(["", ""])] == [0, 1]
        sink.close()
        assert kit.stored() == set()

    def test_the_lines_given_are_not_touched(self, kit: Kit) -> None:
        lines = [*many(3), ""]
        before = list(lines)
        sink = kit.make()
        sink.open()
        sink.write(lines)
        sink.close()
        assert lines == before

    def test_texts_and_names_of_all_kinds_survive(self, kit: Kit) -> None:
        sink = kit.make()
        sink.open()
        text = (
            rf'score,machine=a\,b\=c\ d\e-é,type=t why="say \"x\" \\",risk=1 {FIRST_NS}'
        )
        assert sink.write([text]) == []
        sink.close()
        assert kit.stored() == {("a,b=c d\\e-é", FIRST_NS)}

    def test_an_outage_is_retryable_and_the_same_lines_go_through_later(
        self, kit: Kit
    ) -> None:
        sink = kit.make()
        with kit.outage():
            with pytest.raises(Retryable):
                sink.write(many(3))
            with pytest.raises(Retryable):
                sink.write(many(3))
        assert sink.write(many(3)) == []
        sink.close()
        assert kit.stored() == points(3)
