"""Where the weights to score are, and what is known of how they were trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mmadfer.data.prepared import PreparedSet
from mmadfer.weights import store
from mmadfer.weights.catalogue import UNTRAINED

from ..input.splits import fold_parts
from .record import RECORD, WEIGHTS, read_record


@dataclass(frozen=True)
class Candidate:
    """One set of weights and the fold it is scored on; the defaults are the paper's, for weights without a record."""

    fold: str
    path: Path | None
    """None for untrained weights."""
    order: str = "text"
    """Of the frames in training."""
    span: bool = False
    """Whether frames and sound were taken from the same span."""
    held_out: float = 0.0
    """Share of the training clips that was held out."""
    seed: int = 1

    def clips(self, prepared: PreparedSet, part: str) -> list[int]:
        """Return the clips of ``part``: one of the fold's own, or "held-out" for what the training left out.

        Raises ValueError where there are none.
        """
        if part == "held-out":
            if not self.held_out:
                raise ValueError(
                    "these weights have no held-out clips: no run.json beside them says that training left any out"
                )
            return list(fold_parts(prepared, self.fold, self.held_out, self.seed).held_out)
        found = prepared.indices(self.fold, part)
        if not found:
            there = sorted({clip.splits[self.fold] for clip in prepared.clips if self.fold in clip.splits})
            raise ValueError(
                f"fold {self.fold} of {prepared.name} has no {part} clips; it has {' and '.join(there) or 'no clip'}"
            )
        return found


def of_run(run: str, prepared: PreparedSet, folds: Sequence[str]) -> list[Candidate]:
    """Return the weights of ``folds`` (all that the data set has where none is named) in the folder of a run.

    Raises OSError or ValueError in one sentence where the run is of other data, or a fold is missing, unfinished or
    damaged.
    """
    if not Path(run).is_dir():
        raise FileNotFoundError(f"there is no run {run}; give the folder that train.finetune wrote (its --out)")
    found = []
    for fold in folds or prepared.folds:
        folder = Path(run) / f"fold-{fold}"
        record = read_record(folder)
        if not record.get("finished") or not (folder / WEIGHTS).is_file():
            trained = sorted(path.parent.name for path in Path(run).glob(f"fold-*/{WEIGHTS}"))
            raise FileNotFoundError(
                f"fold {fold} of the run {run} is not finished; there is {', '.join(trained) or 'none'}. Train it, or "
                "name others with --folds"
            )
        found.append(_candidate(fold, folder / WEIGHTS, _training(folder), prepared))
    return found


def of_file(name: str, prepared: PreparedSet, folds: Sequence[str]) -> list[Candidate]:
    """Return the weights in a file, or of a known name; "untrained" gives random ones.

    Args: folds: the one fold to score on; may be left out where run.json beside the file says it, or there is only one.
    Raises OSError or ValueError in one sentence where there are no such weights, or the fold is not settled.
    """
    path = None if name == UNTRAINED else store.resolve(name)
    training = _training(path.parent) if path else None
    chosen = list(folds or ([training.fold] if training else prepared.folds))
    if len(chosen) != 1:
        raise ValueError(
            f"one set of weights is scored on one fold, the one it was trained for: name it with --folds; "
            f"{prepared.name} has {', '.join(prepared.folds)}"
        )
    return [_candidate(chosen[0], path, training, prepared)]


@dataclass(frozen=True)
class _Training:
    """What run.json tells of a training."""

    data: str
    fold: str
    candidate: Candidate


def _training(folder: Path) -> _Training | None:
    record = read_record(folder)
    if not record:
        return None
    try:
        recipe, data, fold = record["recipe"], record["data"]["name"], record["data"]["fold"]
        known = Candidate(
            fold, None, recipe["frame_order"], recipe["span_matched"], recipe["calibration"], record["seed"]
        )
        return _Training(data, fold, known)
    except (KeyError, TypeError) as error:
        raise ValueError(f"{folder / RECORD} is damaged: it lacks {error}; move it away to do without it") from error


def _candidate(fold: str, path: Path | None, training: _Training | None, prepared: PreparedSet) -> Candidate:
    prepared.indices(fold, "test")  # says which folds there are where there is no such one
    if training is None:
        return Candidate(fold, path)
    if training.data == prepared.name and training.fold != fold:
        raise ValueError(
            f"{path} was trained for fold {training.fold} of {training.data}, with clips that fold {fold} tests on: "
            f"score it on fold {training.fold}"
        )
    return replace(training.candidate, fold=fold, path=path)
