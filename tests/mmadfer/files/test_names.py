"""Names in any bytes and characters, in one line, and back."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import pytest

from mmadfer.files.names import ENCODABLE, original, printable, shown

NAMES = [
    (b"plain name.mp4", "plain name.mp4"),
    ("ünï 😀 日本.mp4".encode(), "ünï 😀 日本.mp4"),
    ("👩\u200d👧.mp4".encode(), "👩\u200d👧.mp4"),
    ("Screen Recording at 1.02.03\u202fPM.mov".encode(), "Screen Recording at 1.02.03\u202fPM.mov"),  # as macOS names
    ("cafe\u0301.mp4".encode(), "cafe\u0301.mp4"),
    (b"caf\xe9.mp4", r"caf\xe9.mp4"),
    ("caf\u00e9.mp4".encode(), "caf\u00e9.mp4"),
    (rb"caf\xe9.mp4", r"caf\\xe9.mp4"),
    (b"a\nb\tc\rd", r"a\nb\tc\rd"),
    (rb"a\nb", r"a\\nb"),
    (b"\x1b[2J\x07\x7f", r"\x1b[2J\x07\x7f"),
    (b"\x85.mp4", r"\x85.mp4"),
    ("\u0085.mp4".encode(), r"\u0085.mp4"),
    ("a\u2028b\u202eb\ufeff".encode(), r"a\u2028b\u202eb\ufeff"),
    ("🏴\U000e0067.mp4".encode(), "🏴\\U000e0067.mp4"),
    (b"\\", r"\\"),
    (b"\\\\n", r"\\\\n"),
    (b"\xff\xfe\xc3", r"\xff\xfe\xc3"),
    (b"\xed\xa0\x80.mp4", r"\xed\xa0\x80.mp4"),  # a surrogate, which is no UTF-8
    (b"-x, \"y\" 'z';:%?#*[1]~$HOME.mp4", "-x, \"y\" 'z';:%?#*[1]~$HOME.mp4"),
]


@pytest.mark.parametrize(("name", "expected"), NAMES)
def test_names_are_shown_by_one_rule_and_come_back(name, expected):
    assert shown(os.fsdecode(name)) == expected
    assert os.fsencode(original(expected)) == name
    assert printable(expected) == expected, "what is shown once may stand in a sentence"


def test_all_single_bytes_and_many_characters_are_told_apart():
    names = [bytes([byte]) for byte in range(1, 256)]
    names += [chr(code).encode() for code in (*range(0x80, 0x3000), 0x1F600, 0xE0067, 0x10FFFF)]
    seen = {shown(os.fsdecode(name)): name for name in names}
    assert len(seen) == len(names)
    assert all(os.fsencode(original(text)) == name for text, name in seen.items())


def test_what_an_output_cannot_write_is_escaped_and_comes_back():
    for encoding in ("ascii", "latin-1"):
        raw = io.BytesIO()
        with io.TextIOWrapper(raw, encoding, ENCODABLE) as out:
            out.write("\n".join(shown(os.fsdecode(name)) for name, _ in NAMES))
            out.flush()
            lines = raw.getvalue().decode(encoding).split("\n")
        assert [os.fsencode(original(line)) for line in lines] == [name for name, _ in NAMES]


def test_the_rule_is_the_same_under_another_encoding_of_the_system():
    code = (
        "import sys; from mmadfer.files.names import original, shown\n"
        "for n in sys.argv[1:]: print(ascii(shown(n)), original(shown(n)) == n)"
    )
    environment = {**os.environ, "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    command = [sys.executable, "-c", code, *(name for name, _ in NAMES)]
    found = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert found.stdout.splitlines() == [f"{expected!a} True" for _, expected in NAMES]
