"""The weights that come with the package: there, small, offline, labelled, and right about plain cases."""

from __future__ import annotations

import csv
import dataclasses
import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from mmadfer import EmotionRecognizer, predict
from mmadfer.config import InputSpec
from mmadfer.media.media_file import open_media
from mmadfer.models.mma_dfer import MMADFER
from mmadfer.postprocess import ProbabilitySmoother
from mmadfer.stream.window import Window
from mmadfer.types import State
from mmadfer.weights import catalogue, checkpoint, starter, store
from mmadfer.weights.__main__ import main
from tests.support.made_media import write_portrait
from tests.support.places import ROOT

OFFLINE = """
import socket, sys
def refuse(*args, **kwargs):
    raise OSError("there is no network in this test")
socket.create_connection = socket.getaddrinfo = socket.socket.connect = refuse
import mmadfer
recognizer = mmadfer.EmotionRecognizer.from_pretrained(backend="pytorch", device="cpu")
predictions = recognizer.predict_file(sys.argv[1], hop=1.0)
print(recognizer.info.name, len(predictions), sep="|")
"""


@pytest.fixture(scope="module")
def recognizer():
    made = EmotionRecognizer.from_pretrained(backend="pytorch", device="cpu", precision="fp32")
    yield made
    made.close()


@pytest.fixture(scope="module")
def portrait(clips, tmp_path_factory):
    """Return a function that makes a clip of a photograph."""
    folder = tmp_path_factory.mktemp("portraits")

    def make(name: str) -> Path:
        path = folder / f"{name}.mp4"
        rgb = np.asarray(Image.open(clips / name).convert("RGB"))
        return path if path.exists() else write_portrait(path, rgb)

    return make


def test_they_load_and_answer_without_a_network(clips, tmp_path):
    environment = {**os.environ, "HOME": str(tmp_path), "MMADFER_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-c", OFFLINE, str(clips / "pyfeat_single_face.mp4")]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "starter weights|3"


def test_none_and_their_name_mean_them_and_the_package_keeps_them():
    assert store.resolve("starter") == store.fetch("starter") == starter.FILE
    with pytest.raises(ValueError, match="part of the package"):
        store.remove("starter")
    model = checkpoint.load_model(starter.FILE)
    assert model.info.name == starter.NAME and model.info.trained and model.info.temperature != 1.0
    assert set(model.spec.handles_missing) == {"face", "audio"}
    assert (model.spec.sample_rate, model.spec.color) == (16_000, "grey")


def test_a_package_without_them_says_so_in_one_sentence(monkeypatch, tmp_path, capsys):
    lacking = catalogue.Source("starter", "", "this package", packaged=tmp_path / "starter.safetensors")
    monkeypatch.setitem(catalogue.SOURCES, "starter", lacking)
    with pytest.raises(FileNotFoundError, match=r"lacks its file starter.safetensors; install it again"):
        EmotionRecognizer.from_pretrained()
    assert main(["list"]) == 0
    assert "lacks its file" in capsys.readouterr().out


def test_they_cost_a_tenth_of_the_full_model_at_most():
    small = checkpoint.load_model(starter.FILE)
    counts = [operations(model) for model in (small, MMADFER(InputSpec(image_size=112)))]
    assert counts[0] <= counts[1] / 10, counts


