"""Scoring of prepared clips: each protocol against the model called by hand; what the command writes and refuses."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

import mmadfer
from mmadfer import metrics
from mmadfer.data.sampling import two_clip_indices
from mmadfer.preprocess import frame_indices
from tests.support.evaluate import LABELS, by_hand, five_folds, model, run, softmax, softmax_rows
from train import evaluate
from train.scoring.predictions import UNTRAINED, load_predictions
from train.scoring.protocols import CENTRE, averaged


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return five_folds(tmp_path_factory.mktemp("prepared"))


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Return a file of small weights that count as trained, with a temperature and a bias."""
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    return mmadfer.save_model(model(temperature=2.0, logit_bias=(0.3, -0.2, -0.1)), path)


def expected(made, prepared, i, protocol):
    """Return the logits that the protocol gives clip i, written out once more."""
    order, n = prepared.text_order(i), prepared.clips[i].num_frames
    if protocol == "uniform":
        return by_hand(made, prepared, i, [order[k] for k in frame_indices(n)])
    clips = [[order[k] for k in indices] for indices in two_clip_indices(n)]
    cut = round(prepared.image_size * (1 - CENTRE) / 2)
    margins = (0,) if protocol == "two-clip" else (0, cut)
    assert cut == 4
    answers = [softmax(by_hand(made, prepared, i, clip, margin)) for clip in clips for margin in margins]
    return np.log(np.mean(answers, axis=0))


@pytest.mark.parametrize("protocol", ["uniform", "two-clip", "views"])
def test_answers_are_the_models_own(prepared, weights, tmp_path, protocol):
    assert run(prepared, tmp_path, "--weights", weights, "--fold", "2", "--protocol", protocol, "--batch-size", 3) == 0
    found = load_predictions(tmp_path / "predictions-fold-2.npz")
    indices = prepared.indices("2", "test")
    assert list(found.clip_ids) == [prepared.clips[i].clip_id for i in indices]
    assert found.labels.tolist() == [prepared.label_index(i) for i in indices]
    made = mmadfer.load_model(weights)
    theirs = np.stack([expected(made, prepared, i, protocol) for i in indices])
    furthest = np.abs(softmax_rows(found.logits) - softmax_rows(theirs)).max()
    assert furthest < 2e-3, f"probabilities off by {furthest:.2e}"  # JPEG decoders differ by single levels
    shown = softmax_rows((theirs + np.array([0.3, -0.2, -0.1])) / 2.0)
    furthest = np.abs(found.probabilities - shown).max()
    assert furthest < 2e-3, f"calibrated probabilities off by {furthest:.2e}"
    assert len(np.unique(found.probabilities.round(3), axis=0)) > 2, "every clip got the same answer"


def test_views_are_averaged_as_probabilities():
    logits = np.log(np.array([[[9.0, 1.0], [1.0, 1.0]]], dtype=np.float32))  # 0.9 and 0.1, 0.5 and 0.5
    np.testing.assert_allclose(np.exp(averaged(logits)), [[0.7, 0.3]], rtol=1e-6)
    np.testing.assert_array_equal(averaged(logits[:, :1]), logits[:, 0])
    assert np.isfinite(averaged(np.float32([[[0, 900], [0, 900]]]))).all()


def test_frame_order_and_batches_and_workers(prepared, weights, tmp_path):
    options = ("--weights", weights, "--fold", "1")
    for name, more in {"a": (), "b": ("--batch-size", 1, "--workers", 1), "c": ("--frame-order", "natural")}.items():
        assert run(prepared, tmp_path / name, *options, *more) == 0
    a, b, c = (load_predictions(tmp_path / name / "predictions-fold-1.npz").logits for name in "abc")
    assert np.abs(a - b).max() < 1e-3
    assert np.abs(a - c).max() > 1e-3  # unpadded names: another order


def test_outputs_agree_with_the_answers(prepared, weights, tmp_path, capsys):
    assert run(prepared, tmp_path, "--weights", weights, "--fold", "1") == 0
    found = load_predictions(tmp_path / "predictions-fold-1.npz")
    report = json.loads((tmp_path / "metrics.json").read_text())
    fold = report["folds"][0]
    answers = found.probabilities.argmax(axis=1)
    assert fold["war"] == metrics.war(found.labels, answers) == report["mean"]["war"]
    assert fold["uar"] == metrics.uar(found.labels, answers)
    assert fold["confusion"] == metrics.confusion_matrix(found.labels, answers, 3).tolist()
    assert fold["calibration"]["error"] == metrics.calibration_error(found.probabilities, found.labels)
    before = metrics.calibration_error(softmax_rows(found.logits), found.labels)
    assert fold["calibration"]["error_before_calibration"] == pytest.approx(before)
    assert fold["subject"]["train_counts"] == [8, 8, 8]
    assert "warning" not in report
    table = (tmp_path / "table.md").read_text()
    assert f"| {100 * fold['uar']:.2f} | {100 * fold['war']:.2f} |" in table
    assert capsys.readouterr().out.strip() == table.strip()
    for name in ("confusion.png", "reliability.png"):
        picture = Image.open(tmp_path / name)
        assert min(picture.size) > 400
        assert "small on made, fold 1" in picture.text["Title"]


