"""The public data sets are found where a user may put them."""

from pathlib import Path

import pytest

from tests.services import public_data
from tests.services.errors import Missing


@pytest.mark.parametrize("inside", ["cmapss", "."])
def test_cmapss_lies_in_its_folder_or_directly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inside: str
) -> None:
    monkeypatch.setenv(public_data.NAMED_BY, str(tmp_path))
    home = tmp_path / inside
    home.mkdir(exist_ok=True)
    with pytest.raises(Missing, match=r"no train_FD001\.txt in"):
        public_data.cmapss()
    (home / "train_FD001.txt").touch()
    assert public_data.cmapss() == home


def test_an_unset_variable_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(public_data.NAMED_BY, raising=False)
    with pytest.raises(Missing, match="is not set"):
        public_data.cmapss()


def test_a_folder_that_is_none_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(public_data.NAMED_BY, str(tmp_path / "absent"))
    with pytest.raises(Missing, match="is no folder"):
        public_data.folder()
