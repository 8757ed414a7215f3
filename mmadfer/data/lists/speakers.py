"""Who speaks: one spelling for each speaker, and a word where one is on both sides of a split."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from mmadfer.data.lists.listing import Finding, natural
from mmadfer.data.lists.spelling import means_nothing, plain
from mmadfer.data.manifest import Clip
from mmadfer.files.names import shown

UNKNOWN = ("unknown", "unk", "none", "not known", "no speaker")
"""Words of a cell, beside those for nothing, that name no speaker."""


def speaker_key(name: str) -> str:
    """Return what is equal for all spellings of one speaker; empty where ``name`` names none.

    Capitals, spaces, underscores, hyphens, forms of Unicode and zeros before numbers do not tell speakers apart: to
    take two for one costs a little variety, to take one for two lets a model be tested on whom it was trained on.
    """
    words = " ".join(re.split(r"[\s_.\-]+", plain(name).casefold())).strip()
    if means_nothing(name) or words in UNKNOWN or not words:
        return ""
    number = re.fullmatch(r"(\d+) 0*", words) if re.fullmatch(r"\s*\d+\.0*\s*", plain(name)) else None
    return re.sub(r"\d+", lambda digits: str(int(digits[0])), number[1] if number else words)


def with_one_spelling(clips: Sequence[Clip]) -> tuple[list[Clip], list[Finding]]:
    """Return ``clips`` with each speaker as first spelt, empty where none is named, and what was taken for one."""
    spellings: dict[str, dict[str, None]] = defaultdict(dict)
    for clip in clips:
        spellings[speaker_key(clip.speaker)][clip.speaker] = None
    firsts = {key: next(iter(names)) if key else "" for key, names in spellings.items()}
    findings = [
        Finding("speaker spelt in several ways", "", f"taken for one: {', '.join(repr(name) for name in names)}")
        for key, names in spellings.items()
        if key and len(names) > 1
    ]
    return [replace(clip, speaker=firsts[speaker_key(clip.speaker)]) for clip in clips], findings


def on_both_sides(clips: Iterable[Clip]) -> list[Finding]:
    """Return a finding for each speaker who is in more than one part of a fold."""
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    names: dict[str, str] = {}
    for clip in clips:
        key = speaker_key(clip.speaker)
        if key:
            names.setdefault(key, clip.speaker)
            for fold, part in clip.splits.items():
                counts[fold, key][part] += 1
    findings = []
    for fold, key in sorted(counts, key=lambda both: (natural(both[0]), natural(both[1]))):
        parts = counts[fold, key]
        if len(parts) > 1:
            where = " and ".join(f"{part} ({count} clips)" for part, count in sorted(parts.items()))
            detail = f"fold {fold}: {shown(names[key])} is in {where}"
            findings.append(Finding("speaker in two parts of one fold", "", detail))
    return findings
