"""The package as others get it: sdist, wheel, the console command of an installed wheel, and the image's recipe."""

from __future__ import annotations

import ast
import csv
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import pytest

from tests.support.places import ROOT

BUILD = "import sys; from setuptools import build_meta; print(getattr(build_meta, sys.argv[1])(sys.argv[2]))"
PROGRAMS = ("demo", "train", "export")
IN_WHEEL = ("mmadfer", *PROGRAMS)
LARGEST = 25e6
"""Bytes of the starter weights."""
COMMANDS = {
    "live": "--source",
    "predict": "--hop",
    "weights": "push",
    "convert": "official",
    "train prepare": "--out",
    "train finetune": "--recipe",
    "train evaluate": "--protocol",
    "train calibrate": "--weights",
    "export trt": "--product",
    "export onnx": "--out",
    "export int8": "--windows",
}


def tracked(*folders: str) -> list[str]:
    """Return the files of a checkout that people are meant to get, as git knows them or as they lie here."""
    told = subprocess.run(["git", "ls-files", *folders], cwd=ROOT, capture_output=True, text=True)
    if told.returncode == 0 and told.stdout:
        return [name for name in told.stdout.splitlines() if (ROOT / name).is_file()]
    found = (path for folder in folders for path in (ROOT / folder).rglob("*"))
    return [str(path.relative_to(ROOT)) for path in found if path.is_file() and "__pycache__" not in path.parts]


