from __future__ import annotations

import os
from pathlib import Path

import pytest

from mmadfer.data.lists.walk import shown, walk
from tests.support.made_trees import text


def tree(root: Path, **links: str) -> Path:
    """Make a folder with a10.mp4, a9.mp4 and sub/b.mp4 in it, and ``links`` with __ for each slash of their names."""
    for name in ("a10.mp4", "a9.mp4", "sub/b.mp4"):
        text(root / name, name)
    for name, target in links.items():
        link = root / name.replace("__", "/")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)
    return root


def below(root: Path, paths) -> list[str]:
    return [path.relative_to(root).as_posix() for path in paths]


def passed(root: Path) -> dict[str, str]:
    return {left.path.relative_to(root).as_posix(): left.reason for left in walk(root).left_out}


def test_files_come_in_natural_order_with_their_folders(tmp_path):
    found = walk(tree(tmp_path))
    assert below(tmp_path, found.files) == ["a9.mp4", "a10.mp4", "sub/b.mp4"]
    assert below(tmp_path, found.folders) == ["sub"] and found.left_out == ()


@pytest.mark.parametrize(
    ("links", "files", "left_out"),
    [
        ({"z.mp4": "a9.mp4"}, ["z.mp4"], {}),  # a link to a file is a file
        ({"z.mp4": "nowhere.mp4"}, [], {"z.mp4": "a link to nothing"}),
        ({"z.mp4": "z.mp4"}, [], {"z.mp4": "cannot be opened (Too many levels of symbolic links)"}),
        ({"z.mp4": "/dev/null"}, [], {"z.mp4": "neither a file nor a folder"}),
        # The folder's own path counts, though the link's name comes first.
        ({"a": "sub"}, [], {"a": "the same folder as {root}/sub"}),
        ({"sub__up": ".."}, [], {"sub/up": "the same folder as {root}"}),
        ({"sub__self": "."}, [], {"sub/self": "the same folder as {root}/sub"}),
        ({"sub__root": "/"}, [], {"sub/root": "leads back to /"}),
        ({"out": "../other"}, ["out/c.mp4", "out/deep/d.mp4"], {}),
        (
            {"out": "../other", "out2": "../other"},
            ["out/c.mp4", "out/deep/d.mp4"],
            {"out2": "the same folder as {root}/out"},
        ),
        (
            {"out": "../other/deep", "out2": "../other"},
            ["out/d.mp4", "out2/c.mp4"],
            {"out2/deep": "the same folder as {root}/out"},
        ),
        (
            {"x__y": "../../two", "w": "x"},
            ["x/y/e.mp4"],
            {"w": "the same folder as {root}/x", "x/y/back": "leads back to {parent}"},
        ),
    ],
)
def test_links_are_followed_once_or_named(tmp_path, links, files, left_out):
    root = tree(tmp_path / "root", **links)
    for name in ("other/c.mp4", "other/deep/d.mp4", "two/e.mp4"):
        text(tmp_path / name, name)
    (tmp_path / "two/back").symlink_to("..")
    found = walk(root)
    own = ["a9.mp4", "a10.mp4", "sub/b.mp4"]
    assert sorted(below(root, found.files)) == sorted(own + files)
    assert passed(root) == {k: v.format(root=root, parent=tmp_path) for k, v in left_out.items()}


def test_thousands_of_links_between_folders_end_soon(tmp_path):
    """Followed again at each name, these would be 2 ** 30 folders."""
    for k in range(30):
        text(tmp_path / f"{k:02d}/f.mp4", "")
        if k:
            for name in ("x", "y"):
                (tmp_path / f"{k - 1:02d}" / name).symlink_to(f"../{k:02d}")
    found = walk(tmp_path / "00")
    assert len(found.files) == 30 and len(found.left_out) == 29


def test_what_is_hidden_special_or_made_by_systems_is_named(tmp_path):
    tree(tmp_path)
    for name in (".git/x.mp4", "sub/._b.mp4", "__MACOSX/sub/b.mp4", "@eaDir/b.mp4/thumb.jpg"):
        text(tmp_path / name, "")
    os.mkfifo(tmp_path / "pipe.mp4")
    assert below(tmp_path, walk(tmp_path).files) == ["a9.mp4", "a10.mp4", "sub/b.mp4"]
    assert passed(tmp_path) == {
        ".git": "hidden",
        "sub/._b.mp4": "hidden",
        "__MACOSX": "a folder of the system's",
        "@eaDir": "a folder of the system's",
        "pipe.mp4": "neither a file nor a folder",
    }


def test_a_folder_that_cannot_be_opened_is_named_and_others_go_on(tmp_path, monkeypatch):
    tree(tmp_path)
    text(tmp_path / "locked/c.mp4", "")
    scandir = os.scandir

    def refuse(path):  # as the system does to all but root
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert below(tmp_path, walk(tmp_path).files) == ["a9.mp4", "a10.mp4", "sub/b.mp4"]
    assert passed(tmp_path) == {"locked": "cannot be opened (Permission denied)"}


@pytest.mark.parametrize("name", ["nowhere", "a9.mp4"])
def test_a_root_that_is_no_folder_is_an_error(tmp_path, name):
    with pytest.raises(OSError, match=name):
        walk(tree(tmp_path) / name)


def test_names_in_any_bytes_and_characters_come_back(tmp_path):
    names = [
        b"caf\xe9.mp4",
        "café.mp4".encode(),
        "cafe\u0301.mp4".encode(),
        b"a\nb.mp4",
        "😀,\"'.mp4".encode(),
        b"-x.mp4",
    ]
    for name in names:
        (Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))).write_bytes(name)
    found = walk(tmp_path)
    assert {path.read_bytes() for path in found.files} == set(names)
    assert all(os.fsencode(path.name) == path.read_bytes() for path in found.files)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("plain ünï 😀.mp4", "plain ünï 😀.mp4"),
        ("👩\u200d👩\u200d👧.mp4", "👩\u200d👩\u200d👧.mp4"),
        (os.fsdecode(b"caf\xe9.mp4"), r"caf\xe9.mp4"),
        ("a\nb\tc\rd", r"a\nb\tc\rd"),
        ("\x1b[2J", r"\x1b[2J"),
        ("a\u2028b\u202eb", r"a\u2028b\u202eb"),
        (Path("x/y"), "x/y"),
    ],
)
def test_names_are_shown_in_one_line_that_can_be_printed(name, expected):
    assert shown(name) == expected
    shown(name).encode()
