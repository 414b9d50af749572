"""Any restart at any point of any checkpoint loses, doubles and changes nothing."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.core.readings import MachineType
from tests.core.helpers import NS, Record, body, kind, pipeline
from tests.core.lives import Worker, undisturbed
from tests.core.test_pipeline import payloads, records_of, two_types

pytestmark = pytest.mark.usefixtures("small_blocks")

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("batch"), st.integers(1, 9)),
        st.tuples(st.just("batch"), st.integers(1, 9)),
        st.tuples(st.just("checkpoint"), st.just(0)),
        # A crash after so many blocks, and one outside a checkpoint.
        st.tuples(st.just("broken checkpoint"), st.integers(0, 4)),
        st.tuples(st.just("broken checkpoint"), st.integers(1, 4)),
        st.tuples(st.just("crash"), st.just(0)),
        st.tuples(st.just("release"), st.just(0)),
        st.tuples(st.just("broken release"), st.just(0)),
        st.tuples(st.just("compact"), st.just(0)),
    ),
    max_size=14,
)


def live(worker: Worker, step: str, number: int) -> None:
    if step == "batch":
        worker.batch(number)
    elif step == "checkpoint":
        worker.checkpoint()
    elif step == "broken checkpoint":
        worker.checkpoint(number)
        worker.start()
    elif step == "crash":
        worker.start()
    elif step == "compact":
        worker.compact()
    else:
        worker.release(crash=step == "broken release")
        if step == "broken release":
            worker.start()


def check(worker: Worker) -> None:
    """Compare all lives with one undisturbed."""
    expected = undisturbed(worker)
    told: dict[bytes, set[bytes]] = {}
    for life in worker.lives:
        for key, values in life.items():
            # Ends ascend, so no message stands twice: a life is one piece, in order.
            begin = expected[key].index(values[0])
            assert values == expected[key][begin : begin + len(values)]
            told.setdefault(key, set()).update(values)
    assert told == {key: set(values) for key, values in expected.items()}


@settings(max_examples=120)
@given(two_types(), payloads(), STEPS)
def test_all_lives_together_say_what_one_would_have_said(
    kinds: list[MachineType], made: list[bytes | None], steps: list[tuple[str, int]]
) -> None:
    records = [
        Record(one.value, i, one.timestamp) for i, one in enumerate(records_of(made))
    ]
    worker = Worker(lambda: pipeline(*kinds), records)
    for step, number in steps:
        live(worker, step, number)
    worker.batch(len(records))
    check(worker)


def pair(*names: str) -> list[Record]:
    """One reading a second of each of some machines."""
    return [
        Record(body(name, i // len(names), t=i), i) for i, name in enumerate(names * 20)
    ]


def test_a_release_is_not_repeated_on_blocks_that_are_ahead_of_it() -> None:
    """The release at 7 is over when block a/0 is written, which a crash cuts short."""
    late = kind("a", rows=3, lateness_ns=3 * NS)
    worker = Worker(lambda: pipeline(late), pair("a1", "a2", "a3", "a4"))
    worker.batch(8)
    worker.release(crash=False)
    worker.batch(20)
    worker.checkpoint(1)
    worker.start()
    worker.batch(100)
    check(worker)


def test_a_block_ahead_that_is_written_again_takes_nothing_twice() -> None:
    worker = Worker(lambda: pipeline(kind("a", rows=3)), pair("a1", "a2", "a3", "a4"))
    worker.batch(4)
    worker.checkpoint()
    worker.batch(20)
    worker.checkpoint(1)  # block a/0 is at 23, a/1 at 3
    worker.start()
    worker.batch(4)
    worker.checkpoint()  # both at 7, yet a/0 holds what came up to 23
    worker.compact()
    worker.start()
    worker.batch(100)
    check(worker)


def test_a_machine_new_in_a_block_ahead_is_not_lost() -> None:
    """The new machine gets a number in a block that is ahead of its first record."""
    # a5 comes at 13 for the first time, a6 at 14.
    names = ["a1", "a2", "a3"] * 4 + ["a1", "a5", "a6"] * 8
    records = [Record(body(name, i, t=i), i) for i, name in enumerate(names)]
    worker = Worker(lambda: pipeline(kind("a", rows=3)), records)
    worker.batch(3)
    worker.checkpoint()  # a/0: a1 a2; a/1: a3
    worker.batch(20)
    worker.checkpoint(1)  # a/0 is ahead
    worker.compact()
    worker.start()
    worker.batch(12)
    worker.checkpoint()
    worker.compact()
    worker.start()
    worker.batch(100)
    check(worker)