def python(*arguments: str | Path, **settings: object) -> str:
    done = subprocess.run([sys.executable, *map(str, arguments)], capture_output=True, text=True, **settings)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist of a copy of this checkout, for building leaves folders behind."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("sdist")
    tests = (name for name in tracked("tests") if name.startswith("tests/test_"))
    names = ["pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "NOTICE", *tests, *tracked(*IN_WHEEL)]
    for name in names:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    return out / python("-c", BUILD, "build_sdist", out, cwd=source).split()[-1]


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from nothing but the sdist."""
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (source,) = folder.iterdir()
    return folder / python("-c", BUILD, "build_wheel", folder, cwd=source).split()[-1]


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel, and with what it needs from the one that runs this, but not its editable install.

    A folder that a .pth file names is searched, and the .pth files in it are not read.
    """
    venv = tmp_path_factory.mktemp("clean") / "venv"
    python("-m", "venv", "--without-pip", venv)
    pip = ("-m", "pip", "--python", venv / "bin/python", "install", "--quiet", "--no-index", "--no-deps")
    python(*pip, "--disable-pip-version-check", wheel)
    (packages,) = venv.glob("lib/python*/site-packages")
    borrowed = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    (packages / "borrowed.pth").write_text("\n".join(borrowed), encoding="utf-8")
    return venv


def run(installed: Path, place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the console command of ``installed`` in a folder where there is no checkout."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    kept["OMP_NUM_THREADS"] = "1"  # threads that wait by spinning are slow in a crowd
    return subprocess.run(
        [installed / "bin/mmadfer", *arguments], cwd=place, env=kept, capture_output=True, text=True, timeout=120
    )


def test_the_wheel_puts_mmadfer_alone_into_site_packages(wheel):
    with zipfile.ZipFile(wheel) as opened:
        sizes = {info.filename: info.file_size for info in opened.infolist()}
        metadata = opened.read(next(name for name in sizes if name.endswith(".dist-info/METADATA"))).decode()
    version = re.search(r"^Version: (.*)$", metadata, re.M)
    assert version and {name.split("/")[0] for name in sizes} == {"mmadfer", f"mmadfer-{version[1]}.dist-info"}
    assert "mmadfer/py.typed" in sizes
    assert 1e6 < sizes["mmadfer/assets/starter.safetensors"] <= LARGEST
    assert sizes["mmadfer/assets/starter.md"] > 2000


def test_the_wheel_holds_every_file_of_the_checkout(wheel):
    with zipfile.ZipFile(wheel) as opened:
        held = set(opened.namelist())
    expected = {
        name if name.startswith("mmadfer/") else f"mmadfer/_app/{name}"
        for name in tracked(*IN_WHEEL)
        if Path(name).suffix  # demo/run starts a checkout
    }
    assert expected - held == set()
    assert {name for name in held if name.startswith("mmadfer/")} - expected == set()


def test_the_sdist_holds_no_tests_and_what_the_wheel_is_built_from(sdist):
    with tarfile.open(sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "setup.py", "README.md", "LICENSE", "NOTICE", "demo/page/panel.html"} <= held
    assert not [name for name in held if name.startswith("tests")]


def test_the_programs_import_themselves_by_relative_names():
    """A wheel holds them under another name, so that only relative names are right in both places."""
    for name in tracked(*PROGRAMS):
        if name.endswith(".py"):
            for node in ast.walk(ast.parse((ROOT / name).read_text(encoding="utf-8"))):
                module = node.module if isinstance(node, ast.ImportFrom) and node.level == 0 else ""
                modules = [each.name for each in node.names] if isinstance(node, ast.Import) else [module or ""]
                assert not {each.split(".")[0] for each in modules} & set(PROGRAMS), f"{name}:{node.lineno}"  # type: ignore[attr-defined]


def test_the_environment_of_these_tests_sees_no_checkout(installed, tmp_path):
    code = "import mmadfer, sys; print(mmadfer.__file__, *sys.path, sep='\\n')"
    told = subprocess.run([installed / "bin/python", "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True)
    lines = told.stdout.splitlines() or [told.stderr]
    assert Path(lines[0]).is_relative_to(installed), told.stderr
    assert str(ROOT) not in lines


def test_an_installed_wheel_predicts(installed, clips, tmp_path):
    out = tmp_path / "out.csv"
    clip = str(clips / "derived_asl_sorry_jfk_2s_48k.mp4")
    options = ("--csv", str(out), "--hop", "0.5", "--backend", "pytorch", "--device", "cpu")
    done = run(installed, tmp_path, "predict", clip, *options)
    assert done.returncode == 0, done.stderr
    assert len(list(csv.DictReader(out.read_text(encoding="utf-8").splitlines()))) > 2


@pytest.mark.parametrize("command", ["live", "train finetune", "export int8"])
def test_an_installed_wheel_has_the_programs(installed, tmp_path, command):
    done = run(installed, tmp_path, *command.split(), "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: mmadfer {command} ") and COMMANDS[command] in done.stdout


def test_an_installed_wheel_tells_its_commands_at_once(installed, tmp_path):
    run(installed, tmp_path, "--help")  # writes bytecode
    took = []
    for _ in range(5):
        begun = time.perf_counter()
        done = run(installed, tmp_path, "--help")
        took.append(time.perf_counter() - begun)
    assert done.returncode == 0 and all(command.split()[0] in done.stdout for command in COMMANDS)
    assert min(took) < 0.5
    assert run(installed, tmp_path, "--version").stdout.startswith("mmadfer ")


WRONG = {
    (): "mmadfer: the following arguments are required: COMMAND (see mmadfer --help)\n",
    ("love",): "mmadfer: argument COMMAND: invalid choice: 'love'",
    ("train",): "mmadfer train: the following arguments are required: COMMAND (see mmadfer train --help)\n",
    ("export", "pdf"): "mmadfer export: argument COMMAND: invalid choice: 'pdf'",
    ("--port", "1"): "mmadfer: ",
    ("weights", "fetch", "nothing"): "mmadfer weights: 'nothing' is no file and no known name",
    ("predict", "absent.mp4"): "mmadfer predict: ",
}


@pytest.mark.parametrize("words", WRONG)
def test_a_wrong_command_is_told_in_one_sentence(installed, tmp_path, words):
    done = run(installed, tmp_path, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(WRONG[words]) and done.stderr.count("\n") == 1, done.stderr


@pytest.mark.parametrize(
    ("package", "command", "extra"),
    [
        ("gradio", "live --port 1 --weights untrained", "live"),
        ("pytorch_lightning", "train finetune . --out x", "train"),
    ],
)
def test_a_package_that_is_not_there_is_told_with_its_extra(package, command, extra, tmp_path):
    code = "import sys, mmadfer.__main__ as it; sys.modules[sys.argv[1]] = None; sys.exit(it.main(sys.argv[2:]))"
    words = [sys.executable, "-c", code, package, *command.split()]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines()[-1].endswith(f": pip install 'mmadfer[{extra}]'"), done.stderr


# --- the image: there is no Docker where the tests run, so its recipe is read


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions, each on one line."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", text, flags=re.M)).splitlines()
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines if line]


def test_the_image_is_made_from_what_there_is():
    copied = [words for name, words in instructions() if name == "COPY" and not words.startswith("--from")]
    sources = [source for words in copied for source in words.split()[:-1]]
    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert set(IN_WHEEL) < set(sources)
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert sorted(line[1:] for line in ignored if line.startswith("!")) == sorted(sources), "what reaches the build"
    table = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    named = re.findall(r"EXTRAS=([\w,]+)", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
    assert len(named) == 2, "the default, and the one for CUDA"
    assert all(re.search(rf"^{extra} = \[", table, re.M) for extras in named for extra in extras.split(","))
    assert ("ARG", "TORCH=cpu") in instructions()


def test_the_image_has_the_system_packages_of_the_app():
    needs = (ROOT / ".ci/environment.sh").read_text(encoding="utf-8").split("LIVE_NEEDS=(")[1].split(")")[0]
    wanted = {line.split("=")[1] for line in needs.split()} - {"libportaudio2"}  # there is no microphone in a container
    (install,) = (words for name, words in instructions() if name == "RUN" and "apt-get install" in words)
    assert set(re.findall(r"\blib[\w.-]+\d\b", install)) == wanted


def test_the_image_starts_the_app_as_a_plain_user():
    steps = dict(instructions())
    assert steps["USER"] not in ("root", "0") and steps["USER"] in steps["RUN"]
    port = steps["EXPOSE"]
    assert port == "7860" and f"http://127.0.0.1:{port}/" in steps["HEALTHCHECK"]
    words = [*ast.literal_eval(steps["ENTRYPOINT"]), *ast.literal_eval(steps["CMD"])]
    assert words == shlex.split(f"mmadfer live --host 0.0.0.0 --port {port}")
