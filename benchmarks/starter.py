"""What the starter weights reach, from their file alone: the numbers of their model card.

Faces alone, voices alone and both, on the part that they were not trained on; and how calm they stay where there is
nothing to tell.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.support.machine import in_words, machine, say, write_json
from benchmarks.support.starter_table import Table, worse
from mmadfer import cli, metrics
from mmadfer.backends import BACKENDS, Backend, load_backend
from mmadfer.backends.base import PRECISIONS
from mmadfer.config import DFEW_LABELS, InputSpec
from mmadfer.data.adapters.starter import RATE, Faces, Voice, read_berlin, read_calm, read_faces, read_voices
from mmadfer.data.manifest import PARTS
from mmadfer.files import checksums
from mmadfer.postprocess import softmax
from mmadfer.preprocess import sound_input
from mmadfer.sound.familiarity import is_familiar
from mmadfer.types import Basis, WeightsInfo
from mmadfer.weights import checkpoint, store
from mmadfer.weights.catalogue import STARTER
from train.starter.clips import NEUTRAL, Shares, StarterClips
from train.starter.motion import MILD, STILL
from train.starter.scores import CONDITIONS, LIVE_CONDITIONS, Answer, Scored, clips_of, score

FACES = ("neutral and still", "none")
SOUNDS = ("no microphone", "silence", "quiet room", "calm voice")
SILENCE, CALM_VOICE = SOUNDS[1], SOUNDS[3]
CALM_TEST = "calm_test"
"""Folder of calm speech, by people who are in no part of the training."""
DISAGREEING = (("happiness", "neutral"), ("neutral", "anger"), ("happiness", "anger"), ("sadness", "happiness"))
"""The face's class, and the voice's."""
CALM = 0.4
"""No other class may pass this probability where a neutral face keeps still and nothing is heard."""


@dataclass(frozen=True)
class Disagreement:
    """What is said where face and voice do not agree."""

    face: str
    voice: str
    clips: int
    as_face: float
    """Share whose top class is the face's."""
    as_voice: float


@dataclass(frozen=True)
class Survival:
    """What becomes of a face's class when a stranger begins to speak calmly."""

    face: str
    """A class, or "any"."""
    clips: int
    """Faces that are read rightly in silence."""
    survives: float
    """Share of them that are still read rightly."""


@dataclass(frozen=True)
class Row:
    """One condition."""

    condition: str
    clips: int
    war: float
    uar: float
    calibration_error: float
    recalls: list[float]
    """Of each class, 0 to 1."""


@dataclass(frozen=True)
class Calm:
    """What is said where there is nothing to tell."""

    face: str
    """"neutral and still", or "none"."""
    sound: str
    """"no microphone", "silence" or "quiet room"."""
    clips: int
    neutral: float
    """Share whose top class is neutral."""
    others: float
    """Share where another class passes `CALM`."""
    mean: float
    """Mean probability of neutral."""


def main(argv: Sequence[str] | None = None) -> int:
    """Score, print the tables and write the files; returns the exit code."""
    parser = cli.Parser("python -m benchmarks.starter", "What the starter weights reach on data they have not seen.")
    parser.add_argument("data", type=Path, metavar="DATA", help="folder with faces.npz and voices/")
    parser.add_argument("--weights", default=STARTER, metavar="FILE", help="file that train.starter wrote")
    parser.add_argument("--part", default="test", choices=PARTS[1:], help="of the data")
    parser.add_argument("--backend", default="pytorch", choices=BACKENDS, help="engine")
    parser.add_argument("--precision", default="fp32", choices=PRECISIONS, help="of the encoders")
    parser.add_argument("--figures", type=Path, metavar="FOLDER", help="folder for confusion and reliability pictures")
    parser.add_argument("--json", metavar="FILE", help="file to write the figures to")
    parser.add_argument(
        "--table", type=Path, metavar="FILE", help="table to write; fails where a row is worse than in the package's"
    )
    return cli.run(parser, _score, argv)


