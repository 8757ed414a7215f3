"""The processes of a run's other devices: where one is lost, the rest would wait for it for ever."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.strategies.launchers import _SubprocessScriptLauncher

from mmadfer.cli import USAGE_ERROR


class OtherProcesses(Callback):
    """Watches the processes that this one started, and ends all together in one sentence where one fails.

    The trainer would kill this process too, without an exit code of its own.
    """

    def __init__(self, prog: str, hint: str) -> None:
        """Args: prog: the command as typed; hint: what the sentence ends with: what is kept, and how to go on."""
        self._sentence = f"{prog}: another process of this run has ended with code {{code}}; {hint}\n"
        self._launcher: _SubprocessScriptLauncher | None = None
        self._ending = threading.Lock()

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Watch what the trainer has just started, if anything: it does so once, in the first fold."""
        launcher = trainer.strategy.launcher
        if not isinstance(launcher, _SubprocessScriptLauncher) or self._launcher or not launcher.procs:
            return
        self._launcher = launcher
        for process in launcher.procs:
            threading.Thread(target=self._watch, args=(process,), daemon=True).start()

    def end(self) -> None:
        """End them, for this process ends with an error of its own."""
        self._ending.acquire()  # for good: from here on nobody else says why
        if self._launcher:
            self._launcher.kill(signal.SIGKILL)

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        code = process.wait()
        if code and self._ending.acquire(blocking=False) and self._launcher:
            sys.stderr.write(self._sentence.format(code=code))
            sys.stderr.flush()
            self._launcher.kill(signal.SIGKILL)
            os._exit(USAGE_ERROR)  # the main thread may hang in a collective
