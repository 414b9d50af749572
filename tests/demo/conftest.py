"""The frozen parameters and a few fleets, simulated once."""

from pathlib import Path

import pytest

from stream.demo import parameters
from stream.demo.fleet import Fleet, simulate
from stream.demo.parameters import Parameters

PARAMETERS = Path(__file__).parents[2] / "configs" / "demo-fleet.yaml"


@pytest.fixture(scope="package")
def laws() -> Parameters:
    return parameters.read(PARAMETERS)


@pytest.fixture(scope="package")
def demos(laws: Parameters) -> list[Fleet]:
    return [simulate(laws, seed, "demo") for seed in range(200, 204)]


@pytest.fixture(scope="package")
def lessons(laws: Parameters) -> list[Fleet]:
    return [simulate(laws, seed, "train") for seed in (200, 201)]
