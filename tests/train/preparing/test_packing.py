"""Crops and sound as people have them, prepared for training: upright, of 8 bits, by the clock of prediction."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from mmadfer.data.prepared import PreparedSet
from tests.support import made_trees as trees
from train import prepare


def prepared(root: Path, out: Path, size: int = 64) -> PreparedSet:
    options = ["--out", str(out), "--workers", "1", "--size", str(size), "--quality", "100"]
    assert prepare.main(["folder", str(root), *options]) == 0
    return PreparedSet(out)


def face(clips: Path) -> Image.Image:
    return Image.open(clips / "pyfeat_single_face.jpg").convert("RGB").resize((64, 64))


def crops_of(found: PreparedSet) -> list[np.ndarray]:
    jpegs = found.jpegs(0, range(found.clips[0].num_frames))
    return [np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB")).astype(int) for jpeg in jpegs]


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff"])
def test_crops_are_packed_upright(clips, tmp_path, suffix):
    folder = tmp_path / "own/happiness/clip"
    folder.mkdir(parents=True)
    for number in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = number
        face(clips).save(folder / f"{number}.{suffix}", exif=exif, quality=98)
    found = crops_of(prepared(tmp_path / "own", tmp_path / "out"))
    for number, rgb in enumerate(found, 1):
        with Image.open(folder / f"{number}.{suffix}") as stored:
            expected = np.asarray(ImageOps.exif_transpose(stored).convert("RGB")).astype(int)
        difference = np.abs(rgb - expected).mean()
        assert difference < 3, f"orientation {number}: mean difference {difference:.1f}"


def test_crops_of_16_bits_and_odd_colours_are_packed_as_seen(clips, tmp_path):
    folder, grey = tmp_path / "own/happiness/clip", np.asarray(face(clips).convert("L"))
    folder.mkdir(parents=True)
    Image.fromarray(grey.astype(np.uint16) * 257).save(folder / "1.png")
    face(clips).convert("CMYK").save(folder / "2.jpg", quality=98)
    face(clips).convert("P", palette=Image.Palette.ADAPTIVE).save(folder / "3.png")
    found = crops_of(prepared(tmp_path / "own", tmp_path / "out"))
    for name, rgb, expected in zip("123", found, (grey[..., None], *[np.asarray(face(clips))] * 2), strict=True):
        difference = np.abs(rgb - expected).mean()
        assert difference < 8, f"{name}: mean difference {difference:.1f}"


def test_an_upright_crop_of_its_size_keeps_its_bytes(clips, tmp_path):
    folder = tmp_path / "own/happiness/clip"
    folder.mkdir(parents=True)
    face(clips).save(folder / "1.jpg", quality=91)
    found = prepared(tmp_path / "own", tmp_path / "out")
    assert list(found.jpegs(0, [0])) == [(folder / "1.jpg").read_bytes()]


def test_a_span_counts_from_the_files_start_in_sound_that_begins_late(cases, tmp_path):
    trees.put(trees.FACE, tmp_path / "own/face.mp4")
    (tmp_path / "own/late.mkv").write_bytes((cases / "span_late.mkv").read_bytes())
    rows = "face.mp4,anger,late.mkv,2.0,2.5\nface.mp4,fear,late.mkv,0.5,1.5\nface.mp4,fear,late.mkv,1.0,2.0\n"
    trees.text(tmp_path / "own/labels.csv", f"path,label,audio,start,end\n{rows}")
    found = prepared(tmp_path / "own", tmp_path / "out")
    heard = {clip.clip_id: found.log_mel(i).astype(np.float32) for i, clip in enumerate(found.clips)}
    tone, before, around = (heard[f"face.mp4@{span}"] for span in ("2-2.5", "0.5-1.5", "1-2"))
    assert tone.max() == pytest.approx(1.03, abs=0.05), f"the tone from 2.0 to 2.5 s is not heard: {tone.max():.2f}"
    assert not len(before), "a span that ends where the track begins has sound"
    assert len(around) == pytest.approx(98, abs=1), "silence before the track's start is not counted"


def test_sound_that_changes_its_format_is_packed_whole_and_told(cases, tmp_path):
    trees.put(trees.FACE, tmp_path / "own/face.mp4")
    (tmp_path / "own/switch.aac").write_bytes((cases / "switch.aac").read_bytes())
    trees.text(tmp_path / "own/labels.csv", "path,label,audio\nface.mp4,anger,switch.aac\n")
    found = prepared(tmp_path / "own", tmp_path / "out")
    assert len(found.log_mel(0)) == pytest.approx(412, abs=3)
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert "odd clock or format" in {finding["kind"] for finding in report["findings"]}
