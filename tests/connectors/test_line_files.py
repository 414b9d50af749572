"""Files of line protocol: the sink contract, and what only files do."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from connectors.line_files import FileSink
from connectors.sinks import Retryable
from tests.contracts.sink import Kit, SinkContract, many, points

_POINT = re.compile(r"score,machine=(.+),type=\S+ .* (\d+)", re.DOTALL)


class FileKit:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def make(self) -> FileSink:
        return FileSink(self.folder, file_bytes=100_000)

    def stored(self) -> set[tuple[str, int]]:
        text = "".join(file.read_text() for file in sorted(self.folder.glob("*.lp")))
        assert text == "" or text.endswith("\n")
        found = [_POINT.fullmatch(line) for line in text.splitlines()]
        return {
            (re.sub(r"\\([,= ])", r"\1", match[1]), int(match[2]))
            for match in found
            if match
        }

    @contextmanager
    def outage(self) -> Iterator[None]:
        # A file stands where the folder should be.
        self.folder.write_text("")
        yield
        self.folder.unlink()


class TestFileSink(SinkContract):
    @pytest.fixture
    def kit(self, tmp_path: Path) -> Kit:
        return FileKit(tmp_path / "lines")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_full_file_is_followed_by_the_next_and_no_batch_is_torn(
    tmp_path: Path,
) -> None:
    with FileSink(tmp_path, file_bytes=100) as sink:
        for at in range(3):
            sink.write(many(4, f"m{at}"))
    assert names(tmp_path) == [f"lines-00000{n}.lp" for n in (1, 2, 3)]
    assert (tmp_path / "lines-000002.lp").read_text().splitlines() == many(4, "m1")


def test_each_opening_starts_a_new_file_and_keeps_the_old(tmp_path: Path) -> None:
    (tmp_path / "lines-000041.lp").write_text("torn by a cra")
    (tmp_path / "notes.txt").write_text("mine")
    with FileSink(tmp_path) as sink:
        sink.write(many(1))
    assert names(tmp_path) == ["lines-000041.lp", "lines-000042.lp", "notes.txt"]
    assert (tmp_path / "lines-000041.lp").read_text() == "torn by a cra"


def test_two_processes_never_share_a_file(tmp_path: Path) -> None:
    with FileSink(tmp_path) as one, FileSink(tmp_path) as two:
        one.write(many(1, "a"))
        two.write(many(1, "b"))
        one.write(many(2, "a"))
    assert [(tmp_path / n).read_text().count("machine=a") for n in names(tmp_path)] == [
        3,
        0,
    ]


def test_lines_keep_their_order(tmp_path: Path) -> None:
    with FileSink(tmp_path) as sink:
        sink.write(many(100))
    assert (tmp_path / "lines-000001.lp").read_text().splitlines() == many(100)


def test_a_full_disk_leaves_no_half_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kit = FileKit(tmp_path)
    with kit.make() as sink:
        sink.write(many(2))
        file = sink._file
        assert file is not None
        full = _FullAfter(file, 30)
        monkeypatch.setattr(sink, "_file", full)
        with pytest.raises(Retryable, match="no space left on device"):
            sink.write(many(9, "later"))
        monkeypatch.setattr(sink, "_file", file)
        assert kit.stored() == points(2)
        sink.write(many(9, "later"))
    assert kit.stored() == points(2) | points(9, "later")


class _FullAfter:
    """A file whose disk takes some bytes more and is then full."""

    def __init__(self, file: object, free: int) -> None:
        self._file, self._free = file, free

    def __getattr__(self, name: str) -> object:
        return getattr(self._file, name)

    def write(self, data: memoryview) -> int:
        if self._free == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken, self._free = data[: self._free], 0
        written = self._file.write(taken)  # type: ignore[attr-defined]
        return int(written)
