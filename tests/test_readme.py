"""The README's file tree names what there is, and its links lead somewhere."""

from __future__ import annotations

import re

from tests.support.places import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
CODE = ("mmadfer", "demo", "train", "export", "benchmarks")


def tree() -> set[str]:
    """Return the paths in the block under "## Files"; entries that are indented belong to the folder above."""
    block = README.split("## Files")[1].split("```")[1]
    paths, folder = set(), ""
    for line in filter(None, block.splitlines()):
        name = line.split()[0]
        if not line.startswith(" "):
            folder = name if name.endswith("/") else ""
        paths.add(name if name == folder else folder + name)
    return paths


def test_every_path_in_the_tree_exists() -> None:
    assert len(tree()) > 20
    assert [path for path in sorted(tree()) if not (ROOT / path).exists()] == []


def test_every_module_is_in_the_tree() -> None:
    modules = {
        path.relative_to(ROOT).as_posix()
        for folder in CODE
        for path in (ROOT / folder).rglob("*.py")
        if path.name != "__init__.py"
    }
    assert sorted(modules - tree()) == []


def test_local_links_lead_to_files() -> None:
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", README) if "://" not in link]
    assert len(links) > 3
    headings = {re.sub(r"[^a-z0-9-]", "", h.lower().replace(" ", "-")) for h in re.findall(r"^#+ (.*)$", README, re.M)}
    lost = [link for link in links if not (link[1:] in headings if link[0] == "#" else (ROOT / link).exists())]
    assert lost == []
