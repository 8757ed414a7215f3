"""The table of named weights: what there is, where it comes from and where its file lies."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from mmadfer.config import IMAGE_SIZES
from mmadfer.types import WeightsInfo
from mmadfer.weights import starter

STARTER, UNTRAINED = "starter", "untrained"
"""Names of the weights that come with the package, which are meant where none are named, and of random ones."""
FOLDS = (1, 2, 3, 4, 5)
DEFAULT_FOLD, DEFAULT_SIZE = 1, 224
"""What `dfew` and `mafw` stand for: fold and size (px) that the official evaluation script takes by itself."""
DRIVE_FOLDERS = {
    "dfew": "https://drive.google.com/drive/folders/1I3dvClr4oVH3h5cGmaFXmTc8aV-nYHof",
    "mafw": "https://drive.google.com/drive/folders/1I5baHCpBdU5RT48yaFyNhnZoQkbHm-OS",
}


@dataclass(frozen=True)
class Source:
    """One set of named weights."""

    name: str
    what: str
    page: str
    """Address that a person opens to get the file."""
    url: str = ""
    """Address of the file itself; empty where it lies in a Drive folder, whose files have no address known to us."""
    pattern: str = ""
    """A file put by hand is taken where this regular expression finds its name, other than ``name``.pth."""
    packaged: Path | None = None
    """The file, where it is a part of this package."""

    @property
    def file(self) -> Path:
        """Where the file lies: as found, else where it is to be put."""
        if self.packaged:
            return self.packaged
        wanted = folder() / f"{self.name}.pth"
        if wanted.exists() or not self.pattern or not folder().is_dir():
            return wanted
        found = [path for path in folder().glob("*.pth") if re.search(self.pattern, path.name, re.IGNORECASE)]
        if len(found) > 1:
            files = ", ".join(sorted(path.name for path in found))
            raise ValueError(f"{files} in {folder()} could all be {self.name}; name the right one {wanted.name}")
        return found[0] if found else wanted

    def by_hand(self) -> str:
        """Return what a person does to get the file, as the end of a sentence."""
        return f"open {self.page}, take the file of {self.what}, and save it as {folder() / self.name}.pth"


def _official(data_set: str, fold: int, size: int) -> Source:
    return Source(
        f"{data_set}-fold{fold}-{size}",
        f"{data_set.upper()} fold {fold} at {size} px",
        DRIVE_FOLDERS[data_set],
        pattern=rf"(?=.*{data_set})(?=.*(fold|set)[-_ ]?{fold}(?!\d))(?=.*(?<!\d){size}(?!\d))",
    )


SOURCES = {
    source.name: source
    for source in (
        Source(STARTER, "small weights for a first look", "this package", packaged=starter.FILE),
        *(_official(data_set, fold, size) for data_set in DRIVE_FOLDERS for fold in FOLDS for size in IMAGE_SIZES),
        Source(
            "mae-face",
            "MAE-Face's encoder (mae_face_pretrain_vit_base.pth)",
            "https://github.com/FuxiVirtualHuman/MAE-Face/releases",
            "https://github.com/FuxiVirtualHuman/MAE-Face/releases/latest/download/mae_face_pretrain_vit_base.pth",
            pattern=r"^mae_face_pretrain_vit_base\.pth$",
        ),
        Source(
            "audiomae",
            "AudioMAE's encoder (pretrained.pth)",
            "https://drive.google.com/file/d/1ni_DV4dRf7GxM8k-Eirx71WP9Gg89wwu/view",
            "https://drive.usercontent.google.com/download?id=1ni_DV4dRf7GxM8k-Eirx71WP9Gg89wwu&export=download&confirm=t",
            pattern=r"^(audiomae_)?pretrained\.pth$",
        ),
    )
}


def folder() -> Path:
    """Return where named weights lie: $MMADFER_HOME/weights, else mmadfer/weights in the user's cache folder."""
    home = os.environ.get("MMADFER_HOME")
    if home:
        return Path(home).expanduser() / "weights"
    if sys.platform == "win32":
        cache = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        cache = Path.home() / "Library" / "Caches"
    else:
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "mmadfer" / "weights"


def find(name: str) -> Source:
    """Return the weights called ``name``; fold and size may be left out (`dfew`, `dfew-fold2`, `dfew-160`).

    Raises ValueError for a name that is not known.
    """
    short = re.fullmatch(r"(dfew|mafw)(?:-fold(\d+))?(?:-(\d+))?", name)
    full = f"{short[1]}-fold{short[2] or DEFAULT_FOLD}-{short[3] or DEFAULT_SIZE}" if short else name
    if full not in SOURCES:
        sizes = ", ".join(map(str, IMAGE_SIZES))
        raise ValueError(
            f"{name!r} is no file and no known name; known are {STARTER}, mae-face, audiomae and dfew or mafw, the "
            f"latter two alone or with -fold1 to -fold{FOLDS[-1]} and a size ({sizes}), such as dfew-fold1-160, and "
            "org/name[@revision] of the Hugging Face hub"
        )
    return SOURCES[full]


def caveat(info: WeightsInfo) -> str:
    """Return what a person must know who reads the answers of weights with this ``info``; empty where nothing."""
    if not info.trained:
        return "UNTRAINED WEIGHTS: the answers mean nothing. Name real ones with --weights."
    if info.name == starter.NAME:
        words = "STARTER WEIGHTS: small, for a first look; wrong about every third photograph of their own test."
        return f"{words} Read {starter.CARD}."
    return ""
