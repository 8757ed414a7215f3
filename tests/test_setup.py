"""The set-up of tests/run, demo/run and .ci/run, by each way that it knows.

The script itself runs, on a copy of it beside a package without dependencies. Which way it takes is decided by what it
finds; so its Python, pip, uv and apt-get are stand-ins that note how they were called, and fail where a case says so.
Real are bash, the script, and in the last tests Python, venv, pip and the building of the package.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.places import ROOT

TOOLS = (
    "bash",
    "basename",
    "cat",
    "cksum",
    "dirname",
    "env",
    "grep",
    "ln",
    "mkdir",
    "mktemp",
    "rm",
    "sh",
    "touch",
    "true",
    "uname",
)
THERE = ["libGL.so.1", "libEGL.so.1", "libGLESv2.so.2", "libglib-2.0.so.0", "libportaudio.so.2", "libatomic.so.1"]

PYTHON = f"""\
make() {{ rm -rf "$1" && mkdir -p "$1/bin" && ln -s "$0" "$1/bin/python"; }}
case "$*" in
    "-m venv --clear --without-pip "*) [[ ! -e $STATE/no-venv ]] && make "$5" ;;
    "-m venv --clear "*) make "$4" && [[ ! -e $STATE/no-ensurepip && ! -e $STATE/no-venv ]] && touch "$4/pip" ;;
    "-m virtualenv --clear "*) [[ -e $STATE/virtualenv ]] && make "$4" && touch "$4/pip" ;;
    "-m pip --python "*) [[ -e $STATE/own-pip ]] && touch "$(dirname "$(dirname "$4")")/pip" ;;
    "-m pip "*)
        venv="$(dirname "$(dirname "$0")")"
        [[ -e $venv/pip ]] || exit 1
        case "$*" in
            *" uv") [[ -e $STATE/uv-by-pip ]] && ln -sf "$STATE/uv" "$venv/bin/uv" ;;
            *-e*) [[ ! -e $STATE/pip-fails ]] ;;
        esac ;;
    *) exec {sys.executable} "$@" ;;
esac
"""
UV = """\
case "$1 $2" in
    "venv --clear") rm -rf "$5" && mkdir -p "$5/bin" && ln -s "$(command -v "$4")" "$5/bin/python" ;;
    "pip install") [[ ! -e $STATE/uv-fails ]] ;;
esac
"""
APT = """\
for package in "$@"; do
    if [[ -e $STATE/apt/$package ]]; then bash "$STATE/apt/$package"; fi
    if [[ $package == python* && ! -e $STATE/apt/$package ]]; then exit 1; fi
done
"""
SHIM = "echo 'pyenv: command not found' >&2; exit 127"


class Machine:
    """A folder that stands for a machine: what it has on its PATH, a checkout, and what was called on it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.state, self.root = folder, folder / "state", folder / "a checkout"
        self.venv, self.pyenv = self.root / ".venv", folder / "pyenv"
        (self.root / ".ci").mkdir(parents=True)
        script = Path(shutil.copy(ROOT / ".ci/environment.sh", self.root / ".ci")).read_text(encoding="utf-8")
        (self.root / "pyproject.toml").write_text("one", encoding="utf-8")
        (self.state / "apt").mkdir(parents=True)
        for tool in TOOLS:
            if (found := shutil.which(tool)) is not None:
                self.link(folder / "bin" / tool, found)
        self.command("ldconfig", "printf '%s => /there\\n' " + " ".join(f"'\t{name} (libc6,x86-64)'" for name in THERE))
        for name in (*re.findall(r"^    cmd:(\S+)=", script, re.M), "chromium"):
            self.command(name, "exit 0")
        self.command("uv", UV, self.state)

    def link(self, path: Path, target: str | Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)

    def command(self, name: str, body: str, folder: Path | None = None) -> Path:
        """Put a command on the PATH, or into ``folder``, that notes its calls."""
        path = (folder or self.folder / "bin") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'#!/bin/bash\necho "{name} $*" >>"$STATE/calls"\n{body}', encoding="utf-8")
        path.chmod(0o755)
        return path

    def note(self, *names: str) -> None:
        """Decide how a stand-in behaves."""
        for name in names:
            (self.state / name).touch()

    def prepare(self, extras: str = "live,test", **settings: str) -> subprocess.CompletedProcess[str]:
        """Run the set-up as the scripts do."""
        code = f'set -euo pipefail; source .ci/environment.sh; prepare {extras}; echo "ready: $PYTHON"'
        kept = {
            "PATH": str(self.folder / "bin"),
            "HOME": str(self.folder),
            "STATE": str(self.state),
            "TMPDIR": str(self.folder),
        }
        environment = {**kept, "PYENV_ROOT": str(self.pyenv), **settings}
        command = [str(self.folder / "bin/bash"), "-c", code]
        return subprocess.run(
            command,
            cwd=self.root,
            env=environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=120,
        )

    def calls(self, pattern: str = "") -> list[str]:
        path = self.state / "calls"
        found = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [line for line in (line.replace(str(self.root), "ROOT") for line in found) if re.search(pattern, line)]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


