"""Find the public data sets, which are not part of the project."""

import os
from pathlib import Path

from tests.services.errors import Missing

NAMED_BY = "FORESHOCK_DATA"
_CURE = f"export {NAMED_BY}=FOLDER"
_SIGN = "train_FD001.txt"


def folder() -> Path:
    """Return the folder of public data.

    Raises:
        Missing: `FORESHOCK_DATA` is not set, or names no folder.
    """
    named = os.environ.get(NAMED_BY)
    if not named:
        raise Missing("public data", f"{NAMED_BY} is not set", _CURE)
    path = Path(named).resolve()
    if not path.is_dir():
        raise Missing("public data", f"{NAMED_BY}={named} is no folder", _CURE)
    return path


def cmapss() -> Path:
    """Return the folder of C-MAPSS: `cmapss` in the folder of public data, or itself.

    Raises:
        Missing: neither holds its text files.
    """
    root = folder()
    for path in (root / "cmapss", root):
        if (path / _SIGN).is_file():
            return path
    why = f"no {_SIGN} in {root} or its folder cmapss"
    raise Missing("C-MAPSS", why, "put the original text files there")
