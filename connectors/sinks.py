"""What an archive of line protocol promises, and how it says that it could not.

    SinkError              never raised itself
    ├── Retryable          the archive is away or busy: the same lines again, later
    └── Fatal              trying again cannot help; the text says what must change

A line that the archive will never take is not an error but a value: `Refused`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class SinkError(Exception):
    """Base of what an archive raises; the text is one sentence for the user."""


class Retryable(SinkError):
    """Nothing is lost: write the same lines again.

    Attributes:
        after_s: Seconds to wait first, if the archive said so.
    """

    def __init__(self, text: str, after_s: float | None = None) -> None:
        """Keep the sentence and the wait."""
        super().__init__(text)
        self.after_s = after_s


class Fatal(SinkError):
    """Settings or permissions must change first."""


class Refused(NamedTuple):
    """One line that the archive will never take.

    Attributes:
        place: Its index in the lines given.
        reason: What the archive said.
    """

    place: int
    reason: str


BLANK = "a blank line holds no point"


def blank_lines(lines: Sequence[str]) -> list[Refused]:
    """The lines without any text; servers skip them and do not say so."""
    return [Refused(i, BLANK) for i, line in enumerate(lines) if not line.strip()]
