"""The model as two ONNX graphs that every engine runs: the encoders over k new frames, and the head over all 16.

With k = 16 and nothing kept the encoder graph is the exact pass; with k = 1 it is the streaming step.
"""

from __future__ import annotations

import copy
import os
import tempfile
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from mmadfer.config import InputSpec, ModelConfig
from mmadfer.files import checksums
from mmadfer.graphs.metadata import read_metadata
from mmadfer.graphs.probe import FILE as PROBE
from mmadfer.graphs.probe import Reference
from mmadfer.models.fingerprint import fingerprint
from mmadfer.types import WeightsInfo

if TYPE_CHECKING:
    from mmadfer.models.mma_dfer import MMADFER

OPSET = 20
"""First opset with LayerNormalization and Gelu as single operators, both of which engines have fast kernels for."""
FORMAT = "mmadfer-graph-3"
"""Version of the folder: inputs, outputs and metadata of the graphs, the probe; a reader refuses an unknown one."""
PRECISIONS = {"fp32": torch.float32, "fp16": torch.float16}
ENCODER_INPUTS = ("frames", "spectrogram", "kept_sum")
ENCODER_OUTPUTS = ("cls", "audio_cls", "means", "audio_means")
HEAD_INPUTS = ("cls", "audio_cls")
HEAD_OUTPUTS = ("logits",)


