"""The model card of weights on the Hugging Face hub: its YAML head, and what a reader must know."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from typing import Any

from mmadfer.weights import starter
from mmadfer.weights.header import Header

TASK = "video-classification"
TAGS = ("mmadfer", "emotion-recognition", "facial-expression-recognition", "speech-emotion-recognition", "audio-visual")
DATA_SETS = ("DFEW", "MAFW", "FERV39k", "CREMA-D", "RAVDESS", "FER2013")
"""Sets by whose names weights tell what they were trained on."""
STARTER_LICENSE = "cc-by-nc-sa-4.0"


@dataclass(frozen=True)
class Measured:
    """What an evaluation has found."""

    data: str
    part: str
    uar: float
    """Mean of the classes' recalls, from 0 to 1."""
    war: float
    """Share of right answers, from 0 to 1."""

    @classmethod
    def read(cls, file: str | os.PathLike[str], sha256: str) -> Measured:
        """Return the figures in a metrics.json of ``mmadfer train evaluate``.

        Raises OSError where it cannot be read, ValueError where it is no such file or not about the weights ``sha256``.
        """
        try:
            with open(file, encoding="utf-8") as opened:
                report: dict[str, Any] = json.load(opened)
            (fold,) = report["folds"]
            subject = fold["subject"]
            found = cls(str(subject["data"]), str(subject["part"]), float(fold["uar"]), float(fold["war"]))
            scored = subject["sha256"]
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{file} is no metrics.json of one set of weights ({error!r})") from error
        if scored != sha256:
            raise ValueError(f"{file} is about other weights (SHA-256 {scored[:12]}..., not {sha256[:12]}...)")
        return found


def write_card(header: Header, repository: str, license: str = "", measured: Measured | None = None) -> str:
    """Return the card of weights with ``header``, as Markdown with a YAML head.

    Args: repository: where they are to lie, as org/name; license: by the hub's names, such as apache-2.0; left out of
    the head where it is not known.
    """
    from huggingface_hub import EvalResult, ModelCardData  # here, for it takes a third of a second

    results = None
    if measured:
        shared: dict[str, Any] = {
            "task_type": TASK,
            "dataset_type": measured.data.lower(),
            "dataset_name": measured.data,
            "dataset_split": measured.part,
        }
        figures = (("accuracy", "WAR", measured.war), ("recall", "UAR", measured.uar))
        results = [
            EvalResult(**shared, metric_type=kind, metric_name=name, metric_value=round(value, 4))
            for kind, name, value in figures
        ]
    head = ModelCardData(
        license=license or (STARTER_LICENSE if header.info.name == starter.NAME else None),
        library_name="mmadfer",
        pipeline_tag=TASK,
        tags=list(TAGS),
        datasets=data_sets(f"{header.info.name} {header.info.source}") or None,
        metrics=["accuracy", "recall"] if measured else None,
        model_name=repository.split("/")[-1] if measured else None,  # names the results, and nothing without them
        eval_results=results,
    )
    return f"---\n{head.to_yaml()}\n---\n\n{_text(header, repository, measured)}"


def data_sets(words: str) -> list[str]:
    """Return the data sets that are named in ``words``."""
    plain = re.sub(r"[^a-z0-9]+", "", words.lower())
    return [name for name in DATA_SETS if re.sub(r"[^a-z0-9]+", "", name.lower()) in plain]


def _text(header: Header, repository: str, measured: Measured | None) -> str:
    spec, info = header.spec, header.info
    lines = [f"# {repository}", "", f"Weights of mmadfer, live emotion recognition from face and voice: {info.name}."]
    if not info.trained:
        lines += ["", "**Untrained: the answers mean nothing.**"]
    lines += [
        "",
        f"- Made from: {info.source or 'not told'}",
        f"- Answers: {', '.join(spec.labels)}",
        f"- Input: {spec.num_frames} face crops ({spec.color}, {spec.image_size} px) of {spec.window_seconds:g} s, and "
        f"sound at {spec.sample_rate} Hz",
        f"- Encoders: {' and '.join(header.config.modalities)}",
        f"- Answers without one of them: {' or '.join(spec.handles_missing) or 'none'} may be missing",
    ]
    if measured:
        figures = f"UAR {100 * measured.uar:.2f} %, WAR {100 * measured.war:.2f} %"
        lines += [f"- Measured on {measured.data}, {measured.part} part: {figures}"]
    lines += ["", "```bash", f"mmadfer live --weights {repository}", "```", ""]
    return "\n".join(lines)
