"""The tables of alarms: every legal step, every illegal one, and their picture."""

from __future__ import annotations

import itertools

import pytest

from stream.core import alarm_table
from stream.core.alarm_table import (
    ALARM,
    NOTE,
    OPEN,
    SERVICE,
    SHELF,
    TABLES,
    IllegalStep,
    Table,
    check_shelf,
    diagram,
)

# What should follow, written down a second time and in another form.
EXPECTED = """
alarm normal above -> pending
alarm normal between -> normal
alarm normal below -> normal
alarm normal due !! no delay is running
alarm normal ended !! there is no alarm to end
alarm pending above -> pending
alarm pending between -> normal
alarm pending below -> normal
alarm pending due -> active raised
alarm pending ended -> normal
alarm active above -> active
alarm active between -> active
alarm active below -> clearing
alarm active due !! no delay is running
alarm active ended -> normal cleared
alarm clearing above -> active
alarm clearing between -> active
alarm clearing below -> clearing
alarm clearing due -> normal cleared
alarm clearing ended -> normal cleared
acknowledgement closed raise -> unacknowledged
acknowledgement closed acknowledge !! the alarm is not active
acknowledgement closed feedback -> closed feedback
acknowledgement closed clear !! the alarm is not active
acknowledgement unacknowledged raise !! the alarm is active already
acknowledgement unacknowledged acknowledge -> acknowledged acknowledged
acknowledgement unacknowledged feedback -> unacknowledged feedback
acknowledgement unacknowledged clear -> closed
acknowledgement acknowledged raise !! the alarm is active already
acknowledgement acknowledged acknowledge !! the alarm is acknowledged already
acknowledgement acknowledged feedback -> acknowledged feedback
acknowledgement acknowledged clear -> closed
shelf unshelved shelve -> shelved shelved
shelf unshelved unshelve !! the alarm is not shelved
shelf unshelved expire !! the alarm is not shelved
shelf shelved shelve -> shelved shelved
shelf shelved unshelve -> unshelved unshelved
shelf shelved expire -> unshelved unshelved
service in_service out_of_service -> out_of_service suppressed
service in_service failure -> failed
service in_service return !! the machine is in service
service out_of_service out_of_service !! the machine is out of service already
service out_of_service failure -> out_of_service
service out_of_service return -> in_service returned
service failed out_of_service -> out_of_service suppressed
service failed failure -> failed
service failed return -> in_service
"""


def _expected() -> dict[tuple[str, str, str], str]:
    lines = [line.split(" ", 3) for line in EXPECTED.strip().splitlines()]
    return {(table, state, given): rest for table, state, given, rest in lines}


PAIRS = [
    pytest.param(table, state, given, id=f"{table.name}-{state}-{given}")
    for table in TABLES
    for state, given in itertools.product(table.states, table.inputs)
]


@pytest.mark.parametrize(("table", "state", "given"), PAIRS)
def test_every_pair_of_state_and_input_leads_where_it_should(
    table: Table, state: str, given: str
) -> None:
    expected = _expected()[table.name, state, given]
    if expected.startswith("!! "):
        with pytest.raises(IllegalStep, match=f"^{expected[3:]}$"):
            table.step(state, given)
    else:
        following, _, action = expected[3:].partition(" ")
        assert table.step(state, given) == (following, action)


def test_nothing_is_expected_of_pairs_that_are_none() -> None:
    there = {
        (table.name, *pair)
        for table in TABLES
        for pair in itertools.product(table.states, table.inputs)
    }
    assert set(_expected()) == there


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_pair_is_either_legal_or_refused(table: Table) -> None:
    pairs = set(itertools.product(table.states, table.inputs))
    assert set(table.legal) | set(table.refused) == pairs
    assert not set(table.legal) & set(table.refused)
    assert {step.state for step in table.legal.values()} == set(table.states)


@pytest.mark.parametrize(
    ("state", "given"), [("asleep", "above"), ("normal", "acknowledge")]
)
def test_a_step_that_no_table_knows_is_refused(state: str, given: str) -> None:
    with pytest.raises(IllegalStep, match="there is no step from"):
        ALARM.step(state, given)


def test_an_alarm_is_open_between_raised_and_cleared() -> None:
    for (state, _), (following, action) in ALARM.legal.items():
        opens = state not in OPEN and following in OPEN
        closes = state in OPEN and following not in OPEN
        assert action == ("raised" if opens else "cleared" if closes else "")


def test_a_shelf_needs_an_end_after_its_beginning() -> None:
    check_shelf(10, 11)
    for until in (10, 9):
        with pytest.raises(IllegalStep, match="an end later than its time"):
            check_shelf(10, until)


def test_the_picture_shows_what_changes_or_is_told() -> None:
    picture = diagram()
    for table in (ALARM, NOTE, SHELF, SERVICE):
        assert (
            f"    state {table.name} {{\n        [*] --> {table.states[0]}" in picture
        )
    assert "        pending --> active: due / raised\n" in picture
    assert "        clearing --> normal: due or ended / cleared\n" in picture
    assert "        shelved --> shelved: shelve / shelved\n" in picture
    assert "normal --> normal" not in picture


def test_states_have_one_name() -> None:
    names = [state for table in TABLES for state in table.states]
    assert len(names) == len(set(names))
    assert ALARM.states[0] == alarm_table.NORMAL
