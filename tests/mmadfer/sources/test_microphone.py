"""PortAudio records from a virtual microphone: a private PulseAudio whose loudspeaker is the microphone."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
import wave
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmadfer.media.media_file import open_media
from mmadfer.preprocess import resample
from mmadfer.sound.loudness import sounding_channel
from tests.support.places import ROOT

pytestmark = pytest.mark.audio
RATE = 48_000
PROGRAMS = ("pulseaudio", "pactl", "paplay")

# Runs in a process of its own: PortAudio reads its environment when it is loaded, once.
RECORDER = """
import sys, threading, time
import numpy as np
from mmadfer.sources.local import Microphone

class Recorded:
    def __init__(self):
        self.intake, self.sounds = self, []
    def offer_sound(self, sound):
        self.sounds.append((time.monotonic(), sound))
    def set_source_state(self, **state):
        print(state["microphone"], flush=True)

recorded, stop = Recorded(), threading.Event()
thread = threading.Thread(target=Microphone(recorded, stop).run)
thread.start()
sys.stdin.readline()
stop.set()
thread.join()
sounds = recorded.sounds
np.savez(sys.argv[1], sound=np.concatenate([s.samples for _, s in sounds], axis=1) if sounds else np.zeros((1, 0)),
         arrival=[a for a, _ in sounds], time=[s.time for _, s in sounds], index=[s.index for _, s in sounds],
         length=[s.samples.shape[1] for _, s in sounds], rate=[s.sample_rate for _, s in sounds])
"""


PLACES = {  # where a virtual microphone's channels are, and on which of them somebody speaks
    "mono": (("mono",), 0),
    "the left of two": (("front-left", "front-right"), 0),
    "the right of two": (("front-left", "front-right"), 1),
    "the third of four": (("front-left", "front-right", "rear-left", "rear-right"), 2),
}


@contextlib.contextmanager
def sound_server(home: Path, places: Sequence[str]) -> Iterator[dict[str, str]]:
    """Run a sound server of its own in ``home``; gives the environment in which programs find it."""
    (home / "run").mkdir(mode=0o700, parents=True)
    (home / ".asoundrc").write_text("pcm.!default { type pulse }\nctl.!default { type pulse }\n")
    environment = {**os.environ, "HOME": str(home), "XDG_RUNTIME_DIR": str(home / "run"), "PYTHONPATH": str(ROOT)}
    environment.pop("PULSE_SERVER", None)
    loads = (
        "module-native-protocol-unix",
        f"module-null-sink sink_name=fake rate={RATE} channels={len(places)} channel_map={','.join(places)}",
        "module-remap-source source_name=fakemic master=fake.monitor",
    )
    command = ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--disallow-exit"]
    for load in loads:
        command += ["-L", load]
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        choose = ["pactl", "set-default-source", "fakemic"]
        end = time.monotonic() + 20
        while subprocess.run(choose, env=environment, capture_output=True, check=False).returncode:
            assert server.poll() is None and time.monotonic() < end, "PulseAudio did not start"
            time.sleep(0.2)
        yield environment
    finally:
        server.terminate()
        server.wait(10)


def write_wav(clip: Path, out: Path, channels: int, voice: int) -> np.ndarray:
    """Write speech on channel ``voice`` of ``channels``, and return it."""
    waveform = open_media(clip).read_audio()
    assert waveform is not None
    speech = np.asarray(resample(waveform[:1], 44_100, RATE))[0, : 5 * RATE]
    with wave.open(str(out), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(RATE)
        frames = np.zeros((len(speech), channels), "<i2")
        frames[:, voice] = (speech.clip(-1, 1) * 32767).astype("<i2")
        file.writeframes(frames.tobytes())
    return speech


def record(wav: Path, places: Sequence[str], environment: dict[str, str], out: Path) -> Any:
    """Return what the microphone gave while ``wav`` was played."""
    command = [sys.executable, "-c", RECORDER, str(out)]
    recorder = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert recorder.stdout is not None and recorder.stdin is not None
    try:
        assert recorder.stdout.readline() == "\n", "the microphone was not opened"  # its state: nothing is wrong
        play = ["paplay", "--no-remix", f"--channels={len(places)}", f"--channel-map={','.join(places)}", str(wav)]
        subprocess.run(play, env=environment, check=True, timeout=20, capture_output=True)
        time.sleep(0.5)
        recorder.communicate("stop\n", timeout=20)
    finally:
        recorder.kill()
    return np.load(out)


@pytest.mark.parametrize(("places", "voice"), PLACES.values(), ids=PLACES.keys())
def test_what_is_played_is_recorded_and_on_time(clips: Path, tmp_path: Path, places: Sequence[str], voice: int) -> None:
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        pytest.skip(
            f"{', '.join(missing)} not installed (apt-get install pulseaudio pulseaudio-utils libasound2-plugins)"
        )
    wav, out = tmp_path / "speech.wav", tmp_path / "got.npz"
    speech = write_wav(clips / "jfk.flac", wav, len(places), voice)
    attempts = []
    # On a machine that is busy with other things the virtual sound card itself stalls, and once stalled it may stay so:
    # each attempt has another.
    for pause in (0, 5, 10, 20, 30):
        time.sleep(pause)
        try:
            with sound_server(tmp_path / f"home-{pause}", places) as environment:
                attempts.append(complaints(record(wav, places, environment, out), speech, other=voice > 0))
        except (AssertionError, subprocess.SubprocessError) as error:
            attempts.append([str(error)])
        if not attempts[-1]:
            return
    pytest.fail(f"each time: {attempts}")


def complaints(got: Any, speech: np.ndarray, other: bool) -> list[str]:
    """Return what is wrong with a recording of ``speech``, which came on another channel than the first or not."""
    rate = int(got["rate"][0])
    found = []
    drift = np.abs(got["time"] - got["time"][0] - got["index"] / rate).max()
    if drift > 0.2:
        found.append(f"time stamps and samples part by {drift:.3f} s")
    if not (got["index"] == np.concatenate([[0], np.cumsum(got["length"])[:-1]])).all():
        found.append("sound was lost")
    pace = got["length"].sum() / rate / (got["arrival"][-1] - got["arrival"][0] + got["length"][-1] / rate)
    if abs(pace - 1) > 0.05:
        found.append(f"sound came at {pace:.3f} of real time")
    chosen = sounding_channel(got["sound"], rate)
    if (chosen > 0) != other:
        found.append(f"channel {chosen} of {len(got['sound'])} was taken for the voice")
    heard = np.asarray(resample(got["sound"][chosen : chosen + 1].astype(np.float32), rate, RATE))[0]
    if (likeness := best_correlation(heard, speech)) < 0.9:
        found.append(f"what was recorded resembles what was played by {likeness:.2f} only")
    return found


def best_correlation(heard: np.ndarray, speech: np.ndarray) -> float:
    """Return the correlation of ``speech`` with the piece of ``heard`` that resembles it most."""
    size = 1 << (len(heard) + len(speech)).bit_length()
    products = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(speech, size)))
    start = int(np.argmax(products[: max(1, len(heard) - len(speech))]))
    return float(np.corrcoef(heard[start : start + len(speech)], speech)[0, 1])
