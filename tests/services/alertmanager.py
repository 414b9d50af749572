"""Debian's Alertmanager: from the PATH, else unpacked from its package.

The package is not installed, for that would start a service of the machine's own.
"""

import json
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.services import cache, packages
from tests.services.errors import Missing
from tests.services.process import HOST, free_ports, running, scratch

PROGRAM = "prometheus-alertmanager"
ENTRY = "alertmanager-debian"
SECONDS = 10.0

# One group for each case, told at once, and nothing told twice during a test.
_CONFIG = """
route:
  receiver: hook
  group_by: [case_id]
  group_wait: 100ms
  group_interval: 200ms
  repeat_interval: 1h
receivers:
  - name: hook
    webhook_configs: [{{url: "{hook}", send_resolved: true}}]
"""
_NO_HOOK = "http://127.0.0.1:9/"


def fetch() -> Path:
    """Return the program, unpacking it into the cache if need be.

    Raises:
        Missing: it is neither installed nor to be had.
    """
    found = shutil.which(PROGRAM)
    if found is not None:
        return Path(found)
    return cache.provide(ENTRY, _unpack) / "usr" / "bin" / PROGRAM


def _unpack(into: Path) -> None:
    quiet = ["apt-get", "-qq", "-o", "Dpkg::Use-Pty=0"]
    if shutil.which("apt-get") is None:
        raise Missing("Alertmanager", f"{PROGRAM} is not on the PATH", f"get {PROGRAM}")
    if os.geteuid() == 0:
        packages.build("Alertmanager", [*quiet, "update"])
    # As another user apt would be kept from our folder; it says so, and goes on.
    packages.build("Alertmanager", [*quiet, "download", PROGRAM], cwd=into)
    (package,) = into.glob("*.deb")
    packages.build("Alertmanager", ["dpkg-deb", "-x", package, into])
    package.unlink()


def program() -> Path:
    """Return the program as `fetch` has left it; gets nothing.

    Raises:
        Missing: it is not there.
    """
    found, kept = shutil.which(PROGRAM), cache.entry(ENTRY)
    if found is not None:
        return Path(found)
    if kept is None:
        raise Missing("Alertmanager", f"{PROGRAM} is neither on the PATH nor unpacked")
    return kept / "usr" / "bin" / PROGRAM


@contextmanager
def serve(hook: str = _NO_HOOK, port: int | None = None) -> Iterator[str]:
    """Yield the URL of an Alertmanager of one's own.

    Args:
        hook: Where it sends its webhook.
        port: Where it listens; by default a free one.

    Raises:
        Missing: it cannot be had or does not start.
    """
    with ExitStack() as stack:
        home = stack.enter_context(scratch("alertmanager"))
        config = home / "alertmanager.yml"
        config.write_text(_CONFIG.format(hook=hook))
        address = f"{HOST}:{port or free_ports(1)[0]}"
        command = [
            str(program()),
            f"--config.file={config}",
            f"--storage.path={home / 'data'}",
            f"--web.listen-address={address}",
            # No cluster: it would listen on all interfaces.
            "--cluster.listen-address=",
        ]
        url = f"http://{address}"
        log = home / "server.log"
        stack.enter_context(
            running("Alertmanager", command, log, lambda: _is_ready(url))
        )
        yield url


def alerts(url: str) -> list[dict[str, Any]]:
    """Return the alerts that it has."""
    with urllib.request.urlopen(f"{url}/api/v2/alerts", timeout=SECONDS) as answer:  # noqa: S310 - our own http
        found: list[dict[str, Any]] = json.load(answer)
    return found


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/-/ready", timeout=SECONDS) as answer:  # noqa: S310 - our own http
            ready: bool = answer.status == 200
            return ready
    except (urllib.error.URLError, OSError):
        return False
