"""Which files a command works on: any name, any shape of folder, and nothing left out in silence."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from mmadfer.media.suffixes import MEDIA_SUFFIXES, PICTURE_SUFFIXES, SOUND_SUFFIXES, VIDEO_SUFFIXES
from mmadfer.scoring.input_files import find_clips, find_files


def make(root: Path, *names: str, **links: str) -> Path:
    """Make empty files, and links with "__" for each slash of their names and "_" for each dot."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    for name, target in links.items():
        link = root / name.replace("__", "/").replace("_", ".")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)
    return root


def names(found, root: Path) -> list[str]:
    return [os.path.relpath(clip.name, root) for clip in found.clips]


def test_files_count_once_and_by_their_names(tmp_path):
    make(tmp_path, "b.MP4", "a10.wav", "a9.mov", "notes.txt", "more.TXT", "._a9.mov", ".git/x.mp4", "README", "a.b/LOG")
    found = find_clips([str(tmp_path / "notes.txt"), str(tmp_path), str(tmp_path / "b.MP4")])
    assert names(found, tmp_path) == ["notes.txt", "a9.mov", "a10.wav", "b.MP4"]
    assert found.left_out == Counter({".txt": 1, "hidden": 2, "without a suffix": 2})
    [line] = found.lines()
    assert line == "no clips by their names, left out: 2 hidden, 2 without a suffix, 1 .txt"


@pytest.mark.parametrize("suffix", sorted({".mp4", ".Mp4", ".WEBM", ".ogv", ".MTS", ".m2ts", ".vob", ".mxf", ".3g2",
                                           ".gif", ".h264", ".hevc", ".ivf", ".y4m", ".wma", ".opus", ".amr", ".aiff",
                                           ".caf", ".mka", ".mp2", ".ac3", ".JPG", ".jpeg", ".png", ".webp", ".avif",
                                           ".HEIC", ".bmp", ".tif", ".tiff"}))  # fmt: skip
def test_files_that_can_be_read_are_known_by_their_suffix(tmp_path, suffix):
    make(tmp_path, f"x{suffix}", "x.log")
    assert names(find_clips([str(tmp_path)]), tmp_path) == [f"x{suffix}"]


def test_suffixes_stand_in_one_list_each():
    every = (*VIDEO_SUFFIXES, *SOUND_SUFFIXES, *PICTURE_SUFFIXES)
    assert len(set(every)) == len(every) == len(MEDIA_SUFFIXES)
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in every)


@pytest.mark.parametrize(
    ("links", "clips", "remarks"),
    [
        ({"z_mp4": "b.mp4"}, [], ["scored once: {root}/z.mp4 is the same file as {root}/b.mp4"]),
        ({"a_mp4": "b.mp4"}, [], ["scored once: {root}/a.mp4 is the same file as {root}/b.mp4"]),
        ({"z_mp4": "b.mp4", "zz_mp4": "z.mp4"}, [], ["scored once: {root}/z.mp4 is the same file as {root}/b.mp4",
                                                     "scored once: {root}/zz.mp4 is the same file as {root}/b.mp4"]),
        ({"z_mp4": "../other/c.mp4"}, ["z.mp4"], []),
        ({"y_mp4": "../other/c.mp4", "z_mp4": "../other/c.mp4"}, ["y.mp4"],
         ["scored once: {root}/z.mp4 is the same file as {root}/y.mp4"]),
        ({"z_mp4": "gone.mp4"}, [], ["left out: {root}/z.mp4 (a link to nothing)"]),
        ({"z_mp4": "z.mp4"}, [], ["left out: {root}/z.mp4 (cannot be opened (Too many levels of symbolic links))"]),
        ({"z": "../other"}, ["z/c.mp4"], []),
        ({"z": "."}, [], ["left out: {root}/z (the same folder as {root})"]),
        ({"z__up": "../.."}, [], ["left out: {root}/z/up (leads back to {parent})"]),
        ({"z_mp4": "/dev/zero"}, [], ["left out: {root}/z.mp4 (neither a file nor a folder)"]),
        # Under a name that is no clip's, a link is none; under one that is, its target's name does not matter.
        ({"z": "b.mp4"}, [], []),
        ({"z_mp4": "../other/blob"}, ["z.mp4"], []),
    ],
)  # fmt: skip
def test_links_are_followed_once_or_named(tmp_path, links, clips, remarks):
    make(tmp_path, "other/c.mp4", "other/blob")
    root = make(tmp_path / "root", "b.mp4", **links)
    found = find_clips([str(root)])
    assert names(found, root) == sorted(["b.mp4", *clips])
    assert list(found.remarks) == [remark.format(root=root, parent=tmp_path) for remark in remarks]


