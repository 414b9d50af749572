"""Which windows get an estimate, and what stands in its place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from stream.core.readings import FAULTS, Tally
from stream.core.scoring import Scores, lacking, score
from stream.core.windows import Windows
from tests.core.helpers import NAN, HashingScorer, Told, kind, plain


def windows(
    *values: Sequence[Sequence[float]], filled: Sequence[int] | None = None
) -> Windows:
    """Return windows of the given values (rows, sensors)."""
    array = np.array(values, np.float32)
    count, rows, sensors = array.shape
    return Windows(
        machine=np.arange(count),
        time_ns=np.arange(count) + 1000,
        offset=np.arange(count),
        values=array,
        times_ns=np.zeros((count, rows), np.int64),
        filled=np.array(filled or [rows] * count, np.int32),
        baseline=np.zeros((count, 0, sensors), np.float32),
        n_base=np.zeros(count, np.int32),
        age=np.full(count, NAN),
        outside=np.zeros((count, sensors), np.bool_),
    )


class First(HashingScorer):
    """A model whose risk is the window's first value; it declines at 9."""

    def __init__(self, broken: str = "") -> None:
        super().__init__()
        self.broken = FAULTS.index(broken)
        self.asked: list[int] = []

    def predict(self, windows: Windows) -> Told:
        self.asked.append(len(windows))
        first = windows.values[:, 0, 0].astype(np.float64)
        return Told(
            risk=first,
            rul=first[:, None] + [1, 2, 3],
            anomaly=first + 4,
            health=first + 5,
            contributions=np.stack([first, 1 - first], axis=1),
            faults=np.repeat([[0, self.broken]], len(first), axis=0).astype(np.int8),
            deviation=np.stack([first, -first], axis=1),
            why=np.where(first == 9, 1, 0).astype(np.int8),
        )


def scored(model: First, given: Windows, **more: Any) -> tuple[Scores, Tally]:
    tally = Tally()
    return score(kind(rows=4, **more), given, model, tally), tally


FULL = [[0.5, 1]] * 4


def test_the_model_s_columns_are_taken_over() -> None:
    model = First()
    scores, tally = scored(model, windows(FULL, [[0.25, 1]] * 4))
    assert scores.risk.tolist() == [0.5, 0.25]
    assert scores.rul.tolist() == [[1.5, 2.5, 3.5], [1.25, 2.25, 3.25]]
    assert scores.anomaly.tolist() == [4.5, 4.25]
    assert scores.health.tolist() == [5.5, 5.25]
    assert scores.contributions.tolist() == [[0.5, 0.5], [0.25, 0.75]]
    assert scores.why == ["", ""]
    assert tally.windows == Counter(scored=2)
    assert model.asked == [2]


def test_fewer_real_rows_than_min_context_give_no_estimate() -> None:
    model = First()
    scores, tally = scored(model, windows(FULL, FULL, filled=[2, 3]), min_context=3)
    assert scores.why == ["min_context", ""]
    assert plain(scores.risk) == [None, 0.5]
    assert tally.windows == {"no_estimate.min_context": 1, "scored": 1}
    # Only the one that deserves an estimate goes to the model.
    assert model.asked == [1]


def test_a_sensor_is_masked_when_more_than_half_of_the_real_rows_lack_it() -> None:
    half = [[1.0, 1.0], [1.0, 1.0], [NAN, 1.0], [NAN, 1.0]]
    most = [[1.0, 1.0], [NAN, 1.0], [NAN, 1.0], [NAN, 1.0]]
    both = [[1.0, NAN], [NAN, NAN], [NAN, NAN], [NAN, 1.0]]
    assert lacking(windows(half, most, both)).tolist() == [
        [False, False],
        [True, False],
        [True, True],
    ]


def test_repeated_rows_do_not_count_as_lacking() -> None:
    # Two real rows: the one before lacks t, the newest has it.
    thin = [[NAN, 1.0], [NAN, 1.0], [NAN, 1.0], [1.0, 1.0]]
    assert lacking(windows(thin, thin, filled=[2, 3])).tolist() == [
        [False, False],
        [True, False],
    ]


@pytest.mark.parametrize(("most", "why"), [(0.5, ""), (0.49, "masked")])
def test_a_share_of_masked_sensors_above_the_limit_gives_no_estimate(
    most: float, why: str
) -> None:
    thin = windows([[1, NAN], [1, NAN], [1, NAN], [1, 1]])
    scores, tally = scored(First(), thin, max_masked=most)
    assert scores.why == [why]
    assert tally.windows == {f"no_estimate.{why}" if why else "scored": 1}


@pytest.mark.parametrize(
    ("fault", "why"), [("stuck", "masked"), ("drifting", "masked"), ("spiking", "")]
)
def test_a_sensor_at_fault_counts_as_masked_unless_only_its_spikes_are(
    fault: str, why: str
) -> None:
    scores, _ = scored(First(fault), windows(FULL))
    assert scores.why == [why]
    assert scores.faults.tolist() == [[0, FAULTS.index(fault)]]
    scores, _ = scored(First(fault), windows(FULL), max_masked=0.5)
    assert scores.why == [""]


def test_instruments_are_judged_where_there_is_no_estimate() -> None:
    given = windows([[9, 1]] * 4, FULL, [[0.5, NAN]] * 4, FULL, filled=[4, 4, 4, 1])
    model = First("noisy")
    scores, _ = scored(model, given, min_context=2)
    assert scores.why == ["masked", "masked", "masked", "min_context"]
    noisy = FAULTS.index("noisy")
    assert scores.faults.tolist() == [[0, noisy]] * 3 + [[0, 0]]
    assert plain(scores.deviation) == [[9, -9], [0.5, -0.5], [0.5, -0.5], [None] * 2]
    assert model.asked == [3]


def test_too_short_is_said_before_masked() -> None:
    # Also where another window is long enough to ask the model.
    given = windows([[NAN, 1]] * 4, FULL, filled=[1, 4])
    scores, _ = scored(First(), given, min_context=2)
    assert scores.why == ["min_context", ""]


def test_where_the_model_declines_its_own_reason_stands() -> None:
    model = First()
    given = windows([[9, 1]] * 4, FULL, [[NAN, 1]] * 4)
    scores, tally = scored(model, given)
    assert scores.why == ["unknown_regime", "", "masked"]
    assert plain(scores.risk) == [None, 0.5, None]
    assert plain(scores.rul) == [[None] * 3, [1.5, 2.5, 3.5], [None] * 3]
    assert plain(scores.anomaly) == [None, 4.5, None]
    assert plain(scores.health) == [None, 5.5, None]
    assert plain(scores.contributions) == [[None] * 2, [0.5, 0.5], [None] * 2]
    assert tally.windows == {
        "no_estimate.unknown_regime": 1,
        "no_estimate.masked": 1,
        "scored": 1,
    }


def test_a_model_is_not_asked_about_nothing() -> None:
    model = First()
    scores, _ = scored(model, windows(FULL, filled=[1]), min_context=4)
    assert scores.why == ["min_context"]
    assert model.asked == []
