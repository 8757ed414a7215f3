"""The project's code as a graph: its modules, what each imports, and circles among them."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, order=True)
class Import:
    """One import of a module of ours, wherever it stands: in a function and under TYPE_CHECKING, too."""

    source: str
    target: str
    line: int

    def __str__(self) -> str:
        return f"{self.source} imports {self.target} (line {self.line})"


def modules(root: Path, packages: Iterable[str]) -> dict[str, Path]:
    """Return the file of each module in the packages' folders below ``root``, by the module's full name."""
    files = (path for package in packages for path in sorted((root / package).rglob("*.py")))
    return {name_of(path.relative_to(root)): path for path in files}


def name_of(path: Path) -> str:
    """Return the module that a file is; ``path`` is relative to where imports begin."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(files: Mapping[str, Path]) -> list[Import]:
    """Return every import of one of ``files`` by another; names that are no module count as their module."""
    return sorted({found for name, path in files.items() for found in _imports_of(name, path, files)})


def _imports_of(name: str, path: Path, files: Mapping[str, Path]) -> Iterator[Import]:
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        for target in _targets(node, package):
            known = next((each for each in (target, target.rpartition(".")[0]) if each in files), None)
            if known not in (None, name):
                yield Import(name, known, node.lineno)


def _targets(node: ast.AST, package: str) -> Iterator[str]:
    """Return the full names that a statement imports: of modules, or of what lies in them."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        above = package.rsplit(".", node.level - 1)[0] if node.level else ""
        base = ".".join(filter(None, (above, node.module)))
        yield from (f"{base}.{alias.name}" for alias in node.names)


def circles(edges: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Return the groups of names each of which leads to every other of its group, over any number of steps."""
    beyond: dict[str, set[str]] = {}
    for source, target in edges:
        beyond.setdefault(source, set()).add(target)
        beyond.setdefault(target, set())
    reached = {name: _reached(name, beyond) for name in beyond}
    groups = {frozenset(other for other in reached[name] if name in reached[other]) for name in beyond}
    return sorted(sorted(group) for group in groups if group)


def _reached(name: str, beyond: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [name]
    while waiting:
        new = beyond[waiting.pop()] - found
        found |= new
        waiting.extend(new)
    return found
