"""What tests of the library share."""

from __future__ import annotations

from pathlib import Path

import pytest

import mmadfer
from tests.support.made_media import gradient, write_media
from tests.support.small_models import small_model


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of small weights that count as trained."""
    return mmadfer.save_model(small_model(), tmp_path_factory.mktemp("weights") / "small.safetensors")


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip that takes no time."""
    frames = [(k / 25, gradient(64, 48)) for k in range(5)]
    return write_media(tmp_path_factory.mktemp("short") / "short.mkv", frames)
