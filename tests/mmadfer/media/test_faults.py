"""Names, lists, devices and broken files: each ends as a right answer, or in one sentence that names file and fault."""

from __future__ import annotations

import http.server
import os
import shutil
import threading

import numpy as np
import pytest

from benchmarks.support.made_files import ffmpeg, number_of, onsets_of
from mmadfer.files.names import shown
from mmadfer.media.media_file import open_media
from tests.support.media_cases import COUNT, ONSETS
from tests.support.media_judge import read

H264 = "-c:v libx264 -pix_fmt yuv420p -c:a aac"
NAMES = (
    b"2026-01-02T10:30:00.mp4", b"a%03d.mp4", b"100%.mp4", b"a#b?c=d&e.mp4", b"http:x.mp4", b"pipe:0",
    b"concat:a|b.mp4",
    b"data:,x.mp4", b"new\nline.mp4", b"-i.mp4", b" .mp4", "é ü.mp4".encode(), b"caf\xe9.mp4", "🎬.mp4".encode(),
    b"x" * 250 + b".mp4", b"no suffix", b"wrong.jpg", b"wrong.txt", b"wrong.m3u8", b"*.mp4", b"[a-z].mp4", b"a'\"b.mp4",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_a_name_is_a_name(name, workshop, tmp_path):
    path = tmp_path / os.fsdecode(name)
    shutil.copy(workshop.clip(".mp4", H264), path)
    reading = read(path)
    assert [number_of(rgb) for rgb in reading.pictures] == list(range(COUNT))
    assert onsets_of(reading.laid_out, reading.sample_rate) == pytest.approx(ONSETS, abs=0.03)


def test_a_name_with_a_colon_in_the_working_folder(workshop, tmp_path, monkeypatch):
    shutil.copy(workshop.clip(".mp4", H264), tmp_path / "2026-01-02T10:30:00.mp4")
    monkeypatch.chdir(tmp_path)
    assert len(read("2026-01-02T10:30:00.mp4").pictures) == COUNT


def test_names_that_are_no_text_can_be_printed_in_what_is_said(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9\n.mp4")
    path.write_bytes(b"no film")
    with pytest.raises(ValueError, match="cannot be read") as refused:
        open_media(path)
    assert shown(path) in str(refused.value)
    str(refused.value).encode()


LISTS = {
    "l.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:2,\nseg.ts\n#EXT-X-ENDLIST\n",
    "l.mp4": "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:2,\nseg.ts\n#EXT-X-ENDLIST\n",
    "l.ffconcat": "ffconcat version 1.0\nfile seg.ts\n",
    "l.sdp": "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=video 5004 RTP/AVP 96\r\n",
    "l.mpd": '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet>'
    '<Representation id="0" mimeType="video/mp4" bandwidth="1"><BaseURL>seg.ts</BaseURL></Representation>'
    "</AdaptationSet></Period></MPD>",
    "l.asx": "<asx version='3'><entry><ref href='seg.ts'/></entry></asx>",
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_of_files_is_refused_and_leads_nowhere(name, workshop, tmp_path):
    shutil.copy(workshop.clip(".ts", H264), tmp_path / "seg.ts")
    (tmp_path / name).write_text(LISTS[name])
    with pytest.raises(ValueError, match="it is a playlist; give the files that it names"):
        open_media(tmp_path / name)


@pytest.mark.parametrize("name", ["l.m3u8", "l.ffconcat", "l.mpd"])
def test_no_list_reaches_the_network(name, tmp_path):
    asked = []

    class Server(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/a.ts"
    (tmp_path / name).write_text(LISTS[name].replace("seg.ts", address))
    try:
        with pytest.raises(ValueError, match="it is a playlist"):
            open_media(tmp_path / name)
    finally:
        server.shutdown()
        server.server_close()
    assert asked == []


def test_a_pattern_for_a_name_opens_no_other_file(tmp_path):
    for k in range(3):
        (tmp_path / f"secret{k}.tga").write_bytes(b"\0" * 2000)
    (tmp_path / "secret%d.tga").write_bytes(b"no picture at all" * 100)
    with pytest.raises(ValueError, match="cannot be read"):
        open_media(tmp_path / "secret%d.tga")


@pytest.mark.timeout(20)
def test_what_is_no_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    for path in (tmp_path / "pipe.mp4", "/dev/zero", "/dev/null", tmp_path):
        with pytest.raises(ValueError, match="is not a file"):
            open_media(path)
    for name in ("gone.mp4", "nul\0.mp4", "loop.mp4"):
        if name == "loop.mp4":
            (tmp_path / name).symlink_to(name)
        with pytest.raises((OSError, ValueError)):
            open_media(tmp_path / name)
    with pytest.raises(OSError, match="too long"):
        open_media(tmp_path / ("y" * 300 + ".mp4"))


NEITHER = r"cannot be read|holds no video and no sound"
NO_MEDIA = {
    "text.txt": b"hello world\n" * 100,
    "text.nfo": b"hello world\n" * 100,
    "text.mp4": b"hello world\n" * 100,
    "subtitle.srt": b"1\n00:00:00,000 --> 00:00:02,000\nHi\n",
    "program.py": b"print('hello')\n",
    "samples.al": bytes(50_000),
    "samples.ul": bytes(50_000),
    "samples.s16": bytes(50_000),
    "samples.raw": bytes(50_000),
    "pixels.yuv": bytes(50_000),
    "numbers.bin": bytes(50_000),
    "one byte.mp4": b"\0",
    "head.mp4": b"\0\0\0\x18ftypmp42",
    "head.mkv": b"\x1a\x45\xdf\xa3",
    "head.wav": b"RIFF\0\0\0\0WAVE",
}


@pytest.mark.parametrize("name", NO_MEDIA)
def test_what_holds_neither_is_refused_in_one_sentence(name, tmp_path):
    (tmp_path / name).write_bytes(NO_MEDIA[name])
    with pytest.raises(ValueError, match=NEITHER) as refused:
        open_media(tmp_path / name)
    assert str(tmp_path / name) in str(refused.value) and "\n" not in str(refused.value)


CALLED = ("mp4", "mkv", "avi", "mp3", "aac", "wav", "flac", "ts", "jpg", "png", "h264", "ogg", "heic", "mjpeg", "dv")


@pytest.mark.parametrize("suffix", [*CALLED, ""])
@pytest.mark.parametrize("content", ["noise", "zeros"])
def test_noise_and_zeros_are_refused_in_one_sentence(suffix, content, tmp_path):
    path = tmp_path / f"{content}.{suffix}"
    path.write_bytes(np.random.default_rng(0).bytes(100_000) if content == "noise" else bytes(100_000))
    with pytest.raises(ValueError, match=NEITHER) as refused:
        open_media(path)
    assert str(path) in str(refused.value)


SHORT = {
    ".mp4": (f"{H264} -movflags faststart", "header says 2.00 s"),
    ".mkv": (H264, "header says 2.0"),
    ".webm": ("-c:v libvpx-vp9 -c:a libopus", "header says 2.0"),
    ".flv": (H264, "header says 2.0"),
    ".avi": ("-c:v mpeg4 -q:v 2 -c:a libmp3lame", "shorter than it says"),
    ".mxf": ("-c:v mpeg2video -c:a pcm_s16le", "header says 2.00 s"),
    ".wav": ("-vn -c:a pcm_s16le", "shorter than it says"),
    ".aiff": ("-vn -c:a pcm_s16be", "header says 2.00 s"),
    ".flac": ("-vn -c:a flac", "header says 2.00 s"),
    ".mka": ("-vn -c:a libopus", "header says 2.0"),
    ".tta": ("-vn -c:a tta", "parts of its audio are damaged"),
}


@pytest.mark.parametrize("suffix", SHORT)
def test_a_file_cut_short_is_read_as_far_as_it_goes_and_told(suffix, workshop, tmp_path):
    arguments, words = SHORT[suffix]
    data, path = workshop.clip(suffix, arguments).read_bytes(), tmp_path / f"cut{suffix}"
    path.write_bytes(data[: len(data) * 6 // 10])
    reading = read(path)
    assert any(words in line for line in reading.warnings), reading.warnings
    numbers = [number_of(rgb) for rgb in reading.pictures][:20]
    assert numbers == list(range(len(numbers))) and (numbers or "-vn" in arguments)
    assert 0.9 < reading.sound.shape[1] / reading.sample_rate < 1.5


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".m4a"])
def test_a_file_without_its_index_is_refused(suffix, workshop, tmp_path):
    arguments = H264 if suffix != ".m4a" else "-vn -c:a aac"
    data, path = workshop.clip(suffix, arguments).read_bytes(), tmp_path / f"cut{suffix}"
    path.write_bytes(data[: len(data) * 6 // 10])
    with pytest.raises(ValueError, match="damaged or cut short"):
        open_media(path)


SPOILT = (
    ".mp4",
    ".mkv",
    ".avi",
    ".flv",
    ".ts",
    ".wmv",
    ".nut",
    ".mpg",
    ".ogv",
    ".mp3",
    ".aac",
    ".wav",
    ".flac",
    ".gif",
    ".png",
)


@pytest.mark.parametrize("suffix", SPOILT)
@pytest.mark.parametrize("seed", range(3))
def test_only_errors_for_users_leave_the_reading(suffix, seed, workshop, tmp_path):
    sound_only = suffix in (".mp3", ".aac", ".wav", ".flac")
    codecs = {
        ".avi": "-c:v mpeg4",
        ".wmv": "-c:v wmv2 -c:a wmav2",
        ".mpg": "-c:v mpeg1video -c:a mp2",
        ".ogv": "-c:v libtheora",
    }
    arguments = "-vn" if sound_only else "-an -frames:v 10" if suffix in (".gif", ".png") else codecs.get(suffix, H264)
    arguments += " -f apng" if suffix == ".png" else ""
    data = bytearray(workshop.clip(suffix, arguments).read_bytes())
    rng = np.random.default_rng(seed)
    for place in rng.integers(0, len(data) if seed else min(2000, len(data)), 12 + 40 * seed):
        data[place] = rng.integers(0, 256)
    path = tmp_path / f"spoilt{suffix}"
    path.write_bytes(data)
    try:
        file = open_media(path)
        for _ in file.packets():
            pass
        file.read_audio()
        file.read_span(0.2, 0.5)
    except (OSError, ValueError) as error:
        assert str(path) in str(error)


def test_pictures_of_absurd_size_are_refused(tmp_path):
    """A film that says it has 60,000 x 60,000 px must not fill the memory."""
    path = tmp_path / "huge.y4m"
    path.write_bytes(b"YUV4MPEG2 W60000 H60000 F25:1 Ip A1:1 C420\nFRAME\n" + bytes(1000))
    with pytest.raises(ValueError, match=r"huge\.y4m"):
        list(open_media(path).frames())


def test_tags_that_are_no_utf8_are_no_reason_to_refuse(workshop, tmp_path):
    path = tmp_path / "old.mp3"
    ffmpeg("-i", workshop.sound(), "-metadata", "title=xxxxxxxx", "-id3v2_version", "3", path)
    data = path.read_bytes()
    mark = "xxxxxxxx".encode("utf-16-le")
    spoilt = data.replace(mark, b"\xe9\xdc" * 8) if mark in data else data.replace(b"x" * 8, b"caf\xe9 \xfcb")
    assert spoilt != data
    path.write_bytes(spoilt)
    assert read(path).seconds == pytest.approx(2.0, abs=0.05)
    video = tmp_path / "old.avi"
    ffmpeg("-i", workshop.pictures(), "-metadata", "title=xxxxxxxx", "-c:v", "mpeg4", "-q:v", "2", video)
    video.write_bytes(video.read_bytes().replace(b"x" * 8, b"caf\xe9 \xfcb."))
    assert len(read(video).pictures) == COUNT
