"""An InfluxDB 2.7 server, built from its Go module."""

import csv
import http.client
import json
import os
import shutil
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.services import cache, packages
from tests.services.errors import Missing
from tests.services.process import ATTEMPTS, HOST, free_ports, running, scratch

VERSION = "2.7.12"
ENTRY = f"influxd-{VERSION}"
ADDRESS = "FORESHOCK_TEST_INFLUX"
SECONDS = 30.0

_MODULE = "github.com/influxdata/influxdb/v2/cmd/influxd"
_HELPER = "github.com/influxdata/pkg-config"
# Its Rust sources deny warnings, and a compiler newer than they are has new warnings.
_LENIENT_RUSTC = '#!/bin/sh\nexec "$@" --cap-lints warn\n'


@dataclass(frozen=True)
class Influx:
    """Where a server is and how to enter it.

    Attributes:
        url: address, without a slash at its end.
        org: name of the organisation.
        bucket: name of a bucket that exists.
        token: may read, write and create buckets.
    """

    url: str
    org: str
    bucket: str
    token: str = field(repr=False)


def fetch() -> Path:
    """Return the folder of the program `influxd`, building it if needed (minutes)."""
    return cache.provide(ENTRY, _build)


def _build(into: Path) -> None:
    go = packages.program("go", "golang", "InfluxDB")
    packages.program("cargo", "cargo", "InfluxDB")
    module = into / "module"
    module.mkdir()
    quiet = ["nice", "-n", "10", go]
    run: dict[str, Any] = {"cwd": module, "env": _build_env(into)}
    packages.build("InfluxDB", [go, "mod", "init", "foreshock.test/influxd"], **run)
    # Its own module rules out `go install`; as a tool it can be built. The second
    # call takes the version of the helper that the first one asks for.
    packages.build("InfluxDB", [*quiet, "get", "-tool", f"{_MODULE}@v{VERSION}"], **run)
    packages.build("InfluxDB", [*quiet, "get", "-tool", _HELPER], **run)
    compile_ = [*quiet, "build", "-mod=mod", "-trimpath", "-ldflags=-s -w"]
    helper = into / "pkg-config"
    packages.build("InfluxDB", [*compile_, "-o", helper, _HELPER], **run)
    server = into / "influxd"
    packages.build(
        "InfluxDB", [*compile_, "-tags", "noassets", "-o", server, _MODULE], **run
    )
    shutil.rmtree(module)


def _build_env(into: Path) -> dict[str, str]:
    lenient = into / "rustc-lenient"
    lenient.write_text(_LENIENT_RUSTC)
    lenient.chmod(0o755)
    return {
        "PKG_CONFIG": str(into / "pkg-config"),  # compiles the Rust part on the way
        "RUSTC_WRAPPER": str(lenient),
        "RUSTUP_TOOLCHAIN": "stable",  # its own pin may not be installed
        "CGO_ENABLED": "1",
    }


@contextmanager
def serve() -> Iterator[Influx]:
    """Yield a server: the one named by the environment, else our own.

    Raises:
        Missing: there is none, or it does not answer.
    """
    named = from_environment()
    if named is not None:
        if not answers(named.url):
            why = f"{ADDRESS}_URL={named.url} does not answer"
            raise Missing("InfluxDB", why, f"start it, or unset {ADDRESS}_URL")
        yield named
        return
    with ExitStack() as stack:
        yield _start(stack)


def from_environment() -> Influx | None:
    """Return the server that `FORESHOCK_TEST_INFLUX_*` names, None without a URL.

    Raises:
        Missing: the URL is given and another variable is not.
    """
    if not os.environ.get(f"{ADDRESS}_URL"):
        return None
    names = [f"{ADDRESS}_{part}" for part in ("URL", "ORG", "BUCKET", "TOKEN")]
    absent = [name for name in names if not os.environ.get(name)]
    if absent:
        why = f"{names[0]} is set and {', '.join(absent)} is not"
        raise Missing("InfluxDB", why, "set all four")
    url, org, bucket, token = (os.environ[name] for name in names)
    return Influx(url.rstrip("/"), org, bucket, token)


def _start(stack: ExitStack) -> Influx:
    built = cache.entry(ENTRY)
    if built is None:
        raise Missing("InfluxDB", f"influxd is not in {cache.folder()}")
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with ExitStack() as started:
                server = _start_once(started, built / "influxd")
                stack.push(started.pop_all())
                return server
        except Missing:
            if attempt == ATTEMPTS:
                raise
    raise AssertionError


def _start_once(stack: ExitStack, program: Path) -> Influx:
    home = stack.enter_context(scratch("influx"))
    (port,) = free_ports(1)
    url = f"http://{HOST}:{port}"
    command = [
        str(program),
        f"--http-bind-address={HOST}:{port}",
        f"--bolt-path={home / 'bolt'}",
        f"--sqlite-path={home / 'sqlite'}",
        f"--engine-path={home / 'engine'}",
        "--reporting-disabled",
        "--log-level=warn",
    ]
    log = home / "server.log"
    stack.enter_context(running("InfluxDB", command, log, lambda: answers(url)))
    server = Influx(url, "foreshock", "foreshock", uuid.uuid4().hex)
    call(
        server,
        "POST",
        "/api/v2/setup",
        {
            "username": "foreshock",
            "password": uuid.uuid4().hex,
            "org": server.org,
            "bucket": server.bucket,
            "token": server.token,
        },
    )
    return server


def answers(url: str) -> bool:
    """Tell whether a server says that it is healthy."""
    try:
        health = call(Influx(url, "", "", ""), "GET", "/health")
    except (OSError, ValueError, http.client.HTTPException):
        return False
    return bool(health.get("status") == "pass")


@contextmanager
def fresh_bucket(server: Influx) -> Iterator[Influx]:
    """Yield the server with a new, empty bucket, deleted at the end."""
    orgs = call(server, "GET", f"/api/v2/orgs?org={server.org}")["orgs"]
    name = f"test-{uuid.uuid4().hex[:12]}"
    wanted = {"orgID": orgs[0]["id"], "name": name, "retentionRules": []}
    made = call(server, "POST", "/api/v2/buckets", wanted)
    yield replace(server, bucket=name)
    call(server, "DELETE", f"/api/v2/buckets/{made['id']}")


def call(server: Influx, method: str, path: str, body: object = None) -> dict[str, Any]:
    """Call the HTTP interface and return its JSON answer ({} if it has none).

    Raises:
        OSError: it cannot be reached, or answered with an error.
    """
    request = urllib.request.Request(  # noqa: S310 - the scheme is ours or the user's
        server.url + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    if server.token and path != "/api/v2/setup":
        request.add_header("Authorization", f"Token {server.token}")
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
        text = answer.read()
    return dict(json.loads(text)) if text else {}


def query(server: Influx, flux: str) -> list[Any]:
    """Run a Flux query and return the values of all its records."""
    request = urllib.request.Request(  # noqa: S310 - the scheme is ours or the user's
        f"{server.url}/api/v2/query?org={server.org}",
        method="POST",
        data=flux.encode(),
        headers={
            "Content-Type": "application/vnd.flux",
            "Authorization": f"Token {server.token}",
            "Accept": "application/csv",
        },
    )
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
        rows = list(csv.DictReader(answer.read().decode().split("\r\n")))
    return [row["_value"] for row in rows if row.get("_value") not in (None, "_value")]
