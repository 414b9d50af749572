"""Fixtures of the real servers, and the rule for what is missing.

Tests that use `kafka` or `influx` get the mark `integration` by themselves.
"""

import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from tests.services import influx as influx_server
from tests.services import kafka as kafka_server
from tests.services.errors import Missing
from tests.services.influx import Influx

DATA = "FORESHOCK_DATA"
_SERVERS = {"kafka", "influx"}


def give_up(missing: Missing) -> NoReturn:
    """Fail with the reason in CI (`CI=true`), skip with it elsewhere."""
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        pytest.fail(str(missing), pytrace=False)
    pytest.skip(str(missing))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a server, before `-m` chooses."""
    for item in items:
        if _SERVERS.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.integration)


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """`host:port` of a Kafka broker that the whole run shares.

    It creates no topics by itself, and keeps them for the run: use `topic_prefix`.
    """
    try:
        with kafka_server.serve() as address:
            yield address
    except Missing as missing:
        give_up(missing)


@pytest.fixture(scope="session")
def influx() -> Iterator[Influx]:
    """The InfluxDB server that the whole run shares: see `influx_bucket`."""
    try:
        with influx_server.serve() as server:
            yield server
    except Missing as missing:
        give_up(missing)


@pytest.fixture
def influx_bucket(influx: Influx) -> Iterator[Influx]:
    """The server with a bucket of this test's own, deleted after it."""
    with influx_server.fresh_bucket(influx) as server:
        yield server


@pytest.fixture
def topic_prefix() -> str:
    """A prefix for names of topics and groups that no other test uses."""
    return f"t-{uuid.uuid4().hex[:12]}."


@pytest.fixture(scope="session")
def kcat() -> str:
    """The program kcat: a Kafka client that shares no code with ours."""
    found = shutil.which("kcat")
    if found is None:
        give_up(Missing("kcat", "it is not on the PATH", "install the package kcat"))
    return found


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of public data that `FORESHOCK_DATA` names."""
    named = os.environ.get(DATA)
    if not named:
        give_up(Missing("public data", f"{DATA} is not set", f"export {DATA}=FOLDER"))
    path = Path(named).resolve()
    if not path.is_dir():
        why = f"{DATA}={named} is not a folder"
        give_up(Missing("public data", why, f"export {DATA}=FOLDER"))
    return path


@pytest.fixture(scope="session")
def cmapss_dir(data_dir: Path) -> Path:
    """The folder of C-MAPSS text files: `cmapss` in the data folder, or itself."""
    for path in (data_dir / "cmapss", data_dir):
        if (path / "train_FD001.txt").is_file():
            return path
    why = f"no train_FD001.txt in {data_dir} or its folder cmapss"
    give_up(Missing("C-MAPSS", why, "put the original text files there"))
