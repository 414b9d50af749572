"""One YAML file -> plain mappings, and the line on which each setting stands.

Stricter than YAML itself, where leniency would hide a mistake: a key that stands
twice is refused (YAML keeps the last), and so is a key that is not text (an
unquoted `NO` reads as false, and nitric oxide would be lost).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from stream.errors import ConfigError

KeyPath = tuple[str, ...]
_MAX_BYTES = 4 << 20


def read_yaml(path: Path) -> tuple[dict[str, Any], dict[KeyPath, str]]:
    """Read a configuration file.

    Args:
        path: The file, UTF-8, at most 4 MiB.

    Returns:
        The mapping of the file, and for each key path the place it stands,
        such as ``plant.yaml:12``.

    Raises:
        ConfigError: The file cannot be read or is not one mapping with unique text
            keys. The text names the file and the line, and never quotes the line.
    """
    root = compose(path)
    if root is None:
        return {}, {}
    if not isinstance(root, yaml.MappingNode):
        raise ConfigError([f"{path}:1: expected a mapping of sections"])
    return build(path, root)


def compose(path: Path) -> yaml.Node | None:
    """Read a file as YAML nodes, which know their lines; None if it is empty.

    Raises:
        ConfigError: The file cannot be read, is too large, or is no YAML.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        reason = (error.strerror or "not readable").lower()
        raise ConfigError(
            [f"{path}: cannot read the configuration: {reason}"]
        ) from None
    if len(raw) > _MAX_BYTES:
        fault = f"{path}: expected a configuration of at most 4 MiB, found {len(raw)} B"
        raise ConfigError([fault])
    try:
        text = raw.decode()
        root: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ConfigError([f"{path}:{line}: expected text in UTF-8"]) from None
    except yaml.YAMLError as error:
        raise ConfigError([_syntax_fault(path, error)]) from None
    return root


def build(
    path: Path, root: yaml.MappingNode
) -> tuple[dict[str, Any], dict[KeyPath, str]]:
    """Return the values of a mapping, and for each key path the place it stands.

    Raises:
        ConfigError: A key stands twice or is no text, or a value cannot be read.
    """
    return _Builder(path).build(root)


def _syntax_fault(path: Path, error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", "")
    if mark is None:
        return f"{path}: not valid YAML: {problem or 'unreadable characters'}"
    return f"{path}:{mark.line + 1}: not valid YAML: {problem}"


class _Builder:
    """Turns YAML nodes into Python values and remembers their lines."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.faults: list[str] = []
        self.origins: dict[KeyPath, str] = {}
        self._open: set[int] = set()

    def build(
        self, root: yaml.MappingNode
    ) -> tuple[dict[str, Any], dict[KeyPath, str]]:
        """Values and origins of the whole document, or all its faults at once."""
        tree = self._mapping(root, ())
        if self.faults:
            raise ConfigError(self.faults)
        return tree, self.origins

    def _place(self, node: yaml.Node) -> str:
        return f"{self.path}:{node.start_mark.line + 1}"

    def _value(self, node: yaml.Node, at: KeyPath) -> Any:
        if id(node) in self._open:
            self.faults.append(f"{self._place(node)}: an alias contains itself")
            return None
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, at)
            if isinstance(node, yaml.SequenceNode):
                return [self._value(item, at) for item in node.value]
            return self._scalar(node)
        finally:
            self._open.discard(id(node))

    def _scalar(self, node: yaml.Node) -> Any:
        constructor = yaml.constructor.SafeConstructor()
        try:
            return constructor.construct_object(node, deep=True)
        except (yaml.YAMLError, ValueError) as error:
            problem = getattr(error, "problem", None) or "a value that cannot be read"
            self.faults.append(f"{self._place(node)}: not valid YAML: {problem}")
            return None

    def _mapping(self, node: yaml.MappingNode, at: KeyPath) -> dict[str, Any]:
        tree: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                tree = self._merged(value_node, at) | tree
                continue
            key = self._scalar(key_node)
            if not isinstance(key, str):
                written = getattr(key_node, "value", "")
                text = f"expected a text key, found {written!r}; put it in quotes"
                self.faults.append(f"{self._place(key_node)}: {text}")
                continue
            here = (*at, key)
            first = self.origins.get(here)
            if first is not None and first.startswith(f"{self.path}:"):
                line = first.rpartition(":")[2]
                text = f"{'.'.join(here)} stands twice, first in line {line}"
                self.faults.append(f"{self._place(key_node)}: {text}")
                continue
            self.origins[here] = self._place(key_node)
            tree[key] = self._value(value_node, here)
        return tree

    def _merged(self, node: yaml.Node, at: KeyPath) -> dict[str, Any]:
        # `<<: *anchor` takes over another mapping; keys written out beat it.
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        merged: dict[str, Any] = {}
        for source in reversed(sources):
            if not isinstance(source, yaml.MappingNode):
                text = "expected a mapping after <<"
                self.faults.append(f"{self._place(node)}: {text}")
                continue
            inner = _Builder(self.path)
            merged |= inner._mapping(source, at)
            self.faults += inner.faults
        return merged
