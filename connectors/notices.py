"""What goes out to people, and how a receiver says that it could not take it.

    NotTaken               never raised itself
    ├── Unavailable        the receiver is away, busy or set up wrongly: again, later
    └── Declined           it will never take this notice; others it may

Every receiver promises delivery at least once: `send` returns after the receiver has
answered that it has the notice. The same notice sent again carries the same
fingerprint and key, by which a repetition is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

_FNV_OFFSET = 0xCBF29CE484222325
_FNV_PRIME = 0x100000001B3
_SEPARATOR = b"\xff"
_SAID_CHARS = 200

Step = Literal["opened", "rose", "closed"]


@dataclass(frozen=True, slots=True)
class Notice:
    """One notification about one case.

    Attributes:
        case: Identity of the case, the same for all its notices.
        key: Identity of the notice: the same whenever it is sent again.
        step: ``opened``, ``rose`` (in severity) or ``closed``.
        labels: Who the case is; the same for all its notices.
        annotations: What there is to say now.
        starts_at: When the case began, ISO 8601 with ``Z``.
        ends_at: When it ended; empty while it is open.
        title: One line.
        body: Plain text of several lines.
    """

    case: str
    key: str
    step: Step
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: str
    ends_at: str
    title: str
    body: str

    @property
    def fingerprint(self) -> str:
        """Sixteen hex digits of the labels; see `fingerprint`."""
        return fingerprint(self.labels)


class NotTaken(Exception):
    """Base of what a receiver raises; the text is one sentence without secrets."""


class Unavailable(NotTaken):
    """Nothing is lost: send the same notice again.

    Attributes:
        after_s: Seconds to wait first, if the receiver said so.
    """

    def __init__(self, text: str, after_s: float | None = None) -> None:
        """Keep the sentence and the wait."""
        super().__init__(text)
        self.after_s = after_s


class Declined(NotTaken):
    """The receiver will never take this notice, however often it is sent."""


def fingerprint(labels: Mapping[str, str]) -> str:
    """Identify a set of labels as Prometheus and Alertmanager do.

    FNV-1a with 64 bits over names in order and their values, each followed by the
    byte 255 (`prometheus/common`, ``LabelSet.Fingerprint``), so that a webhook of ours
    and one of Alertmanager name a case alike.

    Returns:
        Sixteen hex digits.

    Example:
        >>> fingerprint({})
        'cbf29ce484222325'
    """
    state = _FNV_OFFSET
    for name in sorted(labels):
        text = name.encode() + _SEPARATOR + labels[name].encode() + _SEPARATOR
        for byte in text:
            state = (state ^ byte) * _FNV_PRIME & 0xFFFFFFFFFFFFFFFF
    return f"{state:016x}"


def said(text: str, secrets: Iterable[str] = ()) -> str:
    """Return what a server said, short, on one line and with no secret in it."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    return " ".join(text.split())[:_SAID_CHARS]
