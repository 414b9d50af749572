from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from connectors.memory_log import Record
from stream.core.pipeline import Pipeline
from stream.core.snapshot import Unreadable
from stream.worker.plant import kinds_of, rules_of, type_of
from stream.worker.state_topic import POSITION, TURN, Position, Turn, packed, understood
from tests.worker.tiny import TinyScorer, reading, tiny_settings


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    settings = tiny_settings(tmp_path)
    return Pipeline(
        kinds_of(settings),
        [TinyScorer() for _ in settings.machine_types],
        rules_of(settings),
        type_of(settings),
        ("readings", 0),
    )


def block(pipeline: Pipeline, offset: int, turn: int = 0) -> bytes:
    """Return the packed state of one pump after a reading at an offset."""
    value = reading("pump-1", offset, pressure=1)
    pipeline.run(pipeline.decode([Record(offset, -1, None, value, ())]))
    ((key, data),) = pipeline.dump(offset, turn)
    assert key == "pump/0"
    return packed(data)


def record(key: bytes | None, value: bytes | None, offset: int = 0) -> Record:
    return Record(offset, 0, key, value, ())


def position(offset: int, turn: int = 0) -> Record:
    return record(POSITION, msgspec.msgpack.encode(Position(offset, turn)))


def idle(offset: int, turn: int, *machines: str) -> Record:
    told = Turn(offset, turn, {"fan": list(machines)})
    return record(TURN, msgspec.msgpack.encode(told))


def test_an_empty_topic_is_the_beginning() -> None:
    saved = understood([])
    assert saved.position == saved.reached == Position(-1, 0)
    assert saved.blocks == {}
    assert saved.turn is None


def test_the_highest_position_counts_wherever_it_stands() -> None:
    assert understood([position(7, 1), position(9), position(8, 5)]).position == (
        Position(9, 0)
    )
    assert understood([position(9, 2), position(9, 1)]).position == Position(9, 2)


def test_an_older_block_later_in_the_log_is_passed_over_and_written_again(
    pipeline: Pipeline,
) -> None:
    old, new = block(pipeline, 3), block(pipeline, 5)
    right = understood([record(b"pump/0", old), record(b"pump/0", new)])
    assert right.stale == set()
    wrong = understood([record(b"pump/0", new), record(b"pump/0", old)])
    assert wrong.blocks == right.blocks
    assert wrong.stale == {"pump/0"}
    mended = [record(b"pump/0", value) for value in (new, old, new)]
    assert understood(mended).stale == set()


def test_of_equal_blocks_the_later_counts_and_turns_are_ranked(
    pipeline: Pipeline,
) -> None:
    first, turned = block(pipeline, 3), block(pipeline, 3, turn=1)
    saved = understood([record(b"pump/0", turned), record(b"pump/0", first)])
    assert saved.stale == {"pump/0"}
    assert saved.reached == Position(3, 1)


def test_a_block_ahead_of_the_position_tells_how_far_the_state_reaches(
    pipeline: Pipeline,
) -> None:
    saved = understood([position(2), record(b"pump/0", block(pipeline, 6))])
    assert (saved.position.offset, saved.reached.offset) == (2, 6)


def test_the_last_release_of_silent_machines_counts() -> None:
    saved = understood([idle(5, 1, "b"), idle(5, 0, "a"), idle(3, 7, "c")])
    assert saved.turn is not None
    assert saved.turn.machines == {"fan": ["b"]}


def test_deleted_records_say_nothing() -> None:
    saved = understood([record(b"pump/0", None), record(None, b"?"), position(1)])
    assert saved.blocks == {}
    assert saved.position.offset == 1


@pytest.mark.parametrize("key", [b"pump/0", POSITION, TURN])
@pytest.mark.parametrize("value", [b"", b"junk", packed(b"junk")])
def test_damage_is_told_and_never_taken_for_state(key: bytes, value: bytes) -> None:
    with pytest.raises(Unreadable, match="damaged"):
        understood([record(key, value)])