def _score(arguments: argparse.Namespace) -> int:
    faces, voices = read_faces(arguments.data, arguments.part), read_voices(arguments.data, arguments.part)
    berlin, strangers = read_berlin(arguments.data), read_calm(arguments.data, CALM_TEST)
    file = store.resolve(arguments.weights)
    model = checkpoint.load_model(file)
    info = model.info
    backend = load_backend(model, arguments.backend, "cpu", arguments.precision)
    answers = Answers(backend, info)
    about = machine()
    say(f"{info.name}, {backend.description}; {arguments.part} part; {in_words(about)}\n")
    say(f"| condition | clips | accuracy | UAR | calibration error | {' | '.join(backend.spec.labels)} |")
    say(f"|---|---|---|---|---|{'---|' * len(backend.spec.labels)}")
    rows = []
    for condition, clips in conditions(backend.spec, faces, voices, berlin, strangers):
        scored = score(answers.resting_on(basis_of(condition)), clips)
        rows.append(row(condition, scored))
        say(line(rows[-1]))
        if arguments.figures and condition in CONDITIONS:
            _draw(condition, scored, backend.spec.labels, arguments)
    say("\n| face | sound | clips | neutral on top | another above 0.4 | mean of neutral |")
    say("|---|---|---|---|---|---|")
    sounds = SOUNDS if strangers else SOUNDS[:3]
    still = [calm(face, sound, answers, faces, strangers) for face in FACES for sound in sounds]
    for found in still:
        shares = in_percent(found.neutral, found.others, found.mean)
        say(f"| {found.face} | {found.sound} | {found.clips} | {shares} |")
    say("\n| face | voice | clips | the face's class on top | the voice's |")
    say("|---|---|---|---|---|")
    apart = [disagreement(face, voice, answers, faces, voices) for face, voice in DISAGREEING]
    for pair in apart:
        say(f"| {pair.face} | {pair.voice} | {pair.clips} | {in_percent(pair.as_face, pair.as_voice)} |")
    kept = survivals(answers, faces, strangers) if strangers else []
    if kept:
        say("\n| face, right in silence | clips | still right with a calm voice |")
        say("|---|---|---|")
    for survival in kept:
        say(f"| {survival.face} | {survival.clips} | {in_percent(survival.survives)} |")
    if arguments.json:
        write_json(arguments.json, about, rows=rows, calm=still, disagreements=apart, survivals=kept)
    if arguments.table:
        return _tabled(arguments.table, checksums.sha256(file), in_words(about), in_rows(rows, still, kept))
    return 0


def _tabled(path: Path, sha256: str, about: str, rows: dict[str, float]) -> int:
    """Write the table; return 1 where a row is worse than it was in the weights before these."""
    packaged = Table.read()
    before = packaged.before if packaged.sha256 == sha256 else packaged.rows
    Table(sha256, rows, f"python -m benchmarks.starter DATA --table FILE; {about}", before).write(path)
    found = worse(rows, before)
    for sentence in found:
        say(f"worse than before: {sentence}")
    return int(bool(found))


def in_rows(rows: Sequence[Row], still: Sequence[Calm], kept: Sequence[Survival]) -> dict[str, float]:
    """Return what is compared between one set of weights and the next, in %."""
    named = {}
    for each in rows:
        named[f"{each.condition}: accuracy"] = each.war
        named[f"{each.condition}: UAR"] = each.uar
        named[f"{each.condition}: calibration error"] = each.calibration_error
    for calm in still:
        named[f"{calm.face} face, {calm.sound}: neutral on top"] = calm.neutral
        named[f"{calm.face} face, {calm.sound}: another above 0.4"] = calm.others
    for survival in kept:
        named[f"{survival.face} face, right in silence: with a calm voice"] = survival.survives
    return {name: round(100 * value, 2) for name, value in named.items()}


def basis_of(condition: str) -> Basis:
    """Return what answers in ``condition`` rest on."""
    if condition.startswith("voices"):
        return Basis.VOICE
    return Basis.BOTH if condition.startswith("both") or condition == f"faces, {CALM_VOICE}" else Basis.FACE


