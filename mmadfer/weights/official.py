"""Files of the method's authors: fine-tuned checkpoints, and the MAE-Face and AudioMAE encoders they start from.

They are pickles. Tensors are read by torch's restricted unpickler; every other object in them becomes an inert
stand-in, and a file that asks for anything not named here is refused. No code of the file ever runs.
"""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import torch

from mmadfer.config import InputSpec, ModelConfig, label_names
from mmadfer.types import WeightsInfo

Tensors = dict[str, torch.Tensor]

PRETRAINED_GRIDS = {"face": (14, 14), "audio": (64, 8)}
"""Patches down and across of the pre-trained encoders: MAE-Face at 224 px, AudioMAE at 1024 x 128."""

_ENCODERS = {"image_encoder": "face", "audio_model": "audio"}
_IGNORED_GLOBALS = (
    "__main__.RecorderMeter",
    "argparse.Namespace",
    "_codecs.encode",
    "numpy.core.multiarray._reconstruct",
    "numpy._core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar",
    "numpy.ndarray",
    "numpy.dtype",
)


class _Ignored:
    """Stands in for any object of the file that is not a tensor; takes whatever it is given and keeps nothing."""

    def __new__(cls, *args: object, **kwargs: object) -> _Ignored:
        return super().__new__(cls)

    def __init__(self, *args: object, **kwargs: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


def read_pickle(path: Path) -> dict[str, Any]:
    """Return the dict in a .pth file, its tensors on the CPU and other objects replaced by stand-ins.

    Raises FileNotFoundError, or ValueError in one sentence where the file is empty, damaged, no checkpoint, or asks
    for objects that only running its code could make.
    """
    if path.stat().st_size == 0:
        raise ValueError(f"{path} is empty (0 bytes); download it again")
    stand_ins: list[Any] = [(_Ignored, name) for name in _IGNORED_GLOBALS]
    try:
        with path.open("rb") as file, torch.serialization.safe_globals(stand_ins):
            content = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        wanted = re.search(r"GLOBAL (\S+)", str(error))
        if wanted:
            raise ValueError(
                f"{path} holds a Python object ({wanted[1]}) that would have to run code to load; only tensors, "
                "numbers and text are read. Save its state_dict alone and try again"
            ) from error
        raise ValueError(f"{path} is no PyTorch checkpoint: it is damaged, or another kind of file") from error
    except PermissionError:
        raise
    except (RuntimeError, OSError, EOFError, KeyError, IndexError, AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged or cut short ({_first_line(error)}); download it again") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds a {type(content).__name__}, not a dict of weights")
    return content


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:120]


def key_table(config: ModelConfig) -> dict[str, str]:
    """Return {official key: our key} of every parameter of an official checkpoint that the model uses."""
    table = {"our_classifier": "classifier", "vision_proj": "joint_projection"}
    block = "temporal_net.temporal_transformer.layers.0"
    table |= {
        f"{block}.0.fn.norm": "temporal.block.attention_norm",
        f"{block}.0.fn.norm2": "temporal.block.unused_norms.0",
        f"{block}.0.fn.fn.to_out.0": "temporal.block.attention.to_out",
        f"{block}.1.fn.norm": "temporal.block.mlp_norm",
        f"{block}.1.fn.norm2": "temporal.block.unused_norms.1",
        f"{block}.1.fn.fn.net.0": "temporal.block.mlp.0",
        f"{block}.1.fn.fn.net.3": "temporal.block.mlp.2",
    }
    for official, ours in _ENCODERS.items():
        table |= {f"{official}.patch_embed.proj": f"{ours}.patch_embed.proj", f"{official}.norm": f"{ours}.norm"}
        for i in range(config.depth):
            for part in ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2"):
                table[f"{official}.blocks.{i}.{part}"] = f"{ours}.blocks.{i}.{part}"
            table[f"{official}.temporal_att_post.{i}.0"] = f"fusion.{i}.{ours}_up"
    for i in range(config.depth):  # both down-projections are kept in the face encoder of the official code
        table[f"image_encoder.temporal_pre.{i}"] = f"fusion.{i}.face_down"
        table[f"image_encoder.temporal_pre_norm.{i}"] = f"fusion.{i}.face_norm"
        table[f"image_encoder.audio_proj_pre.{i}.0"] = f"fusion.{i}.audio_down"
        table[f"image_encoder.audio_proj_pre.{i}.1"] = f"fusion.{i}.audio_norm"
    keys = {f"{a}.{kind}": f"{b}.{kind}" for a, b in table.items() for kind in ("weight", "bias")}
    return keys | _key_table_of_single_tensors(config)


