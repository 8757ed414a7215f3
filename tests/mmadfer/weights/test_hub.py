"""Weights of the Hugging Face hub, by its real client against a server that answers as the hub does."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import safetensors.numpy
import yaml

from mmadfer.files import checksums
from mmadfer.weights import card, starter, store
from mmadfer.weights.header import read_header
from mmadfer.weights.hub import FILE, HubName
from tests.support import fake_hub
from tests.support.fake_hub import Hub
from tests.support.places import ROOT

NAME = "somebody/emotions"
WEIGHTS = starter.FILE.read_bytes()


@pytest.fixture
def hub() -> Iterator[Hub]:
    with fake_hub.serve() as hub:
        yield hub


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home of the hub"


def run(hub: Hub, home: Path, *command: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command of Python that asks ``hub``; its client reads where that is once, when it is imported."""
    left_out = re.compile("HF_|.*_proxy$", re.IGNORECASE)
    kept = {name: value for name, value in os.environ.items() if not left_out.match(name)}
    places = {"HF_ENDPOINT": hub.address, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *command], env={**kept, **places, **settings}, capture_output=True, text=True, timeout=120
    )


def weights(hub: Hub, home: Path, *arguments: str, **settings: str) -> str:
    """Run ``python -m mmadfer.weights``, which must succeed; returns what it prints."""
    done = run(hub, home, "-m", "mmadfer.weights", *arguments, **settings)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(hub: Hub, home: Path, *arguments: str, **settings: str) -> str:
    """Run ``python -m mmadfer.weights``, which must end with one sentence; returns it."""
    done = run(hub, home, "-m", "mmadfer.weights", *arguments, **settings)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


NAMES = {
    "org/name": HubName("org/name"),
    "org/name-v1.5@v2": HubName("org/name-v1.5", "v2"),
    "Org_1/n.a-m_e@refs/pr/1": HubName("Org_1/n.a-m_e", "refs/pr/1"),
    "org/weights.pth": None,
    "runs/best.SafeTensors": None,
    "org/name/deeper": None,
    "./org/name": None,
    "../name": None,
    "/org/name": None,
    "~/name": None,
    "org/": None,
    "org/name@": None,
    "org/na me": None,
    "starter": None,
    "dfew@v1": None,
}


@pytest.mark.parametrize("text", NAMES)
def test_names_of_the_hub_are_told_from_paths_and_other_names(text):
    assert HubName.parse(text) == NAMES[text]
    assert str(NAMES[text] or text) == text


