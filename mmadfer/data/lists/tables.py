"""Lists and tables as text, in every encoding that spreadsheets write: read where that is certain, else refused."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mmadfer.files.names import shown

if TYPE_CHECKING:
    from _csv import Reader as CsvReader

RAW = "the bytes of the file names"
"""Stands for an encoding where a table's names are in none, but are, byte by byte, those of the files."""
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8"),
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
_NO_TEXT = (
    (b"PK\x03\x04", "a workbook (.xlsx or .ods)"),
    (b"\xd0\xcf\x11\xe0", "a workbook (.xls)"),
    (b"%PDF", "a PDF"),
    (b"{\\rtf", "a text document (.rtf)"),
)
_OTHERS = (
    "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258", "iso8859_2", "iso8859_15",
    "koi8_r", "mac_roman", "cp437", "cp850", "cp852", "cp866", "cp932", "cp949", "gb18030", "big5",
)  # fmt: skip
"""What spreadsheets of one country or another write where they do not write Unicode."""
_SAVE = "save it again as 'CSV UTF-8'"
_DELIMITERS = ",;\t|"
_SEPARATOR_LINE = re.compile(r'"?sep=(?P<delimiter>[,;\t|])"?[,;\t| ]*(?:\r\n|\r|\n|$)', re.IGNORECASE)
"""Excel's own first line, which says what parts the cells."""

Meaning = Callable[[str], Hashable]
"""What a text means if it is right, such as its cells; None where it cannot be, for files that it names are missing."""


@dataclass(frozen=True)
class Text:
    """What a file holds."""

    text: str
    encoding: str = ""
    """Where it is not Unicode: in which it was read."""


@dataclass(frozen=True)
class Row:
    """One row of a table."""

    line: int
    """Where it starts, from 1."""
    cells: tuple[str, ...]
    """As written, spaces around them included."""


@dataclass(frozen=True)
class Rows:
    """A table: all rows that hold anything."""

    rows: tuple[Row, ...]
    delimiter: str


def read_text(path: Path, meaning: Meaning | None = None) -> Text:
    """Return the text of the file ``path``, line ends as they are.

    Unicode is read by its mark, UTF-8 also without. Anything else is read only where ``meaning`` proves an encoding:
    all encodings that it does not refuse must mean the same. Raises OSError, or ValueError in one sentence.
    """
    data = path.read_bytes()
    for start, kind in _NO_TEXT:
        if data.startswith(start):
            raise ValueError(f"{shown(path)} is no text but {kind}; open it and save it as 'CSV UTF-8' under this name")
    for mark, encoding, name in _MARKS:
        if data.startswith(mark):
            return Text(_marked(path, data, encoding, name))
    if b"\0" in data:
        return Text(_unmarked(path, data))
    try:
        return Text(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        return _proven(path, data, error, meaning)


def read_lines(path: Path) -> list[tuple[int, str]]:
    """Return the lines that hold anything, with their numbers from 1. Raises as `read_text` does."""
    lines = re.split(r"\r\n|\r|\n", read_text(path).text)
    return [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]


def split_rows(path: Path, text: str, is_heading: Callable[[Sequence[str]], bool]) -> Rows:
    """Return the rows of ``text``, which came from ``path``. Cells are parted by what parts the heading.

    Args: is_heading: tells of the cells of a row whether it is what the table should begin with.
    Raises ValueError in one sentence, naming the line, where the text is no table.
    """
    text = text.lstrip("\ufeff").rstrip("\x1a")  # marks that joined files and DOS leave behind
    said = _SEPARATOR_LINE.match(text)
    rest, skipped = (text[said.end() :], 1) if said else (text, 0)
    delimiter = said["delimiter"] if said else _delimiter(rest, is_heading)
    rows, start = [], skipped + 1
    reader = _reader(rest, delimiter)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append(Row(start, tuple(cells)))
            start = skipped + reader.line_num + 1
    except csv.Error as error:
        raise ValueError(f"{shown(path)}, line {start}: {_reason(error)}; correct the line") from error
    return Rows(tuple(rows), delimiter)


def _delimiter(text: str, is_heading: Callable[[Sequence[str]], bool]) -> str:
    """Return what parts the cells of the first row: what makes it a heading, else what makes the most cells of it."""
    firsts = {delimiter: next(_first_rows(text, delimiter), ()) for delimiter in _DELIMITERS}
    fitting = [delimiter for delimiter, cells in firsts.items() if is_heading(cells)]
    return fitting[0] if fitting else max(_DELIMITERS, key=lambda delimiter: len(firsts[delimiter]))


def _first_rows(text: str, delimiter: str) -> Iterator[Sequence[str]]:
    try:
        for cells in _reader(text, delimiter):
            if any(cell.strip() for cell in cells) and not cells[0].startswith("#"):
                yield cells
    except csv.Error:
        return


def _reader(text: str, delimiter: str) -> CsvReader:
    # Strict: else a quotation mark that is not closed would swallow all rows after it without a word.
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True)


def _reason(error: csv.Error) -> str:
    text = str(error)
    if "unexpected end" in text or "field larger" in text:
        return "a quotation mark is opened and not closed"
    return "more follows a closing quotation mark" if "expected after" in text else f"it is no row of a table ({text})"


def _marked(path: Path, data: bytes, encoding: str, name: str) -> str:
    try:
        return _without_zeros(path, data.decode(encoding))
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{shown(path)} is marked as {name}, but its byte {error.start} cannot be read as such; {_SAVE}"
        ) from error


def _unmarked(path: Path, data: bytes) -> str:
    """Return UTF-16 without a mark, told by the first character, which is a plain letter in any list."""
    encoding = "utf-16-le" if data[1:2] == b"\0" else "utf-16-be"
    try:
        return _without_zeros(path, data.decode(encoding))
    except UnicodeDecodeError as error:
        raise ValueError(f"{shown(path)} holds zero bytes and is no text, or a damaged one; {_SAVE}") from error


def _without_zeros(path: Path, text: str) -> str:
    if "\0" in text:
        raise ValueError(f"{shown(path)} holds zero characters and is no text, or a damaged one; {_SAVE}")
    return text


def _proven(path: Path, data: bytes, error: UnicodeDecodeError, meaning: Meaning | None) -> Text:
    found: dict[Hashable, Text] = {}
    for encoding in (RAW, *_OTHERS) if meaning else ():
        text = _decoded(data, encoding)
        what = meaning(text) if meaning and text is not None else None
        if text is not None and what is not None:
            found.setdefault(what, Text(text, encoding))
    if len(found) == 1:
        return next(iter(found.values()))
    line = data.count(b"\n", 0, error.start) + 1
    likely = "perhaps Windows-1252 (cp1252)" if _decoded(data, "cp1252") is not None else "in an encoding not known"
    why = (
        f"and may be {' or '.join(text.encoding for text in found.values())}, which differ"
        if found
        else f"{likely}, which the file names in it do not prove"
        if meaning
        else likely
    )
    raise ValueError(f"{shown(path)} is not in UTF-8 (line {line}, byte 0x{data[error.start]:02x}), {why}; {_SAVE}")


def _decoded(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode("utf-8", "surrogateescape") if encoding == RAW else data.decode(encoding)
    except UnicodeDecodeError:
        return None
