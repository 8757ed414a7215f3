"""Weights on disk: our safetensors with the InputSpec inside, and whatever `mmadfer.weights.official` can read."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from mmadfer.config import InputSpec, ModelConfig
from mmadfer.sound import familiarity
from mmadfer.types import WeightsInfo
from mmadfer.weights import official
from mmadfer.weights.header import Header, damaged
from mmadfer.weights.official import Tensors

if TYPE_CHECKING:
    from mmadfer.models.mma_dfer import MMADFER


def load_model(path: str | os.PathLike[str]) -> MMADFER:
    """Return the model in ``path``, in eval mode, on the CPU; ``model.spec`` is its InputSpec.

    Args: path: an official checkpoint (keys with or without "module."), or our own safetensors. Image size, class count
    and the model's shape are read from the file.
    Raises OSError where there is no readable file, ValueError where it is empty, damaged, partial or of another kind.
    """
    path = existing_file(path)
    read = read_safetensors if path.suffix == ".safetensors" else official.read_checkpoint
    tensors, spec, config, info = read(path)
    return _build(path, tensors, spec, config, info)


def load_pretrained(
    face: str | os.PathLike[str],
    audio: str | os.PathLike[str],
    spec: InputSpec | None = None,
    config: ModelConfig | None = None,
) -> MMADFER:
    """Return a model to fine-tune: MAE-Face from ``face``, AudioMAE from ``audio``, the rest newly initialised.

    Args: face, audio: the encoders' files, of which only those are read that ``config`` has a place for.
    Raises OSError or ValueError as `load_model` does, ValueError too for a ``config`` with another stem.
    """
    from mmadfer.models.mma_dfer import MMADFER  # see `_build`

    model = MMADFER(spec or InputSpec(), config)
    if model.config.stem != "patch":
        raise ValueError(
            f"pre-trained encoders embed patches by one convolution, but stem {model.config.stem!r} was asked for; "
            "choose stem 'patch', or train from scratch"
        )
    state = model.state_dict()
    for kind, path in (("face", face), ("audio", audio)):
        if kind not in model.config.modalities:
            continue
        grid = getattr(model, kind).grid_size
        tensors = official.read_pretrained_encoder(existing_file(path), kind, grid, model.config)
        _check_shapes(Path(path), tensors, state)
        state |= tensors
    model.load_state_dict(state)
    return model


def save_model(model: MMADFER, path: str | os.PathLike[str]) -> Path:
    """Write ``model`` with its spec, configuration and origin to ``path`` (.safetensors); returns the path.

    The file appears whole or not at all. Raises ValueError for another suffix, OSError where it cannot be written.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(f"our weights are written as .safetensors, got {path.name}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent} to write {path.name} into; make it first")
    metadata = Header(model.spec, model.config, model.info).to_metadata()
    tensors = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        save_file(tensors, temporary, metadata)
        os.chmod(temporary, 0o666 & ~_umask())  # a temporary file is private, but weights are not
        os.replace(temporary, path)
    except SafetensorError as error:
        raise OSError(f"{path} could not be written: {error}") from error
    finally:
        Path(temporary).unlink(missing_ok=True)
    return path


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def read_safetensors(path: Path) -> tuple[Tensors, InputSpec, ModelConfig, WeightsInfo]:
    """Return the tensors and settings of a file that `save_model` wrote; ValueError where it is no such file."""
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            header = Header.from_metadata(path, file.metadata())
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no mapping, only keys()
    except SafetensorError as error:
        raise damaged(path, error) from error
    return tensors, header.spec, header.config, header.info


def existing_file(path: str | os.PathLike[str]) -> Path:
    """Return ``path``. Raises OSError or ValueError where no file with anything in it is there."""
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; name the weights file in it")
    if not path.exists():
        raise FileNotFoundError(f"there is no weights file {path}")
    if path.stat().st_size == 0:
        raise ValueError(f"{path} is empty (0 bytes); get it again")
    return path


def _build(path: Path, tensors: Tensors, spec: InputSpec, config: ModelConfig, info: WeightsInfo) -> MMADFER:
    from mmadfer.models.mma_dfer import MMADFER  # here, for it brings timm, which takes seconds to import

    for biases in (info.logit_bias, *info.logit_biases.values()):
        if len(biases) not in (0, len(spec.labels)):
            raise ValueError(f"{path} has {len(biases)} logit biases for {len(spec.labels)} classes")
    if len(info.familiar_voice) not in (0, familiarity.count(spec.mel)):
        raise ValueError(
            f"{path} has {len(info.familiar_voice)} coefficients of familiar voices; {spec.mel.bins} mel bins want "
            f"{familiarity.count(spec.mel)}"
        )
    try:
        with torch.device("meta"):  # shapes only: the values come from the file
            model = MMADFER(spec, config, info)
    except ValueError as error:
        raise ValueError(f"{path} does not fit together: {error}") from error
    expected = model.state_dict()
    missing = [key for key in expected if key not in tensors]
    unknown = [key for key in tensors if key not in expected]
    if missing or unknown:
        raise ValueError(f"{path} does not fit its own settings: {official.describe_keys(missing, unknown)}")
    _check_shapes(path, tensors, expected)
    for key, value in tensors.items():
        if not torch.isfinite(value).all():
            raise ValueError(f"{path} holds numbers that are not finite (in {key}); the weights are damaged")
    trainable = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    values = {key: value.float() if value.is_floating_point() else value for key, value in tensors.items()}
    model.load_state_dict(values, assign=True)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(trainable[name])
    return model.eval()


def _check_shapes(path: Path, tensors: Tensors, expected: Tensors) -> None:
    for key, value in tensors.items():
        if value.shape != expected[key].shape:
            raise ValueError(f"{path}: {key} has the shape {tuple(value.shape)}, expected {tuple(expected[key].shape)}")
