"""Settings changed by name, from a TOML file or from ``key=value`` on a command line; a wrong one is a sentence."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Settings = TypeVar("Settings")

_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", tuple: "a list"}


def from_mapping(settings: Settings, values: Mapping[str, Any], where: str) -> Settings:
    """Return the frozen dataclass ``settings`` with ``values`` in place of its own.

    Args: values: field name -> value, as TOML gives them; a nested dataclass takes a mapping, a tuple a list;
    where: what to call the values' origin in an error, such as a file's name.
    Raises ValueError for an unknown name, a value of the wrong type, and whatever the dataclass itself refuses.
    """
    changes: dict[str, Any] = {}
    for name, value in values.items():
        if name not in _own_names(settings):
            raise ValueError(f"{where}: there is no setting {name!r}; there are {', '.join(names(settings))}")
        current = getattr(settings, name)
        if dataclasses.is_dataclass(current):
            if not isinstance(value, Mapping):
                inner = ", ".join(f"{name}.{entry}" for entry in names(current))
                raise ValueError(f"{where}: {name} has settings of its own: {inner}")
            changes[name] = from_mapping(current, value, f"{where}: {name}")
        else:
            changes[name] = _typed(value, current, f"{where}: {name}")
    try:
        return dataclasses.replace(settings, **changes)  # type: ignore[type-var]
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def from_assignments(settings: Settings, assignments: Sequence[str], option: str) -> Settings:
    """Return ``settings`` changed by texts such as "epochs=3" or "augmentation.flip=0".

    Args: assignments: one ``key=value`` each, a list as ``1,2,3``; option: the option that they were given to.
    Raises ValueError as `from_mapping` does, and for a text without "=".
    """
    values: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, text = (part.strip() for part in assignment.partition("="))
        if not equals:
            raise ValueError(f"{option} {assignment}: expected key=value, such as {option} {names(settings)[0]}=...")
        outer, dot, inner = key.partition(".")
        owner = getattr(settings, outer, None)
        if dot and dataclasses.is_dataclass(owner):
            values.setdefault(outer, {})[inner] = _read(text, getattr(owner, inner, ""))
        else:
            values[key] = _read(text, getattr(settings, key, ""))
    return from_mapping(settings, values, option)


def names(settings: object) -> list[str]:
    """Return the names of all settings in ``settings``; those of a nested dataclass as "outer.inner"."""
    return list(_names(settings))


def _names(settings: object, prefix: str = "") -> Iterator[str]:
    for name in _own_names(settings):
        value = getattr(settings, name)
        if dataclasses.is_dataclass(value):
            yield from _names(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def _own_names(settings: object) -> list[str]:
    return [entry.name for entry in dataclasses.fields(settings)]  # type: ignore[arg-type]


def _read(text: str, current: object) -> Any:
    """Return ``text`` as a TOML value; as it stands where a text is wanted, or where it is no TOML value."""
    if isinstance(current, str):
        return text
    examples = current if isinstance(current, tuple) else ()
    listed = isinstance(current, tuple) and not text.startswith("[")
    if listed and examples and isinstance(examples[0], str):
        return [part.strip() for part in text.split(",") if part.strip()]
    try:
        return tomllib.loads(f"value = [{text}]" if listed else f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _typed(value: Any, current: object, where: str) -> Any:
    kind = type(current)
    if isinstance(value, list | tuple) and kind is tuple:
        return tuple(
            _typed(item, example, where) for item, example in zip(value, _examples(current, value), strict=True)
        )
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or isinstance(value, bool) != (kind is bool):
        raise ValueError(f"{where} must be {_KINDS.get(kind, kind.__name__)}, got {value!r}")
    return value


def _examples(current: object, value: Sequence[Any]) -> list[Any]:
    """Return one value of the right type for each of ``value``: all entries of a tuple are of one type."""
    assert isinstance(current, tuple)
    return [current[0]] * len(value) if current else list(value)
