"""The house: which room may know which, what a folder offers to others, and that tests lie where the code does."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.imports import Import, circles, imports, modules
from tests.support.places import ROOT

PACKAGES: dict[str, set[str]] = {
    "mmadfer": set(),
    "train": {"mmadfer"},
    "export": {"mmadfer"},
    "demo": {"mmadfer"},
    "benchmarks": {"mmadfer", "train", "export", "demo", "tests"},
}
"""The packages, and which others each may import."""
ORDER = (
    ("config", "files", "metrics"),
    ("types", "cli"),
    ("sound", "models"),
    ("postprocess", "preprocess", "media"),
    ("weights",),
    ("graphs", "faces", "data", "outputs"),
    ("backends", "recordings"),
    ("stream",),
    ("sources",),
    ("recognizer",),
    ("__init__", "scoring"),
    ("predict", "convert"),
    ("_app", "__main__"),
)
"""The library's rooms by floor: a room imports only rooms of floors before its own."""
OFFER = re.compile(r"; others use (.+)\.$")
"""How a folder's docstring ends: with ``any of it``, ``none of it``, or modules and names in backticks."""

FILES = modules(ROOT, PACKAGES)
IMPORTS = imports(FILES)
TESTS = {name: path for name, path in modules(ROOT, ["tests"]).items() if not name.startswith("tests.data")}
FOLDERS = sorted({path.parent for path in FILES.values()})


def room(module: str) -> str:
    """Return the folder or the module of a package's root that ``module`` belongs to; "__init__" is the root itself."""
    return module.split(".")[1] if "." in module else "__init__"


def package(module: str) -> str:
    """Return the package that ``module`` is in."""
    return module.partition(".")[0]


def between_rooms(name: str) -> list[Import]:
    """Return the imports that lead from one room of the package ``name`` to another."""
    inside = [found for found in IMPORTS if package(found.source) == package(found.target) == name]
    return [found for found in inside if room(found.source) != room(found.target)]


def test_every_room_of_the_library_has_one_place_in_the_order() -> None:
    placed = [name for floor in ORDER for name in floor]
    assert sorted(placed) == sorted({room(name) for name in FILES if package(name) == "mmadfer"})


def test_no_import_of_the_library_leads_up_the_order() -> None:
    floors = {name: number for number, floor in enumerate(ORDER) for name in floor}
    wrong = [found for found in between_rooms("mmadfer") if floors[room(found.target)] >= floors[room(found.source)]]
    assert not wrong, "\n".join(map(str, wrong))


def test_no_module_leads_back_to_itself() -> None:
    assert circles((found.source, found.target) for found in IMPORTS) == []


@pytest.mark.parametrize("name", PACKAGES)
def test_no_room_leads_back_to_itself(name: str) -> None:
    assert circles((room(found.source), room(found.target)) for found in between_rooms(name)) == []


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_imports_only_those_that_it_may(name: str) -> None:
    known = imports(FILES | TESTS)
    others = [found for found in known if package(found.source) == name != package(found.target)]
    wrong = [found for found in others if package(found.target) not in PACKAGES[name]]
    assert not wrong, "\n".join(map(str, wrong))


def test_importing_the_library_loads_neither_torch_nor_timm() -> None:
    code = "import sys, mmadfer; print(mmadfer.__file__, *{'torch', 'timm'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split() == [str(ROOT / "mmadfer" / "__init__.py")], done.stderr


# --- what a folder says of itself


def about(folder: Path) -> ast.Module:
    """Return the folder's __init__; an empty one where there is none."""
    file = folder / "__init__.py"
    return ast.parse(file.read_text(encoding="utf-8") if file.exists() else "")


def docstring(folder: Path) -> str:
    """Return what the folder says of itself; empty where it says nothing."""
    return ast.get_docstring(about(folder)) or ""


def exported(folder: Path) -> set[str]:
    """Return the names in the folder's ``__all__``."""
    assigned = [node for node in about(folder).body if isinstance(node, ast.Assign)]
    found = [node.value for node in assigned if ast.unparse(node.targets[0]) == "__all__"]
    return {name for value in found for name in ast.literal_eval(value)}


def offered(folder: Path) -> set[str] | None:
    """Return the modules and names that the folder offers to others; None for all of them."""
    (words,) = OFFER.findall(docstring(folder)) or ("none of it",)
    return None if words == "any of it" else set(re.findall(r"`(\w+)`", words))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.relative_to(ROOT).as_posix())
def test_a_folder_says_in_one_line_what_lives_there_and_what_others_may_use(folder: Path) -> None:
    words = docstring(folder)
    assert words and "\n" not in words, f"{folder}/__init__.py needs a docstring of one line"
    assert OFFER.search(words), f"{folder}/__init__.py ends not in '; others use ...': {words!r}"
    assert (offered(folder) or set()) <= exported(folder) | {path.stem for path in folder.iterdir()}


def test_others_use_of_a_folder_what_it_offers() -> None:
    offers = {".".join(folder.relative_to(ROOT).parts): offered(folder) for folder in FOLDERS}
    wrong = []
    for found in IMPORTS:
        parts = found.target.split(".")
        for depth in range(1, len(parts)):
            folder = ".".join(parts[:depth])
            outside = not f"{found.source}.".startswith(f"{folder}.")
            if outside and offers[folder] is not None and parts[depth] not in offers[folder]:
                wrong.append(f"{found}, which {folder} does not offer")
    assert not wrong, "\n".join(wrong)


# --- the tests


def test_tests_lie_in_folders_of_the_codes_names() -> None:
    folders = {path.parent.relative_to(ROOT / "tests") for path in TESTS.values()} - {Path(), Path("support")}
    assert len(folders) > 20
    assert [str(folder) for folder in sorted(folders) if not (ROOT / folder).is_dir()] == []


def test_no_test_imports_another_test() -> None:
    found = imports(TESTS)
    assert len(found) > 100
    wrong = [each for each in found if not each.target.startswith("tests.support.")]
    assert not wrong, "\n".join(map(str, wrong))


# --- what sees all that


IMPORTING = {
    "import": "import house.roof.tiles",
    "as": "import house.roof.tiles as t",
    "from the folder": "from house.roof import tiles",
    "a name": "from house.roof.tiles import RED, BLUE",
    "in a function": "def f():\n    from house.roof import tiles",
    "for types alone": "if TYPE_CHECKING:\n    from house.roof.tiles import Tile",
    "relative": "from .roof import tiles",
    "relative, from the root": "from . import roof\nfrom .roof.tiles import RED",
}


@pytest.mark.parametrize("text", IMPORTING.values(), ids=IMPORTING.keys())
def test_every_way_to_import_is_seen(text: str, tmp_path: Path) -> None:
    (tmp_path / "house" / "roof").mkdir(parents=True)
    for name in ("__init__", "cellar", "roof/__init__", "roof/tiles"):
        (tmp_path / "house" / f"{name}.py").write_text(text if name == "cellar" else "import os")
    found = {(each.source, each.target) for each in imports(modules(tmp_path, ["house"]))}
    assert ("house.cellar", "house.roof.tiles") in found


def test_circles_of_any_length_are_found() -> None:
    line = ["ab", "bc", "cd"]
    assert circles(map(tuple, line)) == []
    assert circles(map(tuple, [*line, "da", "de", "fe"])) == [["a", "b", "c", "d"]]
    assert circles(map(tuple, [*line, "ba", "dc"])) == [["a", "b"], ["c", "d"]]
