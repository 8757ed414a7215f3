"""What TensorRT for RTX compiles on the user's GPU, kept on disk so that a second start need not do it again."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

_FORMAT = b"mmadfer-runtime-1\n"
"""Begins the file; then come the SHA-256 of what TensorRT wrote, and that itself."""
_DIGEST = hashlib.sha256().digest_size


class RuntimeCache:
    """The kernels that the engines of one folder were given on one GPU; does nothing for full TensorRT."""

    def __init__(self, trt: Any, path: Path, anew: bool = False) -> None:
        """Args: trt: the product's module; path: of the cache, one for each GPU; anew: whether to begin without it."""
        self._trt, self._path = trt, path
        self._cache: Any = None
        self._configs: list[Any] = []
        self._saved, self._anew = b"", anew
        self.was_kept = False
        """Whether kernels were taken from the file."""

    def context(self, engine: Any) -> Any:
        """Return an execution context for ``engine`` that reads and fills the cache; None where TensorRT refuses."""
        config = engine.create_runtime_config() if hasattr(engine, "create_runtime_config") else None
        if config is None or not hasattr(config, "create_runtime_cache"):  # full TensorRT compiles when it builds
            return engine.create_execution_context()
        if hasattr(self._trt, "CudaGraphStrategy"):
            config.cuda_graph_strategy = self._trt.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
        if self._cache is None:
            self._cache = config.create_runtime_cache()
            self._read()
        config.set_runtime_cache(self._cache)
        self._configs.append(config)  # the context uses it for as long as it lives
        return engine.create_execution_context(config)

    def _read(self) -> None:
        if self._anew:
            return
        try:
            contents = self._path.read_bytes()
        except FileNotFoundError:
            return
        except OSError as error:
            log.warning("%s cannot be read (%s): kernels are compiled again", self._path, error.strerror)
            return
        head = len(_FORMAT) + _DIGEST
        kernels = contents[head:]
        if contents[:head] != _FORMAT + hashlib.sha256(kernels).digest():
            log.info("%s is damaged or of another version of mmadfer: kernels are compiled again", self._path)
        # It checks by itself that GPU, driver and version are those that filled the cache.
        elif not self._cache.deserialize(kernels):
            log.info("%s is of another GPU, driver or version: kernels are compiled again", self._path)
        else:
            self._saved, self.was_kept = kernels, True

    def save(self) -> None:
        """Write the cache to its file, whole or not at all; where that fails a warning says so."""
        if self._cache is None:
            return
        memory = self._cache.serialize()
        data = b"" if memory is None else bytes(memory)
        if not data or data == self._saved:
            return
        try:
            with tempfile.TemporaryDirectory(dir=self._path.parent, prefix=f".{self._path.name}.") as temporary:
                written = Path(temporary) / self._path.name
                written.write_bytes(_FORMAT + hashlib.sha256(data).digest() + data)
                os.replace(written, self._path)
        except OSError as error:
            log.warning("%s cannot be written (%s): the next start is a slow one", self._path, error.strerror)
        else:
            self._saved = data
