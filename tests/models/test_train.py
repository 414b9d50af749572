"""Training: progress, folds, labels, and a model that has learnt something."""

import numpy as np
import pytest

from models import fitting, train_anomaly
from models.distribution import LifeAxis
from models.errors import TrainingError
from models.options import Examples, Step
from models.trained import Trained
from tests.models.fleet import LAYOUT, TINY, fleet


def test_progress_announces_and_finishes_each_stage(
    trained: Trained, told: list[Step]
) -> None:
    stages = list(dict.fromkeys(step.stage for step in told))
    assert stages == [
        "fold 1 of 2",
        "fold 2 of 2",
        "for unknown age",
        "autoencoder",
    ]
    for stage, curve in zip(stages, trained.curves, strict=True):
        steps = [step for step in told if step.stage == stage]
        assert [step.done for step in steps] == list(range(len(steps)))
        assert steps[-1].total == (2 if stage == "autoencoder" else 3)
        assert curve.stage == stage
        assert len(curve.held_out) == len(steps) - 1
        assert curve.held_out[curve.best] == min(curve.held_out)


def test_out_of_fold_predictions_cover_every_window(
    trained: Trained, examples: Examples
) -> None:
    assert trained.life is not None
    found = trained.life.out_of_fold
    assert found.machine.tolist() == examples.machine.tolist()
    assert found.age[:3].tolist() == [1, 2, 3]
    assert (np.diff(found.rul, axis=1) >= 0).all()


def test_it_has_learnt_more_than_the_mean(trained: Trained) -> None:
    assert trained.life is not None
    found = trained.life.out_of_fold
    capped = np.minimum(found.life, LAYOUT.cap)
    error = np.sqrt(np.mean((found.rul[:, 1] - capped) ** 2))
    assert error < 0.6 * capped.std()


def test_machines_are_dealt_evenly_and_stay_whole() -> None:
    machine = np.repeat(np.arange(11), 7).astype(np.int32)
    failed = machine < 4
    fold = fitting.deal(machine, 4, np.random.default_rng(0), first=failed)
    for one in range(11):
        assert len(set(fold[machine == one].tolist())) == 1
    first = fold[::7]
    assert sorted(np.bincount(first).tolist()) == [2, 3, 3, 3]
    assert sorted(first[:4].tolist()) == [0, 1, 2, 3]


def test_thinning_keeps_order_and_spread() -> None:
    rng = np.random.default_rng(0)
    drawn = fitting.thin(np.arange(1000), 10, rng)
    assert (drawn // 100).tolist() == list(range(10))
    assert fitting.thin(np.arange(5), 10, rng).tolist() == [0, 1, 2, 3, 4]


def test_a_censored_life_asks_nothing_beyond_its_end() -> None:
    from models.train_life import targets

    axis = LifeAxis(cap=30.0, horizon=10.0, bins=3)
    life = np.array([0.0, 15.0, 15.0, 99.0])
    found = targets(axis, life, np.array([False, False, True, True]))
    assert found.tolist() == [[1, 1, 1, 1], [0, 0, 1, 1], [0, 0, -1, -1], [0, 0, 0, 0]]


def test_the_loss_ignores_what_nobody_knows() -> None:
    from models.backend import ops
    from models.networks import RankedLoss

    loss = RankedLoss(reduction=None)
    logits = ops.convert_to_tensor([[1.0, 2.0, 0.5, 3.0], [1.0, 2.0, 0.5, -9.0]])
    told = ops.convert_to_tensor([[0.0, 0.0, -1.0]] * 2)
    probability = np.exp([1.0, 2.0, 0.5, 3.0])
    cdf = (np.cumsum(probability) / probability.sum())[:2]
    wanted = np.mean(-0.5 * np.log(1 - cdf) + 2 * cdf**2)
    found = np.asarray(loss(told, logits))
    assert found[0] == pytest.approx(wanted, rel=1e-5)


def test_healthy_windows_are_far_from_failure() -> None:
    some = fleet(3, seed=2)
    well = train_anomaly.healthy(some, LAYOUT.cap)
    assert (well == (some.life > LAYOUT.cap)).all()
    brief = some.take(np.flatnonzero(some.life < 20))
    start = train_anomaly.healthy(brief, LAYOUT.cap)
    assert start.sum() == 3 * sum(life > 0.75 * 19 for life in range(20))
    quiet = fleet(3, seed=2, failed=False)
    assert train_anomaly.healthy(quiet, LAYOUT.cap).all()


def test_too_little_to_learn_from_is_said() -> None:
    from models.train import train

    with pytest.raises(TrainingError, match="at least 50 windows"):
        train(fleet(1, seed=1).take(np.arange(9)), LAYOUT, TINY)


def test_rows_without_variation_are_said() -> None:
    from dataclasses import replace

    from models.train import train

    some = fleet(2, seed=1)
    still = replace(some.windows, values=np.ones_like(some.windows.values))
    with pytest.raises(TrainingError, match="no sensor varies"):
        train(replace(some, windows=still), LAYOUT, TINY)


def test_lives_of_one_machine_are_held_out_together() -> None:
    from dataclasses import replace

    some = replace(fleet(4, seed=1), groups=np.array([0, 0, 1, 1], np.int32))
    assert some.group[some.machine == 1].tolist() == [0] * (some.machine == 1).sum()
    fold = fitting.deal(some.group, 2, np.random.default_rng(0))
    assert len(set(fold[some.machine < 2].tolist())) == 1
    assert set(fold.tolist()) == {0, 1}
    assert some.failures == 4


def test_the_blur_hides_the_machine_and_keeps_how_far_it_has_moved() -> None:
    from models.backend import ops
    from models.networks import BlurMachine
    from models.networks_spec import Blur

    rng = np.random.default_rng(0)
    sequence = ops.convert_to_tensor(rng.normal(size=(50, 6, 3)).astype(np.float32))
    static = rng.normal(size=(50, 7)).astype(np.float32)
    static[:, 5] = np.arange(50) % 2  # the age is known of every second one
    static[:, 4] *= static[:, 5]
    blur = BlurMachine(3, Blur(shift=1.0, baseline=0.0, age=0.1))
    same = blur(sequence, ops.convert_to_tensor(static), training=False)
    assert np.array_equal(same[0], sequence)
    assert np.array_equal(same[1], static)
    moved, other = (np.asarray(part) for part in blur(sequence, static, training=True))
    assert np.abs(moved - np.asarray(sequence)).std() > 0.3
    before = np.asarray(sequence) - static[:, None, :3]
    assert moved - other[:, None, :3] == pytest.approx(before, abs=1e-5)
    assert np.array_equal(other[:, [3, 5, 6]], static[:, [3, 5, 6]])
    changed = other[:, 4] != static[:, 4]
    assert changed.tolist() == (static[:, 5] == 1).tolist()
