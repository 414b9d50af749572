"""Run package tools and compilers, installing a missing one where that is simple."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.services.errors import Missing


def program(name: str, package: str, what: str) -> str:
    """Return the path of a program; as root on Debian, install its package first.

    Args:
        name: the program.
        package: the Debian package that brings it.
        what: the server that needs it, for messages.

    Raises:
        Missing: it is not there and cannot be installed.
    """
    found = shutil.which(name)
    if found is None and shutil.which("apt-get") and os.geteuid() == 0:
        quiet = ["apt-get", "-qq", "-o", "Dpkg::Use-Pty=0"]
        silent = {"DEBIAN_FRONTEND": "noninteractive"}
        build(what, [*quiet, "update"], env=silent)
        options = ["install", "-y", "--no-install-recommends"]
        build(what, [*quiet, *options, package], env=silent)
        found = shutil.which(name)
    if found is None:
        raise Missing(
            what, f"the program {name} is not installed", f"install {package}"
        )
    return found


def build(
    what: str,
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> None:
    """Run a command to its end, silently unless it fails.

    Raises:
        Missing: it failed; carries the end of its output.
    """
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-15:])
        line = " ".join(str(part) for part in command[:3])
        raise Missing(what, f"`{line} …` ended with {done.returncode}:\n{tail}")
