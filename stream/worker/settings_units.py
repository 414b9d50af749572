"""Durations and sizes as people write them, and the small types built on them.

A duration in a file is text with a unit (``10s``, ``1h30min``, ``PT1H``); in the
program it is an integer of nanoseconds (`_ns`) or a float of seconds (`_s`), and
the attribute's name says which. A bare number is refused, since nobody can tell
its unit; 0 is the exception.
"""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, NoReturn
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

_NS_PER_UNIT = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "min": 60 * 1_000_000_000,
    "h": 3_600 * 1_000_000_000,
    "d": 86_400 * 1_000_000_000,
    "w": 7 * 86_400 * 1_000_000_000,
}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ns|us|µs|ms|min|s|h|d|w)\s*", re.ASCII)
_DURATION = re.compile(rf"(?:{_PART.pattern})+", re.ASCII)
# Years and months have no fixed length, so ISO 8601 is read without them.
_ISO = re.compile(
    r"P(?:(?P<w>\d+)W)?(?:(?P<d>\d+)D)?"
    r"(?:T(?=\d)(?:(?P<h>\d+)H)?(?:(?P<min>\d+)M)?(?:(?P<s>\d+(?:\.\d+)?)S)?)?",
    re.ASCII,
)
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|kB|KB|KiB|MB|MiB|GB|GiB)", re.ASCII)
_BYTES_PER_UNIT = {
    "B": 1,
    "kB": 1_000,
    "KB": 1_000,
    "KiB": 1 << 10,
    "MB": 1_000_000,
    "MiB": 1 << 20,
    "GB": 1_000_000_000,
    "GiB": 1 << 30,
}
_INT64_MAX = 2**63 - 1


def refuse(what: str) -> NoReturn:
    """Refuse the value at hand; the sentence will read "expected `what`, found …".

    Raises:
        PydanticCustomError: Always.
    """
    raise PydanticCustomError("expected", "{what}", {"what": what})


def parse_duration_ns(text: object) -> int:
    """Read a duration such as ``10s``, ``1h30min``, ``30d``, ``PT1H`` or ``P7D``.

    Args:
        text: Text with units (ns, us, ms, s, min, h, d, w) or ISO 8601 without
            years and months; the bare number 0 is taken as well.

    Returns:
        Nanoseconds, 0 or more; what lies below one nanosecond is cut off.

    Raises:
        PydanticCustomError: The text is no duration, or longer than 292 years.

    Example:
        >>> parse_duration_ns("1h30min")
        5400000000000
    """
    wanted = "a duration with a unit, such as 500ms, 10s, 5min, 1h30min or 30d"
    if text in (0, "0") and not isinstance(text, bool):
        return 0
    if not isinstance(text, str):
        refuse(wanted)
    found = text.strip()
    iso = _ISO.fullmatch(found)
    if iso and any(iso.groups()):
        parts = [(number, unit) for unit, number in iso.groupdict().items() if number]
    elif _DURATION.fullmatch(found):
        parts = _PART.findall(found)
    else:
        refuse(wanted)
    total = int(sum(Decimal(number) * _NS_PER_UNIT[unit] for number, unit in parts))
    if total > _INT64_MAX:
        refuse(wanted)
    return total


def parse_size(text: object) -> int:
    """Read a size such as ``16MiB`` or ``500kB``; a whole number counts bytes.

    Args:
        text: Text with a unit (B, kB, KiB, MB, MiB, GB, GiB) or a whole number.

    Returns:
        Bytes, 0 or more.

    Raises:
        PydanticCustomError: The text is no size.

    Example:
        >>> parse_size("16MiB")
        16777216
    """
    if isinstance(text, int) and not isinstance(text, bool) and text >= 0:
        return text
    found = text.strip() if isinstance(text, str) else ""
    if found.isascii() and found.isdigit():
        return int(found)
    match = _SIZE.fullmatch(found)
    if match is None:
        refuse("a size with a unit, such as 64KiB, 1MiB or 500kB")
    return int(Decimal(match[1]) * _BYTES_PER_UNIT[match[2]])


def _no_bool(value: object) -> object:
    # YAML 1.1 reads yes, no, on and off as booleans, and Python counts them as 1 and 0.
    if isinstance(value, bool):
        refuse("a number")
    return value


def _seconds(text: object) -> float:
    return parse_duration_ns(text) / 1e9


def _positive(value: Any) -> Any:
    if value <= 0:
        refuse("a duration above 0")
    return value


def _expand(path: Path) -> Path:
    return path.expanduser()


def _printable(text: str) -> str:
    if not text.isprintable() or text != text.strip():
        refuse("printable text without spaces at its ends")
    return text


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        refuse("a URL such as http://127.0.0.1:8086")
    if parts.username or parts.password or parts.query or parts.fragment:
        refuse("a URL without user name, password or query")
    return text.rstrip("/")


def one_or_many(value: Any) -> Any:
    """Take one text for a list of one."""
    return (value,) if isinstance(value, str) else value


Url = Annotated[str, AfterValidator(_url)]
Whole = Annotated[int, BeforeValidator(_no_bool)]
Number = Annotated[float, BeforeValidator(_no_bool)]
DurationNs = Annotated[int, BeforeValidator(parse_duration_ns)]
PositiveNs = Annotated[DurationNs, AfterValidator(_positive)]
Seconds = Annotated[float, BeforeValidator(_seconds)]
PositiveSeconds = Annotated[Seconds, AfterValidator(_positive)]
Bytes = Annotated[int, BeforeValidator(parse_size), Field(ge=1)]
FilePath = Annotated[Path, AfterValidator(_expand)]
Name = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_printable)]
Line = Annotated[str, Field(min_length=1, max_length=512), AfterValidator(_printable)]
