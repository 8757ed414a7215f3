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
from mmadfer.data.adapters.starter import BERLIN_VOICES, CALM_VOICES

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
    parser.add_argument(
        "--calibrate", type=Path, metavar="FILE", help="do the last step alone, on these weights: nothing is trained"
    )
    parser.add_argument("--recipe", type=Path, default=None, metavar="FILE", help="settings in place of the project's")
    parser.add_argument("--accelerator", default="auto", choices=("auto", "cpu", "gpu"), help="what to train on")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="threads that make clips")
    return cli.run(parser, _train, argv)


def _train(arguments: argparse.Namespace) -> int:
    from mmadfer.data.adapters.starter import read_berlin, read_calm, read_faces, read_voices
    from mmadfer.weights import checkpoint

    from .finish import Strangers, calibrated_model
    from .settings import RECIPE, load

    start = time.perf_counter()
    recipe = load(arguments.recipe or RECIPE)
    parts = ("train", "validation")
    faces = {part: read_faces(arguments.data, part) for part in parts}
    voices = {part: read_voices(arguments.data, part) for part in parts}
    strangers = Strangers(read_berlin(arguments.data), read_calm(arguments.data))
    for name, found in ((BERLIN_VOICES, strangers.labelled), (CALM_VOICES, strangers.calm)):
        if not found:
            sys.stderr.write(f"there are no voices in {arguments.data / name}; going on without them\n")
    if arguments.calibrate is None:
        heard = voices | {"train": [*voices["train"], *strangers.calm]}
        model = trained(recipe, faces, heard, arguments.out, arguments.accelerator, arguments.workers)
    else:
        model = checkpoint.load_model(arguments.calibrate)
        arguments.out.mkdir(parents=True, exist_ok=True)
    model = calibrated_model(model.eval(), faces["validation"], voices, strangers, recipe.neutral_recall)
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
    from .settings import with_statistics
    from .sound import Columns
    from .stages import faces_alone, joined, voices_alone

    recipe = replace(recipe, spec=with_statistics(recipe.spec, *Columns.of(voices["train"], recipe.spec).statistics()))
    face = faces_alone(recipe, faces).run(out, accelerator, workers)
    audio = voices_alone(recipe, voices).run(out, accelerator, workers)
    return joined(recipe, faces, voices, face, audio).run(out, accelerator, workers)


if __name__ == "__main__":
    sys.exit(main())
