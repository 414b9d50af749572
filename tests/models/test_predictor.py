"""Predictions: the same bits before saving and after loading, in any batch."""

import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.bundle import Bundle
from models.instruments import FAULTS
from models.options import Examples
from models.prediction import WHY, Prediction
from models.predictor import BUCKETS, Compiled, Predictor
from models.trained import Trained
from models.windows import WindowArrays
from tests.models.fleet import LAYOUT, fleet

COLUMNS = (
    "risk",
    "rul",
    "anomaly",
    "health",
    "contributions",
    "faults",
    "deviation",
    "why",
)


@pytest.fixture(scope="module")
def predictor(bundle: Bundle) -> Predictor:
    return bundle.predictor()


@pytest.fixture(scope="module")
def whole(predictor: Predictor, examples: Examples) -> Prediction:
    return predictor.predict(examples.windows)


def bits(prediction: Prediction, index: object = slice(None)) -> list[bytes]:
    return [getattr(prediction, name)[index].tobytes() for name in COLUMNS]


def test_the_same_before_saving_and_after_loading(
    trained: Trained, examples: Examples, whole: Prediction
) -> None:
    fresh = Predictor(trained, "pump", "1", "")
    assert bits(fresh.predict(examples.windows)) == bits(whole)


@settings(max_examples=25)
@given(st.integers(0, 2**31), st.integers(1, 700))
def test_a_row_does_not_depend_on_its_batch(
    predictor: Predictor,
    examples: Examples,
    whole: Prediction,
    seed: int,
    count: int,
) -> None:
    rng = np.random.default_rng(seed)
    some = rng.integers(0, len(examples.life), count)
    found = predictor.predict(examples.windows.take(some))
    assert bits(found) == bits(whole, some)


def with_a_mute_sensor(windows: WindowArrays, sensor: int) -> WindowArrays:
    """The same windows, the newest half of one sensor lacking."""
    values = windows.values.copy()
    values[:, -6:, sensor] = np.nan
    return replace(windows, values=values)


@pytest.mark.parametrize("sensor", [1, 2, 3])
def test_one_broken_sensor_raises_no_machine_alarm(
    predictor: Predictor, examples: Examples, whole: Prediction, sensor: int
) -> None:
    well = np.flatnonzero((examples.life > LAYOUT.cap) & (examples.windows.age > 12))
    found = predictor.predict(with_a_mute_sensor(examples.windows.take(well), sensor))
    assert (found.faults[:, sensor] == FAULTS.index("no_data")).all()
    assert (found.contributions[:, sensor] == 0).all()
    assert found.contributions.sum(axis=1) == pytest.approx(1.0, abs=5e-4)
    assert np.isnan(found.deviation[:, sensor]).all()
    loud = np.mean(found.anomaly < 0.3)
    assert loud <= np.mean(whole.anomaly[well] < 0.3) + 0.02
    assert np.quantile(found.risk - whole.risk[well], 0.98) < 0.1
    assert (found.why == 0).all()


def test_faulty_windows_have_the_same_bits_in_any_batch_and_after_loading(
    trained: Trained, predictor: Predictor, examples: Examples
) -> None:
    some = np.arange(0, len(examples.life), 5)
    broken = [
        with_a_mute_sensor(examples.windows.take(some[k::4]), k + 1) for k in range(3)
    ]
    every = WindowArrays(
        **{
            name: np.concatenate([getattr(part, name) for part in broken])
            for name in WindowArrays.__annotations__
            if name != "outside"
        }
    )
    together = predictor.predict(every)
    assert bits(Predictor(trained, "pump", "1", "").predict(every)) == bits(together)
    for i in range(0, len(every), 11):
        assert bits(predictor.predict(every.take(np.array([i])))) == bits(together, [i])


def test_numbers_are_within_their_ranges(whole: Prediction, examples: Examples) -> None:
    assert whole.rul.shape == (len(examples.life), 3)
    assert ((whole.risk >= 0) & (whole.risk <= 1)).all()
    assert (np.diff(whole.rul, axis=1) >= 0).all()
    assert ((whole.rul >= 0) & (whole.rul <= LAYOUT.cap)).all()
    assert (whole.anomaly > 0).all()
    assert ((whole.health >= 0) & (whole.health <= 100)).all()
    assert (whole.contributions >= 0).all()
    assert whole.contributions.sum(axis=1) == pytest.approx(1.0, abs=5e-4)
    assert (whole.contributions[:, [0, 4]] == 0).all()
    assert (whole.why == 0).all()
    certain = np.abs(whole.risk - 0.5) > 1e-5
    early = whole.rul[:, 1] <= LAYOUT.horizon
    assert ((whole.risk >= 0.5) == early)[certain].all()


def test_numbers_are_short(whole: Prediction) -> None:
    assert np.array_equal(whole.risk, np.round(whole.risk, 6))
    assert np.array_equal(whole.rul, np.round(whole.rul, 4))
    assert all(float(f"{v:.5e}") == v for v in whole.anomaly.tolist())


