"""Where an installed package holds demo, train and export, as `setup.py` says; others use none of it."""

from pathlib import Path

_HERE = Path(__file__).parent
if not (_HERE / "demo").is_dir():  # a checkout has them at its root, from where `python -m demo.live` finds them, too
    __path__.append(str(_HERE.parents[1]))
