"""The paper's variants of the model: every row of docs/ablations.md, by its settings alone."""

import dataclasses
import re

import pytest
import torch
from torch import nn

from mmadfer.backends import load_backend
from mmadfer.backends.openvino.backend import OpenVINOBackend
from mmadfer.backends.pytorch.backend import PyTorchBackend
from mmadfer.config import FUSIONS, InputSpec, ModelConfig
from mmadfer.graphs import graph
from mmadfer.media.media_file import open_media
from mmadfer.models.mma_dfer import MMADFER, untrained_model
from mmadfer.models.mma_dfer.prompts import ProgressivePrompts
from mmadfer.stream.hops import file_windows
from mmadfer.stream.step import StreamingStep
from mmadfer.weights import checkpoint
from tests.support.places import ROOT
from tests.support.small_variants import SMALL, SPEC, clip, opened
from tests.support.steps import difference, exact
from train.loop.module import freeze_unreached
from train.overrides import from_assignments

PAGE = ROOT / "docs" / "ablations.md"


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of the page's table."""

    name: str
    settings: tuple[str, ...]
    millions: str
    runs_as: str


def rows():
    """Return the rows of the page's table."""
    cells = [[c.strip(" *`") for c in line.split("|")[1:-1]] for line in PAGE.read_text().splitlines() if "|" in line]
    return [Row(f"{what}: {name}", tuple(text.split()), count, runs) for what, name, text, count, runs in cells[2:]]


ROWS = rows()
EACH = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


def variant(row):
    """Return a small model of the row's kind whose gates are open, so that everything reaches everything."""
    return opened(untrained_model(SPEC, from_assignments(SMALL, row.settings, "--model")))


def test_the_page_names_every_variant():
    assert len(ROWS) == 26
    found = {setting for row in ROWS for setting in row.settings}
    assert found >= {f"fusion={name}" for name in FUSIONS}
    assert found >= {f"temporal={name}" for name in ("none", "adapters", "transformer", "both")}
    assert found >= {"modalities=audio", "modalities=face", "num_prompts=0", "prompt_updates="}
    assert found >= {f"bottleneck={width}" for width in (64, 128, 256, 512)}
    assert found >= {f"temporal_adapter_width={width}" for width in (64, 128, 256)}
    updates = [s.count(",") + 1 for row in ROWS for s in row.settings if re.match(r"prompt_updates=\d", s)]
    assert updates == [2, 4, 6, 12]


@EACH
def test_counts_and_engines_are_as_the_page_says(row):
    config = from_assignments(ModelConfig(), row.settings, "--model")
    with torch.device("meta"):
        model = MMADFER(InputSpec(image_size=160), config)
    assert f"{sum(p.numel() for p in model.tunable_parameters()) / 1e6:.3f}" == row.millions
    kind = "all" if not graph.inexpressible(config) else "step" if config.keeps_frames else "whole"
    assert kind == row.runs_as


@EACH
def test_every_tunable_parameter_is_reached_and_no_frozen_one(row):
    model = variant(row).train()
    logits = model(*clip(0))
    assert logits.shape == (2, 3)
    assert torch.isfinite(logits).all()
    logits[:, 0].sum().backward()
    reached = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    tunable = {id(p) for p in model.tunable_parameters()}
    used = {name for name, p in model.named_parameters() if id(p) in tunable and "unused_norms" not in name}
    assert len(used) > 10
    last = [i for i, block in enumerate(model.config.prompt_updates) if block == 11]
    without_effect = {f"{kind}.prompts.updates.{i}" for i in last for kind in ("face", "audio")}
    assert reached == used - without_effect  # past the last block only CLS is read
    freeze_unreached(model)
    assert {name for name, p in model.named_parameters() if p.requires_grad} == used


@EACH
def test_clips_of_a_batch_do_not_see_each_other(row):
    model = variant(row)
    frames, sound = clip(0, 3)
    together = model(frames, sound)
    alone = torch.cat([model(frames[i : i + 1], sound[i : i + 1]) for i in range(3)])
    off = (together - alone).abs().max().item()
    assert off < 1e-5, f"off by {off:.1e}"


@EACH
def test_weights_survive_the_file(row, tmp_path):
    model = variant(row)
    again = checkpoint.load_model(checkpoint.save_model(model, tmp_path / "variant.safetensors"))
    assert again.config == model.config
    assert {n for n, p in again.named_parameters() if p.requires_grad} == {
        n for n, p in model.named_parameters() if p.requires_grad
    }
    off = (again(*clip(0)) - model(*clip(0))).abs().max()
    assert off == 0, f"off by {off:.1e}"


@EACH
def test_each_input_counts_where_its_encoder_is_there_and_only_there(row):
    model = variant(row)
    frames, sound = clip(0)
    other_frames, other_sound = clip(1)
    logits = model(frames, sound)
    moved = {"face": model(other_frames, sound), "audio": model(frames, other_sound)}
    for modality, answer in moved.items():
        assert torch.equal(answer, logits) == (modality not in model.config.modalities), modality
    face_cls, audio_cls = model.encode(frames, sound)[:2]
    for modality, cls in (("face", face_cls), ("audio", audio_cls)):
        assert (cls == 0).all() == (modality not in model.config.modalities), modality