INSTALLED = {"uv": r"^uv pip install", "pip": r"^python\S* -m pip install --quiet -e"}


def venv_apt(name: str) -> Callable[[Machine], None]:
    """Return what has ensurepip missing, and Debian's package ``name`` bring it."""

    def change(machine: Machine) -> None:
        machine.note("no-ensurepip")
        machine.command("sudo", '[[ $1 == -n ]] && shift; exec "$@"')
        machine.command("apt-get", APT)
        (machine.state / "apt" / name).write_text('rm -f "$STATE/no-ensurepip"', encoding="utf-8")

    return change


def unselected(machine: Machine) -> None:
    """Leave shims only on the PATH, the real ones in pyenv's folder."""
    (machine.folder / "bin/python3").unlink()
    for name in ("python", "python3", "python3.12"):
        machine.command(name, SHIM)
    machine.command("python", PYTHON, machine.pyenv / "versions/3.12.1/bin")


def python_by_apt(machine: Machine) -> None:
    (machine.folder / "bin/python3").rename(machine.state / "python3")
    machine.command("sudo", '[[ $1 == -n ]] && shift; exec "$@"')
    machine.command("apt-get", APT)
    (machine.state / "apt/python3").write_text(
        f'ln -s "$STATE/python3" "{machine.folder}/bin/python3"', encoding="utf-8"
    )
    (machine.state / "apt/python3-venv").touch()


def half_made(machine: Machine) -> None:
    machine.link(machine.venv / "bin/python", machine.folder / "bin/python3")


def shims_first(machine: Machine) -> None:
    (machine.folder / "bin/python3").unlink()
    machine.command("python3", SHIM)
    machine.command("python3.11", PYTHON)


VERSION = "{}.{}".format(*sys.version_info[:2])
WAYS: dict[str, tuple[Callable[[Machine], Any], dict[str, str], str, str]] = {
    # name: what is different on the machine, settings, by what it installs, a call that must have been made
    "plain pip": (lambda m: None, {}, "pip", r"^python3 -m venv --clear ROOT/.venv"),
    "uv by pip": (lambda m: m.note("uv-by-pip"), {}, "uv", r"^python3 -m venv"),
    "uv": (lambda m: m.command("uv", UV), {}, "uv", r"^uv venv --clear --python python3 ROOT/.venv"),
    "a shim called uv": (lambda m: m.command("uv", SHIM), {}, "pip", r"^python3 -m venv"),
    "uv by pip fails": (lambda m: m.note("uv-by-pip", "uv-fails"), {}, "pip", INSTALLED["uv"]),
    "shims for Python": (shims_first, {}, "pip", r"^python3.11 -m venv"),
    "Python in pyenv": (unselected, {}, "pip", r"^python -m venv"),
    "Python named": (lambda m: m.command("python9", PYTHON), {"PYTHON": "python9"}, "pip", r"^python9 -m venv"),
    "Python by apt": (python_by_apt, {}, "pip", r"^apt-get install .*python3 python3-venv"),
    "ensurepip by apt": (venv_apt(f"python{VERSION}-venv"), {}, "pip", rf"^apt-get install .*python{VERSION}-venv"),
    "Debian's ensurepip": (venv_apt("python3-venv"), {}, "pip", r"^apt-get install .*python3-venv"),
    "virtualenv": (lambda m: m.note("no-ensurepip", "virtualenv"), {}, "pip", r"-m virtualenv --clear ROOT/.venv"),
    "the Python's own pip": (lambda m: m.note("no-ensurepip", "own-pip"), {}, "pip", r"--without-pip ROOT/.venv"),
    "half an environment": (half_made, {}, "pip", r"^python3 -m venv"),
    "elsewhere": (lambda m: None, {"MMADFER_VENV": "/ELSEWHERE/v"}, "pip", r"-m venv --clear .*/else where/v"),
}


@pytest.mark.parametrize("way", WAYS)
def test_each_way_of_set_up_ends_with_the_package_installed(machine, way):
    change, settings, installer, call = WAYS[way]
    machine.command("python3", PYTHON)
    change(machine)
    elsewhere = machine.folder / "else where"
    settings = {name: value.replace("/ELSEWHERE", str(elsewhere)) for name, value in settings.items()}
    done = machine.prepare(**settings)
    venv = settings.get("MMADFER_VENV", machine.venv)
    assert done.stdout == f"ready: {venv}/bin/python\n", done.stderr
    assert machine.calls(call), machine.calls()
    assert machine.calls(INSTALLED[installer])[-1].endswith("-e .[live,test]")
    if installer == "uv":
        assert not machine.calls(INSTALLED["pip"])
    before = len(machine.calls("install"))
    assert machine.prepare(**settings).returncode == 0
    assert len(machine.calls("install")) == before, "what is there was installed again"
    (machine.root / "pyproject.toml").write_text("two", encoding="utf-8")
    assert machine.prepare(**settings).returncode == 0
    assert len(machine.calls("install")) > before, "pyproject.toml changed, and nothing was installed"


