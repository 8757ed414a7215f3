"""The Lab Streaming Layer for tests: on this machine alone, whatever its network."""

from __future__ import annotations

import os
from pathlib import Path

SETTINGS = """[multicast]
ResolveScope = machine
[lab]
KnownPeers = {127.0.0.1}
[log]
level = -2
"""


def keep_at_home(folder: Path) -> None:
    """Have liblsl of this process, and of those it starts, read settings that it finds in ``folder``.

    It reads them once, at its first use: to be called before that.
    """
    path = folder / "lsl_api.cfg"
    path.write_text(SETTINGS, encoding="utf-8")
    os.environ.setdefault("LSLAPICFG", str(path))
