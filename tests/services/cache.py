"""The folder that keeps what is expensive to fetch or build.

Entries are folders named after their content and version. One is made beside its place
and renamed when it is whole, under a lock, so that two runs neither collide nor see
half of it.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


def folder() -> Path:
    """Return the cache folder: `FORESHOCK_CACHE`, else `.cache` of the project."""
    named = os.environ.get("FORESHOCK_CACHE")
    return Path(named).expanduser().resolve() if named else PROJECT / ".cache"


def entry(name: str) -> Path | None:
    """Return the folder of an entry, or None if it was never made."""
    path = folder() / name
    return path if path.is_dir() else None


def provide(name: str, make: Callable[[Path], None]) -> Path:
    """Return the folder of an entry, making it first if it does not exist.

    Args:
        name: name of the entry, with its version.
        make: fills the empty folder that it is given; what it raises is raised here
            and leaves no entry behind.
    """
    root = folder()
    root.mkdir(parents=True, exist_ok=True)
    with _locked(root / f"{name}.lock"):
        found = entry(name)
        if found is not None:
            return found
        draft = Path(tempfile.mkdtemp(prefix=f"{name}.", dir=root))
        try:
            make(draft)
            draft.rename(root / name)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return root / name


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # released when the file closes
        yield
