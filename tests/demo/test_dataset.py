from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stream import histories
from stream.core.readings import Tally
from stream.demo import trial
from stream.demo.fleet import Fleet, history
from stream.demo.parameters import SENSORS, UNITS, Parameters
from stream.errors import ConfigError, InputError
from stream.worker.plant import kinds_of
from stream.worker.settings import Settings, load_settings
from tests.demo.conftest import PARAMETERS
from tests.demo.oracle import Oracle

CONFIG = PARAMETERS.with_name("demo.yaml")


@pytest.fixture(scope="module")
def settings() -> Settings:
    here = f"dataset.parameters={PARAMETERS}"
    return load_settings(CONFIG, [here], environ={})


def test_the_plant_has_the_sensors_of_the_fleet_and_their_ranges(
    settings: Settings, laws: Parameters
) -> None:
    pump = settings.machine_types["pump"]
    assert tuple(pump.sensors) == SENSORS
    assert tuple(s.unit for s in pump.sensors.values()) == UNITS
    for name, limits in laws.faults.range.items():
        assert pump.sensors[name].range == limits
    assert pump.life.period_ns == laws.period_s * 10**9


def test_training_sees_the_training_fleet_while_it_runs(
    settings: Settings, lessons: list[Fleet]
) -> None:
    lives = history(lessons[0])
    cut = histories.cut(settings, "pump", lives, 6_000)
    assert 2_000 < len(cut.windows) <= 6_100
    assert (cut.windows.filled > 0).all()
    # The newest row of a window always runs, and so do those before it.
    assert np.nanmin(cut.windows.values[:, -1, 0]) > 600
    assert set(cut.names) == set(lives.machines)
    assert cut.censored.mean() < 0.8


def test_the_data_set_is_simulated_from_its_file_and_seed(
    settings: Settings, tmp_path: Path
) -> None:
    tree = settings.model_dump(by_alias=True)
    assert tree["dataset"]["kind"] == "fleet"
    assert histories.load(settings, "pump", "train").sensors == SENSORS
    assert not histories.has_test(settings, "pump")
    nowhere = f"dataset.parameters={tmp_path / 'nowhere.yaml'}"
    bad = load_settings(CONFIG, [nowhere], environ={})
    with pytest.raises(InputError, match=r"nowhere\.yaml"):
        histories.load(bad, "pump", "train")


def test_a_seed_below_zero_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"dataset.*seed"):
        load_settings(CONFIG, ["dataset.seed=-1"], environ={})


def test_a_fleet_that_never_runs_cannot_be_learned_from(
    settings: Settings, lessons: list[Fleet]
) -> None:
    found = history(lessons[0])
    lives = replace(found, values=found.values * np.float32(0))
    with pytest.raises(InputError, match="no machine of the history runs"):
        histories.cut(settings, "pump", lives, 500)


def test_the_trial_scores_what_a_worker_would(
    settings: Settings, demos: list[Fleet]
) -> None:
    (kind,) = kinds_of(settings)
    oracle = Oracle(demos[0])
    found = trial.run(kind, oracle, demos[0])
    assert found.verdict.foreseen == found.verdict.foreseeable == 11
    assert found.verdict.false_alarms == 0
    assert found.tally.windows["scored"] > 15_000
    assert found.tally.windows["no_estimate.not_running"] > 100
    scores = trial.scores_of(kind, oracle, history(demos[0]), Tally())
    assert (np.diff(scores.windows.machine) >= 0).all()
    assert kind.sensor_names == SENSORS
