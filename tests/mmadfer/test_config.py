"""Settings: what they refuse, and that they survive the journey through a file's metadata."""

import dataclasses

import pytest

from mmadfer.config import DFEW_LABELS, MAFW_LABELS, InputSpec, MelSpec, ModelConfig, label_names
from mmadfer.types import WeightsInfo


@pytest.mark.parametrize(
    "settings",
    [
        InputSpec(),
        InputSpec(
            image_size=112,
            labels=MAFW_LABELS,
            sample_rate=16000,
            mel=MelSpec(bins=64),
            color="grey",
            level_eyes=False,
            handles_missing=("face", "audio"),
        ),
        ModelConfig(),
        ModelConfig(width=64, heads=1, depth=2, prompt_updates=(1,)),
        WeightsInfo("dfew", True, "dfew.pth", 1.25),
        WeightsInfo("dfew", True, "dfew.pth", 1.25, (0.5, -0.5)),
    ],
)
def test_settings_survive_json(settings):
    assert type(settings).from_json(settings.to_json()) == settings


def test_a_description_from_before_there_was_a_bias_is_read():
    old = '{"name": "dfew", "trained": true, "source": "dfew.pth", "temperature": 1.25}'
    assert WeightsInfo.from_json(old) == WeightsInfo("dfew", True, "dfew.pth", 1.25, ())


@pytest.mark.parametrize("kind", [InputSpec, ModelConfig, WeightsInfo])
@pytest.mark.parametrize("text", ["", "{", '{"unheard": 1}', "[]", "3", "[" * 100_000, '{"mel": 1}', '{"labels": 3}'])
def test_other_text_is_refused(kind, text):
    with pytest.raises(ValueError, match="cannot be read"):
        kind.from_json(text)


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        (InputSpec, {"image_size": 0}, "image_size must be positive, got 0"),
        (InputSpec, {"labels": ()}, "at least one class"),
        (InputSpec, {"labels": ("a", "a")}, "differ from each other"),
        (InputSpec, {"window_seconds": -1.0}, "window_seconds must be 0.1 or more, got -1"),
        (InputSpec, {"window_seconds": 1e-9}, "window_seconds must be 0.1 or more"),
        (InputSpec, {"window_seconds": 1e9}, "window_seconds may be 120.0 at most, got 1000000000.0"),
        (InputSpec, {"sample_rate": 10**12}, "sample_rate may be 768,000 at most"),
        (InputSpec, {"num_frames": 10**9}, "num_frames may be 512 at most"),
        (InputSpec, {"image_size": 10**6}, "image_size may be 2,048 at most"),
        (InputSpec, {"labels": tuple(map(str, range(10**6)))}, "1000 classes at most, got 1000000"),
        (InputSpec, {"sample_rate": 10}, "at least 8000 Hz, got 10"),
        (InputSpec, {"color": "bgr"}, "'rgb' or 'grey', got 'bgr'"),
        (InputSpec, {"handles_missing": ("smell",)}, "may hold 'face' and 'audio'"),
        (MelSpec, {"bins": 0}, "bins must be positive"),
        (MelSpec, {"frames": 10**9}, "frames may be 16,384 at most"),
        (MelSpec, {"frame_shift": 0.1}, "at most frame_length"),
        (ModelConfig, {"depth": 10**9, "prompt_updates": ()}, "depth may be 256 at most"),
        (ModelConfig, {"width": 12 * 10**9}, "width may be 16,384 at most"),
        (ModelConfig, {"heads": 5}, "width must be a multiple of heads"),
        (ModelConfig, {"prompt_updates": (0, 12)}, "blocks 0 to 11"),
        (ModelConfig, {"num_prompts": 5}, "divide evenly"),
        (WeightsInfo, {"temperature": 0.0}, "temperature must be positive"),
        (WeightsInfo, {"temperature": float("nan")}, "temperature must be finite"),
        (WeightsInfo, {"logit_bias": (0.0, float("inf"))}, "logit_bias must hold finite numbers"),
        (WeightsInfo, {"logit_bias": ("a",)}, "logit_bias must hold finite numbers"),
        (WeightsInfo, {"temperatures": {"nose": 1.0}}, "temperatures may hold both, face, voice"),
        (WeightsInfo, {"temperatures": {"face": 0.0}}, "temperatures must be above 0"),
        (WeightsInfo, {"temperatures": {"face": "warm"}}, "temperatures must hold finite numbers"),
        (WeightsInfo, {"unsure_below": {"face": float("nan")}}, "unsure_below must hold finite numbers"),
        (WeightsInfo, {"unsure_error": 1.0}, "unsure_error must be from 0 to below 1"),
        (WeightsInfo, {"trained": "no"}, "trained must be of the type bool, got 'no'"),
        (InputSpec, {"image_size": 32.0}, "image_size must be of the type int, got 32.0"),
        (InputSpec, {"sample_rate": 44100.5}, "sample_rate must be of the type int"),
        (InputSpec, {"window_seconds": float("inf")}, "window_seconds must be finite"),
        (InputSpec, {"labels": (1, 2)}, "labels must be texts"),
        (ModelConfig, {"heads": 0}, "heads must be positive, got 0"),
        (ModelConfig, {"depth": 3.5}, "depth must be of the type int"),
        (ModelConfig, {"bottleneck": -1}, "bottleneck must be positive"),
        (ModelConfig, {"drop_path": "a"}, "drop_path must be of the type float"),
    ],
)
def test_wrong_values_are_refused(kind, change, message):
    with pytest.raises(ValueError, match=message):
        kind(**change)


def test_padding_and_silence_are_the_papers():
    assert MelSpec().padding == pytest.approx(0.467, abs=5e-4)


def test_labels_by_class_count():
    assert label_names(7) == DFEW_LABELS
    assert label_names(11) == MAFW_LABELS
    assert label_names(3) == ("class 0", "class 1", "class 2")


def test_differences_name_fields_and_both_values():
    ours = InputSpec()
    assert ours.differences(dataclasses.replace(ours)) == []
    assert ours.differences(dataclasses.replace(ours, image_size=112)) == ["image_size: 224, not 112"]
