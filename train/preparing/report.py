"""What `train.prepare` tells about a set: what is in it, and everything odd, with nothing left out silently."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from mmadfer.data.lists.listing import Finding, Listing
from mmadfer.data.prepared import PreparedSet
from mmadfer.files.names import printable, shown

EXAMPLES = 3


def make_report(listing: Listing, prepared: PreparedSet, findings: Sequence[Finding]) -> dict[str, Any]:
    """Return the report as it goes into report.json; every finding names its clip.

    Args: listing: what the adapter found. findings: what packing found.
    """
    everything = [*listing.findings, *findings, *_empty_classes(prepared)]
    left_out = {finding.clip_id for finding in everything if finding.left_out}
    frames = [clip.num_frames for clip in prepared.clips]
    rates = Counter(clip.sample_rate for clip in prepared.clips if clip.has_sound)
    return {
        "set": prepared.name,
        "clips": {
            "listed": len({clip.clip_id for clip in listing.clips} | left_out),
            "prepared": len(prepared.clips),
            "left out": len(left_out),
            "without sound": sum(not clip.has_sound for clip in prepared.clips),
        },
        "frames per clip": dict(
            zip(("least", "median", "most"), np.percentile(frames, (0, 50, 100)).tolist(), strict=True)
        ),
        "sample rates (Hz)": {str(rate): count for rate, count in sorted(rates.items())},
        "classes": {label: sum(clip.label == label for clip in prepared.clips) for label in prepared.labels},
        "speakers": _speakers(prepared),
        "folds": {fold: _parts(prepared, fold) for fold in prepared.folds},
        "findings": _by_kind(everything),
    }


def _parts(prepared: PreparedSet, fold: str) -> dict[str, int]:
    return dict(sorted(Counter(clip.splits[fold] for clip in prepared.clips if fold in clip.splits).items()))


def _speakers(prepared: PreparedSet) -> dict[str, int]:
    names = [clip.speaker for clip in prepared.clips]
    return {"named": len(set(names) - {""}), "clips without": names.count("")}


def _empty_classes(prepared: PreparedSet) -> list[Finding]:
    findings = []
    for fold in prepared.folds:
        for part in ("train", "test"):
            there = {prepared.clips[i].label for i in prepared.indices(fold, part)}
            missing = [label for label in prepared.labels if label not in there]
            if missing:
                findings.append(Finding("class without clips", "", f"fold {fold}, {part}: {', '.join(missing)}"))
    return findings


def _by_kind(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    kinds: dict[tuple[bool, str], list[Finding]] = defaultdict(list)
    for finding in findings:
        kinds[not finding.left_out, finding.kind].append(finding)
    return [
        {
            "kind": kind,
            "left out": not kept,
            "count": len(found),
            "clips": [{"clip": finding.clip_id, "detail": finding.detail} for finding in found],
        }
        for (kept, kind), found in sorted(kinds.items())
    ]


def report_text(report: dict[str, Any]) -> str:
    """Return the report for people: counts, and a few examples of each finding."""
    clips, frames = report["clips"], report["frames per clip"]
    rates = ", ".join(f"{count} at {rate} Hz" for rate, count in report["sample rates (Hz)"].items()) or "none"
    lines = [
        f"{report['set']}: {clips['prepared']} of {clips['listed']} clips prepared, {clips['left out']} left out",
        f"  face crops a clip: {frames['least']:.0f} to {frames['most']:.0f}, median {frames['median']:g}",
        f"  sound: {rates}; {clips['without sound']} clips without",
        "  classes: " + ", ".join(f"{label} {count}" for label, count in report["classes"].items()),
    ]
    if report["speakers"]["named"]:
        lines.append("  speakers: {named}; {clips without} clips without".format(**report["speakers"]))
    for fold, parts in report["folds"].items():
        lines.append(f"  fold {fold}: " + ", ".join(f"{count} {part}" for part, count in parts.items()))
    for found in report["findings"]:
        examples = [
            "; ".join(filter(None, (shown(f["clip"]), printable(f["detail"])))) for f in found["clips"][:EXAMPLES]
        ]
        more = " ..." if found["count"] > EXAMPLES else ""
        lines.append(
            f"  {'LEFT OUT' if found['left out'] else 'noted'}, {found['kind']}: {found['count']}"
            f" ({' | '.join(examples)}{more})"
        )
    return "\n".join(lines)
