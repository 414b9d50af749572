"""Durations and sizes as people write them."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from stream.worker.settings_units import parse_duration_ns, parse_size

S = 10**9


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("10s", 10 * S),
        ("5min", 300 * S),
        ("30d", 30 * 86_400 * S),
        ("1h", 3_600 * S),
        ("1h30min", 5_400 * S),
        ("1 h 30 min", 5_400 * S),
        ("2w", 14 * 86_400 * S),
        ("500ms", S // 2),
        ("250us", 250_000),
        ("250µs", 250_000),
        ("7ns", 7),
        ("1.5h", 5_400 * S),
        ("0.1s", S // 10),
        ("  3s ", 3 * S),
        ("PT1H", 3_600 * S),
        ("PT1H30M0.5S", 5_400 * S + S // 2),
        ("P7D", 7 * 86_400 * S),
        ("P1W", 7 * 86_400 * S),
        ("P1DT12H", 129_600 * S),
        ("0s", 0),
        (0, 0),
    ],
)
def test_durations(text: object, ns: int) -> None:
    assert parse_duration_ns(text) == ns


@pytest.mark.parametrize(
    "text",
    [
        *("", "s", "10", 10, 1.5, True, False, None, [], "-1s", "1m", "1M", "1y"),
        *("P1M", "P1Y", "P", "PT", "P1DT", "1h and more", "1e3s", "300000000000h"),
        # A digit, but not one of ours.
        "\N{ARABIC-INDIC DIGIT ONE}s",
    ],
)
def test_no_durations(text: object) -> None:
    with pytest.raises(PydanticCustomError, match="a duration with a unit"):
        parse_duration_ns(text)


@given(st.text())
def test_any_text_is_a_duration_or_refused(text: str) -> None:
    with suppress(PydanticCustomError):
        assert 0 <= parse_duration_ns(text) < 2**63


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("16MiB", 16 << 20),
        ("64KiB", 64 << 10),
        ("1GiB", 1 << 30),
        ("500kB", 500_000),
        ("500KB", 500_000),
        ("1.5 MB", 1_500_000),
        ("2GB", 2 * 10**9),
        ("12B", 12),
        ("12", 12),
        (12, 12),
        (0, 0),
    ],
)
def test_sizes(text: object, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "MiB", "16M", "-1B", -1, 1.5, True, None, "1 mib"]
)
def test_no_sizes(text: object) -> None:
    with pytest.raises(PydanticCustomError, match="a size with a unit"):
        parse_size(text)