class EncoderGraph(nn.Module):
    """Both encoders over k new frames of one clip; float32 in and out, whatever the precision inside."""

    def __init__(self, model: MMADFER) -> None:
        """Args: model: its encoders may be in half precision."""
        super().__init__()
        self.model = model
        self.dtype = next(model.face.parameters()).dtype

    def forward(
        self, frames: torch.Tensor, spectrogram: torch.Tensor, kept_sum: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Encode one clip, see `MMADFER.encode`: ``(k, 3, S, S)`` -> ``(k, D)``, ``(1, D)`` and the means."""
        cls, audio_cls, means, audio_means = self.model.encode(
            frames.to(self.dtype).unsqueeze(0), spectrogram.to(self.dtype), kept_sum.to(self.dtype).unsqueeze(0)
        )
        return cls[0].float(), audio_cls.float(), means[0].float(), audio_means[0].float()


class HeadGraph(nn.Module):
    """Fusion over time and the classifier; small, and always in float32."""

    def __init__(self, model: MMADFER) -> None:
        """Args: model: its temporal part must be in float32."""
        super().__init__()
        self.model = model

    def forward(self, cls: torch.Tensor, audio_cls: torch.Tensor) -> torch.Tensor:
        """Classify: ``(T, D)``, ``(1, D)`` -> logits ``(1, C)``."""
        return self.model.head(cls.unsqueeze(0), audio_cls)


@dataclass(frozen=True)
class GraphFolder:
    """Where the two graphs of one set of weights lie, and what they are."""

    path: Path
    spec: InputSpec
    config: ModelConfig
    info: WeightsInfo
    precision: str
    fingerprint: str
    """SHA-256 over settings and weights: graphs and engines made from other weights differ in it."""
    attempt: int = field(default=1, compare=False)
    """1, or 2 where an engine made of the first ones gave wrong answers."""

    @property
    def encoder(self) -> Path:
        """The encoder graph's file."""
        return self.path / "encoder.onnx"

    @property
    def head(self) -> Path:
        """The head graph's file."""
        return self.path / "head.onnx"

    @property
    def probe(self) -> Path:
        """The file with the model's own answer to the probe."""
        return self.path / PROBE

    def reference(self) -> Reference:
        """Return the model's own answer to the probe. Raises OSError or ValueError where there is none."""
        return Reference.load(self.probe)

    def mark(self, file: Path) -> str:
        """Return what tells one of the files from others of its name: its recorded SHA-256."""
        return checksums.sums(self.path)[file.name]

    def intact(self) -> bool:
        """Return whether all files are as they were written, to the last bit."""
        try:
            checksums.check(self.path, whole=True)
        except (OSError, ValueError):
            return False
        return True

    def metadata(self) -> dict[str, str]:
        """Return what both files carry."""
        return {
            "format": FORMAT,
            "spec": self.spec.to_json(),
            "config": self.config.to_json(),
            "info": self.info.to_json(),
            "precision": self.precision,
            "fingerprint": self.fingerprint,
        }


def inexpressible(config: ModelConfig) -> str:
    """Return why the graphs cannot hold a model of this shape, as a clause; empty where they can."""
    if config.keeps_frames and config.context_width:
        return ""
    return (
        "graphs hold only models whose face and sound encoders know each other by their means, not one with the "
        f"modalities {' and '.join(config.modalities)}, fusion {config.fusion!r} and temporal {config.temporal!r}"
    )


def write(model: MMADFER, folder: str | os.PathLike[str], precision: str = "fp32", attempt: int = 1) -> GraphFolder:
    """Write both graphs of ``model`` (on the CPU, float32) into ``folder``, which is made where it is absent.

    Beside them lie the model's own answer to the probe, and the SHA-256 of all files. Each file appears whole or not at
    all. Raises ValueError for an unknown precision, a shape that graphs cannot hold or weights that give no finite
    answers, OSError where writing fails, ImportError where the packages of the export extra are absent.
    """
    if why_not := inexpressible(model.config):
        raise ValueError(f"{why_not}; use the backend pytorch")
    if precision not in PRECISIONS:
        raise ValueError(f"there is no precision {precision!r} for graphs; choose {' or '.join(PRECISIONS)}")
    reference = Reference.of_model(model)
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    graphs = GraphFolder(path, model.spec, model.config, model.info, precision, fingerprint(model), attempt)
    files = [*_write_encoder(model, graphs), *_write_head(model, graphs)]
    with tempfile.TemporaryDirectory(dir=path, prefix=f".{PROBE}.") as temporary:
        reference.save(Path(temporary) / PROBE)
        os.replace(Path(temporary) / PROBE, graphs.probe)
    about = {"format": FORMAT, "fingerprint": graphs.fingerprint, "attempt": str(attempt)}
    checksums.write(path, [*files, PROBE], about)
    return graphs


def _write_encoder(model: MMADFER, graphs: GraphFolder) -> list[str]:
    spec, config = model.spec, model.config
    frames = torch.zeros(min(2, spec.num_frames), 3, spec.image_size, spec.image_size)
    spectrogram = torch.zeros(1, 1, spec.mel.frames, spec.mel.bins)
    kept_sum = torch.zeros(config.depth, config.context_width)
    one = spec.num_frames == 1  # then nothing is dynamic
    new_frames = None if one else torch.export.Dim("k", min=1, max=spec.num_frames)
    return _write(
        EncoderGraph(_converted(model, graphs.precision)),
        (frames, spectrogram, kept_sum),
        ({0: new_frames} if new_frames else None, None, None),
        (ENCODER_INPUTS, ENCODER_OUTPUTS),
        graphs.encoder,
        graphs.metadata(),
    )


def _write_head(model: MMADFER, graphs: GraphFolder) -> list[str]:
    cls, audio_cls = torch.zeros(model.spec.num_frames, model.config.width), torch.zeros(1, model.config.width)
    names = (HEAD_INPUTS, HEAD_OUTPUTS)
    return _write(HeadGraph(model), (cls, audio_cls), None, names, graphs.head, graphs.metadata())


def read(folder: str | os.PathLike[str]) -> GraphFolder:
    """Return the description of the graphs in ``folder``, whose files are as they were written.

    Raises FileNotFoundError where a file is missing, ValueError where one is damaged or they do not belong together.
    """
    path = Path(folder)
    found = [_read_metadata(path / name) for name in ("encoder.onnx", "head.onnx")]
    if found[0] != found[1]:
        raise ValueError(f"encoder.onnx and head.onnx in {path} were made from different weights; export them again")
    values = found[0]
    try:
        about = checksums.check(path)
        attempt = int(about["attempt"])
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{error}; write it with mmadfer export onnx") from error
    except (KeyError, ValueError) as error:
        raise ValueError(f"{error}; export it again") from error
    if (about.get("format"), about.get("fingerprint")) != (FORMAT, values["fingerprint"]):
        raise ValueError(f"the files in {path} do not belong together; export them again")
    return GraphFolder(
        path,
        InputSpec.from_json(values["spec"]),
        ModelConfig.from_json(values["config"]),
        WeightsInfo.from_json(values["info"]),
        values["precision"],
        values["fingerprint"],
        attempt,
    )


def _converted(model: MMADFER, precision: str) -> MMADFER:
    if precision == "fp32":
        return model
    converted = copy.deepcopy(model)
    for module in (converted.face, converted.audio, converted.fusion):
        module.to(PRECISIONS[precision])
    return converted


def _write(
    graph: nn.Module,
    inputs: tuple[torch.Tensor, ...],
    dynamic: tuple[object, ...] | None,
    names: tuple[tuple[str, ...], tuple[str, ...]],
    path: Path,
    metadata: dict[str, str],
) -> list[str]:
    """Write ``graph`` to ``path`` and return the names of its files: a large one has its weights beside it."""
    try:
        import onnx  # noqa: F401 - PyTorch's exporter needs it, and onnxscript
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        raise ImportError(f"writing ONNX needs the package {error.name}: pip install 'mmadfer[export]'") from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # PyTorch's exporter about its own internals
        program = torch.onnx.export(
            graph.eval(),
            inputs,
            dynamo=True,
            opset_version=OPSET,
            input_names=list(names[0]),
            output_names=list(names[1]),
            dynamic_shapes=dynamic,
            verbose=False,
        )
    assert program is not None
    program.model.metadata_props.update(metadata)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as temporary:
        program.save(os.path.join(temporary, path.name))
        files = sorted(os.listdir(temporary))
        for name in files:
            os.replace(os.path.join(temporary, name), path.parent / name)
    return files


def _read_metadata(path: Path) -> dict[str, str]:
    if not path.is_file():
        raise FileNotFoundError(f"there is no graph {path}; write it with mmadfer export onnx")
    try:
        properties = read_metadata(path)
    except (ValueError, OSError) as error:
        raise ValueError(f"{path} is damaged or no ONNX file; export it again") from error
    if properties.get("format") != FORMAT:
        raise ValueError(f"{path} was not written by this version of mmadfer; export it again")
    try:
        return {key: properties[key] for key in ("spec", "config", "info", "precision", "fingerprint")}
    except KeyError as error:
        raise ValueError(f"{path} is damaged: it has no {error}; export it again") from error
