"""Archive into files of line protocol, for one process without servers.

Delivery: what was written before `flush` returned survives a crash of the machine.
A batch is written in full or not at all; no file ends in half a line.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from io import FileIO
from pathlib import Path
from typing import Self

from connectors.sinks import Refused, Retryable, blank_lines

_FILE = re.compile(r"lines-(\d{6,})\.lp")


class FileSink:
    """Lines in `<folder>/lines-000001.lp` and so on; each opening starts a new file.

    Args:
        folder: Made if it is missing.
        file_bytes: A file that has reached this size is closed and followed by the
            next one; a batch is never torn over two.
    """

    def __init__(self, folder: Path, file_bytes: int = 64 << 20) -> None:
        self.folder = folder
        self.file_bytes = file_bytes
        self._file: FileIO | None = None

    def open(self) -> None:
        """Make the folder; safe to repeat.

        Raises:
            Retryable: It cannot be made.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._away(error) from error

    def write(self, lines: Sequence[str]) -> list[Refused]:
        """Append lines.

        Args:
            lines: Line protocol, without line ends.

        Returns:
            The lines that are none, by their place; all others are written.

        Raises:
            Retryable: The disk did not take them (none of them is written).
        """
        refused = blank_lines(lines)
        kept = [line for line in lines if line.strip()]
        if not kept:
            return refused
        data = "".join(f"{line}\n" for line in kept).encode()
        try:
            self._append(data)
        except OSError as error:
            raise self._away(error) from error
        return refused

    def _append(self, data: bytes) -> None:
        if self._file is not None and self._file.tell() >= self.file_bytes:
            self._end_file()
        file = self._file or self._next_file()
        start = file.tell()
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[file.write(rest) :]
        except OSError:
            # A full disk leaves half a batch behind; take it back.
            file.truncate(start)
            file.seek(start)
            raise

    def _next_file(self) -> FileIO:
        self.folder.mkdir(parents=True, exist_ok=True)
        numbers = [
            int(match[1])
            for path in self.folder.iterdir()
            if (match := _FILE.fullmatch(path.name))
        ]
        number = max(numbers, default=0)
        while True:
            number += 1
            try:
                # Exclusive, so that two processes never share a file.
                file = FileIO(self.folder / f"lines-{number:06}.lp", "x")
            except FileExistsError:
                continue
            self._file = file
            return file

    def flush(self) -> None:
        """Make everything written so far durable.

        Raises:
            Retryable: The disk failed; write again what came since the last flush.
        """
        if self._file is None:
            return
        try:
            os.fsync(self._file.fileno())
            _sync_folder(self.folder)
        except OSError as error:
            raise self._away(error) from error

    def close(self) -> None:
        """Flush and close; safe to repeat, and `write` opens anew.

        Raises:
            Retryable: The disk failed.
        """
        try:
            self._end_file()
        except OSError as error:
            raise self._away(error) from error

    def _end_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with file:
                os.fsync(file.fileno())
            _sync_folder(self.folder)

    def _away(self, error: OSError) -> Retryable:
        reason = (error.strerror or str(error)).lower()
        return Retryable(f"cannot write lines under {self.folder}: {reason}")

    def __enter__(self) -> Self:
        """Open."""
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()


def _sync_folder(folder: Path) -> None:
    # A file's name is part of its folder, which has its own place on the disk.
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
