"""recording.eaf: labels, states, gaps and markers as tiers for ELAN, in its annotation format 3.0."""

from __future__ import annotations

import io
import itertools
from collections.abc import Sequence
from xml.etree import ElementTree

from mmadfer.recordings.plain_text import plain
from mmadfer.recordings.recording import Recording
from mmadfer.recordings.spans import Span, distinct, gaps, label_spans, state_spans

MARKER_SECONDS = 0.2
"""Length of a marker, s: ELAN has no points. It ends earlier where another comes."""
_SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_KIND = "stretch"


def elan(recording: Recording) -> bytes:
    """Return the file."""
    ElementTree.register_namespace("xsi", _XSI)
    about = {"AUTHOR": "mmadfer", "DATE": _date(recording), "FORMAT": "3.0", "VERSION": "3.0"}
    root = ElementTree.Element("ANNOTATION_DOCUMENT", {**about, f"{{{_XSI}}}noNamespaceSchemaLocation": _SCHEMA})
    header = ElementTree.SubElement(root, "HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
    if recording.media:
        place = f"./{recording.media}"
        kind = f"{'audio' if _sound_alone(recording) else 'video'}/{recording.media.rpartition('.')[2]}"
        media = {"MEDIA_URL": place, "MIME_TYPE": kind, "RELATIVE_MEDIA_URL": place}
        ElementTree.SubElement(header, "MEDIA_DESCRIPTOR", media)
    slots = ElementTree.SubElement(root, "TIME_ORDER")
    number = itertools.count(1)
    for name, spans in _tiers(recording).items():
        _add_tier(root, slots, plain(name), spans, number)
    for element in (header, slots):
        element.tail = "\n"
    last = ElementTree.SubElement(header, "PROPERTY", NAME="lastUsedAnnotationId")
    last.text = str(next(number) - 1)
    stretch = {"GRAPHIC_REFERENCES": "false", "LINGUISTIC_TYPE_ID": _KIND, "TIME_ALIGNABLE": "true"}
    ElementTree.SubElement(root, "LINGUISTIC_TYPE", stretch)
    out = io.BytesIO()
    ElementTree.ElementTree(root).write(out, encoding="UTF-8", xml_declaration=True)
    return out.getvalue()


def _tiers(recording: Recording) -> dict[str, Sequence[Span]]:
    points = distinct(recording.markers)
    starts = [ms / 1000 for ms, _ in points]
    nexts = [*starts[1:], float("inf")]
    marks = [
        Span(start, min(start + MARKER_SECONDS, after), words)
        for start, after, (_, words) in zip(starts, nexts, points, strict=False)  # without a marker there is one next
    ]
    states = {f"state: {name}": spans for name, spans in state_spans(recording).items()}
    return {"label": label_spans(recording), "no answer": gaps(recording), "markers": marks, **states}


def _add_tier(
    root: ElementTree.Element,
    slots: ElementTree.Element,
    name: str,
    spans: Sequence[Span],
    number: itertools.count[int],
) -> None:
    tier = ElementTree.SubElement(root, "TIER", LINGUISTIC_TYPE_REF=_KIND, TIER_ID=name)
    for span in spans:
        start, end = round(1000 * span.start), round(1000 * span.end)
        if end <= start:
            continue
        each = next(number)
        for slot, ms in ((2 * each - 1, start), (2 * each, end)):
            ElementTree.SubElement(slots, "TIME_SLOT", TIME_SLOT_ID=f"ts{slot}", TIME_VALUE=str(ms))
        ends = {"TIME_SLOT_REF1": f"ts{2 * each - 1}", "TIME_SLOT_REF2": f"ts{2 * each}"}
        held = ElementTree.SubElement(ElementTree.SubElement(tier, "ANNOTATION"), "ALIGNABLE_ANNOTATION", ends)
        held.set("ANNOTATION_ID", f"a{each}")
        ElementTree.SubElement(held, "ANNOTATION_VALUE").text = plain(span.name)


def _sound_alone(recording: Recording) -> bool:
    return not recording.about["media"].get("picture", True)


def _date(recording: Recording) -> str:
    date = recording.about.get("startedUtc")
    return plain(date) if isinstance(date, str) else ""
