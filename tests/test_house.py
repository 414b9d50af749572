"""Rules of the house that no linter holds."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[1]
PACKAGES = ("stream", "models", "connectors")
MOST_LINES = 400

# Written apart, so that this file does not find itself.
FORBIDDEN = {
    "a folder of one machine": r"(?<![\w.$}])/(?:home|root|work|Users)/\w",
    "an address of a package registry": "|".join(
        re.escape(name) + r"\." + end
        for name, end in (
            ("pypi", "org"),
            ("pythonhosted", "org"),
            ("crates", "io"),
            ("npmjs", "org"),
            ("proxy.golang", "org"),
            ("repo.maven.apache", "org"),
            ("repo1.maven", "org"),
            ("deb.debian", "org"),
        )
    ),
}


def _files() -> list[Path]:
    """Every text file of the project that is tracked, or new and not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607 - git is the user's own
        cwd=PROJECT,
        capture_output=True,
        check=True,
    ).stdout
    paths = [PROJECT / name.decode() for name in listed.split(b"\0") if name]
    return [path for path in paths if path.is_file() and b"\0" not in path.read_bytes()]


def test_no_module_is_longer_than_one_can_read() -> None:
    modules = [path for name in PACKAGES for path in (PROJECT / name).rglob("*.py")]
    assert modules
    lines = {
        str(path.relative_to(PROJECT)): len(path.read_text().splitlines())
        for path in modules
    }
    assert {name: n for name, n in lines.items() if n > MOST_LINES} == {}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_names(what: str) -> None:
    pattern = re.compile(FORBIDDEN[what])
    found = [
        f"{path.relative_to(PROJECT)}:{number}: {line.strip()[:80]}"
        for path in _files()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("a folder of one machine", "cd /" + "home/ann/foreshock"),
        (
            "an address of a package registry",
            "index-url = https://pypi." + "org/x",
        ),
    ],
)
def test_the_patterns_find_what_they_are_for(what: str, line: str) -> None:
    assert re.search(FORBIDDEN[what], line)


@pytest.mark.parametrize("lock", ["dev", "run", "build"])
def test_every_locked_requirement_has_a_hash(lock: str) -> None:
    text = (PROJECT / "requirements" / f"{lock}.txt").read_text()
    pins = [part for part in re.split(r"\n(?=\S)", text) if "==" in part]
    assert pins
    assert [pin for pin in pins if "--hash=sha256:" not in pin] == []


def test_compose_opens_ports_on_this_machine_only_and_pins_its_images() -> None:
    compose = yaml.safe_load((PROJECT / "docker" / "compose.yaml").read_text())
    services = compose["services"]
    assert {"kafka", "influxdb", "worker-1", "worker-2"} <= set(services)
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []
    # What runs once has no health.
    without = [name for name, one in services.items() if "healthcheck" not in one]
    assert without == ["topics"]
    images = {service["image"] for service in services.values()} - {"foreshock"}
    dockerfile = (PROJECT / "docker" / "Dockerfile").read_text()
    images |= set(re.findall(r"^ARG BASE=(.*)$", dockerfile, re.M))
    pinned = re.compile(r"[a-z/]+:\d+\.\d+[\w.-]*@sha256:[0-9a-f]{64}")
    assert len(images) == 3
    assert [image for image in images if not pinned.fullmatch(image)] == []
