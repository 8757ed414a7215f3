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

from benchmarks.support.machine import in_words, machine, say, write_json
from mmadfer import cli, metrics
from mmadfer.backends import BACKENDS, Backend, load_backend
from mmadfer.backends.base import PRECISIONS
from mmadfer.config import DFEW_LABELS
from mmadfer.data.adapters.starter import RATE, Faces, Voice, read_faces, read_voices
from mmadfer.data.manifest import PARTS
from mmadfer.postprocess import softmax
from mmadfer.weights import checkpoint, store
from mmadfer.weights.catalogue import STARTER
from train.starter.clips import NEUTRAL, Shares, StarterClips
from train.starter.motion import MILD, STILL
from train.starter.scores import CONDITIONS, LIVE_CONDITIONS, Scored, clips_of, score

FACES = ("neutral and still", "none")
SOUNDS = ("no microphone", "silence", "quiet room")
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
    return cli.run(parser, _score, argv)


def _score(arguments: argparse.Namespace) -> int:
    faces, voices = read_faces(arguments.data, arguments.part), read_voices(arguments.data, arguments.part)
    model = checkpoint.load_model(store.resolve(arguments.weights))
    info = model.info
    backend = load_backend(model, arguments.backend, "cpu", arguments.precision)
    about = machine()
    say(f"{info.name}, {backend.description}; {arguments.part} part; {in_words(about)}\n")
    say(f"| condition | clips | accuracy | UAR | calibration error | {' | '.join(backend.spec.labels)} |")
    say(f"|---|---|---|---|---|{'---|' * len(backend.spec.labels)}")
    rows = []
    for condition, clips in conditions(backend, faces, voices):
        scored = score(backend, clips)
        rows.append(row(condition, scored, info.temperature))
        say(line(rows[-1]))
        if arguments.figures and condition in CONDITIONS:
            _draw(condition, scored, info.temperature, backend.spec.labels, arguments)
    say("\n| face | sound | clips | neutral on top | another above 0.4 | mean of neutral |")
    say("|---|---|---|---|---|---|")
    still = [calm(face, sound, backend, faces, info.temperature) for face in FACES for sound in SOUNDS]
    for found in still:
        shares = in_percent(found.neutral, found.others, found.mean)
        say(f"| {found.face} | {found.sound} | {found.clips} | {shares} |")
    say("\n| face | voice | clips | the face's class on top | the voice's |")
    say("|---|---|---|---|---|")
    apart = [disagreement(face, voice, backend, faces, voices) for face, voice in DISAGREEING]
    for pair in apart:
        say(f"| {pair.face} | {pair.voice} | {pair.clips} | {in_percent(pair.as_face, pair.as_voice)} |")
    if arguments.json:
        write_json(arguments.json, about, rows=rows, calm=still, disagreements=apart)
    return 0


def conditions(backend: Backend, faces: Faces, voices: Sequence[Voice]) -> Iterator[tuple[str, StarterClips]]:
    """Yield the name and the clips of everything that is scored."""
    for condition in (*CONDITIONS, *LIVE_CONDITIONS):
        yield condition, clips_of(condition, backend.spec, faces, voices)
    for sound in SOUNDS[1:]:
        yield f"faces, {sound}", StarterClips(backend.spec, faces, background(sound), motion=MILD)
    for sex in sorted({voice.sex for voice in voices}):
        own = [voice for voice in voices if voice.sex == sex]
        yield f"voices, {sex}", clips_of("voices", backend.spec, faces, own)


def background(sound: str) -> list[Voice]:
    """Return 3 s of ``sound``, one of `SOUNDS`, under each label; nothing for "no microphone".

    "quiet room" is white noise of 0.002 (-54 dB below full scale), what a good microphone makes of an empty room.
    """
    if sound == SOUNDS[0]:
        return []
    level = 0.002 if sound == "quiet room" else 0.0
    noise = np.random.default_rng(0).normal(0, level, (len(DFEW_LABELS), 1, 3 * RATE)).astype(np.float32)
    return [Voice(sound, values, label, 0) for label, values in enumerate(noise)]


def row(condition: str, scored: Scored, temperature: float) -> Row:
    """Return what ``scored`` comes to."""
    answers = scored.logits.argmax(axis=1)
    recalls = metrics.recalls(scored.labels, answers, scored.logits.shape[1]).tolist()
    error = scored.calibration_error(temperature)
    return Row(condition, len(answers), scored.war, scored.uar, error, recalls)


def line(row: Row) -> str:
    """Return ``row`` as Markdown, in %."""
    return f"| {row.condition} | {row.clips} | {in_percent(row.war, row.uar, row.calibration_error, *row.recalls)} |"


def in_percent(*shares: float) -> str:
    """Return ``shares``, 0 to 1, as the cells of a Markdown row."""
    return " | ".join(f"{100 * share:.1f}" for share in shares)


def calm(face: str, sound: str, backend: Backend, faces: Faces, temperature: float) -> Calm:
    """Return how calm the weights stay at neutral faces that keep still, or at none, with one of `SOUNDS`."""
    neutral = faces.labels == NEUTRAL
    own = Faces(faces.images[neutral], faces.labels[neutral])
    if face == "none":
        missing = Shares(no_face=0.0, no_voice=float(sound == SOUNDS[0]), neither=0.0, stray=0.0)
        clips = StarterClips(backend.spec, voices=background(sound) or background(SOUNDS[1]), shares=missing)
    else:
        clips = StarterClips(backend.spec, own, background(sound), motion=STILL)
    probabilities = softmax(score(backend, clips).logits, temperature)
    others = np.delete(probabilities, NEUTRAL, axis=1).max(axis=1)
    return Calm(
        face,
        sound,
        len(probabilities),
        float((probabilities.argmax(axis=1) == NEUTRAL).mean()),
        float((others > CALM).mean()),
        float(probabilities[:, NEUTRAL].mean()),
    )


def disagreement(face: str, voice: str, backend: Backend, faces: Faces, voices: Sequence[Voice]) -> Disagreement:
    """Return which of two classes, the face's or the voice's, is the answer to clips of both."""
    own, other = DFEW_LABELS.index(face), DFEW_LABELS.index(voice)
    shown = faces.labels == own
    heard = [replace(each, label=own) for each in voices if each.label == other]
    clips = StarterClips(backend.spec, Faces(faces.images[shown], faces.labels[shown]), heard, motion=MILD)
    answers = score(backend, clips).logits.argmax(axis=1)
    return Disagreement(face, voice, len(answers), float((answers == own).mean()), float((answers == other).mean()))


def _draw(
    condition: str, scored: Scored, temperature: float, labels: Sequence[str], arguments: argparse.Namespace
) -> None:
    from train.scoring.figures import confusion_figure, reliability_figure

    arguments.figures.mkdir(parents=True, exist_ok=True)
    matrix = metrics.confusion_matrix(scored.labels, scored.logits.argmax(axis=1), len(labels))
    title = f"Starter weights, {condition}, {arguments.part} part"
    confusion_figure(matrix, labels, title, "", arguments.figures / f"starter-confusion-{condition}.png")
    bins = metrics.reliability_bins(softmax(scored.logits, temperature), scored.labels)
    reliability_figure(bins, title, "", arguments.figures / f"starter-reliability-{condition}.png")


if __name__ == "__main__":
    sys.exit(main())