def test_what_is_named_twice_counts_once_and_is_told(tmp_path, monkeypatch):
    make(tmp_path, "a/x.mp4", "b/x.mp4", link="a")
    monkeypatch.chdir(tmp_path)
    given = ["a/x.mp4", "./a/x.mp4", "link/x.mp4", "a", "link", "b", "b/x.mp4"]
    found = find_clips(given)
    assert [clip.name for clip in found.clips] == ["a/x.mp4", "b/x.mp4"]
    assert list(found.lines()) == [
        "scored once: ./a/x.mp4 is the same file as a/x.mp4",
        "scored once: link/x.mp4 is the same file as a/x.mp4",
        "scored once: link/x.mp4 is the same file as a/x.mp4",
    ]
    assert [str(clip.path) for clip in found.clips] == [str(tmp_path / name) for name in ("a/x.mp4", "b/x.mp4")]


def test_pipes_and_devices_are_never_opened(tmp_path):
    make(tmp_path, "a.mp4")
    os.mkfifo(tmp_path / "b.mp4")
    found = find_clips([str(tmp_path), str(tmp_path / "b.mp4")])
    assert list(found.remarks) == [f"left out: {tmp_path}/b.mp4 (neither a file nor a folder)"]
    assert [bool(clip.refused) for clip in found.clips] == [False, True]


def test_a_folder_that_may_not_be_read_is_told(tmp_path, monkeypatch):
    make(tmp_path, "a/x.mp4", "b/y.mp4")
    scandir = os.scandir

    def refuse(path):  # as the system does to all but root
        if Path(path).name == "b":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = find_clips([str(tmp_path)])
    assert list(found.remarks) == [f"left out: {tmp_path}/b (cannot be opened (Permission denied))"]
    [refused] = find_clips([str(tmp_path / "b")]).clips
    assert (
        refused.refused == f"{tmp_path}/b cannot be opened (Permission denied); ask its owner for the right to read it"
    )


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "there is no video or sound file in {root}, and no picture; give files, or a folder that has some"),
        (["a.txt", ".x.mp4"], "no picture (no clips by their names, left out: 1 .txt, 1 hidden); give files"),
    ],
)
def test_a_folder_without_clips_is_one_sentence(tmp_path, files, message):
    make(tmp_path, *files)
    with pytest.raises(ValueError) as caught:
        find_clips([str(tmp_path)])
    assert message.format(root=tmp_path) in str(caught.value)


def test_long_lists_are_cut_and_odd_names_escaped(tmp_path):
    make(tmp_path, *(f"x.k{k}" for k in range(20)), "a.mp4", "b.e\nf")
    for k in range(30):
        (tmp_path / f"{k}\n\udce9.mp4").symlink_to("gone")
    lines = list(find_clips([str(tmp_path)]).lines())
    assert len(lines) == 22 and lines[0].endswith(", 9 others") and lines[-1].startswith("and 10 more")
    assert lines[1] == rf"left out: {tmp_path}/0\n\xe9.mp4 (a link to nothing)"
    assert "\n" not in "".join(lines)


def test_the_result_is_never_a_clip(tmp_path, monkeypatch):
    monkeypatch.chdir(make(tmp_path, "a.mp4", "r.mp4", "r.mp4.parts/x.mp4", "r.mp4.partsy/x.mp4", link_mp4="r.mp4"))
    besides = (Path("r.mp4"), Path("r.mp4.parts"))
    assert [clip.name for clip in find_clips(["."], besides).clips] == ["a.mp4", "r.mp4.partsy/x.mp4"]
    found = find_clips(["a.mp4", "r.mp4", "link.mp4", "r.mp4.parts/x.mp4"], besides)
    assert [clip.name for clip in found.clips] == ["a.mp4"]
    assert found.remarks[0] == "left out: r.mp4 (the result itself)" and len(found.remarks) == 3


def test_files_named_are_tried_whatever_they_are_called(tmp_path, monkeypatch):
    monkeypatch.chdir(make(tmp_path, "a.txt", "b", ".hidden", "r.parquet"))
    for find in (find_files, find_clips):
        found = find(["a.txt", "b", ".hidden", "r.parquet"])
        assert [clip.name for clip in found.clips] == ["a.txt", "b", ".hidden", "r.parquet"]
        assert not any(clip.refused for clip in found.clips) and not list(found.lines())
