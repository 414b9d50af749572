"""The file that stays young while there is progress."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from stream.worker import alive


class LookedError(Exception):
    """The keeper has looked, and wants to wait."""


@pytest.fixture(autouse=True)
def no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    async def wait(_: float) -> None:
        raise LookedError

    monkeypatch.setattr(asyncio, "sleep", wait)


async def look(path: Path, *roles: object) -> bool:
    """Let the keeper look once; returns whether the file is there."""
    with pytest.raises(LookedError):
        await alive.keep(path, roles, 10.0)
    return path.exists()  # noqa: ASYNC240 - one look at a small folder


async def test_it_is_touched_while_all_roles_that_keep_time_go_on(
    tmp_path: Path,
) -> None:
    now, silent = time.monotonic(), SimpleNamespace()
    busy, stuck = SimpleNamespace(alive_at=now), SimpleNamespace(alive_at=now - 80)
    assert await look(tmp_path / "a", silent, busy)
    # Longer than a minute and its patience.
    assert not await look(tmp_path / "b", busy, stuck)


async def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        await alive.keep(tmp_path / "nowhere" / "a", (), 10.0)
