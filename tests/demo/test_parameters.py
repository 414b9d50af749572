from pathlib import Path

import pytest

from stream.demo import parameters
from stream.demo.parameters import MEASURED, SENSORS, UNITS
from stream.errors import InputError
from tests.demo.conftest import PARAMETERS


def test_the_file_is_read_and_fits_the_sensors() -> None:
    found = parameters.read(PARAMETERS)
    assert len(SENSORS) == len(UNITS) == len(MEASURED) + 1
    assert found.rows(24) == 144
    assert {m.drives for m in found.mechanisms.values()} <= set(MEASURED)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("period_s: 600", "period_s: 0", "period_s"),
        ("period_s: 600", "period_s: 600\nperiod_x: 1", "period_x"),
        ("drives: vibration", "drives: smell", "bearing_wear"),
        ("  vibration: 0.30\n", "", "differ"),
        ("    flow: [0, 250]\n", "", "faults.range"),
        ("  failures: 12", "  failures: 19", "demo.failures"),
        ("share: [0.15, 0.2, ", "share: [0.15, ", "load.share"),
        ("period_s: 600", "period_s: [", "YAML"),
    ],
)
def test_a_fault_in_the_file_is_named(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    text = PARAMETERS.read_text()
    assert old in text
    file = tmp_path / "bad.yaml"
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=said) as raised:
        parameters.read(file)
    assert str(file) in str(raised.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.yaml"):
        parameters.read(tmp_path / "nowhere.yaml")
