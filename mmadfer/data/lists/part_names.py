"""Names by which people call the parts of a split."""

from __future__ import annotations

import re

from mmadfer.data.lists.spelling import plain
from mmadfer.data.manifest import PARTS

FOLD = "1"
"""Name of the one fold of a set that comes with a split."""
PARTS_IN_WORDS = ", ".join(PARTS)
_NAMES = {
    "train": "train", "training": "train", "trn": "train",
    "val": "validation", "valid": "validation", "validate": "validation", "validation": "validation",
    "dev": "validation", "devel": "validation", "development": "validation",
    "test": "test", "testing": "test", "tst": "test",
}  # fmt: skip
_FILLING = r"(?:[\s_.\-]*(?:set|split|part|data|dataset|clips?|videos?|images?|frames?|faces?))?"
_NAME = re.compile(rf"[\s_.\-\d]*(?P<name>[a-z]+?){_FILLING}[\s_.\-\d]*")
_UNCERTAIN = re.compile(
    rf"[\s_.\-\d]*(?:eval|evaluation|holdout|hold[\s_.\-]*out|train[\s_.\-]*val){_FILLING}[\s_.\-\d]*"
    r"|(?:fold|split|cv)[\s_.\-]*\d+"
)


def part_of(name: str) -> str | None:
    """Return "train", "validation" or "test" where ``name`` is a name for it, such as Val or training_set."""
    match = _NAME.fullmatch(plain(name).lower())
    return _NAMES.get(match["name"]) if match else None


def may_be_part(name: str) -> bool:
    """Return whether ``name`` may stand for a part or a fold, but does not tell for which, such as eval or fold1."""
    return _UNCERTAIN.fullmatch(plain(name).lower()) is not None