@EACH
def test_frames_are_kept_or_refused(row):
    model = variant(row)
    frames, sound = clip(0)
    if model.config.keeps_frames:
        cls, audio_cls, means, audio_means = model.encode(frames, sound)
        step = model.encode(frames[:, -1:], sound, means[:, :-1].sum(dim=1))
        faces = model.encode_faces(frames[:, -1:], audio_means)
        expected = (cls[:, -1:], audio_cls, means[:, -1:], audio_means, cls[:, -1:], means[:, -1:])
        pairs = zip((*step, *faces), expected, strict=True)
        off = max([(a - b).abs().max().item() for a, b in pairs if a.numel()])
        assert off < 1e-5, f"the step is off by {off:.1e}"
    else:
        with pytest.raises(ValueError, match=r"see each other in its encoders: give all 4 of a clip, not 1"):
            model.encode(frames[:, -1:], sound)


@EACH
def test_frames_see_each_other_before_the_head_only_where_they_are_not_kept(row):
    model = variant(row)
    frames, sound = clip(0)
    for fusion in model.fusion:  # what frames see of each other through the sound is the known difference of a step
        if hasattr(fusion, "audio_gate"):
            fusion.audio_gate.data.zero_()
    other = torch.cat([frames[:, :1], clip(1)[0][:, 1:]], dim=1)
    first = [model.encode(given, sound)[0][:, 0] for given in (frames, other)]
    assert torch.allclose(*first, atol=1e-6) == (
        model.config.keeps_frames or row.name == "fusion: multimodal transformer"
    )


@pytest.mark.parametrize("row", [row for row in ROWS if row.name.startswith("fusion")], ids=lambda row: row.name)
def test_either_encoder_sees_the_other_where_there_is_fusion(row):
    model = variant(row)
    (frames, sound), (other_frames, other_sound) = clip(0), clip(1)
    face_cls, audio_cls = model.encode(frames, sound)[:2]
    fused = model.config.exchange != "none"
    assert torch.equal(model.encode(frames, other_sound)[0], face_cls) != fused
    last = torch.cat([frames[:, :-1], other_frames[:, -1:]], dim=1)  # every frame counts
    assert torch.equal(model.encode(last, sound)[1], audio_cls) != fused


@pytest.mark.parametrize("row", [row for row in ROWS if row.name.startswith(("fusion", "time"))], ids=lambda r: r.name)
def test_behind_closed_gates_each_variant_starts_as_the_frozen_encoders(row):
    config = from_assignments(SMALL, row.settings, "--model")
    model = untrained_model(SPEC, config)
    plain = untrained_model(SPEC, dataclasses.replace(config, fusion="none", temporal="none"))
    shared = model.state_dict()
    plain.load_state_dict({key: shared[key] for key in plain.state_dict()})
    for ours, theirs in zip(model.encode(*clip(0))[:2], plain.encode(*clip(0))[:2], strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize(
    ("updates", "touched"),
    [
        (1, [(0, 1, 2, 3, 4, 5)]),
        (2, [(0, 1, 2), (3, 4, 5)]),
        (4, [(0, 1, 2), (3, 4, 5), (0, 1, 2), (3, 4, 5)]),
        (6, [(0,), (1,), (2,), (3,), (4,), (5,)]),
        (12, [(k % 6,) for k in range(12)]),
    ],
)
def test_updates_go_round_the_prompts(updates, touched):
    prompts = ProgressivePrompts(6, 8, range(updates))
    tokens = prompts(torch.zeros(1, 3, 8))
    for block in range(updates):
        changed = (prompts.after_block(block, tokens) - tokens).abs().sum(dim=-1)[0].nonzero().flatten().tolist()
        assert tuple(k - 3 for k in changed) == touched[block]
    assert torch.equal(prompts.after_block(updates, tokens), tokens)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fusion": "concat"}, "fusion must be one of bottleneck, addition, multimodal, .* got 'concat'"),
        ({"temporal": "mean"}, "temporal must be one of transformer, adapters, both, none, got 'mean'"),
        ({"stem": "resnet"}, "stem must be one of patch, conv, got 'resnet'"),
        ({"modalities": ("audio", "face")}, "modalities must be 'face', 'audio' or both in this order"),
        ({"modalities": ()}, "modalities must be"),
        ({"modalities": ("audio",), "temporal": "both"}, "adapters between frames, which sound alone has not"),
        ({"prompt_updates": (0, 1, 2, 3, 4)}, r"num_prompts \(6\) must divide evenly among the 5 prompt_updates"),
        ({"prompt_updates": (3, 3)}, "must name each block once"),
        ({"temporal_adapter_width": 0}, "temporal_adapter_width must be positive"),
        ({"audio_patch_size": 0}, "audio_patch_size must be positive"),
    ],
)
def test_settings_that_make_no_model_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        ModelConfig(**change)