def _key_table_of_single_tensors(config: ModelConfig) -> dict[str, str]:
    attention = "temporal_net.temporal_transformer.layers.0.0.fn.fn"
    keys = {
        "temporal_net.cls_token": "temporal.cls_token",
        "temporal_net.pos_embedding": "temporal.pos_embed",
        f"{attention}.to_q.weight": "temporal.block.attention.to_q.weight",
        f"{attention}.to_kv.weight": "temporal.block.attention.to_kv.weight",
    }
    for official, ours in _ENCODERS.items():
        keys |= {
            f"{official}.cls_token": f"{ours}.cls_token",
            f"{official}.pos_embed": f"{ours}.pos_embed",
            f"{official}.learnable_prompts_init": f"{ours}.prompts.initial",
        }
        for i in range(len(config.prompt_updates)):
            keys[f"{official}.learnable_prompts_progr.{i}"] = f"{ours}.prompts.updates.{i}"
        for i in range(config.depth):
            keys[f"{official}.all_gate.{i}"] = f"fusion.{i}.{ours}_gate"
    return keys


UNUSED_KEYS = tuple(f"{encoder}.head.{kind}" for encoder in _ENCODERS for kind in ("weight", "bias"))
"""The encoders' own classifiers: in every official file, never used."""


def read_checkpoint(path: Path) -> tuple[Tensors, InputSpec, ModelConfig, WeightsInfo]:
    """Return an official checkpoint's tensors under our keys, and the settings read from their shapes.

    Raises ValueError in one sentence that names the file where it is damaged, partial, or another kind of file.
    """
    content = read_pickle(path)
    state = content.get("state_dict", content)
    if not _is_state(state):
        raise ValueError(
            f"{path} is no MMA-DFER checkpoint: it holds {', '.join(map(str, list(content)[:4]))}, no weights"
        )
    state = {key.removeprefix("module."): value for key, value in state.items()}
    if "model" in content or not any(key.startswith(tuple(_ENCODERS)) for key in state):
        raise ValueError(
            f"{path} is no MMA-DFER checkpoint: its keys are {', '.join(list(state)[:3])}, "
            "expected image_encoder.*, audio_model.*, temporal_net.*, vision_proj.* and our_classifier.*"
        )
    spec, config = _settings(path, state)
    table = key_table(config)
    missing = [key for key in table if key not in state]
    unknown = [key for key in state if key not in table and key not in UNUSED_KEYS]
    if missing or unknown:
        raise ValueError(f"{path} is not a whole MMA-DFER checkpoint: {describe_keys(missing, unknown)}")
    info = WeightsInfo(name=path.stem, trained=True, source=path.name)
    return {ours: state[official] for official, ours in table.items()}, spec, config, info


def _is_state(state: object) -> bool:
    return isinstance(state, dict) and all(isinstance(k, str) and isinstance(v, torch.Tensor) for k, v in state.items())


def describe_keys(missing: list[str], unknown: list[str]) -> str:
    """Return a short clause about keys that a file lacks or should not have."""
    parts = [
        f"{len(keys)} {what} (such as {', '.join(keys[:3])})"
        for keys, what in ((missing, "missing keys"), (unknown, "unknown keys"))
        if keys
    ]
    return " and ".join(parts)


