"""Fixtures of the real servers, and the rule for what is missing.

Tests that use `kafka`, `influx` or `alertmanager` get the mark `integration` by
themselves.
"""

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NoReturn

import pytest

from tests.services import alertmanager as alertmanager_server
from tests.services import influx as influx_server
from tests.services import kafka as kafka_server
from tests.services import public_data
from tests.services.errors import Missing
from tests.services.influx import Influx

_SERVERS = {"kafka", "influx", "alertmanager"}


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


@pytest.fixture(scope="session")
def alertmanager() -> Callable[..., AbstractContextManager[str]]:
    """Starts an Alertmanager of the test's own; see `alertmanager.serve`."""
    try:
        alertmanager_server.program()
    except Missing as missing:
        give_up(missing)
    return alertmanager_server.serve


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
    try:
        return public_data.folder()
    except Missing as missing:
        give_up(missing)


@pytest.fixture(scope="session")
def cmapss_dir() -> Path:
    """The folder of C-MAPSS text files, in the folder of public data."""
    try:
        return public_data.cmapss()
    except Missing as missing:
        give_up(missing)
