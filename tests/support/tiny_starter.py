"""The starter weights' training at its smallest: data in their layout, and a recipe that takes no time."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mmadfer.config import DFEW_LABELS, InputSpec, MelSpec
from mmadfer.data.adapters.starter import FACES, RATE, VOICES
from tests.support.made_media import tone, write_media

SPEC = InputSpec(image_size=24, num_frames=3, sample_rate=RATE, color="grey", mel=MelSpec(bins=16, frames=64))
TINY = """
seed = 1
[input]
image_size = 24
num_frames = 3
sample_rate = 16000
color = "grey"
handles_missing = ["face", "audio"]
[input.mel]
bins = 16
frames = 64
[model]
width = 16
depth = 2
heads = 2
patch_size = 12
audio_patch_size = 16
stem = "conv"
bottleneck = 4
num_prompts = 2
prompt_updates = [0]
temporal_width = 16
temporal_heads = 2
temporal_mlp = 16
[faces]
epochs = 1
ema = 0.5
batch_size = 8
frame_order = "natural"
[voices]
epochs = 1
ema = 0.5
batch_size = 8
frame_order = "natural"
[joined]
epochs = 1
ema = 0.5
batch_size = 4
frame_order = "natural"
"""


def write_data(root: Path) -> Path:
    """Write a folder in the starter data's layout: 10 faces a class, 8 voices of each of four actors; return it."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(7), 70 // 7)
    images = np.clip(rng.normal(20 * labels[:, None, None] + 60, 20, (70, 24, 24)), 0, 255).astype(np.uint8)
    split = np.tile([0, 0, 0, 0, 0, 0, 1, 1, 2, 2], 7)
    np.savez(root / FACES, images=images, labels=labels, split=split, classes=np.array(DFEW_LABELS))
    (root / VOICES).mkdir()
    for actor in (1, 2, 17, 20):
        for emotion in range(1, 9):
            sound = tone(RATE, 0.5) * (0.1 + 0.1 * emotion)
            write_media(root / VOICES / f"03-01-{emotion:02d}-01-01-01-{actor:02d}.flac", (), sound, RATE)
    return root
