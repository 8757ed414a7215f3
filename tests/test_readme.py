"""The README and the pages of docs/: short, and they name what there is: folders, files, commands, options, pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.places import ROOT

README = ROOT / "README.md"
CODE = ("mmadfer", "demo", "train", "export", "benchmarks")
PAGES = (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")))
LONGEST = 200
"""Lines that the README may have."""


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def tree() -> list[str]:
    """Return the folders in the block under "## Where things are", without the slash at their end."""
    block = text(README).split("## Where things are")[1].split("```")[1]
    return [line.split()[0].rstrip("/") for line in filter(None, block.splitlines())]


def folders() -> Iterator[str]:
    """Yield every folder of the code, and the others that a checkout has."""
    for top in CODE:
        for folder in (ROOT / top, *(path for path in (ROOT / top).rglob("*") if path.is_dir())):
            if "__pycache__" not in folder.parts and any(path.is_file() for path in folder.iterdir()):
                yield folder.relative_to(ROOT).as_posix()
    yield from ("examples", "tests", "docs", ".ci")


def anchors(page: Path) -> set[str]:
    """Return what a link may name after its #, as GitHub and the site make it of the headings."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", text(page), flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^a-z0-9_-]", "", heading.lower().replace(" ", "-")) for heading in headings}


def links(page: Path) -> list[str]:
    return [link for link in re.findall(r"\]\(([^)\s]+)\)", text(page)) if "://" not in link]


def leads_somewhere(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    return target.exists() and (not anchor or anchor in anchors(target))


def commands(page: Path) -> Iterator[tuple[str, str]]:
    """Yield the module and the rest of each `python -m` command on ``page``, up to its line's or its quote's end."""
    whole_lines = text(page).replace("\\\n", " ")
    for module, rest in re.findall(r"python -m ([\w.]+)([^`\n|#]*)", whole_lines):
        yield module.rstrip("."), rest


def source(module: str) -> str:
    """Return the source that holds a command's options: its own, and that of what it shares with others."""
    base = ROOT / module.replace(".", "/")
    path = base / "__main__.py" if base.is_dir() else base.with_suffix(".py")
    shared = [ROOT / "mmadfer/weights/store.py", *(base.glob("*.py") if base.is_dir() else ())]
    return text(path) + "".join(map(text, shared))


def test_the_readme_is_a_page() -> None:
    assert len(text(README).splitlines()) <= LONGEST


def test_the_tree_names_every_folder_and_only_such() -> None:
    named = tree()
    assert len(named) == len(set(named)), "a folder is named twice"
    assert sorted(set(folders()) - set(named)) == [], "not in the tree"
    assert sorted(set(named) - set(folders())) == [], "in the tree, but not there"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    assert [link for link in links(page) if not leads_somewhere(page, link)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_of_the_code_that_a_page_names_are_there(page: Path) -> None:
    named = re.findall(rf"`((?:{'|'.join(CODE)}|examples|docs|tests|\.ci)/[\w./-]*)`", text(page))
    assert [name for name in named if "NAME" not in name and not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_their_options_are_there(page: Path) -> None:
    for module, rest in commands(page):
        assert module.split(".")[0] in (*CODE, "docs"), f"python -m {module}"
        try:
            code = source(module)
        except FileNotFoundError:
            pytest.fail(f"{page.name} names python -m {module}, which is not there")
        unknown = [option for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", rest) if f'"{option}"' not in code]
        assert unknown == [], f"python -m {module}"


def test_every_command_is_named_somewhere() -> None:
    named = {module for page in PAGES for module, _ in commands(page)}
    there = {
        path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".").removesuffix(".__main__")
        for top in (*CODE, "docs")
        for path in (ROOT / top).rglob("*.py")
        if re.search(r'^if __name__ == "__main__":', text(path), re.MULTILINE)
    }
    assert len(there) > 10
    assert sorted(there - named) == []


def test_every_page_is_on_the_site() -> None:
    site = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert [page.name for page in PAGES if page.parent.name == "docs" and f": {page.name}\n" not in site] == []
