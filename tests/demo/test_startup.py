"""What makes a start quick: nothing imported before its time, bytecode kept, no collection meanwhile."""

import os
import subprocess
import sys
import threading

import pytest

from demo.app import App
from tests.support.live import FollowingRecognizer


def python(code, home, **environment):
    """Run ``code`` in a fresh Python and return what it prints."""
    passed = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    passed |= {"MMADFER_HOME": str(home), **environment}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=passed)
    assert run.returncode == 0, run.stderr
    return run.stdout.split()


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("demo.live", "torch gradio"),
        ("demo.app", "gradio mediapipe timm openvino"),
        ("mmadfer.recognizer", "timm onnx"),
    ],
)
def test_heavy_packages_wait_until_they_are_needed(module, absent, tmp_path):
    code = f"import sys, {module}; print(*set({absent!r}.split()) & set(sys.modules))"
    assert python(code, tmp_path) == []


def test_bytecode_is_kept_in_our_folder_where_none_may_lie_beside_sources(tmp_path):
    (tmp_path / "module_of_the_test.py").write_text("x = 1")
    home = tmp_path / "home"
    code = "from demo import startup; startup.begin(); import module_of_the_test"
    python(code, home, PYTHONDONTWRITEBYTECODE="1", PYTHONPATH=str(tmp_path))
    assert [path.name for path in home.rglob("module_of_the_test*.pyc")] != []
    assert not (tmp_path / "__pycache__").exists()


@pytest.mark.parametrize("environment", [{}, {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPYCACHEPREFIX": "elsewhere"}])
def test_whoever_has_a_place_for_bytecode_keeps_it(environment, tmp_path):
    code = "import sys; from demo import startup; startup.begin(); print(sys.pycache_prefix, sys.dont_write_bytecode)"
    assert python(code, tmp_path, **environment) == [
        environment.get("PYTHONPYCACHEPREFIX", "None"),
        str(bool(environment)),
    ]


def test_collection_pauses_for_the_imports_only(tmp_path):
    code = (
        "import gc; from demo import startup; startup.begin(); print(gc.isenabled())\n"
        "import json; startup.end(); print(gc.isenabled(), gc.get_freeze_count() > 1000)"
    )
    assert python(code, tmp_path) == ["False", "True", "True"]


def test_the_model_loads_while_the_page_is_made(monkeypatch):
    loading = threading.Event()

    def load():
        loading.set()
        return FollowingRecognizer(0.0)

    def launch(*_):
        assert loading.wait(10), "the model has to wait for the page"
        raise OSError("the port is taken")

    monkeypatch.setattr("demo.server.panel.launch", launch)
    app = App(load=load)
    try:
        with pytest.raises(OSError, match="the port is taken"):
            app.launch()
    finally:
        app.close()
