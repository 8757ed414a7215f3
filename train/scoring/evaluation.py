"""One set of weights on one fold: from the prepared clips, or the videos, to `Predictions`."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from tqdm import tqdm

from mmadfer import metrics
from mmadfer.backends import load_backend
from mmadfer.config import InputSpec
from mmadfer.data.prepared import PreparedSet
from mmadfer.files import checksums
from mmadfer.files.names import printable, shown
from mmadfer.models.mma_dfer import MMADFER, untrained_model
from mmadfer.postprocess import softmax
from mmadfer.recognizer import EmotionRecognizer
from mmadfer.types import Basis, WeightsInfo
from mmadfer.weights import checkpoint

from ..runs.candidates import Candidate
from ..runs.start import sample_rate
from .classes import ClassMap, match_classes
from .live_protocol import LiveAnswers, play, video_paths
from .predictions import UNTRAINED, Predictions, Subject
from .protocols import LIVE, ViewDataset, averaged, score_views


@dataclass(frozen=True)
class Evaluation:
    """What all folds of an evaluation share; the meaning of each is that of the option of train.evaluate."""

    prepared: PreparedSet
    part: str = "test"
    protocol: str = "uniform"
    shared: bool = False
    order: str = "auto"
    root: str = ""
    hop: float | None = None
    exact: bool = False
    backend: str = "auto"
    device: str = "auto"
    precision: str = "auto"
    batch_size: int = 8
    workers: int = 0

    def check(self, candidates: Sequence[Candidate]) -> None:
        """Raise OSError or ValueError for what can be known to be missing before any model is loaded."""
        for candidate in candidates:
            clips = [self.prepared.clips[i] for i in candidate.clips(self.prepared, self.part)]
            if self.protocol == LIVE:
                video_paths(clips, self.root)


@dataclass(frozen=True, eq=False)
class Result:
    """The answers, and what else is to be told of how they came about."""

    predictions: Predictions
    remarks: tuple[str, ...] = ()
    """Everything that keeps the figures from being what they seem, in words."""
    details: dict[str, Any] = field(default_factory=dict)
    """Seconds; of the live protocol windows and latencies too."""


def evaluate(settings: Evaluation, candidate: Candidate) -> Result:
    """Return the answers of one set of weights. Raises OSError or ValueError in one sentence."""
    prepared = settings.prepared
    model = _load(candidate, prepared)
    spec, info = model.spec, model.info
    classes = match_classes(prepared.name, prepared.labels, spec.labels, settings.shared)
    found = candidate.clips(prepared, settings.part)
    clips = [i for i in found if prepared.clips[i].label in classes.names]
    if not clips:
        raise ValueError(f"none of the {len(found)} {settings.part} clips is of a class that weights and data share")
    remarks = _remarks(prepared, clips, spec, settings.protocol)
    if len(clips) < len(found):
        remarks.append(f"{len(found) - len(clips)} of {len(found)} clips are of other classes and left out")
    start = time.perf_counter()
    score = _live if settings.protocol == LIVE else _views
    clips, logits, probabilities, details = score(settings, candidate, model, classes, clips)
    details["seconds"] = round(time.perf_counter() - start, 3)
    predictions = Predictions(
        _subject(settings, candidate, spec, info, classes, details.pop("backend")),
        tuple(prepared.clips[i].clip_id for i in clips),
        np.array([classes.names.index(prepared.clips[i].label) for i in clips], dtype=np.int64),
        logits,
        probabilities,
    )
    return Result(predictions, (*remarks, *details.pop("remarks", ())), details)


_Scored = tuple[list[int], np.ndarray, np.ndarray, dict[str, Any]]


def _views(settings: Evaluation, candidate: Candidate, model: MMADFER, classes: ClassMap, clips: list[int]) -> _Scored:
    spec, info = model.spec, model.info
    order = candidate.order if settings.order == "auto" else settings.order
    dataset = ViewDataset(settings.prepared, clips, spec, settings.protocol, order, candidate.span)
    backend = load_backend(model, settings.backend, settings.device, settings.precision)
    try:
        with _bar(candidate, len(clips)) as bar:
            logits = score_views(backend, dataset, settings.batch_size, settings.workers, bar.update)
    finally:
        backend.close()
    scored = averaged(classes.logits(logits))
    probabilities = softmax(scored, info.temperature_for(Basis.BOTH), classes.bias(info.logit_bias))
    return clips, scored, probabilities, {"backend": backend.description, "frame_order": order, "span": candidate.span}


def _live(settings: Evaluation, candidate: Candidate, model: MMADFER, classes: ClassMap, clips: list[int]) -> _Scored:
    known = [settings.prepared.clips[i] for i in clips]
    paths = video_paths(known, settings.root)
    recognizer = EmotionRecognizer(model, settings.backend, settings.device, settings.precision)
    try:
        with _bar(candidate, len(clips)) as bar:
            pairs = zip(known, paths, strict=True)
            answers = play(recognizer, pairs, classes, settings.hop, settings.exact, bar.update)
    finally:
        recognizer.close()
    scored = [i for i in clips if settings.prepared.clips[i].clip_id in answers.probabilities]
    if not scored:
        reason = next(iter(answers.unreadable.values()))
        raise ValueError(f"none of the {len(clips)} videos can be played; the first: {reason}")
    values = np.stack([answers.probabilities[settings.prepared.clips[i].clip_id] for i in scored])
    logits = np.log(np.maximum(values, np.finfo(np.float32).tiny)).astype(np.float32)
    details = {"backend": recognizer.engine, **_live_details(answers, settings)}
    return scored, logits, values, details


def _live_details(answers: LiveAnswers, settings: Evaluation) -> dict[str, Any]:
    remarks = [f"{shown(clip)} is left out: {printable(reason)}" for clip, reason in answers.unreadable.items()]
    counted = list(answers.windows.values())
    if answers.never_shown:
        names = ", ".join(map(shown, answers.never_shown))
        remarks.append(
            f"the app would have shown no label for {len(answers.never_shown)} of {len(counted)} clips; they are "
            f"scored by their last window: {names}"
        )
    return {
        "windows": {"all": len(answers.latencies), "counted": sum(counted), "least_per_clip": min(counted)},
        "latency_ms": metrics.latency_percentiles(answers.latencies),
        "streaming_step": not settings.exact,
        "remarks": remarks,
    }


def _load(candidate: Candidate, prepared: PreparedSet) -> MMADFER:
    if candidate.path is not None:
        model = checkpoint.load_model(candidate.path)
    else:
        rate = sample_rate(prepared) or InputSpec().sample_rate
        spec = InputSpec(prepared.image_size, prepared.labels, mel=prepared.mel, sample_rate=rate)
        model = untrained_model(spec)
    if not model.info.trained:
        sys.stderr.write(f"{UNTRAINED}\n")
    return model


def _subject(
    settings: Evaluation,
    candidate: Candidate,
    spec: InputSpec,
    info: WeightsInfo,
    classes: ClassMap,
    backend: str,
) -> Subject:
    prepared = settings.prepared
    counts = Counter(prepared.clips[i].label for i in prepared.indices(candidate.fold, "train"))
    return Subject(
        data=prepared.name,
        fold=candidate.fold,
        part=settings.part,
        protocol=settings.protocol,
        weights=info.name,
        sha256=checksums.sha256(candidate.path) if candidate.path else "",
        trained=info.trained,
        image_size=spec.image_size,
        backend=backend,
        temperature=info.temperature_for(Basis.BOTH),
        logit_bias=classes.bias(info.logit_bias),
        classes=classes.names,
        train_counts=tuple(counts[name] for name in classes.names),
        shared_only=len(classes.names) < max(len(prepared.labels), len(spec.labels)),
    )


def _remarks(prepared: PreparedSet, indices: Sequence[int], spec: InputSpec, protocol: str) -> list[str]:
    """Return in words what about the clips makes the weights see another input than they were trained on."""
    if protocol == LIVE:
        return []
    clips = [prepared.clips[i] for i in indices]
    remarks = []
    if prepared.image_size < spec.image_size:
        remarks.append(f"faces prepared at {prepared.image_size} px are enlarged to {spec.image_size} px")
    without = sum(not clip.num_frames for clip in clips)
    if without:
        remarks.append(f"{without} of {len(clips)} clips have no face crop and are scored by their sound alone")
    other = sum(clip.has_sound and clip.sample_rate != spec.sample_rate for clip in clips)
    if other and not prepared.sample_rate:
        remarks.append(
            f"the sound of {other} of {len(clips)} clips is not at the weights' {spec.sample_rate} Hz and used as it "
            "is, as the authors do"
        )
    return remarks


def _bar(candidate: Candidate, clips: int) -> Any:
    return tqdm(total=clips, desc=f"fold {candidate.fold}", unit="clip")
