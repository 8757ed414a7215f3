"""The whole way on real videos: prepare, fine-tune, evaluate, and live with what came out."""

from __future__ import annotations

import csv
import json
import time
from pathlib import Path

from demo.app import App
from mmadfer import EmotionRecognizer
from mmadfer.data.prepared import PreparedSet
from tests.support.finetune import MILD, TINY_MODEL, finetune
from train import evaluate, prepare

SPEECH = "derived_face_jfk_6s_44k.mp4"
LABELS = {"derived_face_jfk_6s_44k.mp4": "neutral", "derived_asl_sorry_jfk_2s_48k.mp4": "sadness"}
SPANS = {"derived_face_jfk_6s_44k.mp4": (0.0, 2.0, 4.0), "derived_asl_sorry_jfk_2s_48k.mp4": (0.0, 0.5, 1.0)}


def my_videos(folder: Path, clips: Path) -> Path:
    """Return a folder of one's own videos: three spans of each of two clips, and one clip without a face."""
    folder.mkdir()
    with (folder / "labels.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("path", "label", "split", "start", "end"))
        for name, label in LABELS.items():
            (folder / name).write_bytes((clips / name).read_bytes())
            for begin, split in zip(SPANS[name], ("train", "train", "test"), strict=True):
                table.writerow((name, label, split, begin, begin + 1.0))
        (folder / "empty.mp4").write_bytes((clips / "pyfeat_no_face.mp4").read_bytes())
        table.writerow(("empty.mp4", "neutral", "train", "", ""))
    return folder


def answers_of_the_app(clip: Path, weights: Path, seconds: float = 60.0) -> int:
    """Return how many answers the live app has given over ``clip``, once it has given some."""
    app = App(str(clip), weights, "pytorch", "cpu")
    try:
        app.launch()
        assert app.load().info.trained
        end = time.monotonic() + seconds
        while time.monotonic() < end and app.server.shared.counters.results < 3:
            time.sleep(0.1)
        return app.server.shared.counters.results
    finally:
        app.close()


def test_from_videos_to_the_live_app(clips, tmp_path, capfd):
    root = my_videos(tmp_path / "videos", clips)
    prepared = tmp_path / "prepared"
    assert prepare.main(["folder", str(root), "--out", str(prepared), "--workers", "1", "--size", "64"]) == 0
    found = PreparedSet(prepared)
    assert [clip.label for clip in found.clips].count("sadness") == 3 and len(found.clips) == 6
    assert "empty.mp4" in (prepared / "report.json").read_text(), "the clip without a face is not named"

    start = ("--scratch", "--size", "32", "--model", *TINY_MODEL)
    settings = ("epochs=2", "batch_size=2", "lr=0.001", *MILD)
    assert finetune(prepared, tmp_path / "run", *settings, start=start) == 0
    weights = tmp_path / "run" / "fold-1" / "weights.safetensors"

    for protocol in ("uniform", "live"):
        out = tmp_path / protocol
        options = ["--run", str(tmp_path / "run"), "--protocol", protocol, "--workers", "0"]
        options += ["--root", str(root)] if protocol == "live" else []
        assert evaluate.main([str(prepared), *options, "--out", str(out), "--backend", "pytorch"]) == 0, protocol
        assert json.loads((out / "metrics.json").read_text())
        assert "UAR" in (out / "table.md").read_text()
        assert (out / "confusion.png").stat().st_size > 5000

    recognizer = EmotionRecognizer.from_pretrained(weights, "pytorch", "cpu")
    assert recognizer.info.trained and set(recognizer.spec.labels) == set(LABELS.values())
    assert recognizer.predict_file(root / SPEECH)
    assert answers_of_the_app(root / SPEECH, weights) >= 3