FAILS: dict[str, tuple[Callable[[Machine], Any], dict[str, str], str]] = {
    "a shim named": (
        lambda m: m.command("python3.10", SHIM),
        {"PYTHON": "python3.10"},
        "PYTHON=python3.10 is no Python",
    ),
    "nothing named": (lambda m: None, {"PYTHON": "nowhere"}, "PYTHON=nowhere is no Python 3.10 to 3.13"),
    "too old": (lambda m: m.command("python3", "exit 1"), {}, "Python 3.10 to 3.13 is needed and was not found"),
    "no venv": (lambda m: m.note("no-venv"), {}, f"please install uv, or Python's venv (Debian: python{VERSION}-venv)"),
    "no package": (lambda m: m.note("pip-fails"), {}, ""),
}


@pytest.mark.parametrize("fault", FAILS)
def test_what_cannot_be_set_up_is_told_and_can_be_repeated(machine, fault):
    change, settings, message = FAILS[fault]
    good = machine.command("python3", PYTHON).read_text(encoding="utf-8")
    change(machine)
    done = machine.prepare(**settings)
    assert done.returncode != 0 and "ready" not in done.stdout
    assert message in done.stderr
    assert not (machine.venv / ".mmadfer-live,test").exists()
    for name in ("no-venv", "pip-fails"):
        (machine.state / name).unlink(missing_ok=True)
    (machine.folder / "bin/python3").write_text(good, encoding="utf-8")
    assert machine.prepare().returncode == 0


def test_what_the_system_lacks_is_named_where_it_cannot_be_installed(machine):
    machine.command("python3", PYTHON)
    machine.command("ldconfig", "exit 0")
    (machine.folder / "bin/pactl").unlink()
    done = machine.prepare()
    assert done.returncode == 0, done.stderr
    named = " ".join(re.findall(r"please install these system packages \(Debian's names\): (.*)", done.stderr)).split()
    assert {"libgl1", "libegl1", "libgles2", "libglib2.0-0", "libportaudio2", "pulseaudio-utils"} <= set(named)


# --- with a real Python, venv and pip

BACKEND = """
import zipfile
FILES = {
    "mmadfer_set_up.py": "DONE = True",
    "mmadfer-1.dist-info/METADATA": "Metadata-Version: 2.1\\nName: mmadfer\\nVersion: 1\\nProvides-Extra: live\\n",
    "mmadfer-1.dist-info/WHEEL": "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    "mmadfer-1.dist-info/RECORD": "",
}
def build_editable(folder, config_settings=None, metadata_directory=None):
    with zipfile.ZipFile(f"{folder}/mmadfer-1-py3-none-any.whl", "w") as wheel:
        for name, text in FILES.items():
            wheel.writestr(name, text)
    return "mmadfer-1-py3-none-any.whl"
build_wheel = build_editable
"""
TABLE = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "mmadfer"
version = "1"
"""


def pythons() -> list[str]:
    """Return a real Python of each version that this machine has and that the package allows, this one first."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    names = [sys._base_executable, *map(str, root.glob("versions/3.1[0-3]*/bin/python")), "/usr/bin/python3"]  # type: ignore[attr-defined]
    found: dict[str, str] = {}
    for name in names:
        ask = "import ensurepip, sys; print('%d.%d' % sys.version_info[:2], sys.version_info[:2] < (3, 14), sep=':')"
        try:
            version, fits = subprocess.run([name, "-c", ask], capture_output=True, text=True, check=True).stdout.split(
                ":"
            )
        except (OSError, subprocess.CalledProcessError):
            continue  # an old one, or Debian's without ensurepip
        if fits.strip() == "True" and tuple(map(int, version.split("."))) >= (3, 10):
            found.setdefault(version, name)
    return list(found.values())


@pytest.mark.parametrize("python", pythons())
def test_real_pythons_make_an_environment_without_uv_and_without_a_network(machine, python):
    (machine.root / "backend.py").write_text(BACKEND, encoding="utf-8")
    (machine.root / "pyproject.toml").write_text(TABLE, encoding="utf-8")
    done = machine.prepare("live", PYTHON=python, PIP_NO_INDEX="1", PIP_CONFIG_FILE=os.devnull)
    assert done.returncode == 0, done.stderr
    code = "import mmadfer_set_up, sys; print(mmadfer_set_up.DONE, sys.prefix)"
    there = subprocess.run([machine.venv / "bin/python", "-c", code], capture_output=True, text=True)
    assert there.stdout.split(maxsplit=1) == ["True", f"{machine.venv}\n"], there.stderr


def test_the_test_extra_brings_what_builds_the_package():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    needed = re.findall(r'"([\w-]+)[^"]*"', re.findall(r"^requires = \[(.*)\]", text, re.M)[0])
    extra = text.split("\ntest = [")[1].split("\n]")[0]
    assert needed and [name for name in needed if f'"{name}' not in extra] == []
