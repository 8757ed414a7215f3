"""Scores as a table that can be put beside the papers': recall of each class, UAR, WAR, a line for each fold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .protocols import LIVE, RULES
from .scores import summary

PUBLISHED = {
    ("dfew", 112): (64.24, 75.40),
    ("dfew", 160): (66.61, 77.15),
    ("dfew", 224): (67.01, 77.51),
    ("mafw", 112): (43.34, 56.46),
    ("mafw", 160): (44.19, 57.90),
    ("mafw", 224): (44.11, 58.52),
}
"""UAR and WAR in % that the paper reports (Table 1), means of 5 folds, by data set and face size in px."""


def markdown(folds: Sequence[dict[str, Any]], all_folds: Sequence[str], name: str) -> str:
    """Return the table of ``folds`` (what `train.scoring.scores.scores` returns), in %.

    Args: all_folds: those the data set has; where some are missing, the table says so. name: of the run or weights.
    """
    subject = folds[0]["subject"]
    classes = subject["classes"]
    mean = summary(folds)
    lines = [f"# {subject['data']}, {subject['part']} part: {name}", ""]
    if "warning" in mean:
        lines += [f"**{mean['warning']}**", ""]
    lines += [
        f"| fold | clips | {' | '.join(classes)} | UAR | WAR |",
        f"|---|{'---|' * (len(classes) + 3)}",
        *(_row(fold["subject"]["fold"], fold, classes) for fold in folds),
    ]
    if len(folds) > 1:
        lines.append(_row("**mean**", mean, classes, "**"))
        lines.append(
            f"| spread | | {' | '.join([''] * len(classes))} | {_percent(mean['uar_spread'])} "
            f"| {_percent(mean['war_spread'])} |"
        )
    lines += _published(subject, classes)
    lines += ["", *_notes(folds, all_folds)]
    return "\n".join(lines) + "\n"


def _published(subject: dict[str, Any], classes: Sequence[str]) -> list[str]:
    """Return the paper's line where it reports this very thing."""
    known = PUBLISHED.get((subject["data"], subject["image_size"]))
    same = subject["part"] == "test" and not subject["shared_only"] and subject["protocol"] in ("uniform", "two-clip")
    if not known or not same:
        return []
    blank = " | ".join([""] * len(classes))
    return [f"| *published, mean of 5 folds* | | {blank} | {known[0]:.2f} | {known[1]:.2f} |"]


def _notes(folds: Sequence[dict[str, Any]], all_folds: Sequence[str]) -> list[str]:
    subject, mean = folds[0]["subject"], summary(folds)
    notes = ["All in %. WAR: accuracy. UAR: mean recall of the classes that occur."]
    if len(folds) > 1:
        notes[0] += " Mean and spread (standard deviation) are over the folds."
        missing = [fold for fold in all_folds if fold not in mean["folds"]]
        if missing:
            notes.append(f"**Not all folds: {', '.join(missing)} of {len(all_folds)} are missing.**")
    if subject["shared_only"]:
        notes.append(f"**Only the classes that weights and data share are scored: {', '.join(subject['classes'])}.**")
    notes.append(f"Protocol {subject['protocol']}: {RULES[subject['protocol']]}.")
    if subject["protocol"] != LIVE and any(fold["span"] for fold in folds):
        notes.append(
            "As in training, frames and sound are of one span of a longer clip, as long as the log-mel: its middle; by "
            "two-clip and views its start and its end."
        )
    notes.append(f"Faces {subject['image_size']} px; {subject['backend']}.")
    if subject["protocol"] == LIVE:
        notes += [_live_note(fold) for fold in folds]
    notes.append(f"Calibration error (15 bins, all clips together): {_percent(mean['calibration_error'])}.")
    notes += [f"Fold {fold['subject']['fold']}: {remark}" for fold in folds for remark in fold.get("remarks", ())]
    return [f"- {note}" for note in notes]


def _live_note(fold: dict[str, Any]) -> str:
    windows, latency = fold["windows"], fold["latency_ms"]
    how = "the streaming step" if fold["streaming_step"] else "exact passes"
    return (
        f"Fold {fold['subject']['fold']}: {windows['all']} windows by {how}, {windows['counted']} of them counted; "
        f"half took at most {latency['p50']:.0f} ms, 95 % at most {latency['p95']:.0f} ms."
    )


def _row(name: str, values: dict[str, Any], classes: Sequence[str], bold: str = "") -> str:
    recalls = [values["recalls"][label] for label in classes]
    cells = [_percent(value) for value in (*recalls, values["uar"], values["war"])]
    return f"| {name} | {values['clips']} | {' | '.join(f'{bold}{cell}{bold}' for cell in cells)} |"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f}"
