"""The documentation says what the code does."""

from pathlib import Path

from stream.core.alarm_table import TABLES, diagram

DOCS = Path(__file__).resolve().parents[1] / "docs"


def test_the_picture_of_alarms_is_drawn_from_their_tables() -> None:
    assert f"```mermaid\n{diagram()}```\n" in (DOCS / "alarms.md").read_text()


def test_all_that_the_tables_refuse_is_told_with_its_reason() -> None:
    rows = [
        f"| {table.name} | {state} | {given} | {reason} |"
        for table in TABLES
        for (state, given), reason in table.refused.items()
    ]
    told = (DOCS / "alarms.md").read_text().splitlines()
    assert [row for row in told if row in set(rows)] == rows