def _settings(path: Path, state: Tensors) -> tuple[InputSpec, ModelConfig]:
    """Read sizes from the shapes; what shapes do not tell (heads, update blocks) is the paper's."""
    defining = ("our_classifier.weight", "image_encoder.pos_embed", "image_encoder.learnable_prompts_init")
    missing = [key for key in (*defining, "image_encoder.temporal_pre.0.weight") if key not in state]
    if missing:
        raise ValueError(f"{path} is not a whole MMA-DFER checkpoint: {describe_keys(missing, [])}")
    for key, sides in (
        ("our_classifier.weight", 2),
        ("image_encoder.pos_embed", 3),
        ("image_encoder.learnable_prompts_init", 2),
    ):
        if state[key].ndim != sides or 0 in state[key].shape:
            raise ValueError(f"{path}: {key} has the shape {tuple(state[key].shape)}, expected {sides} sides above 0")
    config = ModelConfig(bottleneck=state["image_encoder.temporal_pre.0.weight"].shape[0])
    num_classes = state["our_classifier.weight"].shape[0]
    patches = state["image_encoder.pos_embed"].shape[1] - 1 - state["image_encoder.learnable_prompts_init"].shape[0]
    side = round(max(patches, 0) ** 0.5)
    if side < 1 or side * side != patches:
        raise ValueError(f"{path}: image_encoder.pos_embed has {patches} patch positions, which is no square image")
    labels = label_names(num_classes)
    # DFEW's crops come with level eyes, MAFW's do not.
    spec = InputSpec(image_size=side * config.patch_size, labels=labels, level_eyes=num_classes == 7)
    return spec, config


def read_pretrained_encoder(path: Path, kind: str, grid: tuple[int, int], config: ModelConfig) -> Tensors:
    """Return a pre-trained encoder's tensors under our keys of ``kind`` ("face" or "audio").

    The position embedding is resized to ``grid`` patches and lengthened by N(0, 1) slots for the prompts.
    Raises ValueError in one sentence that names the file where it is damaged, partial, or another kind of file.
    """
    content = read_pickle(path)
    state = content.get("model", content)
    if not _is_state(state):
        raise ValueError(f"{path} is no pre-trained encoder: it holds no dict of weights")
    parts = ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2")
    modules = ["patch_embed.proj", "norm", *(f"blocks.{i}.{part}" for i in range(config.depth) for part in parts)]
    wanted = ["cls_token", "pos_embed", *(f"{m}.{what}" for m in modules for what in ("weight", "bias"))]
    missing = [key for key in wanted if key not in state]
    if missing:
        raise ValueError(f"{path} is not a whole pre-trained {kind} encoder: {describe_keys(missing, [])}")
    tensors = {f"{kind}.{key}": state[key] for key in wanted}
    old_tokens = 1 + PRETRAINED_GRIDS[kind][0] * PRETRAINED_GRIDS[kind][1]
    if tuple(state["pos_embed"].shape) != (1, old_tokens, config.width):
        raise ValueError(
            f"{path} is no {kind} encoder: its pos_embed has the shape {tuple(state['pos_embed'].shape)}, "
            f"expected {(1, old_tokens, config.width)}"
        )
    resized = resize_pos_embed(state["pos_embed"], PRETRAINED_GRIDS[kind], grid)
    slots = torch.randn(1, config.num_prompts, resized.shape[-1])
    tensors[f"{kind}.pos_embed"] = torch.cat([resized, slots], dim=1)
    return tensors


def resize_pos_embed(pos_embed: torch.Tensor, old: tuple[int, int], new: tuple[int, int]) -> torch.Tensor:
    """Resize ``(1, 1 + old patches, D)`` bicubically to ``(1, 1 + new patches, D)``; the CLS position is kept."""
    from timm.layers import resample_abs_pos_embed  # here, for it takes seconds to import

    return resample_abs_pos_embed(
        pos_embed,
        list(new),
        list(old),
        num_prefix_tokens=1,
        interpolation="bicubic",
        antialias=False,
        align_corners=False,
    )
