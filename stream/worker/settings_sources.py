"""Where settings come from, and which source wins.

``--set section.key=value`` beats the environment (``FORESHOCK_SECTION__KEY``),
which beats secret files (named like the environment variable, in `/run/secrets`
or `$FORESHOCK_SECRETS_DIR`), which beat the YAML file. Secrets are taken from the
environment and from secret files only.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from stream.errors import ConfigError
from stream.worker.settings_yaml import KeyPath, read_yaml

PREFIX = "FORESHOCK_"
SECRETS_DIR = "FORESHOCK_SECRETS_DIR"
_SECRETS_HOME = "/run/secrets"
_MAX_SECRET_BYTES = 64 << 10
# A key of a dotted path: plain, or in quotes if it holds dots itself.
_KEY = re.compile(r'"([^"]+)"|([^".]+)')


@dataclass
class Merged:
    """All sources laid over each other.

    Attributes:
        tree: Nested mappings as in the file.
        origins: Key path -> where its value was given.
        faults: Sentences about sources that cannot be used.
    """

    tree: dict[str, Any] = field(default_factory=dict)
    origins: dict[KeyPath, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def put(self, path: KeyPath, value: Any, origin: str) -> None:
        """Set one value, making the mappings on the way."""
        level = self.tree
        for depth, key in enumerate(path[:-1], start=1):
            below = level.get(key)
            if not isinstance(below, dict):
                below = level[key] = {}
                self.origins[path[:depth]] = origin
            level = below
        level[path[-1]] = value
        self.origins[path] = origin

    def spelled(self, path: KeyPath) -> KeyPath:
        """The path with the case that the file uses; new keys in lower case."""
        level: Any = self.tree
        found = []
        for key in path:
            known = level if isinstance(level, dict) else {}
            same = [have for have in known if have.lower() == key.lower()]
            chosen = key if key in known else (same or [key.lower()])[0]
            found.append(chosen)
            level = known.get(chosen)
        return tuple(found)


def merge(
    path: Path,
    overrides: Sequence[str],
    environ: Mapping[str, str],
    secrets: Collection[KeyPath],
) -> Merged:
    """Read all sources.

    Args:
        path: The YAML file.
        overrides: Texts ``section.key=value``, later ones win.
        environ: The environment.
        secrets: Key paths that only the environment and secret files may hold.

    Returns:
        The merged tree with its origins and faults.

    Raises:
        ConfigError: The YAML file cannot be read at all.
    """
    tree, origins = read_yaml(path)
    merged = Merged(tree, {(): str(path)} | origins)
    for secret in secrets:
        if _get(tree, secret) is not None:
            merged.faults.append(_misplaced(secret, origins.get(secret, str(path))))
            merged.put(secret, None, str(path))
    for name, text in _secret_files(environ, merged.faults):
        _put_text(merged, name, text, f"secret file {name}", secrets)
    for name in sorted(environ):
        if name.startswith(PREFIX) and "__" in name.removeprefix(PREFIX):
            _put_text(merged, name, environ[name], f"environment {name}", secrets)
    for override in overrides:
        _put_override(merged, override, secrets)
    return merged


def variable(path: KeyPath) -> str:
    """The environment variable of a setting, such as FORESHOCK_INFLUX__TOKEN."""
    return PREFIX + "__".join(path).upper()


def _misplaced(path: KeyPath, origin: str) -> str:
    return (
        f"{'.'.join(path)}: expected the secret in the environment variable"
        f" {variable(path)} or in a secret file of that name, found it in {origin}"
    )


def _get(tree: Any, path: KeyPath) -> Any:
    for key in path:
        if not isinstance(tree, dict):
            return None
        tree = tree.get(key)
    return tree


def _secret_files(
    environ: Mapping[str, str], faults: list[str]
) -> Iterator[tuple[str, str]]:
    given = environ.get(SECRETS_DIR)
    folder = Path(given or _SECRETS_HOME)
    if not folder.is_dir():
        if given:
            faults.append(f"{SECRETS_DIR}: expected a folder, found {given!r}")
        return
    for file in sorted(folder.iterdir()):
        name = file.name.upper()
        if not (name.startswith(PREFIX) and "__" in name and file.is_file()):
            continue
        try:
            raw = file.read_bytes()
            if len(raw) > _MAX_SECRET_BYTES:
                faults.append(f"{file}: expected a secret of at most 64 KiB")
                continue
            yield name, raw.decode().rstrip("\r\n")
        except (OSError, UnicodeDecodeError):
            faults.append(f"{file}: expected a readable secret file in UTF-8")


def _put_text(
    merged: Merged, name: str, text: str, origin: str, secrets: Collection[KeyPath]
) -> None:
    keys = name.removeprefix(PREFIX).split("__")
    if not all(keys):
        merged.faults.append(f"{name}: expected FORESHOCK_SECTION__KEY")
        return
    path = merged.spelled(tuple(keys))
    if path in secrets:
        # A token is taken to the letter: "null" and "123" are tokens too.
        merged.put(path, text or None, origin)
        return
    _put_parsed(merged, path, text, origin)


def _put_override(merged: Merged, override: str, secrets: Collection[KeyPath]) -> None:
    dotted, equals, text = override.partition("=")
    path = _dotted(dotted.strip())
    if not equals or path is None:
        shown = dotted if equals else "no ="
        fault = f"--set: expected section.key=value, found {shown!r}"
        merged.faults.append(fault)
        return
    if any(path[: len(secret)] == secret for secret in secrets):
        merged.faults.append(_misplaced(path, "--set"))
        return
    _put_parsed(merged, path, text.strip(), "--set")


def _dotted(text: str) -> KeyPath | None:
    path, at = [], 0
    while match := _KEY.match(text, at):
        path.append(match[1] or match[2])
        at = match.end()
        if at == len(text):
            return tuple(path) if len(path) > 1 else None
        if text[at] != ".":
            return None
        at += 1
    return None


def _put_parsed(merged: Merged, path: KeyPath, text: str, origin: str) -> None:
    value: Any = text
    if text in ("", "null", "~"):
        value = None
    elif text.startswith(("[", "{")):
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            fault = f"{'.'.join(path)}: expected a list or a mapping in YAML ({origin})"
            merged.faults.append(fault)
            return
    merged.put(path, value, origin)


def raise_faults(faults: Sequence[str]) -> None:
    """Raise the faults, if there are any.

    Raises:
        ConfigError: There are.
    """
    if faults:
        raise ConfigError(list(faults))
