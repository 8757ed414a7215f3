"""Scoring the folds of a run: one table, what its records say, and what is damaged in it."""

import json
import re

import numpy as np
import pytest

import mmadfer
from mmadfer import metrics
from mmadfer.preprocess import frame_indices
from tests.support.evaluate import FOLDS, by_hand, five_folds, model, run, softmax, softmax_rows
from tests.support.finetune import SCRATCH, finetune
from train.input.splits import fold_parts
from train.runs.record import RECORD, WEIGHTS
from train.scoring.predictions import load_predictions


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return five_folds(tmp_path_factory.mktemp("prepared"))


def make_run(folder, prepared, folds=FOLDS, **recipe):
    """Write a run folder as train.finetune leaves it, with weights that differ from fold to fold."""
    settings = {"frame_order": "text", "span_matched": False, "calibration": 0.0, **recipe}
    for k, fold in enumerate(folds):
        inside = folder / f"fold-{fold}"
        inside.mkdir(parents=True)
        mmadfer.save_model(model(seed=k, name=f"fold {fold}"), inside / WEIGHTS)
        record = {"finished": "now", "data": {"name": prepared.name, "fold": fold}, "recipe": settings, "seed": 1}
        (inside / RECORD).write_text(json.dumps(record))
    return folder


def test_a_run_of_five_folds_becomes_one_table(prepared, tmp_path):
    folder = make_run(tmp_path / "my-run", prepared)
    assert run(prepared, tmp_path / "out", "--run", folder) == 0
    report = json.loads((tmp_path / "out" / "metrics.json").read_text())
    answers = [load_predictions(tmp_path / "out" / f"predictions-fold-{fold}.npz") for fold in FOLDS]
    uars = [metrics.uar(p.labels, p.answers) for p in answers]
    wars = [metrics.war(p.labels, p.answers) for p in answers]
    assert len(set(uars)) > 1, "the folds should differ, or the mean is tested by nothing"
    assert report["mean"]["folds"] == list(FOLDS)
    assert report["mean"]["uar"] == pytest.approx(sum(uars) / 5)
    assert report["mean"]["war"] == pytest.approx(sum(wars) / 5)
    assert report["mean"]["uar_spread"] == pytest.approx(np.std(uars, ddof=1))
    together = (np.concatenate([getattr(p, name) for p in answers]) for name in ("probabilities", "labels"))
    assert report["mean"]["calibration_error"] == pytest.approx(metrics.calibration_error(*together))
    table = (tmp_path / "out" / "table.md").read_text()
    mean = f"**{100 * sum(uars) / 5:.2f}** | **{100 * sum(wars) / 5:.2f}** |"
    assert [line.endswith(mean) for line in table.splitlines()].count(True) == 1, table
    rows = [line for line in table.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in rows}) == 1, f"ragged table:\n{table}"
    assert "my-run" in table
    assert "missing" not in table
    assert run(prepared, tmp_path / "two", "--run", folder, "--folds", "1", "3") == 0
    assert "Not all folds: 2, 4, 5 of 5 are missing" in (tmp_path / "two" / "table.md").read_text()


def test_what_fine_tuning_reports_is_what_is_scored(prepared, tmp_path):
    """A real run: same clips, same rule, same figures; and the calibration that it stored is applied."""
    settings = ("epochs=2", "lr=0.01", "batch_size=4", "precision=fp32")
    v2 = (*SCRATCH, "--recipe", "v2", "--folds", "1")
    assert finetune(prepared.folder, tmp_path / "run", *settings, start=v2) == 0
    assert run(prepared, tmp_path / "out", "--run", tmp_path / "run", "--folds", "1") == 0
    record = json.loads((tmp_path / "run" / "fold-1" / RECORD).read_text())
    fold = json.loads((tmp_path / "out" / "metrics.json").read_text())["folds"][0]
    found = load_predictions(tmp_path / "out" / "predictions-fold-1.npz")
    assert record["result"]["test/war"] == pytest.approx(metrics.war(found.labels, found.logits.argmax(axis=1)))
    loss = metrics.negative_log_likelihood(softmax_rows(found.logits), found.labels)
    assert record["result"]["test/loss"] == pytest.approx(loss, abs=2e-3)  # resized by PIL here, on the device there
    assert record["stored"]["test/war"] == pytest.approx(fold["war"])
    assert record["stored"]["logit_bias"] == pytest.approx(list(found.subject.logit_bias))
    assert fold["frame_order"] == "natural"


def test_a_runs_own_frame_order_is_used(prepared, tmp_path):
    folder = make_run(tmp_path / "run", prepared, ("1",), frame_order="natural", span_matched=True)
    assert run(prepared, tmp_path / "run-out", "--run", folder, "--folds", "1") == 0
    weights = folder / "fold-1" / WEIGHTS
    assert run(prepared, tmp_path / "file-out", "--weights", weights) == 0  # run.json lies beside it
    a, b = (load_predictions(tmp_path / name / "predictions-fold-1.npz") for name in ("run-out", "file-out"))
    np.testing.assert_array_equal(a.logits, b.logits)
    i = prepared.indices("1", "test")[0]
    n = prepared.clips[i].num_frames
    by_natural_order = softmax(by_hand(mmadfer.load_model(weights), prepared, i, frame_indices(n)))
    np.testing.assert_allclose(softmax(np.float64(a.logits[0])), by_natural_order, atol=2e-3)


def test_what_a_run_held_out_can_be_scored(prepared, tmp_path, capsys):
    folder = make_run(tmp_path / "run", prepared, ("1",), calibration=0.25)
    assert run(prepared, tmp_path / "out", "--run", folder, "--folds", "1", "--part", "held-out") == 0
    found = load_predictions(tmp_path / "out" / "predictions-fold-1.npz")
    held_out = fold_parts(prepared, "1", 0.25, 1).held_out
    assert list(found.clip_ids) == [prepared.clips[i].clip_id for i in held_out]
    plain = make_run(tmp_path / "plain", prepared, ("1",))
    assert run(prepared, tmp_path / "out", "--run", plain, "--folds", "1", "--part", "held-out") == 2
    assert "have no held-out clips" in capsys.readouterr().err


def damage(folder):
    (folder / "fold-1" / WEIGHTS).write_bytes((folder / "fold-1" / WEIGHTS).read_bytes()[:5000])


def forget(folder):
    (folder / "fold-1" / RECORD).write_text('{"finished": "now"}')


def unfinish(folder):
    (folder / "fold-2" / RECORD).write_text('{"finished": ""}')


def mistake(folder):
    (folder / "fold-1").rename(folder / "other")
    (folder / "fold-2").rename(folder / "fold-1")


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (damage, "weights.safetensors is damaged"),
        (forget, "run.json is damaged: it lacks 'recipe'"),
        (lambda folder: (folder / "fold-1" / RECORD).write_text("{"), "run.json is damaged"),
        (unfinish, "fold 2 of the run .* is not finished; there is fold-1"),
        (mistake, "was trained for fold 2 of made, with clips that fold 1 tests on"),
    ],
)
def test_a_damaged_run_is_named(prepared, tmp_path, capsys, harm, message):
    folder = make_run(tmp_path / "run", prepared, ("1", "2"))
    harm(folder)
    assert run(prepared, tmp_path / "out", "--run", folder, "--folds", "1", "2") == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("python -m train.evaluate: ")
    assert re.search(message, said), said
