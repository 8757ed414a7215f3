"""A user's own folder: videos with a labels.csv, or in folders named for their classes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mmadfer.data.lists.class_folders import Content, clips_of_folders, read_content
from mmadfer.data.lists.copies import about_copies, contents, copies
from mmadfer.data.lists.folds import by_class, by_speaker
from mmadfer.data.lists.label_table import read_label_table
from mmadfer.data.lists.labels import canonical, in_order, likely_misspelling
from mmadfer.data.lists.listing import Finding, Listing
from mmadfer.data.lists.speakers import on_both_sides, with_one_spelling
from mmadfer.data.manifest import Clip
from mmadfer.files.names import printable, shown

TABLE = "labels.csv"
_OTHER_KINDS = (".xlsx", ".xlsm", ".xls", ".ods", ".numbers", ".gsheet", ".tsv", ".csv.txt")


def read(root: Path, labels: Sequence[str] = ()) -> Listing:
    """Return the clips that labels.csv names, or those in the folders of the classes.

    labels.csv has the columns path and label, and may have split (train, validation, test), speaker, audio, start and
    end (s). A path to a folder means pictures that are face crops already. Folders are class/clip, part/class/clip,
    class/part/clip, or with a level of speakers. Without splits folds are made, which no speaker is on both sides of.

    Args: root: the folder. labels: class names allowed, in the order of their indices; all that occur where empty.
    Raises OSError or ValueError in one sentence, also where two labels look like one misspelt.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"there is no folder {shown(root)}; give the folder that holds your videos")
    table, content = _table(root), read_content(root)
    findings = list(content.findings)
    if table is None:
        clips, found = clips_of_folders(root, content)
        findings += found
    else:
        said = read_label_table(table)
        clips = list(said.clips)
        findings += [*said.findings, *_unlisted(content, clips)]
    if not clips:
        raise ValueError(_nothing(root, findings))
    allowed = tuple(canonical(label) for label in labels)
    if not allowed:
        _refuse_misspellings(table or root, clips)
    unknown = [clip for clip in clips if allowed and clip.label not in allowed]
    findings += [Finding("unknown label", clip.clip_id, repr(clip.label), left_out=True) for clip in unknown]
    clips, found = with_one_spelling([clip for clip in clips if not allowed or clip.label in allowed])
    findings += found
    classes = allowed or in_order(clip.label for clip in clips)
    if len(classes) == 1:
        findings.append(Finding("only one class", "", f"{classes[0]}: there is nothing to tell it from"))
    sources = contents(root, clips)
    split = _with_folds(table or root, clips, sources, findings)
    findings += [*on_both_sides(split), *about_copies(split, sources)]
    return Listing(classes, split, tuple(findings))


def _table(root: Path) -> Path | None:
    """Return the table in ``root``, None where there is none. Raises ValueError where there is one of another kind."""
    there = sorted(path for path in root.iterdir() if path.name.lower() == TABLE)
    if len(there) > 1:
        raise ValueError(f"{shown(root)} has several tables, {', '.join(path.name for path in there)}; keep one")
    if there and not there[0].is_file():
        raise ValueError(f"{shown(there[0])} is no file, or a link to nothing; put the table itself there")
    if there:
        return there[0]
    stem = TABLE.removesuffix(".csv")
    for path in sorted(root.iterdir()):
        name = path.name.lower()
        if name in (f"{stem}{suffix}" for suffix in _OTHER_KINDS):
            raise ValueError(f"{shown(path)} cannot be read; save it as 'CSV UTF-8' under the name {TABLE}")
    inner = sorted(folder / TABLE for folder in root.iterdir() if os.path.isfile(folder / TABLE))  # no folder: False
    if inner:
        raise ValueError(
            f"{shown(inner[0])} is a table, and {shown(root)} has none; give the folder "
            f"{shown(inner[0].parent)}, or join all tables to one in {shown(root)}"
        )
    return None


def _nothing(root: Path, findings: Sequence[Finding]) -> str:
    lost = [finding for finding in findings if finding.left_out]
    saw = f"; {lost[0].kind}: {shown(lost[0].clip_id)} ({printable(lost[0].detail)})" if lost else ""
    more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
    return (
        f"{shown(root)} holds no labelled videos: expected a {TABLE} with lines of path,label, "
        f"or a folder of videos for each class, such as happiness/clip1.mp4{saw}{more}"
    )


def _unlisted(content: Content, clips: Sequence[Clip]) -> list[Finding]:
    """Return a finding where there are clips that the table does not name."""
    named = {name for clip in clips for name in (clip.video, clip.frames, clip.audio)}
    rest = [name for name in (*content.videos, *content.crops) if name not in named]
    return [Finding("in no list", "", f"{len(rest)} clips, such as {shown(rest[0])}")] if rest else []


def _refuse_misspellings(place: Path, clips: Sequence[Clip]) -> None:
    counts = Counter(clip.label for clip in clips)
    pair = likely_misspelling(counts)
    if pair is not None:
        label, meant = pair
        raise ValueError(
            f"{shown(place)} has the label {label!r} ({counts[label]} clips), which looks like {meant!r} misspelt; "
            "correct it, or name all labels with --labels"
        )


def _with_folds(
    place: Path, clips: Sequence[Clip], sources: Sequence[str], findings: list[Finding]
) -> tuple[Clip, ...]:
    """Return ``clips`` with their splits, or with folds where none has one."""
    unknown = [clip for clip in clips if not clip.speaker]
    some = len(unknown) < len(clips)
    if not clips or any(clip.splits for clip in clips):
        findings += [Finding("no split", clip.clip_id, "used in no part") for clip in clips if not clip.splits]
        if some:
            detail = "whether the speaker is in another part, too, is not known"
            findings += [Finding("speaker not known", clip.clip_id, detail) for clip in unknown]
        return tuple(clips)
    if some and 2 * len(unknown) > len(clips):
        raise ValueError(
            f"{shown(place)} names the speaker of {len(clips) - len(unknown)} of {len(clips)} clips only, such as not "
            f"of {shown(unknown[0].clip_id)}; name those of the others, too, or of none"
        )
    if len({clip.speaker for clip in clips if clip.speaker}) > 1:
        return _by_known_speakers(clips, sources, unknown, findings)
    if some and unknown:
        raise ValueError(
            f"{shown(place)} names one speaker and leaves {len(unknown)} cells empty, such as that of "
            f"{shown(unknown[0].clip_id)}; name all speakers, or none"
        )
    why = "there is one speaker, who is on both sides" if some else "speakers are not named, and may be on both sides"
    findings.append(Finding("no splits given", "", f"folds were made of blocks of each class's clips; {why}"))
    return by_class(clips, sources)


def _by_known_speakers(
    clips: Sequence[Clip], sources: Sequence[str], unknown: Sequence[Clip], findings: list[Finding]
) -> tuple[Clip, ...]:
    """Return ``clips`` with folds of speakers; clips whose speaker is not known get no part in any."""
    findings.append(Finding("no splits given", "", "folds were made of blocks of speakers"))
    detail = "used in no part, as the speaker may be on the other side; name who it is"
    findings += [Finding("speaker not known", clip.clip_id, detail) for clip in unknown]
    known = [k for k, clip in enumerate(clips) if clip.speaker]
    chosen = [clips[k] for k in known]
    split = dict(zip(known, by_speaker(chosen, copies(chosen, [sources[k] for k in known])), strict=True))
    return tuple(split.get(k, replace(clip, speaker="")) for k, clip in enumerate(clips))
