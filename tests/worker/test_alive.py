"""The file that stays young while there is progress."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from stream.worker import alive


async def one_look(path: Path, *roles: object) -> bool:
    """Let the keeper look once; returns whether it touched the file."""
    task = asyncio.create_task(alive.keep(path, roles, 10.0))
    for _ in range(3):
        await asyncio.sleep(0)
    failed = task.done() and task.exception()
    task.cancel()
    if failed:
        raise failed
    return path.exists()


async def test_it_is_touched_while_all_roles_that_keep_time_go_on(
    tmp_path: Path,
) -> None:
    now, silent = time.monotonic(), SimpleNamespace()
    busy, stuck = SimpleNamespace(alive_at=now), SimpleNamespace(alive_at=now - 80)
    assert await one_look(tmp_path / "a", silent, busy)
    # Longer than a minute and its patience.
    assert not await one_look(tmp_path / "b", busy, stuck)


async def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        await one_look(tmp_path / "nowhere" / "a")