def operations(model: MMADFER) -> int:
    """Return the floating-point operations of one window."""
    spec, meta = model.spec, model.to("meta").eval()
    frames = torch.zeros(1, spec.num_frames, 3, spec.image_size, spec.image_size, device="meta")
    sound = torch.zeros(1, 1, spec.mel.frames, spec.mel.bins, device="meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        meta(frames, sound)
    return int(counter.get_total_flops())


@pytest.mark.parametrize(
    ("name", "smiles"),
    [("obama.jpg", True), ("pyfeat_single_face.jpg", True), ("biden.jpg", False)],
)
def test_a_smile_is_happiness_and_a_sober_face_is_not(recognizer, portrait, name, smiles):
    found = recognizer.predict_file(portrait(name), hop=0.5)[6:]  # once the window is full
    shares = [prediction.probabilities["happiness"] for prediction in found]
    labels = {prediction.label for prediction in found}
    assert (labels == {"happiness"}) if smiles else ("happiness" not in labels), (labels, shares)
    assert all(prediction.trusted for prediction in found)


@pytest.mark.parametrize(
    "name",
    [
        "obama.jpg",
        "pyfeat_single_face.jpg",
        "biden.jpg",
        "intel_asl_yes.mkv",
        "intel_asl_sorry.mkv",
        "intel_asl_thanks.mkv",
    ],
)
def test_a_still_expression_does_not_flicker_on_the_page(recognizer, clips, portrait, name):
    clip = portrait(name) if name.endswith(".jpg") else clips / name
    smoother, labels = ProbabilitySmoother(0.5), []  # the app's own default
    for prediction in recognizer.predict_file(clip):
        values = smoother.push(prediction.time, prediction.probabilities)
        labels.append(max(values, key=values.__getitem__))
    flips = sum(a != b for a, b in itertools.pairwise(labels))
    assert len(labels) >= (32 if name.endswith(".jpg") else 10)
    assert flips <= 2, labels


@pytest.mark.parametrize("sound", [None, np.zeros((1, 144_000), np.float32)], ids=["no microphone", "silence"])
def test_nothing_seen_and_heard_is_no_answer_and_calm(recognizer, sound):
    heard = State.NO_SOUND if sound is None else State.SILENCE
    window = Window(3.0, 0.0, [], [], sound, 48_000 if sound is not None else 0, None, (State.NO_FACE, heard), 0.0, 1)
    found = recognizer.predict(window)
    assert not found.trusted
    assert max(value for name, value in found.probabilities.items() if name != "neutral") < 0.4, found.probabilities


def test_the_voice_counts(recognizer, clips):
    speech = open_media(clips / "jfk.flac")
    sound = speech.read_audio()[:, : 3 * speech.sample_rate]
    window = Window(3.0, 0.0, [], [], None, 0, None, (State.NO_FACE,), 0.0, 1)
    loud, quiet, absent = (
        recognizer.predict(dataclasses.replace(window, waveform=wave, sample_rate=speech.sample_rate)).probabilities
        for wave in (sound, 0 * sound, None)
    )
    for other in (quiet, absent):
        assert max(abs(loud[name] - other[name]) for name in loud) > 0.1, (loud, other)


def test_their_answers_are_labelled_everywhere(clips, tmp_path, capsys):
    out = tmp_path / "out.csv"
    clip = str(clips / "pyfeat_single_face.mp4")
    assert predict.main([clip, "--csv", str(out), "--hop", "1", "--backend", "pytorch"]) == 0
    said = capsys.readouterr().err
    assert said.startswith("starter weights, 48 px")
    assert "STARTER WEIGHTS" in said and "starter.md" in said
    with open(out, newline="", encoding="utf-8") as file:
        assert {row["weights"] for row in csv.DictReader(file)} == {"starter weights"}
    assert main(["list"]) == 0
    listed = capsys.readouterr().out
    assert "meant where no weights are named" in listed and str(starter.CARD) in listed


def test_the_card_says_what_a_reader_must_know():
    card = starter.CARD.read_text(encoding="utf-8")
    assert "@@" not in card and "@@" not in (ROOT / "README.md").read_text(encoding="utf-8")
    for words in ("FER2013", "RAVDESS", "non-commercial", "no real pair", "actors 19 and 20", "must not be used"):
        assert words in card, words
    pictures = {part.split(")")[0] for part in card.split("](starter-")[1:]}
    assert len(pictures) == 4
    assert card.count("](") == 4, "no other links: they would lead nowhere from the page"
    for picture in pictures:
        assert (starter.CARD.parent / f"starter-{picture}").is_file(), picture