class Answers:
    """What a backend says with a set of weights' own temperatures, biases and familiar voices: the app's answers."""

    def __init__(self, backend: Backend, info: WeightsInfo) -> None:
        """Args: info: of the weights."""
        self.spec, self.info, self._backend = backend.spec, info, backend
        self._no_sound = sound_input(None, 0, self.spec)[0]

    def resting_on(self, basis: Basis) -> Answer:
        """Return what gives logits `(B, C)`, biased and divided by their temperature, of inputs of that kind."""

        def answer(frames: torch.Tensor, spectrograms: torch.Tensor) -> torch.Tensor:
            bases, heard = zip(*(self._judged(basis, each) for each in spectrograms), strict=True)
            logits = self._backend(frames, torch.stack(heard)).float()
            biases = torch.tensor([self.info.bias_for(each) or (0.0,) * logits.shape[1] for each in bases])
            return (logits + biases) / torch.tensor([[self.info.temperature_for(each)] for each in bases])

        return answer

    def _judged(self, basis: Basis, spectrogram: torch.Tensor) -> tuple[Basis, torch.Tensor]:
        """Return what an answer rests on, and the sound `(1, frames, bins)` that the model is to hear for it."""
        known = self.info.familiar_voice
        if basis is Basis.FACE or not known or is_familiar(spectrogram[None], self.spec.mel, known):
            return basis, spectrogram
        return (Basis.UNFAMILIAR_VOICE, spectrogram) if basis is Basis.VOICE else (Basis.FACE, self._no_sound)


def conditions(
    spec: InputSpec, faces: Faces, voices: Sequence[Voice], berlin: Sequence[Voice], strangers: Sequence[Voice]
) -> Iterator[tuple[str, StarterClips]]:
    """Yield the name and the clips of everything that is scored."""
    for condition in (*CONDITIONS, *LIVE_CONDITIONS):
        yield condition, clips_of(condition, spec, faces, voices)
    for sound in SOUNDS[1:3]:
        yield f"faces, {sound}", StarterClips(spec, faces, background(sound), motion=MILD)
    if strangers:
        yield f"faces, {CALM_VOICE}", StarterClips(spec, faces, under_each_label(strangers), motion=MILD)
        yield f"voices, {CALM_VOICE}", clips_of("voices", spec, faces, strangers)
    if berlin:
        yield "voices, Berlin", clips_of("voices", spec, faces, berlin)
    for sex in sorted({voice.sex for voice in voices}):
        own = [voice for voice in voices if voice.sex == sex]
        yield f"voices, {sex}", clips_of("voices", spec, faces, own)


def background(sound: str) -> list[Voice]:
    """Return 3 s of ``sound``, one of `SOUNDS`, under each label; nothing for "no microphone".

    "quiet room" is white noise of 0.002 (-54 dB below full scale), what a good microphone makes of an empty room.
    """
    if sound == SOUNDS[0]:
        return []
    level = 0.002 if sound == "quiet room" else 0.0
    noise = np.random.default_rng(0).normal(0, level, (len(DFEW_LABELS), 1, 3 * RATE)).astype(np.float32)
    return [Voice(sound, values, label, 0) for label, values in enumerate(noise)]


def under_each_label(voices: Sequence[Voice]) -> list[Voice]:
    """Return ``voices`` once as each class, to be heard with any face."""
    return [replace(voice, label=label, corpus="") for voice in voices for label in range(len(DFEW_LABELS))]


def survivals(answers: Answers, faces: Faces, strangers: Sequence[Voice]) -> list[Survival]:
    """Return how many faces that are read rightly in silence still are when a stranger speaks calmly."""
    spec = answers.spec
    alone, both = answers.resting_on(Basis.FACE), answers.resting_on(Basis.BOTH)
    silent = score(alone, StarterClips(spec, faces, background(SILENCE), motion=MILD)).logits.argmax(axis=1)
    calm = score(both, StarterClips(spec, faces, under_each_label(strangers), motion=MILD)).logits.argmax(axis=1)
    found = []
    right_ones = silent == faces.labels
    for name in ("any", *spec.labels):
        right = right_ones if name == "any" else right_ones & (faces.labels == DFEW_LABELS.index(name))
        if right.any():
            found.append(Survival(name, int(right.sum()), float((calm == silent)[right].mean())))
    return found