def test_untrained_weights_are_said_to_be_so_everywhere(prepared, tmp_path, capsys):
    path = mmadfer.save_model(model(trained=False, name="untrained"), tmp_path / "w.safetensors")
    assert run(prepared, tmp_path, "--weights", path, "--fold", "1") == 0
    said = capsys.readouterr()
    assert UNTRAINED in said.err
    assert UNTRAINED in said.out
    assert UNTRAINED in (tmp_path / "table.md").read_text()
    report = json.loads((tmp_path / "metrics.json").read_text())
    assert report["warning"] == report["folds"][0]["warning"] == UNTRAINED
    assert load_predictions(tmp_path / "predictions-fold-1.npz").subject.warning == UNTRAINED
    for name in ("confusion.png", "reliability.png"):
        assert Image.open(tmp_path / name).text["Warning"] == UNTRAINED


def test_classes_are_matched_by_name(prepared, weights, tmp_path):
    """The same weights with their outputs in another order answer the same."""
    made = mmadfer.load_model(weights)
    order = [2, 0, 1]
    made.classifier.weight.data, made.classifier.bias.data = (
        made.classifier.weight.data[order],
        made.classifier.bias.data[order],
    )
    made.spec = dataclasses.replace(made.spec, labels=tuple(LABELS[k] for k in order))
    made.info = dataclasses.replace(made.info, logit_bias=tuple(made.info.logit_bias[k] for k in order))
    other = mmadfer.save_model(made, tmp_path / "turned.safetensors")
    for name, path in (("a", weights), ("b", other)):
        assert run(prepared, tmp_path / name, "--weights", path, "--fold", "1") == 0
    a, b = (load_predictions(tmp_path / name / "predictions-fold-1.npz") for name in "ab")
    assert a.subject.classes == b.subject.classes == LABELS
    assert np.abs(a.probabilities - b.probabilities).max() < 1e-5


def test_weights_of_more_classes_are_refused_or_scored_on_the_shared_ones(prepared, tmp_path, capsys):
    labels = ("neutral", "anger", "happiness")
    made = model(labels, logit_bias=(0.5, 9.0, -0.5))
    path = mmadfer.save_model(made, tmp_path / "w.safetensors")
    options = ("--weights", path, "--fold", "1")
    assert run(prepared, tmp_path, *options) == 2
    said = capsys.readouterr().err
    assert "only the weights have anger; only made has sadness. Add --shared-labels to score the 2" in said
    assert run(prepared, tmp_path, *options, "--shared-labels") == 0
    found = load_predictions(tmp_path / "predictions-fold-1.npz")
    assert found.subject.classes == ("happiness", "neutral")
    assert found.subject.logit_bias == (-0.5, 0.5)
    assert not any("sadness" in clip for clip in found.clip_ids)
    i = prepared.indices("1", "test")[0]
    theirs = expected(made, prepared, i, "uniform")[[2, 0]]
    np.testing.assert_allclose(found.probabilities[0], softmax(theirs + np.array([-0.5, 0.5])), atol=2e-3)
    table = (tmp_path / "table.md").read_text()
    assert "2 of 6 clips are of other classes and left out" in table
    assert "Only the classes that weights and data share" in table
    no_more = mmadfer.save_model(model(("a", "neutral")), tmp_path / "n.safetensors")
    assert run(prepared, tmp_path, "--weights", no_more, "--fold", "1", "--shared-labels") == 2
    assert "they share only neutral" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--fold", "9"), "made has no fold '9'; it has 1, 2, 3, 4, 5"),
        ((), "name it with --folds; made has 1, 2, 3, 4, 5"),
        (("--fold", "1", "--part", "validation"), "fold 1 of made has no validation clips; it has test and train"),
        (("--fold", "1", "--protocol", "live"), "give the folder that they are in as --root"),
        (("--fold", "1", "--protocol", "live", "--root", "."), "are not in .; give the data set's own folder"),
        (("--fold", "1", "--root", "."), "are for the protocol live, not for uniform"),
        (("--fold", "1", "--batch-size", "0"), "--batch-size must be 1 or more"),
        (("--fold", "1", "--device", "cuda:99"), "cuda"),
    ],
)
def test_wrong_options_are_one_sentence(prepared, weights, tmp_path, capsys, options, message):
    assert run(prepared, tmp_path / "out", "--weights", weights, *options) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert message in said


def test_what_is_not_there_or_does_not_fit_is_one_sentence(prepared, weights, tmp_path, capsys):
    assert run(prepared, tmp_path, "--run", tmp_path / "none") == 2
    assert "there is no run" in capsys.readouterr().err
    assert run(prepared, tmp_path, "--weights", tmp_path / "none.pth") == 2
    assert "none.pth" in capsys.readouterr().err
    assert evaluate.main([str(tmp_path), "--weights", str(weights)]) == 2
    assert "is no prepared set" in capsys.readouterr().err
    made = model()
    made.spec = dataclasses.replace(made.spec, sample_rate=44_100)
    path = mmadfer.save_model(made, tmp_path / "w.safetensors")
    assert run(prepared, tmp_path, "--weights", path, "--fold", "1") == 2
    assert "prepare it again with --sample-rate 44100" in capsys.readouterr().err