def test_a_path_that_exists_wins(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mmadfer.weights.hub.fetch", lambda name: pytest.fail(f"asked the hub for {name}"))
    (tmp_path / "org/folder").mkdir(parents=True)
    (tmp_path / "org/name").write_bytes(b"x")
    assert store.resolve("org/name") == Path("org/name")
    with pytest.raises(IsADirectoryError, match="org/folder is a folder"):
        store.resolve("org/folder")
    with pytest.raises(FileNotFoundError, match=r"there is no file org/name\.pth"):
        store.resolve("org/name.pth")


def test_weights_are_fetched_once_and_found_by_name_and_revision(hub, home):
    repository = hub.add(NAME, {FILE: WEIGHTS})
    old = repository.refs["main"]
    path = Path(weights(hub, home, "fetch", NAME).strip())
    assert path.read_bytes() == WEIGHTS and path.is_relative_to(home)
    hub.requests.clear()
    assert weights(hub, home, "fetch", f"{NAME}@{old}").strip() == str(path)
    assert weights(hub, home, "path", NAME).strip() == str(path)
    assert f"  {NAME}  11 MB\n" in weights(hub, home, "list")
    assert [request for request in hub.requests if request.startswith("GET /large")] == [], "what is here came again"
    repository.commit({FILE: safetensors.numpy.save({}, read_header(starter.FILE).to_metadata())})
    newer = Path(weights(hub, home, "fetch", NAME).strip())
    assert newer.stat().st_size < 10_000 and path.read_bytes() == WEIGHTS, "another commit, another file"
    assert weights(hub, home, "remove", f"{NAME}@{old}") == f"deleted {path.parent}\n"
    assert not path.exists() and newer.exists()
    assert weights(hub, home, "remove", NAME) == f"deleted {newer.parent}\n"
    assert f"nothing of {NAME} is in the hub's cache" in refused(hub, home, "remove", NAME)
    assert f"run `python -m mmadfer.weights fetch {NAME}`" in refused(hub, home, "path", NAME)


def test_without_a_network_what_came_last_is_taken(hub, home):
    hub.add(NAME, {FILE: WEIGHTS})
    path = weights(hub, home, "fetch", NAME)
    hub.requests.clear()
    assert weights(hub, home, "fetch", NAME, HF_HUB_OFFLINE="1") == path
    assert weights(hub, home, "fetch", NAME, HF_ENDPOINT="http://127.0.0.1:9") == path
    assert hub.requests == []
    hub.down = True
    assert weights(hub, home, "fetch", NAME) == path
    said = refused(hub, home, "fetch", "somebody/other")
    assert (
        "somebody/other is no file here and could not be fetched: 127.0.0.1:" in said
        and "answered 503 Service Unavailable" in said
    )


ABSENT: dict[str, tuple[str, dict[str, str], str]] = {
    # name: what is asked for, settings, what is said
    "no such repository": ("somebody/nothing", {}, "has no such repository, or not for you; check the name, or log in"),
    "no such, logged in": ("somebody/nothing", {"HF_TOKEN": fake_hub.TOKEN}, "has no such repository"),
    "private": ("somebody/secret", {}, "log in with `hf auth login` or set HF_TOKEN"),
    "gated": ("somebody/gated", {}, "it asks for consent; agree on http://127.0.0.1:"),
    "no such revision": (f"{NAME}@v9", {}, f"{NAME} has no revision v9"),
    "without our file": ("somebody/other", {}, f"the repository has no {FILE}, so it holds no weights of mmadfer"),
    "of another program": ("somebody/foreign", {}, "was not written by this version of mmadfer"),
    "no safetensors": ("somebody/garbage", {}, "is damaged, cut short or no safetensors file"),
    "offline": (NAME, {"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE is set, so the hub is not asked"),
    "no network": (NAME, {"HF_ENDPOINT": "http://127.0.0.1:9"}, "there is no connection to 127.0.0.1:9"),
    "no hub": (NAME, {"HF_ENDPOINT": "http://no-such-host.invalid"}, "there is no connection to no-such-host.invalid"),
}


@pytest.mark.parametrize("case", ABSENT)
def test_what_cannot_be_had_is_told_in_one_sentence(hub, home, case):
    foreign = safetensors.numpy.save({}, {"format": "pt"})
    hub.add(NAME, {FILE: WEIGHTS})
    hub.add("somebody/secret", {FILE: WEIGHTS}, private=True)
    hub.add("somebody/gated", {FILE: WEIGHTS}, gated=True)
    hub.add("somebody/other", {"pytorch_model.bin": b"x"})
    hub.add("somebody/foreign", {FILE: foreign})
    hub.add("somebody/garbage", {FILE: b"garbage" * 100})
    name, settings, says = ABSENT[case]
    assert says in refused(hub, home, "fetch", name, **settings)


def test_a_private_repository_opens_to_whoever_has_logged_in(hub, home):
    hub.add("somebody/secret", {FILE: WEIGHTS}, private=True)
    path = weights(hub, home, "fetch", "somebody/secret", HF_TOKEN=fake_hub.TOKEN)
    assert Path(path.strip()).read_bytes() == WEIGHTS


def test_damage_in_the_cache_is_seen(hub, home):
    hub.add(NAME, {FILE: WEIGHTS})
    blob = Path(weights(hub, home, "fetch", NAME).strip()).resolve()
    with blob.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(bytes([WEIGHTS[-1] ^ 1]))
    assert "is damaged: its sum is not the hub's" in refused(hub, home, "fetch", NAME)


def test_a_model_is_loaded_by_its_name_on_the_hub(hub, home):
    hub.add(NAME, {FILE: WEIGHTS})
    code = "import mmadfer, sys; print(mmadfer.EmotionRecognizer.from_pretrained(sys.argv[1], 'pytorch').info.name)"
    done = run(hub, home, "-c", code, NAME)
    assert (done.returncode, done.stdout) == (0, f"{starter.NAME}\n"), done.stderr


def report(sha256: str) -> dict[str, object]:
    fold = {"subject": {"data": "CREMA-D", "part": "test", "sha256": sha256}, "uar": 0.51239, "war": 0.6}
    return {"mean": {}, "folds": [fold]}


def test_weights_are_pushed_with_a_card_and_come_back_the_same(hub, home, tmp_path):
    metrics = tmp_path / "metrics.json"
    metrics.write_text(json.dumps(report(checksums.sha256(starter.FILE))), encoding="utf-8")
    login = {"HF_TOKEN": fake_hub.TOKEN}
    said = weights(hub, home, "push", str(starter.FILE), NAME, "--metrics", str(metrics), "--private", **login)
    assert said == f"{hub.address}/{NAME}\n"
    repository = hub.repositories[NAME]
    assert repository.private and repository.files[FILE] == WEIGHTS
    head, text = repository.files["README.md"].decode().removeprefix("---\n").split("\n---\n", 1)
    filled = yaml.safe_load(head)
    assert (filled["license"], filled["library_name"]) == ("cc-by-nc-sa-4.0", "mmadfer")
    assert set(filled["tags"]) == set(card.TAGS) and filled["pipeline_tag"] == card.TASK
    assert (filled["datasets"], filled["metrics"]) == (["RAVDESS", "FER2013"], ["accuracy", "recall"])
    (result,) = filled["model-index"][0]["results"]
    assert result["dataset"] == {"name": "CREMA-D", "type": "crema-d", "split": "test"}
    assert {each["name"]: each["value"] for each in result["metrics"]} == {"WAR": 0.6, "UAR": 0.5124}
    assert "mmadfer live --weights somebody/emotions" in text and str(ROOT) not in text
    assert Path(weights(hub, home, "fetch", NAME, **login).strip()).read_bytes() == WEIGHTS
    repository.commit({"README.md": b"---\nlicense: mit\n---\nby a person", FILE: b"older"})
    weights(hub, home, "push", str(starter.FILE), NAME, **login)
    assert repository.files["README.md"].endswith(b"by a person") and repository.files[FILE] == WEIGHTS


NOT_PUSHED: dict[str, tuple[str, dict[str, str], str]] = {
    # name: where to, settings, what is said
    "not logged in": (
        NAME,
        {},
        "has no such repository, or not for you; check the name, or log in with `hf auth login`",
    ),
    "no right": ("others/emotions", {"HF_TOKEN": fake_hub.TOKEN}, "has no such repository, or not for you"),
    "no such branch": (f"{NAME}@v9", {"HF_TOKEN": fake_hub.TOKEN}, f"{NAME} has no revision v9"),
    "offline": (NAME, {"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE is set, so the hub is not asked"),
}


PUSH = """
import sys
from mmadfer import cli
from mmadfer.weights import hub
try:
    hub.push(sys.argv[1], hub.HubName.parse(sys.argv[2]), "---\\nlicense: mit\\n---\\n")
except (OSError, ValueError) as error:
    print(cli.sentence(error), file=sys.stderr)
    sys.exit(2)
"""
"""Without the check of the weights, which takes its time."""


@pytest.mark.parametrize("case", NOT_PUSHED)
def test_what_cannot_be_pushed_is_told_in_one_sentence(hub, home, case):
    name, settings, says = NOT_PUSHED[case]
    done = run(hub, home, "-c", PUSH, str(starter.FILE), name, **settings)
    assert done.returncode == 2 and says in done.stderr and done.stderr.count("\n") == 1, done.stderr


def test_only_whole_weights_are_pushed(hub, home, tmp_path):
    assert "the hub gets our .safetensors only, got x.pth" in refused(hub, home, "push", "x.pth", NAME)
    assert "name the repository to push to as org/name" in refused(hub, home, "push", str(starter.FILE), "emotions")
    cut = Path(shutil.copy(starter.FILE, tmp_path / "cut.safetensors"))
    os.truncate(cut, 1_000_000)
    assert "cut.safetensors is damaged, cut short" in refused(hub, home, "push", str(cut), NAME)
    assert hub.requests == []


@pytest.mark.parametrize(
    ("contents", "says"),
    [
        ("{", "no metrics.json of one set of weights"),
        ("[]", "no metrics.json of one set of weights"),
        (json.dumps(report("0" * 64)), "is about other weights"),
    ],
)
def test_figures_must_be_those_of_the_weights(contents, says, tmp_path):
    file = tmp_path / "metrics.json"
    file.write_text(contents, encoding="utf-8")
    with pytest.raises(ValueError, match=says):
        card.Measured.read(file, "1" * 64)


def test_the_head_leaves_out_what_is_not_known():
    header = read_header(starter.FILE)
    other = type(header)(header.spec, header.config, type(header.info)("mine", True, "a.safetensors"))
    head = yaml.safe_load(card.write_card(other, NAME).split("---")[1])
    assert set(head) == {"library_name", "pipeline_tag", "tags"}
    assert yaml.safe_load(card.write_card(other, NAME, "mit").split("---")[1])["license"] == "mit"
    assert card.data_sets("dfew fold 3 (paper) from crema_d.safetensors") == ["DFEW", "CREMA-D"]
