"""Calm speech by synthesisers: what is read, by whom, and what is said where none is installed."""

import os
import stat

import pytest

from mmadfer.data.adapters.starter import read_calm
from train.starter import calm
from train.starter.calm import OUT, main, readings


def test_many_voices_read_in_many_languages_and_always_the_same():
    made = list(readings())
    assert len(made) > 500 and len({each.name for each in made}) == len(made)
    assert {each.command[0] for each in made} == {"espeak-ng", "flite", "text2wave"}
    assert all(each.command.count(OUT) == 1 for each in made)
    languages = {each.name.split("_")[1] for each in made}
    assert languages == set(calm.SENTENCES) and len(languages) >= 20
    assert made == list(readings())


def test_what_is_missing_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main([str(tmp_path / "data")]) == 2
    assert "espeak-ng, flite, text2wave cannot be found; install Debian's" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


@pytest.fixture
def synthesisers(tmp_path, monkeypatch):
    """Stand-ins that write a second of a tone; flite says nothing."""
    folder = tmp_path / "bin"
    folder.mkdir()
    tone = 'exec ffmpeg -v error -y -f lavfi -i sine=frequency=220:duration=1:sample_rate=22050 "$out"'
    script = f'#!/bin/sh\nfor word; do case "$word" in *.wav) out="$word";; esac; done\ncat >/dev/null\n{tone}\n'
    for name, text in (("espeak-ng", script), ("text2wave", script), ("flite", "#!/bin/sh\nexit 1\n")):
        (folder / name).write_text(text)
        (folder / name).chmod((folder / name).stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_what_is_read_becomes_calm_voices_and_what_said_nothing_is_told(tmp_path, monkeypatch, synthesisers, capsys):
    some = [each for each in readings() if each.name.startswith(("espeak_te", "flite_en_slt", "festival_te"))]
    monkeypatch.setattr(calm, "readings", lambda: iter(some))
    assert main([str(tmp_path)]) == 0
    said = capsys.readouterr().out
    silent = [each.name for each in some if each.name.startswith("flite")]
    assert f"{len(some) - len(silent)} sentences" in said and all(name in said for name in silent)
    voices = read_calm(tmp_path)
    assert len(voices) == len(some) - len(silent)
    assert {voice.sound.shape for voice in voices} == {(1, 16_000)}
