"""One bad file per rule in `bad_configs`, named for the fault.

A file says in its first lines, after `# expect: `, which sentences refuse it.
"""

import re
from pathlib import Path

import pytest

from stream.worker.settings import ConfigError, load_settings

GALLERY = sorted((Path(__file__).parent / "bad_configs").glob("*.yaml"))


def expected(file: Path) -> list[str]:
    return re.findall(r"^# expect: (.*)$", file.read_text(), re.MULTILINE)


@pytest.mark.parametrize("file", GALLERY, ids=lambda file: file.stem)
def test_each_bad_file_is_refused_with_its_sentences(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(file.parent)
    with pytest.raises(ConfigError) as caught:
        load_settings(file.name, (), {})
    assert list(caught.value.faults) == expected(file)
    assert str(caught.value) == "\n".join(expected(file))


def test_the_gallery_is_there_and_every_file_says_what_it_expects() -> None:
    assert len(GALLERY) > 100
    assert [file.name for file in GALLERY if not expected(file)] == []


def test_no_sentence_of_the_gallery_tells_a_secret() -> None:
    holding = [file for file in GALLERY if "hunter2" in file.read_text()]
    assert len(holding) >= 4
    for file in holding:
        assert not [line for line in expected(file) if "hunter2" in line]
