"""What our safetensors say of themselves, read without their tensors and without PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from mmadfer.config import InputSpec, ModelConfig
from mmadfer.types import WeightsInfo

FORMAT = "mmadfer-1"
"""Version of our file layout, in the metadata; a reader refuses one that it does not know."""


@dataclass(frozen=True)
class Header:
    """The settings that travel with weights."""

    spec: InputSpec
    config: ModelConfig
    info: WeightsInfo

    def to_metadata(self) -> dict[str, str]:
        """Return the settings as a file's metadata."""
        return {
            "format": FORMAT,
            "spec": self.spec.to_json(),
            "config": self.config.to_json(),
            "info": self.info.to_json(),
        }

    @classmethod
    def from_metadata(cls, path: Path, metadata: Mapping[str, str] | None) -> Header:
        """Return the settings in the ``metadata`` of the file ``path``; ValueError where it is no file of ours."""
        metadata = metadata or {}
        if metadata.get("format") != FORMAT:
            raise ValueError(
                f"{path} was not written by this version of mmadfer: its format is "
                f"{metadata.get('format', 'not given')}, expected {FORMAT}"
            )
        try:
            return cls(
                InputSpec.from_json(metadata["spec"]),
                ModelConfig.from_json(metadata["config"]),
                WeightsInfo.from_json(metadata["info"]),
            )
        except (KeyError, ValueError) as error:
            raise ValueError(f"{path} has no usable settings in its metadata: {error}") from error


def damaged(path: Path, error: SafetensorError) -> ValueError:
    """Return what to raise where the file ``path`` cannot be read as safetensors."""
    return ValueError(f"{path} is damaged, cut short or no safetensors file ({error}); get it again")


def read_header(path: Path) -> Header:
    """Return the settings in the file ``path``; ValueError where it is damaged or no file of ours."""
    try:
        with safe_open(path, framework="np") as file:
            return Header.from_metadata(path, file.metadata())
    except SafetensorError as error:
        raise damaged(path, error) from error
