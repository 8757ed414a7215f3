"""Frames made on a device against those made by the definition of the input, which is the CPU's."""

import numpy as np
import pytest
import torch

from mmadfer.backends.pytorch.device_frames import device_frames, normalised, pinned
from mmadfer.config import InputSpec
from mmadfer.preprocess import frame_inputs

CPU = torch.device("cpu")


def crops(*shapes):
    """Return random pictures of ``shapes`` (height, width)."""
    random = np.random.RandomState(len(shapes))
    return [random.randint(0, 256, (*shape, 3), dtype=np.uint8) for shape in shapes]


def assert_equal(device, spec, pictures):
    expected, ours = frame_inputs(pictures, spec), device_frames(pictures, spec, device)
    assert ours.device.type == device.type
    assert (ours.dtype, ours.shape, ours.is_contiguous()) == (torch.float32, expected.shape, True)
    assert torch.equal(ours.cpu(), expected), f"off by {(ours.cpu() - expected).abs().max():.1e}"


CASES = pytest.mark.parametrize(
    ("color", "shapes"),
    [
        ("rgb", [(64, 64)] * 16),
        ("rgb", [(64, 64)]),
        ("rgb", [(64, 64), (80, 50), (20, 64)]),
        ("grey", [(64, 64)] * 3),
        ("grey", [(64, 64), (80, 50), (20, 64)]),
        ("rgb", []),
        ("grey", []),
    ],
)


@CASES
def test_frames_are_those_of_the_input_definition_bit_for_bit(color, shapes):
    assert_equal(CPU, InputSpec(image_size=64, color=color), crops(*shapes))


@pytest.mark.gpu
@CASES
def test_on_a_gpu_frames_are_those_of_the_input_definition_bit_for_bit(color, shapes):
    assert_equal(torch.device("cuda"), InputSpec(image_size=64, color=color), crops(*shapes))


def every_colour():
    """Return pictures in which every 3rd value of red and green meets every value of blue, and all greys."""
    values = np.arange(0, 256, 3, dtype=np.uint8)
    colours = np.stack(np.meshgrid(values, values, np.arange(256, dtype=np.uint8)), axis=-1).reshape(-1, 3)
    greys = np.arange(256, dtype=np.uint8)[:, None].repeat(3, axis=1)
    side = 1376
    return np.resize(np.concatenate([greys, colours]), (side, side, 3))


def test_luma_is_pils_for_every_colour():
    picture = every_colour()
    assert_equal(CPU, InputSpec(image_size=len(picture), color="grey"), [picture])


def test_luma_of_grey_pixels_is_themselves():
    greys = torch.arange(256, dtype=torch.uint8).repeat_interleave(3).view(1, 16, 16, 3)
    assert torch.equal(normalised(greys, "grey"), normalised(greys, "rgb"))


def test_the_arrays_given_are_not_changed_and_may_be_read_only():
    picture = crops((32, 32))[0]
    picture.flags.writeable = False
    assert_equal(CPU, InputSpec(image_size=32), [picture, picture[::-1]])


@pytest.mark.parametrize("bad", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)])
@pytest.mark.parametrize("color", ["rgb", "grey"])
def test_malformed_crops_are_refused(bad, color):
    with pytest.raises(ValueError, match=r"a frame must be a uint8 array of shape \(height, width, 3\)"):
        device_frames([bad], InputSpec(image_size=4, color=color), CPU)


def test_nothing_is_pinned_that_is_not_uploaded():
    tensor = torch.rand(3)
    assert pinned(tensor, CPU) is tensor


@pytest.mark.gpu
def test_on_a_gpu_pinned_memory_is_read_without_waiting():
    tensor = torch.rand(1000)
    copy = pinned(tensor, torch.device("cuda"))
    assert copy.is_pinned() and torch.equal(copy, tensor)
    assert pinned(tensor.cuda(), torch.device("cuda")).is_cuda