def test_an_unknown_regime_gives_no_estimate_and_spares_the_others(
    predictor: Predictor, examples: Examples, whole: Prediction
) -> None:
    some = np.array([50, 51, 52])
    taken = examples.windows.take(some)
    values = taken.values.copy()
    values[1, -1, 0] = 50.0
    found = predictor.predict(replace(taken, values=values))
    assert [predictor.reasons[code] for code in found.why] == ["", WHY[1], ""]
    assert np.isnan(found.risk[1])
    assert np.isnan(found.contributions[1]).all()
    assert np.isfinite(found.deviation[1, 1:4]).all()
    assert bits(found, [0, 2]) == bits(whole, some[[0, 2]])


def test_an_unknown_age_has_a_network_of_its_own(
    predictor: Predictor, examples: Examples, whole: Prediction
) -> None:
    some = np.array([60, 61, 62])
    taken = examples.windows.take(some)
    nobody = replace(taken, age=np.array([np.nan, taken.age[1], np.nan]))
    other = replace(taken, age=np.array([np.nan, np.nan, np.nan]))
    found, blind = predictor.predict(nobody), predictor.predict(other)
    assert found.risk[0] == blind.risk[0] != whole.risk[60]
    assert found.risk[1] == whole.risk[61]
    assert np.isfinite(found.rul).all()
    assert found.anomaly.tolist() == whole.anomaly[some].tolist()


def test_no_windows_give_no_predictions(
    predictor: Predictor, examples: Examples
) -> None:
    found = predictor.predict(examples.windows.take(np.arange(0)))
    assert found.rul.shape == (0, 3)


def test_windows_of_another_shape_are_refused(
    predictor: Predictor, examples: Examples
) -> None:
    taken = examples.windows.take(np.arange(3))
    with pytest.raises(ValueError, match=r"expected \(n, 12, 5\) values"):
        predictor.predict(replace(taken, values=taken.values[:, 1:]))


def test_inputs_are_not_altered(predictor: Predictor, examples: Examples) -> None:
    taken = examples.windows.take(np.arange(40))
    before = {name: getattr(taken, name).tobytes() for name in ("values", "baseline")}
    predictor.predict(taken)
    assert before == {name: getattr(taken, name).tobytes() for name in before}


class Odd(Predictor):
    """A predictor some of whose compiled shapes give other bits than the largest.

    Attributes:
        odd: those shapes, by whether XLA compiles them.
        made: what was compiled.
    """

    odd: ClassVar[dict[bool, set[int]]] = {}

    def compiled(self, size: int, *, jit: bool | None = None) -> Compiled:
        honest = super().compiled(size, jit=False)
        if size not in self.odd.get(bool(jit), set()):
            return honest
        turn = iter(range(1000))
        return lambda *arrays: [
            out + 1e-3 * next(turn) + 1e-3 for out in honest(*arrays)
        ]


@pytest.mark.parametrize(
    ("odd", "kept"),
    [
        ({}, BUCKETS),
        ({True: {BUCKETS[0]}}, BUCKETS[1:]),
        ({True: {BUCKETS[-1]}}, BUCKETS),
        ({True: {BUCKETS[-1]}, False: {BUCKETS[1]}}, (BUCKETS[0], *BUCKETS[2:])),
        ({True: {BUCKETS[-1]}, False: {BUCKETS[-1]}}, BUCKETS[-1:]),
    ],
)
def test_shapes_that_disagree_are_not_used_together(
    trained: Trained,
    monkeypatch: pytest.MonkeyPatch,
    odd: dict[bool, set[int]],
    kept: tuple[int, ...],
) -> None:
    monkeypatch.setattr(Odd, "odd", odd)
    picky = Odd(trained, "pump", "1", "")
    picky.warm_up()
    assert picky._buckets == kept


@pytest.mark.parametrize(
    ("left", "size"),
    [(1, 16), (16, 16), (17, 16), (48, 64), (64, 64), (500, 256), (769, 1024)],
)
def test_a_shape_is_taken_once_it_gets_nearly_full(
    predictor: Predictor, left: int, size: int
) -> None:
    picked = Predictor._bucket(SimpleNamespace(_buckets=BUCKETS), left)  # type: ignore[arg-type]
    assert picked == size


def test_about_says_what_a_score_needs(predictor: Predictor) -> None:
    assert predictor.about == {"axis": "cycles", "horizon": 10.0, "cap": 30.0}
    assert predictor.reasons == ("", "unknown_regime")


def test_without_failures_there_is_anomaly_alone() -> None:
    from models.train import train
    from tests.models.fleet import TINY

    healthy = fleet(6, seed=8, failed=False)
    found = train(healthy, LAYOUT, TINY)
    assert found.life is None
    assert "anomalies only" in found.notes[0]
    said = Predictor(found, "pump", "1", "").predict(healthy.windows)
    assert np.isnan(said.risk).all()
    assert np.isnan(said.rul).all()
    assert np.isfinite(said.anomaly).all()
    assert np.isfinite(said.health).all()


def test_loading_keras_says_nothing() -> None:
    code = "import models.predictor"
    ran = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-W", "error::UserWarning", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "", "CUDA_VISIBLE_DEVICES": "-1"},
    )
    assert (ran.stdout, ran.stderr) == ("", "")


def test_reading_a_bundle_does_not_load_keras() -> None:
    code = (
        "import sys, models.bundle, models.datasets, models.metrics, models.report;"
        "sys.exit('keras' in sys.modules or 'tensorflow' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], check=False)  # noqa: S603 - our own interpreter
    assert ran.returncode == 0
