"""``python -m train.starter DATA --out RUN``: from the starter data to the starter weights, in parts if need be."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mmadfer import cli

if TYPE_CHECKING:
    from mmadfer.data.adapters.starter import Faces, Voice
    from mmadfer.models.mma_dfer import MMADFER

    from .settings import StarterRecipe

WEIGHTS = "starter.safetensors"


def main(argv: Sequence[str] | None = None) -> int:
    """Train the starter weights; returns the exit code."""
    parser = cli.Parser(
        "python -m train.starter",
        "Train the starter weights: faces, then voices, then what joins them. A run that was stopped goes on from its "
        "last whole epoch when it is started again.",
    )
    parser.add_argument("data", type=Path, metavar="DATA", help="folder with faces.npz and voices/")
    parser.add_argument("--out", type=Path, required=True, metavar="RUN", help="folder to write")
    parser.add_argument("--recipe", type=Path, default=None, metavar="FILE", help="settings in place of the project's")
    parser.add_argument("--accelerator", default="auto", choices=("auto", "cpu", "gpu"), help="what to train on")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="threads that make clips")
    return cli.run(parser, _train, argv)


def _train(arguments: argparse.Namespace) -> int:
    from mmadfer.data.adapters.starter import read_faces, read_voices
    from mmadfer.weights import checkpoint

    from .finish import calibrated_model
    from .settings import RECIPE, load

    start = time.perf_counter()
    recipe = load(arguments.recipe or RECIPE)
    parts = ("train", "validation")
    faces = {part: read_faces(arguments.data, part) for part in parts}
    voices = {part: read_voices(arguments.data, part) for part in parts}
    model = trained(recipe, faces, voices, arguments.out, arguments.accelerator, arguments.workers)
    model = calibrated_model(model, faces["validation"], voices["validation"])
    path = checkpoint.save_model(model.half(), arguments.out / WEIGHTS)
    minutes = (time.perf_counter() - start) / 60
    sys.stdout.write(f"written: {path}, {path.stat().st_size / 1e6:.1f} MB; this run took {minutes:.0f} min\n")
    return 0


def trained(
    recipe: StarterRecipe,
    faces: dict[str, Faces],
    voices: dict[str, list[Voice]],
    out: Path,
    accelerator: str = "auto",
    workers: int = 0,
) -> MMADFER:
    """Return the trained model, not calibrated yet; each stage in a folder of ``out``.

    Args: faces and voices: of the parts "train" and "validation".
    """
    from .clips import NOTHING_MISSING, SOMETIMES_SILENT, Shares, StarterClips, balanced
    from .motion import MILD, STILL, Motion
    from .settings import with_statistics
    from .sound import Variation, columns_of, statistics
    from .stages import Stage, joined, single

    spec = with_statistics(recipe.spec, *statistics([columns_of(voice, recipe.spec) for voice in voices["train"]]))
    one, seed = replace(spec, num_frames=1), recipe.seed
    face = Stage(
        "faces",
        single("face", spec, recipe.config, seed),
        recipe.stages["faces"],
        StarterClips(one, faces["train"], motion=Motion(), indices=balanced(faces["train"].labels, 0.7), seed=seed),
        StarterClips(one, faces["validation"], motion=STILL),
    ).run(out, accelerator, workers)
    voice_labels = StarterClips(one, voices=voices["train"]).labels
    audio = Stage(
        "voices",
        single("audio", spec, recipe.config, seed),
        recipe.stages["voices"],
        StarterClips(
            one,
            voices=voices["train"],
            variation=Variation(),
            shares=SOMETIMES_SILENT,
            indices=balanced(voice_labels, 0.5),
            seed=seed,
        ),
        StarterClips(one, voices=voices["validation"]),
    ).run(out, accelerator, workers)
    few = balanced(faces["validation"].labels, 1.0)[::4]
    many = balanced(faces["train"].labels, 0.7)
    return Stage(
        "joined",
        joined(face, audio, spec, recipe.config, seed),
        recipe.stages["joined"],
        StarterClips(
            spec,
            faces["train"],
            voices["train"],
            motion=Motion(),
            variation=Variation(),
            shares=Shares(),
            indices=many[::8],
            seed=seed,
        ),
        StarterClips(spec, faces["validation"], voices["validation"], motion=MILD, shares=NOTHING_MISSING, indices=few),
    ).run(out, accelerator, workers)


if __name__ == "__main__":
    sys.exit(main())
