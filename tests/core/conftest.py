"""What the tests of the core share; hypothesis' profiles are the whole project's."""

from collections.abc import Iterator

import pytest

from stream.core import pipeline, snapshot


@pytest.fixture(scope="module")
def small_blocks() -> Iterator[None]:
    """Blocks of two machines, so that few machines make many blocks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(snapshot, "BLOCK", 2)
        patch.setattr(pipeline, "BLOCK", 2)
        yield
