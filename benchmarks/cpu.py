"""CPU time of this process, and of the broker that listens on a port."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_LISTENS = "0A"


def inode(table: str, port: int) -> int | None:
    """Return the inode of the socket that listens on a port; None: nobody does.

    Args:
        table: text of `/proc/net/tcp` or `tcp6`.
        port: of any address of this machine.
    """
    for line in table.splitlines()[1:]:
        fields = line.split()
        if fields[3] == _LISTENS and int(fields[1].rpartition(":")[2], 16) == port:
            return int(fields[9])
    return None


def listener(address: str) -> int | None:
    """Return the id of the process that listens on host:port.

    None if it is on another machine, or is not ours to look at.
    """
    port = int(address.rpartition(":")[2])
    for name in ("tcp", "tcp6"):
        path = Path("/proc/net") / name
        found = inode(path.read_text(), port) if path.exists() else None
        if found is not None:
            return _owner(found)
    return None


def _owner(socket: int) -> int | None:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and f"socket:[{socket}]" in _open_files(folder):
            return int(folder.name)
    return None


def _open_files(process: Path) -> set[str]:
    """Return what a process has open; nothing if it has ended or is another user's."""
    found = set()
    with suppress(OSError):
        for link in (process / "fd").iterdir():
            with suppress(OSError):  # closed since
                found.add(str(link.readlink()))
    return found


def used_s(pid: int) -> float:
    """Return the CPU time of a process so far, all threads, in s."""
    text = Path(f"/proc/{pid}/stat").read_text()
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
