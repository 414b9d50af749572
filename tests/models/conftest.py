"""One tiny training that the tests of this folder share."""

from pathlib import Path

import pytest

from models.bundle import Bundle
from models.options import Examples, Step
from models.trained import Trained
from tests.models.fleet import LAYOUT, TINY, fleet


@pytest.fixture(scope="session")
def examples() -> Examples:
    return fleet(14, seed=1)


@pytest.fixture(scope="session")
def told() -> list[Step]:
    """Progress of the shared training."""
    return []


@pytest.fixture(scope="session")
def trained(examples: Examples, told: list[Step]) -> Trained:
    from models.train import train

    return train(examples, LAYOUT, TINY, told.append)


@pytest.fixture
def folder(trained: Trained, tmp_path: Path) -> Path:
    """A saved bundle that a test may damage."""
    from models.bundle import save

    save(trained, tmp_path / "pump", name="pump", version="1")
    return tmp_path / "pump"


@pytest.fixture(scope="session")
def bundle(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    from models.bundle import save

    place = tmp_path_factory.mktemp("bundles") / "pump"
    return save(trained, place, name="pump", version="1")