def row(condition: str, scored: Scored) -> Row:
    """Return what ``scored`` comes to, whose logits are divided by their temperature."""
    answers = scored.logits.argmax(axis=1)
    recalls = metrics.recalls(scored.labels, answers, scored.logits.shape[1]).tolist()
    error = scored.calibration_error(1.0)
    return Row(condition, len(answers), scored.war, scored.uar, error, recalls)


def line(row: Row) -> str:
    """Return ``row`` as Markdown, in %."""
    return f"| {row.condition} | {row.clips} | {in_percent(row.war, row.uar, row.calibration_error, *row.recalls)} |"


def in_percent(*shares: float) -> str:
    """Return ``shares``, 0 to 1, as the cells of a Markdown row."""
    return " | ".join(f"{100 * share:.1f}" for share in shares)


def calm(face: str, sound: str, answers: Answers, faces: Faces, strangers: Sequence[Voice] = ()) -> Calm:
    """Return how calm the weights stay at neutral faces that keep still, or at none, with one of `SOUNDS`."""
    heard = under_each_label(strangers) if sound == CALM_VOICE else background(sound)
    neutral = faces.labels == NEUTRAL
    own = Faces(faces.images[neutral], faces.labels[neutral])
    if face == "none":
        missing = Shares(no_face=0.0, no_voice=float(sound == SOUNDS[0]), neither=0.0, stray=0.0, calm=0.0)
        some = list(strangers) if sound == CALM_VOICE else background(sound) or background(SILENCE)
        clips = StarterClips(answers.spec, voices=some, shares=missing)
        basis = Basis.VOICE
    else:
        clips = StarterClips(answers.spec, own, heard, motion=STILL)
        basis = Basis.BOTH if sound == CALM_VOICE else Basis.FACE
    probabilities = softmax(score(answers.resting_on(basis), clips).logits)
    others = np.delete(probabilities, NEUTRAL, axis=1).max(axis=1)
    return Calm(
        face,
        sound,
        len(probabilities),
        float((probabilities.argmax(axis=1) == NEUTRAL).mean()),
        float((others > CALM).mean()),
        float(probabilities[:, NEUTRAL].mean()),
    )


def disagreement(face: str, voice: str, answers: Answers, faces: Faces, voices: Sequence[Voice]) -> Disagreement:
    """Return which of two classes, the face's or the voice's, is the answer to clips of both."""
    own, other = DFEW_LABELS.index(face), DFEW_LABELS.index(voice)
    shown = faces.labels == own
    heard = [replace(each, label=own) for each in voices if each.label == other]
    clips = StarterClips(answers.spec, Faces(faces.images[shown], faces.labels[shown]), heard, motion=MILD)
    found = score(answers.resting_on(Basis.BOTH), clips).logits.argmax(axis=1)
    return Disagreement(face, voice, len(found), float((found == own).mean()), float((found == other).mean()))


def _draw(condition: str, scored: Scored, labels: Sequence[str], arguments: argparse.Namespace) -> None:
    from train.scoring.figures import confusion_figure, reliability_figure

    arguments.figures.mkdir(parents=True, exist_ok=True)
    matrix = metrics.confusion_matrix(scored.labels, scored.logits.argmax(axis=1), len(labels))
    title = f"Starter weights, {condition}, {arguments.part} part"
    confusion_figure(matrix, labels, title, "", arguments.figures / f"starter-confusion-{condition}.png")
    bins = metrics.reliability_bins(softmax(scored.logits), scored.labels)
    reliability_figure(bins, title, "", arguments.figures / f"starter-reliability-{condition}.png")


if __name__ == "__main__":
    sys.exit(main())
