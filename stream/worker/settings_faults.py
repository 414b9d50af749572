"""pydantic's findings -> sentences that name the setting, the want and the find."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from difflib import get_close_matches
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from stream.worker.settings_base import FAULTS
from stream.worker.settings_yaml import KeyPath

_SHOWN_CHARS = 60
_SHOWN_AS: tuple[tuple[type, str], ...] = (
    (type(None), "nothing"),
    (Mapping, "a mapping"),
)
_EXPECTED = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text (put it in quotes)",
    "path_type": "a path",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping of settings",
    "model_attributes_type": "a mapping of settings",
    "greater_than": "a number above {gt:g}",
    "greater_than_equal": "a number of {ge:g} or more",
    "less_than": "a number below {lt:g}",
    "less_than_equal": "a number of at most {le:g}",
    "string_too_short": "text of at least {min_length} characters",
    "string_too_long": "text of at most {max_length} characters",
    "literal_error": "one of {expected}",
    "union_tag_invalid": "one of {expected_tags}",
    "expected": "{what}",
}


def sentences(
    error: ValidationError,
    root: type[BaseModel],
    tree: Mapping[str, Any],
    origins: Mapping[KeyPath, str],
) -> list[str]:
    """One sentence for each fault.

    Args:
        error: What pydantic found.
        root: The class that was validated.
        tree: What was validated, as merged from the sources.
        origins: Key path -> where the value was given.

    Returns:
        Texts such as ``window.stride: expected a number of 1 or more, found 0
        (plant.yaml:12)``, in the order of the settings, each once.
    """
    hidden = secret_paths(root)
    found: list[str] = []
    for item in error.errors(include_url=False):
        for path, text in _explain(item, root, tree, hidden):
            origin = _origin(path, origins)
            sentence = f"{'.'.join(path) or 'file'}: {text}{origin}"
            if sentence not in found:
                found.append(sentence)
    return found


def secret_paths(root: type[BaseModel]) -> list[KeyPath]:
    """Key paths of all settings that hold a secret."""
    found: list[KeyPath] = []
    for name, field in root.model_fields.items():
        key = field.alias or name
        for kind in _parts(field.annotation):
            if kind is SecretStr:
                found.append((key,))
            elif isinstance(kind, type) and issubclass(kind, BaseModel):
                found += [(key, *below) for below in secret_paths(kind)]
    return found


def _explain(
    item: Any, root: type[BaseModel], tree: Any, hidden: Sequence[KeyPath]
) -> Iterator[tuple[KeyPath, str]]:
    path, models = _walk(item["loc"], root)
    kind, context = item["type"], item.get("ctx", {})
    if kind == FAULTS:
        for fault in context[FAULTS]:
            where = (*path, *fault.path)
            found = fault.found or _shown(tree, where, hidden)
            yield where, f"expected {fault.expected}, found {found}"
    elif kind == "extra_forbidden":
        yield path, _unknown(path[-1], models)
    elif kind == "missing":
        yield path, "expected a value, found nothing"
    elif kind == "union_tag_not_found":
        yield (*path, "kind"), "expected a value, found nothing"
    elif kind == "too_short":
        yield path, f"expected at least {context['min_length']} entry, found none"
    elif kind == "too_long":
        yield path, f"expected {context['max_length']} entries at most, found more"
    else:
        where = (*path, "kind") if kind == "union_tag_invalid" else path
        known = _EXPECTED.get(kind)
        wanted = known.format(**context) if known else item["msg"].lower()
        is_key = item["loc"][-1:] == ("[key]",)
        found = repr(path[-1]) if is_key else _shown(tree, where, hidden)
        yield where, f"expected {wanted}, found {found}"


def _unknown(key: str, models: Sequence[type[BaseModel]]) -> str:
    known = [f.alias or name for m in models for name, f in m.model_fields.items()]
    close = get_close_matches(key, known, n=1, cutoff=0.6)
    if close:
        return f"unknown setting; did you mean {close[0]}?"
    return f"unknown setting; expected one of {', '.join(known)}"


def _walk(
    loc: Sequence[int | str], root: type[BaseModel]
) -> tuple[KeyPath, list[type[BaseModel]]]:
    """The dotted path of a location, and the models that its last key belongs to.

    pydantic's location holds more than keys: the tag of a union, `[key]` for the
    key of a mapping, and the index in a list.
    """
    path: list[str] = []
    owners: list[type[BaseModel]] = [root]
    below: list[Any] = [root]
    for step in loc:
        if step == "[key]":
            continue
        models = [k for k in below if isinstance(k, type) and issubclass(k, BaseModel)]
        if tagged := [m for m in models if len(models) > 1 and _has_tag(m, step)]:
            below = list(tagged)
            continue
        owners = models or owners
        path.append(str(step))
        fields = [_field(model, step) for model in models]
        inside = [part for kind in below for part in _values(kind)]
        found = [field.annotation for field in fields if field is not None]
        below = [part for kind in found for part in _parts(kind)] or inside
    return tuple(path), owners


def _has_tag(model: type[BaseModel], tag: object) -> bool:
    return tag in get_args(model.model_fields["kind"].annotation)


def _field(model: type[BaseModel], key: object) -> FieldInfo | None:
    for name, field in model.model_fields.items():
        if key == (field.alias or name):
            return field
    return None


def _values(kind: Any) -> Iterator[Any]:
    # What stands below a key of a mapping.
    if get_origin(kind) is dict:
        yield from _parts(get_args(kind)[1])


def _parts(annotation: Any) -> Iterator[Any]:
    """The classes an annotation allows, without Annotated and None; dicts stay."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _parts(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for part in get_args(annotation):
            yield from _parts(part)
    elif annotation is not type(None):
        yield annotation


def _get(tree: Any, path: KeyPath) -> Any:
    for key in path:
        if isinstance(tree, list) and key.isdigit() and int(key) < len(tree):
            tree = tree[int(key)]
        elif isinstance(tree, Mapping) and key in tree:
            tree = tree[key]
        elif isinstance(tree, str) and key.isdigit():
            # One text stands for a list of one.
            continue
        else:
            return None
    return tree


def _shown(tree: Any, path: KeyPath, hidden: Sequence[KeyPath]) -> str:
    """What stands at a path, short; never a secret, never the inside of a mapping."""
    if any(path[: len(secret)] == secret for secret in hidden):
        return "something else"
    value = _get(tree, path)
    for kinds, words in _SHOWN_AS:
        if isinstance(value, kinds):
            return words
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, date):
        return str(value)
    # An address may carry a password in front of the @.
    shown = "text with an @" if "@" in str(value) else repr(value)
    return shown if len(shown) <= _SHOWN_CHARS else f"{shown[:_SHOWN_CHARS]}…"


def _origin(path: KeyPath, origins: Mapping[KeyPath, str]) -> str:
    for end in range(len(path), -1, -1):
        if path[:end] in origins:
            return f" ({origins[path[:end]]})"
    return ""