def test_a_file_of_before_there_were_variants_is_the_papers_model():
    text = (
        '{"width": 768, "depth": 12, "heads": 12, "patch_size": 16, "bottleneck": 128, "num_prompts": 6, '
        '"prompt_updates": [0, 6], "drop_path": 0.1, "temporal_width": 512, "temporal_heads": 8, "temporal_mlp": 1024}'
    )
    assert ModelConfig.from_json(text) == ModelConfig()
    config = ModelConfig(modalities=("face",), fusion="addition", temporal="both")
    assert ModelConfig.from_json(config.to_json()) == config


@EACH
def test_half_precision_stays_close(row):
    model = variant(row)
    expected = model(*clip(0)).softmax(-1)
    engine = PyTorchBackend(model, "cpu", "bf16")
    engine.warmup()
    off = (engine(*clip(0)).softmax(-1) - expected).abs().max().item()
    assert off < 0.02, f"off by {off:.4f}"


@pytest.mark.parametrize("settings", [("temporal=adapters",), ("fusion=concatenation",), ("modalities=face",)])
def test_where_frames_cannot_be_kept_the_stream_computes_windows_whole(settings, clips):
    config = from_assignments(SMALL, settings, "--model")
    spec = InputSpec(image_size=32)
    engine = PyTorchBackend(opened(untrained_model(spec, config)), "cpu", "fp32")
    engine.warmup()
    assert engine.keeps_sound == config.keeps_frames
    step = StreamingStep(engine)
    windows = list(file_windows(open_media(clips / "derived_face_jfk_6s_44k.mp4"), spec, spec.hop_seconds))[17:20]
    for count, given in enumerate(windows):
        off = difference(step.logits(given), exact(engine, given))
        whole = count == 0 or not config.keeps_frames
        assert (step.new_frames == 16) is whole
        assert step.new_sound
        # A kept frame may lie beside its place in the window.
        assert off < (1e-5 if whole else 0.01), f"off by {off:.1e}"


def test_graphs_refuse_what_they_cannot_hold_and_the_automatic_choice_says_so(tmp_path):
    for settings in (("temporal=both",), ("fusion=multimodal",), ("modalities=face",), ("fusion=none",)):
        config = from_assignments(SMALL, settings, "--model")
        with pytest.raises(ValueError, match=r"^graphs hold only models whose .*; use the backend pytorch$"):
            graph.write(untrained_model(SPEC, config), tmp_path)
        with pytest.raises(ValueError, match="use the backend pytorch"):
            load_backend(untrained_model(SPEC, config), "openvino", "cpu")
        engine = load_backend(untrained_model(SPEC, config), "auto", "cpu", "fp32")
        assert engine.description.startswith("PyTorch fp32")
        assert "graphs hold only models whose" in engine.reason
        assert engine(*clip(0)).shape == (2, 3)
    assert list(tmp_path.iterdir()) == []


def test_addition_runs_in_openvino_too(tmp_path):
    config = dataclasses.replace(SMALL, fusion="addition", depth=3, prompt_updates=(0,))
    model = opened(untrained_model(SPEC, config))
    plain, engine = PyTorchBackend(model, "cpu", "fp32"), OpenVINOBackend(graph.write(model, tmp_path), "fp32")
    frames, sound = (tensor[0] for tensor in clip(0))
    whole = plain.encode(frames, sound[None], torch.zeros(3, 32))
    for ours, theirs in (
        (engine.encode(frames, sound[None], torch.zeros(3, 32)).cls, whole.cls),
        (engine.encode(frames[-1:], sound[None], whole.means[:-1].sum(dim=0)).cls, whole.cls[-1:]),
        (engine.encode_faces(frames[-1:], whole.audio_means)[0], whole.cls[-1:]),
        (engine(*clip(0)), plain(*clip(0))),
    ):
        off = (ours - theirs).abs().max().item()
        assert off < 1e-4, f"off by {off:.1e}"


def test_pretrained_encoders_are_read_only_where_there_is_a_place_for_them(tmp_path):
    whole = untrained_model(SPEC, SMALL)
    wanted = {"cls_token", "patch_embed", "blocks", "norm"}
    state = {key: value for key, value in whole.face.state_dict().items() if key.split(".")[0] in wanted}
    state["pos_embed"] = torch.rand(1, 1 + 14 * 14, SMALL.width)
    torch.save({"model": state}, tmp_path / "face.pth")
    config = dataclasses.replace(SMALL, modalities=("face",), num_prompts=0)
    model = checkpoint.load_pretrained(tmp_path / "face.pth", tmp_path / "absent.pth", SPEC, config)
    assert torch.equal(model.face.blocks[11].attn.qkv.weight, state["blocks.11.attn.qkv.weight"])
    assert isinstance(model.face.pos_embed, nn.Parameter)
    assert model.face.pos_embed.shape == (1, 1 + 2 * 2, SMALL.width)
    with pytest.raises(ValueError, match="stem 'conv' was asked for; choose stem 'patch'"):
        checkpoint.load_pretrained(
            tmp_path / "face.pth", tmp_path / "absent.pth", SPEC, dataclasses.replace(config, stem="conv")
        )
